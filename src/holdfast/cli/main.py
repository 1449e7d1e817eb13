"""The command `holdfast`: the list of commands, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

import click

from holdfast import __version__
from holdfast.cli.delivery import to_a_reader
from holdfast.cli.failures import exit_code_for
from holdfast.cli.lazy import LazyGroup
from holdfast.cli.options import HOME_BEFORE

_ROOM: Final = "holdfast.cli.commands"
_COMMANDS: Final = {
    "run": (f"{_ROOM}.agent:run", "Start the agent in paper mode with a live view."),
    "demo": (f"{_ROOM}.agent:demo", "Watch the agent trade a synthetic market; leaves nothing behind."),
    "backtest": (f"{_ROOM}.backtest:backtest", "Run a strategy over recorded bars and report what it would have made."),
    "status": (f"{_ROOM}.inspection:status", "Show equity, risk, positions and the last decisions."),
    "positions": (f"{_ROOM}.inspection:positions", "List open positions with stop, target and money at risk."),
    "orders": (f"{_ROOM}.inspection:orders", "List orders without a final state."),
    "explain": (f"{_ROOM}.inspection:explain", "Tell why a decision was made, from signal to fill."),
    "why-not": (f"{_ROOM}.inspection:why_not", "Tell why a market is not traded right now."),
    "risk": (f"{_ROOM}.inspection:risk", "Show each limit beside what is used of it."),
    "stop": (f"{_ROOM}.emergency:stop", "Stop entries, allow exits only, or flatten everything."),
    "resume": (f"{_ROOM}.emergency:resume", "Release the stop."),
    "data": (f"{_ROOM}.data:data", "Import, list and verify market data."),
    "journal": (f"{_ROOM}.journal:journal", "Read, verify, export and replay the journal."),
    "parity": (f"{_ROOM}.parity:parity", "Compare what was traded with a backtest over the same bars."),
    "spreads": (f"{_ROOM}.spreads:spreads", "Compare the prices of several venues, net of all fees; reports only."),
    "simulate-venue": (f"{_ROOM}.simulate:simulate_venue", "Be a venue like Gate.io on this machine, for practice."),
    "strategies": (f"{_ROOM}.inspection:strategies", "List strategies and their parameters."),
    "doctor": (f"{_ROOM}.installation:doctor", "Check this installation and say what to repair."),
    "init": (f"{_ROOM}.installation:init", "Write a commented settings file."),
}
_EPILOG: Final = (
    "Exit codes: 0 ok, 1 failed, 2 usage or settings, 3 refused by policy, 5 venue out of reach,"
    " 130 interrupted, 141 the reader of the output left."
)


class Root(LazyGroup):
    """The group that catches: whatever goes wrong below ends as a message and an exit code."""

    def main(self, args: Sequence[str] | None = None, **extra: object) -> None:  # type: ignore[override]  # it never returns
        """Run the command that `args` names and leave the process with its exit code."""
        arguments = list(sys.argv[1:] if args is None else args)
        sys.exit(exit_code_for(lambda: self._called(arguments), arguments))

    def _called(self, arguments: Sequence[str]) -> int:
        code = super().main(args=list(arguments), prog_name="holdfast", standalone_mode=False)
        return code if isinstance(code, int) else 0

    # click would end the process itself, with exit code 1, for a reader that has gone: it must not see that error.

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: object
    ) -> click.Context:
        """Read what stands before the command."""
        with to_a_reader():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        with to_a_reader():
            return super().invoke(ctx)


def _enter(home: str | None, **_: object) -> None:
    """Keep --home that stands before the command, for the command's own option to find."""
    click.get_current_context().meta[HOME_BEFORE] = home


root = Root(
    "holdfast",
    _COMMANDS,
    callback=_enter,
    help_text="Holdfast trades and guards the capital: each order passes one risk gate, each step is journaled.",
    params=[
        click.Option(["--home"], metavar="DIR", help="Folder of the agent's state and settings (or HOLDFAST_HOME)."),
        click.Option(["--debug"], is_flag=True, expose_value=False, help="Show the traceback of an unexpected error."),
    ],
    epilog=_EPILOG,
)
root = click.version_option(__version__, "--version", prog_name="holdfast", message="%(prog)s %(version)s")(root)


def main() -> None:
    """Be the process `holdfast`."""
    root.main()

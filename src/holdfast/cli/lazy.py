"""Commands that are imported when they are called, so that help is there at once."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Protocol, cast

import click


class Action(Protocol):
    """What the body of a command looks like: options in, exit code out (None is 0)."""

    def __call__(self, options: Mapping[str, object]) -> int | None: ...


def perform(name: str, options: Mapping[str, object]) -> int:
    """Run `<module>:<function>` of `holdfast.cli.actions` with the options, and return its exit code."""
    action = cast("Action", load(f"holdfast.cli.actions.{name}"))
    return action(options) or 0


def load(name: str) -> Callable[..., object]:
    """Import what `module:attribute` names: the only place where the command line imports while it runs."""
    module, _, attribute = name.partition(":")
    return cast("Callable[..., object]", getattr(import_module(module), attribute))


class LazyGroup(click.Group):
    """A group whose commands are listed by name and summary, and imported one at a time.

    `table` maps a command's name to `module:attribute` and to the line that the group's help shows for it.
    """

    def __init__(
        self, name: str, table: Mapping[str, tuple[str, str]], *, callback: click.decorators.FC | None = None,
        help_text: str = "", params: Sequence[click.Parameter] = (), epilog: str = "",
    ) -> None:  # fmt: skip
        super().__init__(name, callback=callback, help=help_text, params=list(params), epilog=epilog)
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table: what is needed first stands first."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command that is asked for."""
        if cmd_name not in self.table:
            return None
        return cast("click.Command", load(self.table[cmd_name][0]))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in self.table.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which names are near."""
        if args and args[0] not in self.table and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], self.table, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else f"type {ctx.command_path} --help for the list"
            raise click.UsageError(f"there is no command {args[0]!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)

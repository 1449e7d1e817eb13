"""Options that many commands share, so that they read and mean the same everywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar, cast

import click
from click.core import ParameterSource

Command = TypeVar("Command", bound=Callable[..., object])

HOME_BEFORE: Final = "holdfast.cli.home"
"""Where the group keeps a --home that stands before the command."""


def _nearest_home(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Return --home behind the command, else --home before it, else the variable."""
    if context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE:
        return value
    return cast("str | None", context.meta.get(HOME_BEFORE)) or value


_home = click.option(
    "--home", callback=_nearest_home, metavar="DIR", type=click.Path(file_okay=False), envvar="HOLDFAST_HOME",
    help="Folder of the agent's state and settings (default: the user's data folder).",
)  # fmt: skip
_debug = click.option("--debug", is_flag=True, help="Show the traceback of an unexpected error.")
_json = click.option("--json", "is_json", is_flag=True, help="Print one JSON document for programs.")


def acting(command: Command) -> Command:
    """Give a command the options that all have: --home and --debug."""
    return _home(_debug(command))


def reading(command: Command) -> Command:
    """Give a command that shows something --home, --debug and --json."""
    return acting(_json(command))


def venue(command: Command) -> Command:
    """Give a command the options that say which venue is meant, and where its key lies."""
    options = (
        click.option("--venue", metavar="gateio|ccxt:NAME", help="Which venue, live or on paper with --market venue."),
        click.option("--venue-url", metavar="URL", help="Address of the venue, live or on paper with --market venue."),
        click.option(
            "--key-file", metavar="FILE", help="Where key and secret of the venue lie (default: venue.toml in home)."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def market(command: Command) -> Command:
    """Give a command the options that say which market is traded, and how."""
    options = (
        click.option(
            "--instrument", "instruments", multiple=True, metavar="PAIR",
            help="Market such as BTC/USDT; repeat it for several that share one capital.",
        ),
        click.option("--timeframe", metavar="1m..1w", help="Length of a bar (default 4h)."),
        click.option("--strategy", metavar="NAME",
                     help="Name of a strategy (default harmonized), or path.py:Name of your own."),
        click.option("--fee", metavar="SHARE",
                     help="Fee of every fill, like 0.001 for 0.1 % (default: what the venue lists)."),
        click.option(
            "--set", "parameters", multiple=True, metavar="KEY=VALUE", help="A parameter of the strategy; repeatable."
        ),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command

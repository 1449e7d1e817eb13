"""`parity`: does the backtest agree with what was traded?"""

from __future__ import annotations

import click

from holdfast.cli.lazy import perform
from holdfast.cli.options import reading


@click.command()
@click.option("--run", "run_id", metavar="ID", help="The run's id or its beginning (default: the last run).")
@click.option("--without-operator", is_flag=True, help="Let the backtest know nothing of stops by a person.")
@reading
def parity(**options: object) -> int:
    """Replay a paper, practice or live run through the backtester and list every order that differs, with its cause.

    The bars are those that the run itself has recorded. Exit code 0 when every order is the same, or each difference
    has a cause that is known; 1 when one has none.
    """
    return perform("parity:parity", options)

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

    First the run is told once more all that it was told, and must send every order again. Then the backtester gets its
    bars, and each difference has a cause. Exit code 0 when every order is reproduced and each cause is known; 1 when
    not, and when there was no order to compare.
    """
    return perform("parity:parity", options)

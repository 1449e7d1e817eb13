"""`backtest`: a strategy over recorded bars."""

from __future__ import annotations

import click

from holdfast.cli.lazy import perform
from holdfast.cli.options import market, reading


@click.command()
@click.option(
    "--data", metavar="PATH",
    help="Candle file, folder of candle files, or synthetic (default: market/ in HOLDFAST_DATA).",
)  # fmt: skip
@market
@click.option("--from", "ts_from", metavar="TIME", help="First bar, e.g. 2020-03-01.")
@click.option("--to", "ts_to", metavar="TIME", help="Bars before this time.")
@click.option("--capital", metavar="AMOUNT", help="Quote units to begin with (default 10000).")
@click.option(
    "--frictionless", "is_frictionless", is_flag=True, help="No fees, spread or slippage; the report says so."
)
@click.option(
    "--check-lookahead", "is_lookahead_checked", is_flag=True, help="Only test whether the strategy sees ahead."
)
@click.option(
    "--bar-seconds-max",
    type=float,
    metavar="SECONDS",
    help="How long the strategy may take for one bar (default 30): the look-ahead check ends there, a backtest warns.",
)
@click.option("--trades", "trades_file", metavar="FILE", help="Write one JSON line per trade.")
@click.option(
    "--journal", "journal_folder", metavar="DIR", help="Keep the journal in this new folder, best HOME/journal."
)
@click.option("--seed", type=click.IntRange(0), metavar="N", help="Of a synthetic market (default 7).")
@click.option("--format", "file_format", default="auto", metavar="NAME", help="File format when it cannot be told.")
@reading
def backtest(**options: object) -> int:
    """Run a strategy over recorded bars, through the same engine, gate and matching rules as the agent.

    Example: holdfast backtest --data FILE.parquet --instrument BTC/USDT --timeframe 1h --strategy ma_crossover

    Several --instrument share one capital and one gate. --data synthetic runs over the seeded synthetic market.
    """
    return perform("backtest:backtest", options)

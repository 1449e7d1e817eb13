"""`spreads`: what lies between the prices of several venues."""

from __future__ import annotations

import click

from holdfast.cli.lazy import perform
from holdfast.cli.options import reading


@click.command()
@click.option(
    "--venue", "venues", multiple=True, metavar="NAME[@URL]", help="gateio or ccxt:NAME, like ccxt:kraken; repeat it."
)
@click.option("--market", "markets", multiple=True, metavar="PAIR", help="Market such as BTC/USDT; repeatable.")
@click.option(
    "--fee",
    "fees",
    multiple=True,
    metavar="VENUE=SHARE",
    help="What a venue takes (default: what it lists); repeatable.",
)
@click.option("--size", "sizes", multiple=True, metavar="AMOUNT", help="Reckon this many base units, too; repeatable.")
@click.option(
    "--withdrawal", default="0", metavar="AMOUNT", help="What it costs to even out, in quote units (default 0)."
)
@click.option("--min-net", default="0", metavar="SHARE", help="Least share of the cost that must be left (default 0).")
@click.option(
    "--depth", type=click.IntRange(1, 1_000), default=50, metavar="N", help="Levels of each side (default 50)."
)
@click.option(
    "--max-age",
    "age_s",
    type=click.FloatRange(0.001, 3_600),
    default=5.0,
    metavar="SECONDS",
    help="Older books are stale (default 5).",
)
@click.option(
    "--max-skew",
    "skew_s",
    type=click.FloatRange(0.001, 3_600),
    default=2.0,
    metavar="SECONDS",
    help="Most time between two books that are compared (default 2).",
)
@click.option("--watch", "watch_s", type=click.FloatRange(0.1, 86_400), metavar="N", help="Look again every N seconds.")
@click.option("--looks", type=click.IntRange(1), metavar="N", help="End after so many looks (with --watch).")
@reading
def spreads(**options: object) -> int:
    """Show what buying at one venue and selling at another would leave, after the fees of both. Reports only.

    Each pair of venues is reckoned in both directions, down both books. Stale, crossed and empty books are named and
    never count. With --json, --watch prints one line a look.
    """
    return perform("spreads:spreads", options)

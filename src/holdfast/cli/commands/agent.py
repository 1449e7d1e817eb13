"""`run` and `demo`: the agent in the foreground."""

from __future__ import annotations

import click

from holdfast.cli.lazy import perform
from holdfast.cli.options import acting, market, venue

_pace = click.option(
    "--pace", type=click.FloatRange(0.01, 100_000), metavar="N", help="Bars per second (default 4; demo 12)."
)
_bars = click.option("--bars", type=click.IntRange(1), metavar="N", help="End after N groups of bars.")
_plain = click.option("--plain", is_flag=True, help="Print decisions as lines instead of the live view.")


@click.command()
@click.option("--mode", metavar="paper|practice|live", help="Who fills the orders (default paper).")
@market
@click.option("--market", metavar="PATH|synthetic|venue", help="Recorded bars, the synthetic market, or a live one.")
@click.option("--from", "ts_from", metavar="TIME", help="Begin the market here, e.g. 2021-01-01.")
@click.option("--until", "ts_until", metavar="TIME", help="End when the market reaches this time.")
@click.option("--capital", metavar="AMOUNT", help="Quote units that a new run begins with (default 10000).")
@click.option("--fresh", "is_fresh", is_flag=True, help="Begin a new run; the journal keeps the old one.")
@click.option(
    "--abandon",
    "is_abandoning",
    is_flag=True,
    help="With --fresh, live: take back the old run's orders, leave its coins.",
)
@_pace
@_bars
@_plain
@venue
@click.option("--on-exit", metavar="keep|cancel_entries", help="What becomes of resting entries (default keep).")
@click.option("--yes", "is_confirmed", is_flag=True, help="No typed word, for a venue on this machine alone.")
@acting
def run(**options: object) -> int:
    """Start the agent: on paper, in practice over the wire, or live; the same engine, gate and journal in each.

    Paper fills in this process, from bars at a chosen pace. Practice trades through the client of Gate.io at a
    simulated venue, a process of its own that outlives the agent. Live sends real orders: it checks clock, key,
    balances and filters first, and asks for the word LIVE.

    Without options it trades recorded bars from market/ in HOLDFAST_DATA, or from ../shared/data/market where that
    exists, or else the built-in synthetic market. The state survives: the next `run` goes on where this one ended.
    Before anything is traded every record of the journal is checked, and a damaged journal is refused.

    --venue ccxt:NAME trades at another venue than Gate.io, like ccxt:binance or ccxt:coinbase; it needs ccxt
    (pip install 'holdfast[ccxt]'), and docs/venues.md says what each can do.

    With --market venue a paper agent follows the venue's live public market, without a key: nothing is ever sent.

    Keys in the live view: p pause entries and undo it, r resume (asks for the word RESUME), s stop menu, + and - pace,
    space hold the market, q quit.
    """
    return perform("agent:run", options)


@click.command()
@_pace
@_bars
@_plain
@click.option(
    "--seed", type=click.IntRange(0), default=7, show_default=True, metavar="N", help="Of the synthetic market."
)
@click.option("--debug", is_flag=True, help="Show the traceback of an unexpected error.")
def demo(**options: object) -> int:
    """Watch the agent trade a synthetic market at a quick pace, in a temporary home that is removed afterwards."""
    return perform("agent:demo", options)

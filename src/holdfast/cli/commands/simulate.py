"""`simulate-venue`: a venue of one's own on this machine."""

from __future__ import annotations

import click

from holdfast.cli.lazy import perform
from holdfast.cli.options import reading


@click.command("simulate-venue")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=0,
    metavar="PORT",
    help="Where it listens (default 0: a free port).",
)
@click.option(
    "--host", default="127.0.0.1", metavar="ADDRESS", help="Address of this machine alone (default 127.0.0.1)."
)
@click.option(
    "--accounts-file",
    metavar="FILE",
    help="Keys and secrets of its accounts, TOML or JSON, for its owner alone (default: one is made).",
)
@click.option(
    "--account",
    "accounts",
    multiple=True,
    metavar="KEY:SECRET",
    help="An account for a drill; repeatable. The process list shows it: else use --accounts-file.",
)
@click.option("--balance", metavar="USDT=10000,BTC=1", help="What each new account begins with (default USDT=10000).")
@click.option(
    "--market",
    default="synthetic",
    metavar="PATH|synthetic",
    help="Recorded bars (file or folder), or the synthetic market (default).",
)
@click.option("--instrument", "instruments", multiple=True, metavar="PAIR", help="Market such as BTC/USDT; repeatable.")
@click.option("--timeframe", default="1m", metavar="1m..1w", help="Length of the market's bars (default 1m).")
@click.option("--seed", type=click.IntRange(0), default=7, metavar="N", help="Of the synthetic market (default 7).")
@click.option(
    "--fee", metavar="SHARE", help="Fee of every trade, like 0.001 for 0.1 % (default: what the venue lists)."
)
@click.option(
    "--pace",
    type=click.FloatRange(0, 100_000),
    default=1.0,
    metavar="N",
    help="Bars per second (default 1; 0: only when asked to).",
)
@click.option("--faults", metavar="FILE|SEED", help="What goes wrong: a TOML or JSON file, or a seed.")
@click.option("--state", metavar="FOLDER", help="Where it keeps what must survive (default: venue/ in the home).")
@click.option("--no-limits", "is_unlimited", is_flag=True, help="Let anybody ask as often as they like.")
@reading
def simulate_venue(**options: object) -> int:
    """Be a venue that speaks Gate.io's API for spot, REST and websocket, on this machine alone: practice without risk.

    Any client for Gate.io can be pointed at it. Its market is recorded or synthetic, and moves at a pace of its own;
    its orders survive its own restart, kill -9 included. `--faults` lets it fail as real venues do.
    """
    return perform("simulate:simulate_venue", options)

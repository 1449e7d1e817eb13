"""`data`: import, list, verify."""

from __future__ import annotations

import click

from holdfast.cli.lazy import LazyGroup, perform
from holdfast.cli.options import reading

_HERE = "holdfast.cli.commands.data"

data = LazyGroup(
    "data",
    {
        "import": (f"{_HERE}:import_bars", "Check candle files and keep them in the compact store."),
        "list": (f"{_HERE}:list_bars", "List what the store holds."),
        "verify": (f"{_HERE}:verify", "Check stored series, or files, row by row."),
    },
    help_text="Import, list and verify market data.",
)

_format = click.option("--format", "file_format", default="auto", metavar="NAME", help="File format: auto, parquet, "
                       "binance, gateio, coinbase or generic.")  # fmt: skip


@click.command("import")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--instrument", metavar="ID", help="Whose bars they are, like BTC/USDT.BINANCE.")
@click.option("--timeframe", metavar="1m..1w", help="Length of a bar; coarser than the file's: it is resampled.")
@_format
@click.option("--repair", "repairs", multiple=True, metavar="sort|drop-duplicates", help="What may be mended in a CSV.")
@click.option(
    "--replace", "is_replacing", is_flag=True,
    help="Put what comes in the place of the whole stored series: stored bars that do not come again are gone.",
)  # fmt: skip
@click.option(
    "--replace-last", "is_last_replaced", is_flag=True,
    help="Where the last stored bar differs, take the one that comes: it was still forming when it was fetched.",
)  # fmt: skip
@reading
def import_bars(**options: object) -> int:
    """Check candle files (Parquet, or CSV exports) and keep them in the compact store of the home. A Parquet file of
    single trades (named like binance-spot-BTC_USDT-trades-*.parquet) gives the bars that they make.

    Nothing is repaired in silence: a bad file is refused with its row, gaps and false prints are labelled.

    What comes joins what is stored. Bars that both have must be the same to the last digit, else nothing changes and
    the first one that differs is named. Of several files of one instrument all are taken, or none.
    """
    return perform("data:import_bars", options)


@click.command("list")
@reading
def list_bars(**options: object) -> int:
    """List the series in the store with their span, gaps and labels."""
    return perform("data:list_bars", options)


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH...]")
@_format
@reading
def verify(**options: object) -> int:
    """Check every stored series against its checksum and the rules for bars; with PATH, check those files instead."""
    return perform("data:verify", options)

"""`journal`: tail, verify, export, replay."""

from __future__ import annotations

import click

from holdfast.cli.lazy import LazyGroup, perform
from holdfast.cli.options import reading

_HERE = "holdfast.cli.commands.journal"

journal = LazyGroup(
    "journal",
    {
        "tail": (f"{_HERE}:tail", "Show the last records."),
        "verify": (f"{_HERE}:verify", "Check the hash chain from the first record to the last."),
        "export": (f"{_HERE}:export", "Write records as JSON lines."),
        "replay": (f"{_HERE}:replay", "Rebuild the portfolio from the records and compare."),
    },
    help_text="Read, verify, export and replay the journal: the append-only record of every decision and effect.",
)

_kind = click.option(
    "--kind",
    "kinds",
    multiple=True,
    metavar="KIND",
    help="Only such records: run, tick, bars, operator, checkpoint, release, program, history or abandoned.",
)


@click.command()
@click.option("-n", "--records", "count", type=click.IntRange(1), default=20, show_default=True, help="How many.")
@click.option("-f", "--follow", "is_followed", is_flag=True, help="Go on as new records come; Ctrl-C ends it.")
@_kind
@reading
def tail(**options: object) -> int:
    """Show the last records, oldest first."""
    return perform("journal:tail", options)


@click.command()
@click.option("--quick", "is_quick", is_flag=True, help="Only the joints of the segments, not each record.")
@click.option(
    "--accept", "is_accepted", is_flag=True, help="Take a whole journal whose note of its head is lost as it is."
)
@click.option("--yes", "is_confirmed", is_flag=True, help="Accept without the typed word.")
@reading
def verify(**options: object) -> int:
    """Check the hash chain: a changed byte, a cut tail or a missing segment is found and named."""
    return perform("journal:verify", options)


@click.command()
@click.argument("file", metavar="FILE", required=False)
@click.option("--after", type=click.IntRange(0), default=0, show_default=True, help="Records after this sequence.")
@_kind
@reading
def export(**options: object) -> int:
    """Write records as JSON lines to FILE, or to standard output."""
    return perform("journal:export", options)


@click.command()
@reading
def replay(**options: object) -> int:
    """Rebuild portfolio and projections from the records alone, and compare them with what is kept."""
    return perform("journal:replay", options)

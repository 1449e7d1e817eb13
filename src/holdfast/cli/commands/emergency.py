"""`stop` and `resume`: the emergency stop."""

from __future__ import annotations

import click

from holdfast.cli.lazy import perform
from holdfast.cli.options import reading

_LEVELS = ("no-entries", "reduce-only", "flatten")
_wait = click.option(
    "--wait", type=click.FloatRange(0, 600), default=10.0, show_default=True, metavar="SECONDS",
    help="How long to wait for the proof.",
)  # fmt: skip


@click.command()
@click.option("--level", type=click.Choice(_LEVELS), default=None, help="How far to go (default no-entries).")
@click.option("--flatten", "is_flatten", is_flag=True, help="Short for --level flatten: close everything and lock.")
@click.option("--reason", default="", metavar="TEXT", help="Why; it goes into the journal.")
@click.option("--yes", "is_confirmed", is_flag=True, help="Do not ask for the typed word (for scripts).")
@click.option("--dry-run", "is_dry_run", is_flag=True, help="Show what would happen, and do nothing.")
@_wait
@reading
def stop(**options: object) -> int:
    """Pull the emergency stop; the answer proves what is left.

    no-entries: positions and their stops stay, nothing new is opened. reduce-only: resting entries are canceled,
    too. flatten: every position is closed at the market and the account is locked until `holdfast resume`. A stop only
    ever raises the level. Exit code 1: the level is recorded, and what it promises is not proven yet.
    """
    return perform("emergency:stop", options)


@click.command()
@click.option("--reason", default="", metavar="TEXT", help="Why; it goes into the journal.")
@click.option("--yes", "is_confirmed", is_flag=True, help="Do not ask for the typed word (for scripts).")
@click.option("--dry-run", "is_dry_run", is_flag=True, help="Show what would happen, and do nothing.")
@click.option(
    "--when-flat",
    "is_when_flat",
    is_flag=True,
    help="If the account is not flat, and no agent runs: let the next start release it then.",
)
@_wait
@reading
def resume(**options: object) -> int:
    """Release the emergency stop, so that entries are possible again.

    After flatten the account must be flat first. Above no-entries, the typed word RESUME is asked for. Where the
    drawdown governor has left no risk budget, resuming accepts the loss: the drawdown counts anew from here. Otherwise
    the drawdown goes on counting from the same peak.

    --when-flat is the way out where a recorded market has ended before it could close what flatten found. The wish is
    written into the journal; the next `holdfast run` whose bars make the account flat grants it, unless somebody stops
    it again before, or the loss has locked the account by then.
    """
    return perform("emergency:resume", options)

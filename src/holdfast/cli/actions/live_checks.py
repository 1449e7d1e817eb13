"""The checklist that stands before the first live order."""

from __future__ import annotations

import click

from holdfast.app.live import Venue
from holdfast.app.live_doctor import examine_venue, is_out_of_reach
from holdfast.app.settings import Settings
from holdfast.cli.output import warn
from holdfast.core.errors import RefusedError, VenueError
from holdfast.services.doctor import State, is_healthy


def require_ready(settings: Settings, venue: Venue, *, is_begun: bool, checklist: str) -> None:
    """Examine clock, key, balances and filters, and refuse to start where something is wrong.

    `checklist` is what to type in order to examine the same once more.

    Raises
    ------
    RefusedError
        A check failed; each is shown with what to do.
    VenueError
        All that failed is that a venue does not answer.
    """
    say_asked(venue)
    results = examine_venue(settings, venue, is_begun=is_begun)
    for result in results:
        if result.state is not State.OK:
            warn("; ".join(part for part in (f"{result.name}: {result.message}", result.next) if part))
    if is_out_of_reach(results):
        raise VenueError("live trading does not start without its venue", venue=venue.told, hint=checklist)
    if not is_healthy(results):
        raise RefusedError("live trading does not start before these are right", hint=checklist)
    click.echo("checked: " + ", ".join(result.name for result in results), err=True)


def say_asked(venue: Venue) -> None:
    """Say which addresses are asked now: one that accepts and never answers keeps whoever waits in the dark."""
    venues = [account.venue for account in venue.accounts] or [venue]
    click.echo("checking at " + ", ".join(dict.fromkeys(x.url or x.exchange for x in venues)), err=True)

"""What `run --fresh` does about what the live run before has left at its venue."""

from __future__ import annotations

from functools import partial
from typing import Final

import click

from holdfast.app.abandoning import CONFIRM_S, abandon, left_by_home, require_same_place
from holdfast.app.home import Home
from holdfast.app.live import Venue
from holdfast.app.sections import LIVE
from holdfast.app.settings import Settings
from holdfast.cli.actions.run_options import RunOptions
from holdfast.cli.confirmation import ask_for
from holdfast.cli.ending import taken_back_on_signals
from holdfast.cli.output import warn
from holdfast.core.errors import ConfigurationError, RefusedError
from holdfast.ports.journal import Journal
from holdfast.services.abandoning import (
    HALF_GIVEN_UP,
    LeftAtVenue,
    RunAbandoned,
    left_at_venue,
    require_nothing_left,
)

_WORD: Final = "ABANDON"


def require_meant(settings: Settings, given: RunOptions) -> None:
    """Refuse `--abandon` where it means nothing.

    Raises
    ------
    ConfigurationError
        It came without `--fresh`, or not in live mode.
    """
    if given.is_abandoning and not (given.is_fresh and settings.agent.mode == LIVE):
        raise ConfigurationError(
            "--abandon gives up what the live run before has at its venue: it goes with --fresh and --mode live alone",
            hint="leave it out; a new run on paper or in practice has nothing at a real venue to take back",
        )


def look_before(home: Home, settings: Settings, given: RunOptions) -> None:
    """Refuse a new run early, before anything is asked: see `services.abandoning.require_nothing_left`.

    Raises
    ------
    RefusedError
        A live run has left something at its venue. One on paper or in practice would end it, too: only the last run of
        a journal can go on.
    """
    if not given.is_fresh or given.is_abandoning:
        return
    left = left_by_home(home)
    if left is not None and settings.agent.mode != LIVE:
        raise RefusedError(
            f"the live run in this home {left.told()}: after a new run here nobody could go on with it",
            hint="use another home for this: `holdfast run --home DIR`; or go on with the live run, and close it first",
        )
    require_nothing_left(left)


def leave_last_run(settings: Settings, venue: Venue, journal: Journal, given: RunOptions) -> None:
    """Let a new run pass: nothing is left of the one before, or it is given up here and now.

    Raises
    ------
    RefusedError
        Something is left, and the run is not to be given up, or the word was not typed.
    VenueError
        The venue has not confirmed that no order of it rests any more.
    """
    if not given.is_fresh:
        return
    left = left_at_venue(journal)
    if not given.is_abandoning:
        require_nothing_left(left)
    elif left is None:
        click.echo("the live run before has left nothing at its venue: there is nothing to give up")
    else:
        require_same_place(settings, venue, left.run)
        _confirm(left, venue, given)
        if left.orders:
            told = f"takes back {len(left.orders)} orders of the run before; the venue has {CONFIRM_S} s to confirm"
            click.echo(told, err=True)
        _tell(left, _given_up(settings, venue, journal, left))


def _given_up(settings: Settings, venue: Venue, journal: Journal, left: LeftAtVenue) -> RunAbandoned:
    try:
        with taken_back_on_signals():
            return abandon(settings, venue, journal, left, partial(click.echo, err=True))
    except (KeyboardInterrupt, click.exceptions.Exit):
        warn(f"broken off; {HALF_GIVEN_UP}")
        raise


def _confirm(left: LeftAtVenue, venue: Venue, given: RunOptions) -> None:
    if given.is_confirmed and venue.is_here:
        return
    if given.is_confirmed:
        raise RefusedError(
            "a run with real money is not given up with --yes", hint="leave it out, and type the word yourself"
        )
    ask_for(
        _WORD,
        f"The run before {left.told()}. Its orders are taken back, its stops with them, and nobody looks after its"
        " coins any more.",
    )


def _tell(left: LeftAtVenue, done: RunAbandoned) -> None:
    click.echo(
        f"given up: run {done.run_id}; no order of it rests any more ({', '.join(done.orders) or 'it had none'})"
    )
    for item in done.held:
        warn(
            f"{item.quantity.normalize():f} {item.instrument_id} is left to you, WITHOUT A STOP: look after it yourself"
        )
    if left.held and not done.held:
        click.echo("nothing of what it held lies there any more")

"""The venue, or all of several, as the run before traded there: for taking back what it has left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

import msgspec

from holdfast.adapters.host.clock import SystemClock
from holdfast.adapters.storage.sqlite.journal import SqliteJournal
from holdfast.app.home import Home
from holdfast.app.live import AccountAt, Venue, open_exchange, routed
from holdfast.app.settings import Settings
from holdfast.core.errors import ConfigurationError
from holdfast.core.record import encode
from holdfast.domain.values import venue_of
from holdfast.portfolio.run import RunStarted
from holdfast.ports.journal import Entry, Journal
from holdfast.ports.live import LiveExchange
from holdfast.services.abandoning import ABANDONED, LeftAtVenue, RunAbandoned, left_at_venue, take_back

CONFIRM_S: Final = 120
"""How long the venue has to confirm. A stop that an earlier process sent is gone for certain only when no copy of it
can arrive any more: at Gate.io that is a minute, for so long it takes what was signed."""


def left_by_home(home: Home) -> LeftAtVenue | None:
    """Return what the newest live run of a home has left at its venue, read beside whoever writes its journal."""
    if not home.journal.is_dir() or not any(home.journal.iterdir()):
        return None
    journal = SqliteJournal(home.journal, SystemClock(), is_read_only=True)
    try:
        return left_at_venue(journal)
    finally:
        journal.close()


def require_same_place(settings: Settings, venue: Venue, run: RunStarted) -> None:
    """Refuse to look for the orders of `run` where it has sent none: they would be taken for gone.

    Raises
    ------
    ConfigurationError
        The settings name another venue, or other accounts, than the run was begun with.
    """
    accounts = sorted(account.name for account in venue.accounts) or [settings.venue.account]
    before = sorted({venue_of(instrument.id) for instrument in run.instruments})
    at = sorted(there.venue for there in run.capital_at) or before
    if run.data_source != venue.told or at != accounts:
        raise ConfigurationError(
            f"the run before traded at {run.data_source} ({', '.join(at)}), and the settings name {venue.told}"
            f" ({', '.join(accounts)}): what it has left cannot be taken back there",
            hint="give the venue and the accounts of the run before, and their keys; change them when it is given up",
        )


def abandon(
    settings: Settings, venue: Venue, journal: Journal, left: LeftAtVenue, tell: Callable[[str], None]
) -> RunAbandoned:
    """Take back every order that was left, and return what is left to the owner; both ends of it are recorded.

    `tell` is told now and then what is waited for.

    Raises
    ------
    VenueError
        The venue was not reached, or has not confirmed that no order rests any more. Nothing new is to be begun.
    """
    journal.append([Entry(ABANDONED, encode(left.record()))]).wait()
    names = tuple(account.name for account in venue.accounts) or ("",)
    with _opened(settings, venue, left.run) as exchange:
        wait_s = max(settings.live.recovery_wait_s, CONFIRM_S)
        done = take_back(left, exchange, names, time.monotonic_ns, wait_s, tell)
    journal.append([Entry(ABANDONED, encode(done))]).wait()
    return done


@contextmanager
def _opened(settings: Settings, venue: Venue, run: RunStarted) -> Iterator[LiveExchange]:
    if venue.accounts:
        # Each with what it traded then, which may not be what it is to trade now.
        with routed([_as_before(account, run) for account in venue.accounts], None) as (exchange, _):
            yield exchange
        return
    client = open_exchange(venue, settings.venue)
    try:
        client.instruments([instrument.id.partition(".")[0] for instrument in run.instruments])
        yield client
    finally:
        client.close()


def _as_before(account: AccountAt, run: RunStarted) -> AccountAt:
    names = tuple(instrument.id for instrument in run.instruments if venue_of(instrument.id) == account.name)
    market = msgspec.structs.replace(account.settings.market, instruments=names)
    return replace(account, settings=msgspec.structs.replace(account.settings, market=market))

"""A venue's live public market for a paper account: read over the wire, without a key, and never traded on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from holdfast.app.live import open_exchange, pairs_of, public_venue
from holdfast.app.market import TradedMarket, charged
from holdfast.app.settings import Settings
from holdfast.core.errors import ConfigurationError, VenueError
from holdfast.domain.instrument import Instrument
from holdfast.domain.market import timeframe
from holdfast.ports.live import TradingVenue
from holdfast.services.live_config import played_quickly
from holdfast.services.venue_feed import VenueFeed


@contextmanager
def venue_market(settings: Settings) -> Iterator[TradedMarket]:
    """Give the market of the venue that the settings name, for as long as the connection is open.

    Raises
    ------
    ConfigurationError
        The venue has no such market; or the settings ask for a time in the past, which a live market has not.
    VenueError
        It cannot be reached.
    """
    asked, venue = settings.market, settings.venue
    if asked.start or asked.until:
        raise ConfigurationError(
            "a live market has no beginning and no end to choose", hint="leave out --from and --until"
        )
    length, live = timeframe(asked.timeframe), settings.live
    if venue.url.startswith("http://"):  # a simulated venue, whose market is played more quickly than the clock
        live = played_quickly(live, length.nanos)
    where = public_venue(settings)
    exchange = open_exchange(where, venue)
    try:
        instruments = _reached(exchange, settings, where.told)
        feed = VenueFeed(exchange, instruments, length, live, time.monotonic_ns)
        market = TradedMarket(
            instruments, feed, (), length, f"live market of {where.told}", False, (), warnings=feed.warnings
        )
        yield charged(market, asked)
    finally:
        exchange.close()


def _reached(exchange: TradingVenue, settings: Settings, told: str) -> tuple[Instrument, ...]:
    try:
        return exchange.instruments(pairs_of(settings, exchange))
    except VenueError as error:
        hint = error.hint or "look at the connection and at --venue-url; for bars from here: --market synthetic"
        raise VenueError(f"{told}: {error}", venue=exchange.venue, hint=hint, is_retryable=error.is_retryable) from None

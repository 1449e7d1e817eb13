"""The public order books of any venue that ccxt knows, without a key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Final

from holdfast.adapters.exchanges.ccxt.config import PREFIX, CcxtConfig
from holdfast.adapters.exchanges.ccxt.library import Venue
from holdfast.adapters.exchanges.ccxt.profiles import profile_of
from holdfast.core.errors import NoMarketError, VenueError
from holdfast.core.time import MILLISECOND, Clock
from holdfast.ports.books import Book, Level

_LARGE: Final = Decimal("1e30")
_FINEST: Final = -30  # adjusted exponent; finer than any coin


class CcxtBooks:
    """Implements `ports.books.PublicBooks`; `name` is what the person called it."""

    def __init__(self, config: CcxtConfig, clock: Clock, name: str = "") -> None:
        self.name, self._clock = name or PREFIX + config.name, clock
        self._venue = Venue(config, None, profile_of(config.name), clock)

    async def open(self) -> None:
        """Measure the venue's clock and load its markets."""
        await self._venue.open()

    async def fee_taker(self, market: str) -> Decimal | None:
        """Return the fee that the market lists, as a share."""
        fee = self._market(market).get("taker")
        return None if fee is None else self._number(fee)

    async def book(self, market: str, depth: int) -> Book:
        """Return up to `depth` levels of each side."""
        self._market(market)
        before = self._clock.now()
        try:
            found = await self._venue.read("fetch_order_book", market, depth)
        except VenueError:
            # Some venues take certain depths only; what they give unasked is cut here.
            found = await self._venue.read("fetch_order_book", market)
        after = self._clock.now()
        if not isinstance(found, Mapping):
            raise self._unreadable("an order book")
        stamp = found.get("timestamp")
        at = stamp * MILLISECOND - self._venue.offset if isinstance(stamp, int) and stamp > 0 else 0
        bids, asks = (self._levels(found.get(side), depth) for side in ("bids", "asks"))
        return Book(self.name, market, bids, asks, before, after, at)

    async def close(self) -> None:
        """Let the connections go."""
        await self._venue.close()

    def _market(self, market: str) -> Mapping[str, object]:
        found = (self._venue.client.markets or {}).get(market)
        if found is None:
            raise NoMarketError(f"{self.name} has no market {market}", venue=self.name, hint="write it like BTC/USDT")
        return found

    def _levels(self, side: object, depth: int) -> tuple[Level, ...]:
        if not isinstance(side, Sequence):
            raise self._unreadable("a side of the order book")
        found = []
        for level in side[:depth]:
            if not isinstance(level, Sequence) or len(level) < 2:
                raise self._unreadable("a level of the order book")
            found.append(Level(self._number(level[0]), self._number(level[1])))
        return tuple(found)

    def _number(self, value: object) -> Decimal:
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            raise self._unreadable("a number") from None
        if not number.is_finite() or number < 0 or number > _LARGE or (number and number.adjusted() < _FINEST):
            raise self._unreadable("a number")
        return number

    def _unreadable(self, what: str) -> VenueError:
        return VenueError(f"{self.name}: {what} that cannot be read", venue=self.name, is_retryable=True)

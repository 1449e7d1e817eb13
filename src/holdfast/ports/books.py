"""Order books that anybody may see, of several venues: for looking, never for trading."""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol

from holdfast.core.record import Record


class Level(Record, frozen=True):
    """A price (quote units) and what rests there (base units)."""

    price: Decimal
    quantity: Decimal


class Book(Record, frozen=True):
    """What one venue showed of one market: both sides, the best first."""

    venue: str
    market: str  # BTC/USDT
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    ts_asked: int  # by our clock (ns), before the question left
    ts_answered: int
    ts_venue: int = 0  # when the venue says it was so (ns); 0: it does not say


class PublicBooks(Protocol):
    """One venue's books; all methods belong to one event loop."""

    name: str

    async def open(self) -> None:
        """Make ready.

        Raises
        ------
        VenueError
            The venue does not answer.
        """
        ...

    async def fee_taker(self, market: str) -> Decimal | None:
        """Return what the venue says that it takes of a trade, as a share; None: it does not say.

        Raises
        ------
        VenueError
            The venue does not answer, or has no such market.
        """
        ...

    async def book(self, market: str, depth: int) -> Book:
        """Return up to `depth` levels of each side.

        Raises
        ------
        NoMarketError
            The venue has no such market.
        VenueError
            The venue does not answer, or what it says cannot be read.
        """
        ...

    async def close(self) -> None:
        """Let the connections go."""
        ...

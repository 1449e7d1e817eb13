"""Look at one market on several venues at once, and say what lies between their prices: a report, never an order."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal

from holdfast.core.errors import ConfigurationError, DataError, HoldfastError, NoMarketError, VenueError
from holdfast.core.record import Record
from holdfast.core.time import Clock
from holdfast.ports.books import PublicBooks
from holdfast.research.spreads import Direction, Limits, Offer, QuoteState, directions, judged, missing, untraded


class SpreadReport(Record, frozen=True):
    """One look: what each venue showed of each market, and every way between two of them."""

    ts: int  # by our clock (ns)
    offers: tuple[Offer, ...]
    directions: tuple[Direction, ...]

    @property
    def opportunities(self) -> tuple[Direction, ...]:
        """Return the ways that would have paid."""
        return tuple(x for x in self.directions if x.is_opportunity)

    @property
    def answered(self) -> int:
        """Return how many books there are."""
        return sum(x.book is not None for x in self.offers)

    @property
    def failure(self) -> HoldfastError | None:
        """Return why there is no book at all, as the error that it is; None where there is one."""
        if self.answered:
            return None
        markets = ", ".join(dict.fromkeys(x.market for x in self.offers))
        refusals = sum(x.state is QuoteState.NO_MARKET for x in self.offers)
        if refusals == len(self.offers):
            return ConfigurationError(f"none of these venues trades {markets}", hint="write a market like BTC/USDT")
        told = f"no venue that has answered trades {markets}" if refusals else "no venue has answered"
        return VenueError(told, venue="spreads", is_retryable=True, hint="the quotes say why; try again")


class SpreadScan:
    """Looks again and again; a venue that failed to open is tried again with each look."""

    def __init__(
        self, venues: Sequence[PublicBooks], fees: Mapping[str, Decimal], limits: Limits, depth: int, clock: Clock
    ) -> None:
        self._venues, self._fees, self._limits, self._depth, self._clock = venues, fees, limits, depth, clock
        self._listed: dict[tuple[str, str], Decimal | None] = {}
        self._opened: set[str] = set()

    async def look(self, markets: Sequence[str]) -> SpreadReport:
        """Ask all venues at once, market after market."""
        offers: list[Offer] = []
        found: list[Direction] = []
        # Opened first: what is slow about a first connection must not set the books apart.
        refused = dict(zip((x.name for x in self._venues), await asyncio.gather(*map(self._open, self._venues)),
                           strict=True))  # fmt: skip
        for market in markets:
            for venue in self._venues:
                if not refused[venue.name]:
                    await self._learn_fee(venue, market)
            group = await asyncio.gather(*(self._offer(venue, market, refused[venue.name]) for venue in self._venues))
            offers += group
            found += directions(group, self._limits)
        return SpreadReport(self._clock.now(), tuple(offers), tuple(found))

    async def close(self) -> None:
        """Let all venues go."""
        await asyncio.gather(*(venue.close() for venue in self._venues))

    async def _open(self, venue: PublicBooks) -> str:
        if venue.name not in self._opened:
            try:
                await venue.open()
            except VenueError as error:
                return str(error)
            self._opened.add(venue.name)
        return ""

    async def _learn_fee(self, venue: PublicBooks, market: str) -> None:
        key = (venue.name, market)
        if venue.name in self._fees or key in self._listed:
            return
        try:
            self._listed[key] = await venue.fee_taker(market)
        except (VenueError, DataError):
            return  # its offer says so: without a fee it never counts, and it is asked for again

    async def _offer(self, venue: PublicBooks, market: str, refused: str) -> Offer:
        if refused:
            return missing(venue.name, market, refused)
        try:
            book = await venue.book(market, self._depth)
        except NoMarketError as error:
            return untraded(venue.name, market, str(error))
        except (VenueError, DataError) as error:
            return missing(venue.name, market, str(error))
        fee = self._fees.get(venue.name, self._listed.get((venue.name, market)))
        return judged(book, fee, self._clock.now(), self._limits)

"""Gate.io's public order books, over REST and without a key."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from holdfast.adapters.exchanges.gateio.config import GateioConfig
from holdfast.adapters.exchanges.gateio.errors import GateioError
from holdfast.adapters.exchanges.gateio.rest import GateioRest
from holdfast.adapters.exchanges.gateio.shape import VENUE
from holdfast.core.errors import NoMarketError, VenueError
from holdfast.core.time import MILLISECOND, Clock
from holdfast.ports.books import Book, Level

_NO_PAIR: Final = "INVALID_CURRENCY_PAIR"
_PERCENT: Final = Decimal("0.01")


class GateioBooks:
    """Implements `ports.books.PublicBooks`; `name` is what the person called it."""

    def __init__(self, config: GateioConfig, clock: Clock, name: str = VENUE) -> None:
        self.name, self._clock = name, clock
        self._rest = GateioRest(config, None, clock)

    async def open(self) -> None:
        """Make ready and measure the venue's clock."""
        await self._rest.open()
        await self._rest.sync_clock()

    async def fee_taker(self, market: str) -> Decimal | None:
        """Return the fee that the market lists, as a share."""
        fee = (await self._rest.pair(self._pair(market))).fee
        return None if fee is None else fee * _PERCENT

    async def book(self, market: str, depth: int) -> Book:
        """Return up to `depth` levels of each side; NoMarketError where the venue does not trade the market."""
        before = self._clock.now()
        try:
            found = await self._rest.order_book(self._pair(market), depth, with_id=False)
        except GateioError as error:
            if error.label != _NO_PAIR:
                raise
            raise NoMarketError(f"{self.name} has no market {market}", venue=self.name) from error
        bids, asks = (tuple(Level(x.price, x.amount) for x in side) for side in (found.bids, found.asks))
        # `current` is when it was so; `update` is when it last changed, which in a quiet market is long ago.
        stamp = int(found.current) * MILLISECOND - self._rest.clock_offset if found.current else 0
        return Book(self.name, market, bids, asks, before, self._clock.now(), stamp)

    async def close(self) -> None:
        """Let the connections go."""
        await self._rest.close()

    def _pair(self, market: str) -> str:
        base, _, quote = market.partition("/")
        if not (base.isalnum() and quote.isalnum() and market.isascii()):
            raise VenueError(f"{market!r} is no market", venue=self.name, hint="write it like BTC/USDT")
        return f"{base}_{quote}"

"""One pair of the venue: its grid, the strangers around its last print, and what rests; and its book as all see it."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import Final

from holdfast.domain.values import ZERO, Side
from holdfast.matching.continuous import ContinuousBook
from holdfast.simulator.market import PairMarket
from holdfast.simulator.records import DepthChanged, PairSpec, PublicTrade

PUBLIC_TRADES_KEPT: Final = 1_000

LEVELS_TOLD: Final = 400
"""Of the strangers' orders on each side; a recorded book has thousands, and all of them can be traded with."""

Levels = dict[Decimal, Decimal]


class VenueMarket:
    """Mutable; owned by the exchange alone."""

    __slots__ = ("_told", "book", "id", "last_id", "prints", "spec", "trades")

    def __init__(self, spec: PairSpec, prints: PairMarket) -> None:
        self.spec, self.prints = spec, prints
        self.id = spec.id
        self.book = ContinuousBook()
        self.last_id = 1
        self.trades: deque[PublicTrade] = deque(maxlen=PUBLIC_TRADES_KEPT)
        self._told = self.depth()

    def depth(self) -> tuple[Levels, Levels]:
        """Return bids and asks, accounts' and strangers' together, never crossed; not sorted."""
        sides: list[Levels] = []
        for side, strangers in ((Side.BUY, self.prints.strangers.bids), (Side.SELL, self.prints.strangers.asks)):
            levels = dict(self.book.depth(side))
            best = self.book.best(side.opposite)
            for price, quantity in strangers[:LEVELS_TOLD]:
                if best is None or (price < best if side is Side.BUY else price > best):
                    levels[price] = levels.get(price, ZERO) + quantity
            sides.append(levels)
        return sides[0], sides[1]

    def sorted_depth(self, limit: int) -> tuple[list[tuple[Decimal, Decimal]], list[tuple[Decimal, Decimal]]]:
        """Return the best `limit` bids and asks, best first."""
        bids, asks = self.depth()
        return sorted(bids.items(), reverse=True)[:limit], sorted(asks.items())[:limit]

    def reach(self, side: Side, limit: Decimal | None) -> Decimal:
        """Return how much an order of `side` could take at once, up to `limit` (None: at any price), in base units."""
        found = ZERO
        for levels in (self.book.depth(side.opposite), self.prints.strangers.against(side)):
            for price, quantity in levels:
                if limit is None or (price <= limit if side is Side.BUY else price >= limit):
                    found += quantity
        return found

    def worth(self, side: Side) -> Decimal:
        """Return what all that an order of `side` could take at once would cost, in quote units."""
        found = ZERO
        for levels in (self.book.depth(side.opposite), self.prints.strangers.against(side)):
            found += sum((price * quantity for price, quantity in levels), ZERO)
        return found

    def changes(self, ts: int) -> DepthChanged | None:
        """Return what is another in the book since the last call, None where nothing is."""
        now = self.depth()
        bids, asks = (_difference(before, after) for before, after in zip(self._told, now, strict=True))
        if not (bids or asks):
            return None
        first = self.last_id + 1
        self.last_id += len(bids) + len(asks)
        self._told = now
        return DepthChanged(self.id, first, self.last_id, bids, asks, ts)


def _difference(before: Levels, after: Levels) -> tuple[tuple[Decimal, Decimal], ...]:
    changed = [(price, quantity) for price, quantity in after.items() if before.get(price) != quantity]
    return (*changed, *((price, ZERO) for price in before if price not in after))

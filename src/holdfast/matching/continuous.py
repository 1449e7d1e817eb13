"""A continuous order book: who offered the better price, and then who came first, trades first. Rules only.

It holds what rests and says what an order that arrives would meet; money is somebody else's. Prices and quantities are
exact. What rests trades at its own price, which is what the arriving order gets.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from decimal import Decimal

import msgspec

from holdfast.domain.values import Side


class Resting(msgspec.Struct, gc=False):
    """An order that waits in the book; `left` shrinks as it trades."""

    order_id: int
    account: str
    side: Side
    price: Decimal
    left: Decimal


class Match(msgspec.Struct, frozen=True, gc=False):
    """What an arriving order would take: so much of one resting order, at that order's price."""

    resting: Resting
    quantity: Decimal


class ContinuousBook:
    """One market's resting orders, by price and then by arrival."""

    __slots__ = ("_levels", "_orders", "_prices")

    def __init__(self) -> None:
        self._orders: dict[int, Resting] = {}
        self._levels: dict[Side, dict[Decimal, dict[int, Resting]]] = {Side.BUY: {}, Side.SELL: {}}
        self._prices: dict[Side, list[Decimal]] = {Side.BUY: [], Side.SELL: []}  # ascending

    def __len__(self) -> int:
        return len(self._orders)

    def add(self, order: Resting) -> None:
        """Let an order rest, behind all that rest at its price."""
        level = self._levels[order.side].get(order.price)
        if level is None:
            level = self._levels[order.side][order.price] = {}
            insort(self._prices[order.side], order.price)
        level[order.order_id] = order
        self._orders[order.order_id] = order

    def remove(self, order_id: int) -> Resting | None:
        """Take an order out; None if it does not rest here."""
        order = self._orders.pop(order_id, None)
        if order is None:
            return None
        level = self._levels[order.side][order.price]
        del level[order_id]
        if not level:
            del self._levels[order.side][order.price]
            prices = self._prices[order.side]
            del prices[bisect_left(prices, order.price)]
        return order

    def get(self, order_id: int) -> Resting | None:
        """Return a resting order."""
        return self._orders.get(order_id)

    def best(self, side: Side) -> Decimal | None:
        """Return the best price of one side: the highest bid or the lowest ask."""
        prices = self._prices[side]
        if not prices:
            return None
        return prices[-1] if side is Side.BUY else prices[0]

    def waiting(self, side: Side) -> Iterator[Resting]:
        """Yield the orders of one side in the order in which they would trade."""
        prices, levels = self._prices[side], self._levels[side]
        for price in list(reversed(prices) if side is Side.BUY else prices):
            yield from list(levels.get(price, {}).values())

    def depth(self, side: Side) -> list[tuple[Decimal, Decimal]]:
        """Return price and quantity of each level of one side, best first."""
        prices, levels = self._prices[side], self._levels[side]
        return [
            (price, sum((order.left for order in levels[price].values()), Decimal(0)))
            for price in (reversed(prices) if side is Side.BUY else prices)
        ]

    def take(self, order: Resting, quantity: Decimal) -> None:
        """Count a trade against a resting order, which leaves the book when nothing of it is left."""
        order.left -= quantity
        if not order.left:
            self.remove(order.order_id)

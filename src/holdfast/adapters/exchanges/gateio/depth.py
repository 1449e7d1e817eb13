"""The order book of one market, kept from a snapshot and what changed since: in step with the venue, or not served."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from holdfast.adapters.exchanges.gateio import wire
from holdfast.adapters.exchanges.gateio.messages import BookUpdate

Level = tuple[float, float]
"""A price and the amount that rests there."""

_INFINITE: Final = float("inf")
_SPAN_MAX: Final = 1_000_000  # updates in one message; a tenth of a second has some hundreds
_IGNORED_MAX: Final = 100


class DepthState(StrEnum):
    """Whether the book can be believed."""

    WAITING = "waiting"  # for a snapshot, or for one that is new enough
    IN_STEP = "in_step"


class Depth:
    """A book that knows when it is wrong: then it is empty, and `why` says what happened, until `load` mends it.

    Give it every update of its market by `apply`; while it waits, ask the venue for a snapshot (with its id) and give
    that to `load`. Levels further away than the snapshot reached are unknown: they are not kept, and when one side is
    used up as far as that, the book asks for a new snapshot.
    """

    def __init__(self, currency_pair: str, *, levels_max: int = 2_000, pending_max: int = 1_000) -> None:
        self.currency_pair = currency_pair
        self.state = DepthState.WAITING
        self.why = "start"
        self.update_id = 0  # the last one that the book holds
        self.ts_event = 0
        self.gaps = 0  # how often it fell out of step
        self.ignored = 0  # updates that it held already
        self._levels_max = levels_max
        self._pending: deque[BookUpdate] = deque(maxlen=pending_max)
        # Prices rise in both lists. The dicts say what rests at each of them.
        self._bid_prices: list[float] = []
        self._ask_prices: list[float] = []
        self._bids: dict[float, float] = {}
        self._asks: dict[float, float] = {}
        # Worse prices than these are not known.
        self._floor, self._ceiling = 0.0, _INFINITE
        self._seen = 0  # the last update that came, in the book or not
        self._ignored_in_a_row = 0
        self._is_fresh = False  # nothing was applied since the snapshot

    @property
    def is_in_step(self) -> bool:
        return self.state is DepthState.IN_STEP

    @property
    def best_bid(self) -> Level | None:
        """The highest bid; None where there is none, or the book is not in step."""
        if not self._bid_prices:
            return None
        price = self._bid_prices[-1]
        return price, self._bids[price]

    @property
    def best_ask(self) -> Level | None:
        """The lowest ask; None where there is none, or the book is not in step."""
        if not self._ask_prices:
            return None
        price = self._ask_prices[0]
        return price, self._asks[price]

    def bids(self, count: int) -> list[Level]:
        """Return up to `count` bids, the best first."""
        return [(price, self._bids[price]) for price in self._bid_prices[: -count - 1 : -1]]

    def asks(self, count: int) -> list[Level]:
        """Return up to `count` asks, the best first."""
        return [(price, self._asks[price]) for price in self._ask_prices[:count]]

    def apply(self, update: BookUpdate) -> bool:
        """Take what changed, and return whether the book is in step with it."""
        if self.state is not DepthState.IN_STEP:
            self._keep(update)
            return False
        last_id = update.last_id
        if last_id <= self.update_id:
            self._ignore()
            return self.is_in_step
        self._seen = last_id
        if update.first_id != self.update_id + 1 and not self._follows_snapshot(update):
            self._fall_out(f"update {update.first_id} came after {self.update_id}", update)
            return False
        if last_id - update.first_id > _SPAN_MAX:
            self.lose(f"update {update.first_id} spans {last_id - update.first_id}")
            return False
        return self._take(update)

    def load(self, snapshot: wire.Book, limit: int = 0) -> bool:
        """Start from a snapshot, and return whether the book is in step; False asks for a newer one.

        A snapshot with fewer levels than `limit`, what was asked for, holds a whole side.
        """
        if snapshot.id is None:
            return self._refuse("the snapshot has no id")
        if self.is_in_step and snapshot.id < self.update_id:
            return True
        while self._pending and self._pending[0].last_id <= snapshot.id:
            self._pending.popleft()
        if self._pending and self._pending[0].first_id > snapshot.id + 1:
            return self._refuse(f"snapshot {snapshot.id} is older than update {self._pending[0].first_id}")
        if not self._pending and snapshot.id < self._seen:
            return self._refuse(f"snapshot {snapshot.id} is older than update {self._seen}")
        self._clear()
        self._fill(snapshot, limit)
        self.update_id, self.ts_event = snapshot.id, snapshot.ts_event
        self.state, self.why = DepthState.IN_STEP, ""
        self._is_fresh = True
        if self._is_wrong():
            self._fall_out(self._fault())
            return False
        pending = list(self._pending)
        self._pending.clear()
        for update in pending:
            self.apply(update)
        return self.is_in_step

    def lose(self, why: str) -> None:
        """Give the book up, as after a lost connection."""
        if self.state is DepthState.IN_STEP:
            self.gaps += 1
        self._clear()
        self._pending.clear()
        self._seen = self._ignored_in_a_row = 0
        self.state, self.why = DepthState.WAITING, why

    def _follows_snapshot(self, update: BookUpdate) -> bool:
        # The first one may begin before the snapshot does: levels are told whole, so what it repeats does no harm.
        return self._is_fresh and update.first_id <= self.update_id + 1

    def _keep(self, update: BookUpdate) -> None:
        if self._pending:
            last_id = self._pending[-1].last_id
            if update.last_id <= last_id:
                self._ignore()
                return
            if update.first_id != last_id + 1:
                # Nothing before the hole can ever be joined to what comes after it.
                self._pending.clear()
        if update.last_id - update.first_id > _SPAN_MAX:
            return
        self._pending.append(update)
        self._seen = update.last_id

    def _ignore(self) -> None:
        self.ignored += 1
        self._ignored_in_a_row += 1
        # A few old updates are a repetition. If nothing else comes any more, it is the book that is wrong.
        if self._ignored_in_a_row > _IGNORED_MAX:
            self.lose("the venue counts its updates anew")

    def _take(self, update: BookUpdate) -> bool:
        self._is_fresh = False
        self._ignored_in_a_row = 0
        floor, ceiling = self._floor, self._ceiling
        prices, book = self._bid_prices, self._bids
        for price, amount in update.bids:
            if price < floor:
                continue
            if amount:
                if price not in book:
                    insort(prices, price)
                book[price] = amount
            elif book.pop(price, None) is not None:
                del prices[bisect_left(prices, price)]
        prices, book = self._ask_prices, self._asks
        for price, amount in update.asks:
            if price > ceiling:
                continue
            if amount:
                if price not in book:
                    insort(prices, price)
                book[price] = amount
            elif book.pop(price, None) is not None:
                del prices[bisect_left(prices, price)]
        self.update_id, self.ts_event = update.last_id, update.ts_event
        if len(self._bid_prices) > self._levels_max or len(prices) > self._levels_max:
            self._trim()
        if self._is_wrong():
            self._fall_out(self._fault())
            return False
        return True

    def _fill(self, snapshot: wire.Book, limit: int) -> None:
        for levels, book, prices in (
            (snapshot.bids, self._bids, self._bid_prices),
            (snapshot.asks, self._asks, self._ask_prices),
        ):
            for level in levels:
                if level.amount and level.price:
                    book[float(level.price)] = float(level.amount)
            prices.extend(sorted(book))
        self._floor = self._bid_prices[0] if self._bid_prices and len(snapshot.bids) >= limit else 0.0
        self._ceiling = self._ask_prices[-1] if self._ask_prices and len(snapshot.asks) >= limit else _INFINITE
        self._trim()

    def _trim(self) -> None:
        surplus = len(self._bid_prices) - self._levels_max
        if surplus > 0:
            _remove(self._bids, self._bid_prices[:surplus])
            del self._bid_prices[:surplus]
            self._floor = self._bid_prices[0]
        surplus = len(self._ask_prices) - self._levels_max
        if surplus > 0:
            _remove(self._asks, self._ask_prices[-surplus:])
            del self._ask_prices[-surplus:]
            self._ceiling = self._ask_prices[-1]

    def _is_wrong(self) -> bool:
        bids, asks = self._bid_prices, self._ask_prices
        if bids and asks:
            return bids[-1] >= asks[0]
        # A side that is used up as far as it was known may go on beyond.
        return (not bids and self._floor > 0) or (not asks and self._ceiling < _INFINITE)

    def _fault(self) -> str:
        if self._bid_prices and self._ask_prices:
            return f"the book crossed: bid {self._bid_prices[-1]}, ask {self._ask_prices[0]}"
        return "one side is used up as far as it was known"

    def _fall_out(self, why: str, update: BookUpdate | None = None) -> None:
        seen = self._seen
        self.lose(why)
        self._seen = seen
        if update is not None:
            self._keep(update)

    def _refuse(self, why: str) -> bool:
        if self.state is DepthState.WAITING:
            self.why = why
        return False

    def _clear(self) -> None:
        for book in (self._bids, self._asks):
            book.clear()
        for prices in (self._bid_prices, self._ask_prices):
            prices.clear()
        self._floor, self._ceiling, self._is_fresh = 0.0, _INFINITE, False


def _remove(book: dict[float, float], prices: Sequence[float]) -> None:
    for price in prices:
        del book[price]

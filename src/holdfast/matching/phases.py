"""What a bar does to the orders of a book: first its open, then its range; stops before everything else."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from holdfast.domain.order import Liquidity, OrderEvent, OrderTriggered, OrderType
from holdfast.domain.values import ZERO, Price
from holdfast.matching.book import Book, TradedBar
from holdfast.matching.execution import Executor, Terms
from holdfast.matching.working import WorkingOrder

# Read once: from its class a member takes as long as ten comparisons.
_TRAILING_STOP: Final = OrderType.TRAILING_STOP
_TAKE_PROFIT: Final = OrderType.TAKE_PROFIT
_LIMIT: Final = OrderType.LIMIT


class Matcher:
    """Takes one book through one bar."""

    __slots__ = ("_executor", "_is_touch_fill")

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._is_touch_fill = executor.config.is_touch_fill

    # -- the open ---------------------------------------------------------------------------------------------------

    def open(self, book: Book, bar: TradedBar) -> list[OrderEvent]:
        """Fill at the open: what was sent for it, and what it has jumped past. What reduces goes before what enters."""
        events: list[OrderEvent] = []
        book.begin(bar)
        orders = list(book.orders.values())
        if len(orders) > 1:
            orders.sort(key=_urgency)
        for order in orders:
            if order.ts_active <= bar.ts_due and order.spec.order_id in book.orders:
                events += self._open_one(book, order, bar)
        return events

    def _open_one(self, book: Book, order: WorkingOrder, bar: TradedBar) -> list[OrderEvent]:
        if order.is_at_once:
            return self._open_at_once(book, order, bar)
        if order.is_resting_limit:
            return self._open_limit(book, order, bar)
        if order.spec.type is _TAKE_PROFIT:
            return self._open_take_profit(book, order, bar)
        return self._open_stop(book, order, bar)

    def _open_at_once(self, book: Book, order: WorkingOrder, bar: TradedBar) -> list[OrderEvent]:
        if bar.is_gap and order.is_entry:
            return [self._executor.cancel(book, order, bar.ts_open, "gap")]
        if order.is_triggered:
            return self._executor.fill(book, order, bar, _left_over(book, order, bar))
        base = _exact(bar.open)
        limit = order.limit_price if order.spec.type is _LIMIT else None
        terms = Terms(bar.ts_open, base, book.instrument.price(bar.open), price_worst=limit)
        return self._executor.fill(book, order, bar, terms)

    def _open_stop(self, book: Book, order: WorkingOrder, bar: TradedBar) -> list[OrderEvent]:
        if not _is_turned(order, bar.open, bar.open):
            if order.spec.type is _TRAILING_STOP:
                _drag(book, order, bar.open)
            return []
        if bar.is_gap and order.is_entry:
            return [self._executor.cancel(book, order, bar.ts_open, "gap")]
        return self._stop(book, order, bar, bar.open, bar.ts_open)

    def _open_take_profit(self, book: Book, order: WorkingOrder, bar: TradedBar) -> list[OrderEvent]:
        if not _is_reached(order, bar.open, bar.open):
            return []
        if bar.is_gap and order.is_entry:
            return [self._executor.cancel(book, order, bar.ts_open, "gap")]
        return self._take_profit(book, order, bar, bar.ts_open)

    def _open_limit(self, book: Book, order: WorkingOrder, bar: TradedBar) -> list[OrderEvent]:
        if bar.is_gap:  # it came before the gap or in it: nobody knows what it would have met
            order.is_arrived = True
            if order.is_entry:
                return []
        if not order.is_arrived:
            return self._arrive(book, order, bar, bar.ts_open)
        return self._rest(book, order, bar, bar.open, bar.ts_open)

    # -- the range --------------------------------------------------------------------------------------------------

    def range(self, book: Book, bar: TradedBar) -> list[OrderEvent]:
        """Fill what the range touches and has not had its turn in this bar. Stops first: their groups' targets wait."""
        events: list[OrderEvent] = []
        book.begin(bar)
        waiting = [o for o in book.orders.values() if o.ts_active < bar.ts_close and o.ts_done != bar.ts_close]
        for order in waiting:
            if order.is_stop and order.spec.order_id in book.orders:
                events += self._range_stop(book, order, bar)
        for order in waiting:
            is_in_time = order.ts_active <= bar.ts_due and order.ts_done != bar.ts_close
            if is_in_time and order.spec.order_id in book.orders and order.spec.group not in book.stopped:
                events += self._range_one(book, order, bar)
        return events

    def _range_stop(self, book: Book, order: WorkingOrder, bar: TradedBar) -> list[OrderEvent]:
        is_trailing = order.spec.type is _TRAILING_STOP
        if _is_turned(order, bar.low, bar.high):
            order.ts_done = bar.ts_close
            return self._stop(book, order, bar, _known(order, bar), bar.ts_range)
        if not is_trailing or order.ts_active > bar.ts_due:
            return []
        order.ts_done = bar.ts_close
        # Whether the extreme came before the turn is unknown, save for the close: that comes last.
        _drag(book, order, bar.low if order.is_buy else bar.high)
        if _is_turned(order, bar.close, bar.close):
            return self._stop(book, order, bar, 0.0, bar.ts_range)
        return []

    def _range_one(self, book: Book, order: WorkingOrder, bar: TradedBar) -> list[OrderEvent]:
        if order.spec.type is _TAKE_PROFIT and not order.is_triggered:
            if not _is_reached(order, bar.low, bar.high):
                return []
            order.ts_done = bar.ts_close
            return self._take_profit(book, order, bar, bar.ts_range)
        if not order.is_resting_limit:
            return []
        if not order.is_arrived:
            events = self._arrive(book, order, bar, bar.ts_range)
            if events:
                order.ts_done = bar.ts_close
                return events
        return self._rest(book, order, bar, bar.low if order.is_buy else bar.high, bar.ts_range)

    # -- what both share --------------------------------------------------------------------------------------------

    def _stop(self, book: Book, order: WorkingOrder, bar: TradedBar, seen: float, ts: int) -> list[OrderEvent]:
        """Trigger a stop. `seen` is a price that the market had when the stop could first act, 0.0 where it is unknown.

        It trades at the worse of its trigger and `seen`.
        """
        order.is_triggered = True
        if order.spec.group:
            book.stopped.add(order.spec.group)
        trigger = order.need_trigger()
        is_gap = seen > 0 and (seen > order.trigger if order.is_buy else seen < order.trigger)
        is_late = is_gap and self._is_late(book, order, bar)
        base = _exact(seen) if is_gap else Decimal(trigger)
        if order.spec.type is OrderType.STOP_LIMIT:
            return self._stop_limit(book, order, bar, Terms(ts, base, trigger, is_gap=is_gap, is_late=is_late))
        depth = _exact(bar.high) - base if order.is_buy else base - _exact(bar.low)
        terms = Terms(ts, base, trigger, is_gap=is_gap, is_late=is_late, depth=max(depth, ZERO))
        return self._executor.fill(book, order, bar, terms)

    def _is_late(self, book: Book, order: WorkingOrder, bar: TradedBar) -> bool:
        """Tell whether the price went past a stop that took whole bars to arrive: it has met none before this."""
        is_first = order.ts_active > bar.ts_due - book.nanos
        return is_first and self._executor.config.latency_bars > 0 and not bar.is_gap

    def _stop_limit(self, book: Book, order: WorkingOrder, bar: TradedBar, terms: Terms) -> list[OrderEvent]:
        order.is_arrived, order.ts_done = True, bar.ts_close
        events: list[OrderEvent] = [OrderTriggered(order.spec.order_id, terms.ts)]
        limit = order.need_limit()
        if terms.base <= limit if order.is_buy else terms.base >= limit:
            worst = Terms(
                terms.ts, terms.base, terms.reference, is_gap=terms.is_gap, is_late=terms.is_late, price_worst=limit,
                is_capped=True,
            )  # fmt: skip
            events += self._executor.fill(book, order, bar, worst)
        return events

    def _take_profit(self, book: Book, order: WorkingOrder, bar: TradedBar, ts: int) -> list[OrderEvent]:
        """Trigger a take-profit: it trades at its trigger, never at the better price of a favourable gap."""
        order.is_triggered = True
        trigger = order.need_trigger()
        return self._executor.fill(book, order, bar, Terms(ts, Decimal(trigger), trigger))

    def _arrive(self, book: Book, order: WorkingOrder, bar: TradedBar, ts: int) -> list[OrderEvent]:
        """Let a limit order meet the market for the first time, at the open: what crosses takes, or ends."""
        order.is_arrived = True
        if not (order.limit >= bar.open if order.is_buy else order.limit <= bar.open):
            return []
        if order.spec.is_post_only:
            return [self._executor.cancel(book, order, ts, "post_only")]
        base = _exact(bar.open)
        terms = Terms(ts, base, book.instrument.price(bar.open), price_worst=order.need_limit(), is_capped=True)
        return self._executor.fill(book, order, bar, terms)

    def _rest(self, book: Book, order: WorkingOrder, bar: TradedBar, extreme: float, ts: int) -> list[OrderEvent]:
        """Fill a resting limit order, at its limit and never better, if the price has gone through it."""
        is_through = extreme < order.limit if order.is_buy else extreme > order.limit
        if not (is_through or (self._is_touch_fill and extreme == order.limit)):
            return []
        order.ts_done = bar.ts_close
        limit = order.need_limit()
        return self._executor.fill(book, order, bar, Terms(ts, Decimal(limit), limit, Liquidity.MAKER))


def _left_over(book: Book, order: WorkingOrder, bar: TradedBar) -> Terms:
    """Return on what terms the rest of a triggered order trades: the worse of its trigger and this bar's open.

    The bar that triggered it was too thin for all of it. A bounce since then is nobody's gain.
    """
    is_open_worse = bar.open > order.trigger if order.is_buy else bar.open < order.trigger
    if is_open_worse:
        return Terms(bar.ts_open, _exact(bar.open), book.instrument.price(bar.open))
    trigger = order.need_trigger()
    return Terms(bar.ts_open, Decimal(trigger), trigger)


def _urgency(order: WorkingOrder) -> int:
    if order.is_entry:
        return 2
    return 0 if order.is_stop or order.is_triggered else 1


def _is_turned(order: WorkingOrder, low: float, high: float) -> bool:
    return high >= order.trigger if order.is_buy else low <= order.trigger


def _is_reached(order: WorkingOrder, low: float, high: float) -> bool:
    return low <= order.trigger if order.is_buy else high >= order.trigger


def _known(order: WorkingOrder, bar: TradedBar) -> float:
    """Return the worst price that the market is known to have had before the stop acts in the bar's range.

    A stop that was there at the open has the open on its right side. One that was sent or moved later may not.
    """
    if order.ts_active < bar.ts_open or not order.seen:
        return bar.open
    return max(order.seen, bar.open) if order.is_buy else min(order.seen, bar.open)


def _drag(book: Book, order: WorkingOrder, price: float) -> None:
    """Move a trailing stop's trigger behind a new best price, rounded away from the price."""
    offset = order.spec.trail_offset
    if offset is None or (price >= order.best if order.is_buy else price <= order.best):
        return
    order.best = price
    trigger: Price
    if order.is_buy:
        trigger = book.instrument.price_up(_exact(price) + offset)
    else:
        trigger = book.instrument.price_down(max(_exact(price) - offset, book.instrument.tick))
    order.reprice(trigger, None)


def _exact(price: float) -> Decimal:
    return Decimal(repr(price))

"""Our orders of one instrument at a venue, and what they need of a bar."""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal
from enum import IntEnum
from typing import Final

import msgspec

from holdfast.core.record import Record
from holdfast.core.time import MILLISECOND
from holdfast.domain.instrument import Instrument, Market
from holdfast.domain.market import BarClosed, BarFlag
from holdfast.domain.order import OrderEvent, Role
from holdfast.domain.values import ZERO, OrderId, Price, Quantity, Side
from holdfast.matching.account import NO_HOLDS, Holds, margin
from holdfast.matching.config import MatchingConfig
from holdfast.matching.costs import fee_rate_max
from holdfast.matching.working import WorkingOrder

# Read once: from its class a member takes as long as ten comparisons.
_BUY: Final = Side.BUY
_SELL: Final = Side.SELL
_ENTRY: Final = Role.ENTRY

Events = tuple[OrderEvent, ...]
NOTHING: Events = ()

_NOTHING_BOUND = (ZERO, ZERO, False)
_GAP_FLAGS = int(BarFlag.GAP_BEFORE | BarFlag.AFTER_NO_TRADE)
_NO_TRADE = int(BarFlag.NO_TRADE)
_SUSPECT = int(BarFlag.SUSPECT)


class Phase(IntEnum):
    """Where in a bar the book stands: orders sent now answer what that phase has reported."""

    CLOSED = 0
    OPEN = 1
    RANGE = 2


class TradedBar:
    """A bar as orders meet it: exact open, trusted range, when it began and who is in time for its open."""

    __slots__ = ("close", "has_traded", "high", "is_gap", "low", "open", "ts_close", "ts_due", "ts_open", "volume")

    def __init__(self, bar: BarClosed, nanos: int, config: MatchingConfig) -> None:
        self.open, self.close, self.volume = bar.open, bar.close, bar.volume
        if bar.flags & _SUSPECT:  # the wick is no price that anybody could have had
            self.low, self.high = min(bar.open, bar.close), max(bar.open, bar.close)
        else:
            self.low, self.high = bar.low, bar.high
        self.is_gap = bool(bar.flags & _GAP_FLAGS)
        self.has_traded = not bar.flags & _NO_TRADE
        self.ts_close = bar.ts_event
        self.ts_open = bar.ts_event - nanos
        self.ts_due = self.ts_open + config.open_window_ms * MILLISECOND

    @property
    def volume_exact(self) -> Decimal:
        """Return the volume as the decimal that names its float (base units)."""
        return Decimal(repr(self.volume))

    @property
    def ts_range(self) -> int:
        """Return the time of what happens within the bar: its last nanosecond, the latest that it can have been."""
        return self.ts_close - 1


class Request(Record, frozen=True):
    """An amend, or a cancel where it has a reason, that is still on its way to the venue."""

    ts_active: int
    order_id: OrderId
    trigger_price: Price | None = None
    quantity: Quantity | None = None
    reason: str | None = None


class BookState(Record, frozen=True):
    """What a book remembers besides its orders."""

    last: float = 0.0
    phase: Phase = Phase.CLOSED
    ts_phase: int = 0
    ts_used: int = 0
    used: Decimal = ZERO
    stopped: tuple[str, ...] = ()
    shared: dict[str, Decimal] = msgspec.field(default_factory=dict)
    requests: tuple[Request, ...] = ()


class Book:
    """The working orders of one instrument. A bar strictly between `below` and `above` concerns none of them."""

    __slots__ = (
        "_bar", "_traded", "above", "below", "fee_rate_max", "instrument", "is_spot", "last", "nanos", "orders",
        "phase", "requests", "shared", "stopped", "tick", "ts_phase", "ts_used", "used",
    )  # fmt: skip

    def __init__(self, instrument: Instrument, nanos: int, config: MatchingConfig) -> None:
        self.instrument, self.nanos, self.tick = instrument, nanos, instrument.tick
        self.is_spot = instrument.market is Market.SPOT
        self.fee_rate_max = fee_rate_max(config, instrument)
        self._bar: BarClosed | None = None
        self._traded: TradedBar | None = None  # of that bar: its phases share it
        self.orders: dict[OrderId, WorkingOrder] = {}
        self.below, self.above = -math.inf, math.inf
        self.last = 0.0  # the last price known; 0.0 before the first bar
        self.phase, self.ts_phase = Phase.CLOSED, 0
        self.ts_used, self.used = 0, ZERO  # what we have taken of the volume of the bar that closes at ts_used
        self.stopped: set[str] = set()  # groups whose stop was touched in the bar that closes at ts_used
        self.shared: dict[str, Decimal] = {}  # what the orders of a group can still fill, all together
        self.requests: list[Request] = []

    def meet(self, bar: BarClosed, config: MatchingConfig) -> TradedBar:
        """Return the bar as the orders meet it."""
        traded = self._traded
        if traded is None or self._bar is not bar:
            self._bar = bar
            traded = self._traded = TradedBar(bar, self.nanos, config)
        return traded

    def heed(self, order: WorkingOrder) -> None:
        """Widen the levels for an order that has just been added; what `refresh` would come to."""
        low, high = order.levels()
        if low > self.below:
            self.below = low
        if high < self.above:
            self.above = high

    def refresh(self) -> None:
        """Compute the levels anew after orders have changed."""
        below, above = -math.inf, math.inf
        for order in self.orders.values():
            low, high = order.levels()
            if low > below:
                below = low
            if high < above:
                above = high
        self.below = math.inf if self.phase or self.requests else below
        self.above = above

    def move_stop(self, order: WorkingOrder, before: float) -> None:
        """Adapt the levels to a stop-market's new trigger; `before` is the old one. Mostly without seeing the rest."""
        trigger = order.trigger
        if order.spec.side is _BUY:
            if trigger > before and before <= self.above:
                self.refresh()
            elif trigger < self.above:
                self.above = trigger
        elif trigger < before and before >= self.below:
            self.refresh()
        elif trigger > self.below:
            self.below = trigger

    def enter(self, phase: Phase, ts: int, last: float) -> None:
        """Note what the engine now answers to, so that its orders still take part in this bar."""
        self.phase, self.ts_phase, self.last = phase, ts, last

    def begin(self, bar: TradedBar) -> None:
        """Start counting for this bar, if that has not been done."""
        if self.ts_used != bar.ts_close:
            self.ts_used, self.used = bar.ts_close, ZERO
            self.stopped.clear()

    def budget(self, bar: TradedBar, config: MatchingConfig) -> Decimal | None:
        """Return what of the bar's volume we may still take (base units, on the lot); None is without limit."""
        if config.participation_max is None:
            return None
        return max(self.instrument.quantity(bar.volume_exact * config.participation_max) - self.used, ZERO)

    def members(self, order: WorkingOrder) -> list[WorkingOrder]:
        """Return the other orders of its group."""
        group = order.spec.group
        if not group:
            return []
        return [other for other in self.orders.values() if other.spec.group == group and other is not order]

    def add(self, order: WorkingOrder) -> None:
        """Work on the order; a group shares what its largest order asks for."""
        self.orders[order.spec.order_id] = order
        group = order.spec.group
        if group and order.left > self.shared.get(group, ZERO):
            self.shared[group] = order.left

    def resize(self, order: WorkingOrder, quantity: Quantity) -> None:
        """Give the order a new quantity; where it was its group's largest, the group follows."""
        before = order.left
        order.quantity = quantity
        group = order.spec.group
        if not group:
            return
        if before == self.shared[group]:
            self.shared[group] = max(order.left, *(other.left for other in self.members(order)), ZERO)
        else:
            self.shared[group] = max(order.left, self.shared[group])

    def remove(self, order: WorkingOrder) -> None:
        """Forget the order; with its last order a group is gone."""
        del self.orders[order.spec.order_id]
        group = order.spec.group
        if group:
            for other in self.orders.values():
                if other.spec.group == group:
                    return
            del self.shared[group]

    def holds(self, without: WorkingOrder | None = None) -> Holds:
        """Return what the orders bind (base units, quote units); a group binds what it shares, once, at its dearest.

        `without` leaves out an order and its whole group: what they share is free for each of them.
        """
        if not self.orders:
            return NO_HOLDS
        base = quote = ZERO
        groups: dict[str, tuple[Decimal, Decimal, bool]] = {}
        own = without.spec.group if without is not None else ""
        for order in self.orders.values():
            group = order.spec.group
            if order is without or (own and group == own):
                continue
            left = order.quantity - order.filled
            if group:
                quantity, price, _ = groups.get(group, _NOTHING_BOUND)
                dearest = order.hold_price
                groups[group] = quantity + left, price if price > dearest else dearest, self.is_closing(order)
            elif self.is_closing(order):
                base += left
            else:
                quote += margin(order.hold_price, left, self.fee_rate_max)
        for group, (quantity, price, is_closing) in groups.items():
            shared = self.shared[group]
            if shared < quantity:
                quantity = shared
            if is_closing:
                base += quantity
            else:
                quote += margin(price, quantity, self.fee_rate_max)
        return base, quote

    def is_closing(self, order: WorkingOrder) -> bool:
        """Tell whether it gives back base units: every sale on spot; on a perpetual whatever is no entry."""
        spec = order.spec
        return spec.side is _SELL if self.is_spot else spec.role is not _ENTRY

    def state(self) -> BookState:
        """Return what is to be kept besides the orders."""
        return BookState(
            self.last, self.phase, self.ts_phase, self.ts_used, self.used,
            tuple(sorted(self.stopped)), dict(self.shared), tuple(self.requests),
        )  # fmt: skip

    def restore(self, state: BookState, orders: Iterable[WorkingOrder]) -> None:
        """Take up what `state` gave, and the orders that belong to it."""
        self.enter(state.phase, state.ts_phase, state.last)
        self.ts_used, self.used, self.stopped = state.ts_used, state.used, set(state.stopped)
        self.shared, self.requests = dict(state.shared), list(state.requests)
        self.orders = {order.spec.order_id: order for order in orders}

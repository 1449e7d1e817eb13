"""What is known of one of our orders at the venue, and which news about it the house may be told. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from holdfast.adapters.exchanges.gateio.wire import MyTrade
from holdfast.domain.instrument import Instrument
from holdfast.domain.order import (
    TRANSITIONS,
    Order,
    OrderCanceled,
    OrderEvent,
    OrderType,
    Role,
)  # fmt: skip
from holdfast.domain.values import ZERO, OrderId, Price, Quantity
from holdfast.domain.venue_fills import fills_of, together

TRIGGER_PREFIX = "trigger:"
"""Before a venue id that names a price-triggered order and no order in the book."""


@dataclass
class Tracked:
    """One order. `order` is what the house knows, so that nothing is told that its state does not admit."""

    order: Order
    instrument: Instrument
    pair: str
    venue_ids: list[str] = field(default_factory=list)  # of orders in the book that trade for it
    trigger_ids: list[str] = field(default_factory=list)  # of triggers that wait for it
    trades: dict[str, MyTrade] = field(default_factory=dict)
    pushed: dict[str, MyTrade] = field(default_factory=dict)  # heard of, and perhaps not all that there are
    awaited: tuple[str, Decimal] | None = (
        None  # the order in the book whose trades are asked for, and how much they are
    )
    fence: int = 0  # by the venue's clock (ns): what is not there then will never be
    cancel_reason: str = ""
    is_busy: bool = False  # a request about it is on its way
    is_unsure: bool = False  # there may be more triggers for it than are known, until the fence has fallen
    doubted: set[Decimal] = field(default_factory=set)  # amounts of the triggers that there may be
    newer_than: int = 0  # the venue's id of the last trigger that was known before its own was sent; 0 is not known
    is_inherited: bool = False  # of an earlier process, which may have made a trigger smaller and not have said so
    has_left: bool = True  # False while a way out waits until it may be sent: until then its triggers guard
    is_withdrawn: bool = False  # its triggers were taken back to clear the way for a way out
    is_asked: bool = False  # somebody waits for an Answered
    free: Quantity | None = None  # all that the venue would let go, where that is less than was to be sold
    trigger_wanted: Price | None = None  # where the house has moved its stop
    quantity_wanted: Quantity | None = None  # what its group has left for it

    @property
    def order_id(self) -> OrderId:
        """Return our id."""
        return self.order.spec.order_id

    @property
    def is_trigger(self) -> bool:
        """Tell whether it waits as a price-triggered order: a stop, or a target that shares a position with one."""
        spec = self.order.spec
        is_target = spec.role is Role.TARGET and spec.type is OrderType.LIMIT  # the software target sells at the market
        return spec.type is OrderType.STOP_MARKET or (is_target and bool(spec.group))

    @property
    def is_way_out(self) -> bool:
        """Tell whether it sells, at once, what triggers of its group guard."""
        return self.order.spec.is_reducing and bool(self.order.spec.group) and not self.is_trigger

    @property
    def is_over(self) -> bool:
        """Tell whether the house knows its end."""
        return self.order.state.is_final

    @property
    def is_haunting(self) -> bool:
        """Tell whether it is over and may still have a trigger at the venue, which would sell what it no longer has."""
        return self.is_over and self.is_trigger and bool(self.trigger_ids or self.is_unsure)

    @property
    def is_kept(self) -> bool:
        """Tell whether something is still to be done about it, or said."""
        return not self.is_over or self.is_busy or self.is_asked or self.is_haunting

    @property
    def is_placed(self) -> bool:
        """Tell whether the venue is known to have it."""
        return bool(self.venue_ids or self.trigger_ids)

    def adopt(self, venue_id: str) -> None:
        """Note an id under which the venue has it."""
        names = self.trigger_ids if venue_id.startswith(TRIGGER_PREFIX) else self.venue_ids
        name = venue_id.removeprefix(TRIGGER_PREFIX)
        if name not in names:
            names.append(name)

    def tell(self, event: OrderEvent) -> list[OrderEvent]:
        """Return the event for the house, nothing where it is known or its time is over."""
        order = self.order
        if (order.state, type(event)) not in TRANSITIONS:
            return []
        after = order.apply(event)
        if after is order:
            return []
        self.order = after
        return [event]

    def add(self, trades: Iterable[MyTrade]) -> list[OrderEvent]:
        """Take trades in, and return the fills that the house does not know."""
        before = len(self.trades)
        self.trades.update((trade.trade_id, trade) for trade in trades if trade.venue_order_id in self.venue_ids)
        if len(self.trades) == before:
            return []
        known = set(self.order.trade_ids)
        fills = fills_of(self.trades.values(), self.order_id, self.instrument, self.order.quantity)
        return [*together([fill for fill in fills if fill.trade_id not in known and self.tell(fill)])]

    def add_pushed(self, venue_id: str, amount: Decimal) -> list[OrderEvent]:
        """Return the fills of one order in the book, where the pushes tell of all that it has traded; else nothing.

        Only all trades together tell how much of each is a whole lot after its fee.
        """
        mine = {name: trade for name, trade in self.pushed.items() if trade.venue_order_id == venue_id}
        mine |= {name: trade for name, trade in self.trades.items() if trade.venue_order_id == venue_id}
        is_whole = sum((trade.amount for trade in mine.values()), ZERO) == amount
        return self.add(mine.values()) if is_whole else []

    def end(self, ts: int, reason: str) -> list[OrderEvent]:
        """Return the end of what is left of it; all fills must have been told before."""
        if self.is_over:
            return []
        return self.tell(OrderCanceled(self.order_id, ts, self.cancel_reason or reason))

    def traded(self, venue_id: str) -> Decimal:
        """Return how much of one order in the book is known to have traded (base units, before fees)."""
        return sum((trade.amount for trade in self.trades.values() if trade.venue_order_id == venue_id), ZERO)

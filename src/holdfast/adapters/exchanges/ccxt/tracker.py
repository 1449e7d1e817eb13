"""What is known of one of our orders at a venue of ccxt's, and which news about it the house may be told. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from holdfast.adapters.exchanges.ccxt.markets import Limits
from holdfast.adapters.exchanges.ccxt.profiles import ClientId
from holdfast.adapters.exchanges.ccxt.shape import OwnTrade
from holdfast.domain.instrument import Instrument
from holdfast.domain.order import TRANSITIONS, Order, OrderCanceled, OrderEvent, OrderState, OrderType, Role
from holdfast.domain.values import ZERO, OrderId, Price, Quantity
from holdfast.domain.venue_fills import fills_of, together

TRIGGER_PREFIX = "trigger:"
"""Before a venue id that names a waiting stop or target, and no order in the book yet."""
HELD = "held"
"""The venue id of a target that the adapter keeps, because a stop binds the coins that it would sell."""
UNHEARD = frozenset({OrderState.SUBMITTED, OrderState.IN_DOUBT})


@dataclass
class Tracked:
    """One order. `order` is what the house knows, so that nothing is told that its state does not admit."""

    order: Order
    instrument: Instrument
    limits: Limits
    waits: bool  # it waits at the venue as a stop, or as a target beside one
    is_held: bool  # it waits here
    book: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    trades: dict[str, OwnTrade] = field(default_factory=dict)
    fence: int = 0  # by the venue's clock (ns): what is not there then will never be
    pending: str = ""  # client id of a second placing whose answer was lost
    generation: int = 0
    cancel_reason: str = ""
    is_busy: bool = False
    is_unsure: bool = False  # more may wait for it than is known, until the fence has fallen
    doubted: set[Decimal] = field(default_factory=set)  # amounts of what may wait for it
    is_inherited: bool = False  # of an earlier process, which may have made a stop smaller and not have said so
    ts_doubted: int = 0  # by the venue's clock (ns): what may wait and is not known is no older
    newest: int = 0  # and has a higher id than this, where the venue counts them; 0: not known
    is_sending: bool = False  # a stop, or the sale of a target that is kept here, is on its way
    is_withdrawn: bool = False  # taken back to clear the way for a way out
    is_asked: bool = False
    free: Quantity | None = None  # all that the venue would let go, where that is less than was to be sold
    trigger_wanted: Price | None = None
    quantity_wanted: Quantity | None = None

    @property
    def order_id(self) -> OrderId:
        """Return our id."""
        return self.order.spec.order_id

    @property
    def is_stop(self) -> bool:
        """Tell whether it is a stop."""
        return self.order.spec.type is OrderType.STOP_MARKET

    @property
    def is_over(self) -> bool:
        """Tell whether the house knows its end."""
        return self.order.state.is_final

    @property
    def is_haunting(self) -> bool:
        """Tell whether it is over and something may still wait for it at the venue, to sell what is no longer there."""
        return self.is_over and self.waits and bool(self.waiting or self.is_unsure)

    @property
    def is_kept(self) -> bool:
        """Tell whether something is still to be done about it, or said."""
        return not self.is_over or self.is_busy or self.is_asked or self.is_haunting

    @property
    def is_placed(self) -> bool:
        """Tell whether the venue, or the adapter for it, is known to have it."""
        is_kept = self.is_held and self.order.state not in UNHEARD
        return bool(self.book or self.waiting) or is_kept

    @property
    def is_way_out(self) -> bool:
        """Tell whether it is about to sell what others guard."""
        spec = self.order.spec
        is_going = bool(self.book or self.pending or self.is_sending) or (
            not self.is_held and self.order.state in UNHEARD
        )
        return spec.is_reducing and not self.waits and not self.is_over and is_going

    def next_pending(self, client_id: ClientId) -> None:
        """Count one more placing of it, and look for that from now on."""
        self.generation += 1
        self.pending = client_id.of(self.order_id, self.generation)

    def adopt(self, venue_id: str) -> None:
        """Note an id under which the venue has it."""
        if venue_id == HELD:
            return
        names = self.waiting if venue_id.startswith(TRIGGER_PREFIX) else self.book
        name = venue_id.removeprefix(TRIGGER_PREFIX)
        if name not in names:
            names.append(name)

    def tell(self, event: OrderEvent) -> list[OrderEvent]:
        """Return the event for the house, nothing where it is known or its time is over."""
        if (self.order.state, type(event)) not in TRANSITIONS:
            return []
        after = self.order.apply(event)
        if after is self.order:
            return []
        self.order = after
        return [event]

    def add(self, trades: Iterable[OwnTrade]) -> list[OrderEvent]:
        """Take trades in, and return the fills that the house does not know."""
        before = len(self.trades)
        self.trades.update((trade.trade_id, trade) for trade in trades if trade.venue_order_id in self.book)
        if len(self.trades) == before:
            return []
        fills = fills_of(self.trades.values(), self.order_id, self.instrument, self.order.quantity)
        return [*together([fill for fill in fills if self.tell(fill)])]

    def end(self, ts: int, reason: str) -> list[OrderEvent]:
        """Return the end of what is left of it; all fills must have been told before."""
        if self.is_over:
            return []
        return self.tell(OrderCanceled(self.order_id, ts, self.cancel_reason or reason))

    def traded(self, venue_id: str) -> Decimal:
        """Return how much of one order in the book is known to have traded (base units, before fees)."""
        return sum((trade.amount for trade in self.trades.values() if trade.venue_order_id == venue_id), ZERO)


def is_waiting_kind(order: Order) -> bool:
    """Tell whether an order waits for a price: a stop, or a target that shares a position with one."""
    spec = order.spec
    is_target = spec.role is Role.TARGET and spec.type is OrderType.LIMIT  # the software target sells at the market
    return spec.type is OrderType.STOP_MARKET or (is_target and bool(spec.group))

"""What an order asks for, the states of its life, and the events that move it on."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Final

from holdfast.core.errors import DomainError, InvalidTransitionError
from holdfast.core.record import Record
from holdfast.domain.values import ZERO, InstrumentId, Money, OrderId, Price, Quantity, Side


class OrderType(StrEnum):
    """How an order waits and at what price it trades."""

    MARKET = "market"
    LIMIT = "limit"
    STOP_MARKET = "stop_market"  # a market order once the trigger is touched from the wrong side
    STOP_LIMIT = "stop_limit"
    TAKE_PROFIT = "take_profit"  # a market order once the trigger is touched from the right side
    TRAILING_STOP = "trailing_stop"  # a stop-market that the venue drags behind the best price by `trail_offset`


class TimeInForce(StrEnum):
    """How long an order stays."""

    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"


class Role(StrEnum):
    """Why we sent it; everything but ENTRY only reduces a position."""

    ENTRY = "entry"
    STOP = "stop"
    TARGET = "target"
    EXIT = "exit"  # the strategy's own exit signal
    EMERGENCY = "emergency"


class OrderSpec(Record, frozen=True):
    """An order as it goes to a venue.

    Orders of one `group` share one position's quantity (one updates the other): what one of them fills, the others
    lose. A bracket is an entry whose fills put a STOP and a TARGET into one group.
    """

    order_id: OrderId
    instrument_id: InstrumentId
    side: Side
    type: OrderType
    quantity: Quantity
    role: Role
    limit_price: Price | None = None
    trigger_price: Price | None = None
    trail_offset: Decimal | None = None  # quote units
    time_in_force: TimeInForce = TimeInForce.GTC
    is_post_only: bool = False
    group: str = ""

    def __post_init__(self) -> None:
        kind = self.type
        if self.quantity <= ZERO:
            raise DomainError(f"{self.order_id}: quantity {self.quantity} must be positive")
        needs_limit, needs_trigger, needs_offset = _NEEDS[kind]
        if (self.limit_price is None) is needs_limit:
            raise DomainError(f"{self.order_id}: a {kind} order {_must(needs_limit)} a limit price")
        if (self.trigger_price is None) is needs_trigger:
            raise DomainError(f"{self.order_id}: a {kind} order {_must(needs_trigger)} a trigger price")
        if (self.trail_offset is None) is needs_offset:
            raise DomainError(f"{self.order_id}: a trail offset belongs to a trailing stop and to nothing else")
        if self.is_post_only and (kind is not OrderType.LIMIT or self.time_in_force is not TimeInForce.GTC):
            raise DomainError(f"{self.order_id}: only a GTC limit order can be post-only")
        if kind is _MARKET and self.time_in_force is TimeInForce.GTC:
            raise DomainError(f"{self.order_id}: a market order cannot rest; use ioc or fok")

    @property
    def is_reducing(self) -> bool:
        """Tell whether it can only make a position smaller."""
        return self.role is not Role.ENTRY

    @property
    def is_way_out(self) -> bool:
        """Tell whether it sells at once what is held; a stop or target that rests at the venue is none."""
        return self.type is _MARKET and self.is_reducing


_MARKET: Final = OrderType.MARKET  # read once: from its class it takes as long as ten comparisons

# Which of limit, trigger and trail offset each type needs; the others it cannot have.
_NEEDS: Final[Mapping[OrderType, tuple[bool, bool, bool]]] = {
    OrderType.MARKET: (False, False, False),
    OrderType.LIMIT: (True, False, False),
    OrderType.STOP_MARKET: (False, True, False),
    OrderType.STOP_LIMIT: (True, True, False),
    OrderType.TAKE_PROFIT: (False, True, False),
    OrderType.TRAILING_STOP: (False, True, True),
}


def _must(is_needed: bool) -> str:
    return "needs" if is_needed else "cannot have"


class Liquidity(StrEnum):
    """Whether a fill gave or took liquidity."""

    MAKER = "maker"
    TAKER = "taker"


class OrderSubmitted(Record, frozen=True, tag=True):
    """The order left the house."""

    order_id: OrderId
    ts_event: int


class OrderAccepted(Record, frozen=True, tag=True):
    """The venue holds it."""

    order_id: OrderId
    ts_event: int
    venue_order_id: str = ""


class OrderRejected(Record, frozen=True, tag=True):
    """The venue does not want it; `reason` is the venue's label."""

    order_id: OrderId
    ts_event: int
    reason: str


class OrderTimedOut(Record, frozen=True, tag=True):
    """No answer within the deadline: the venue may or may not hold the order."""

    order_id: OrderId
    ts_event: int


class OrderCanceled(Record, frozen=True, tag=True):
    """What was left of it is gone; `reason` tells why (operator, ioc, fok, group, gap, expired, balance)."""

    order_id: OrderId
    ts_event: int
    reason: str


BALANCE: Final = "balance"
"""Why a way out has ended that was to sell more than the account had free: what was free is sold."""


VENUE_DOWN: Final = "venue_down"
"""Begins the reason of an order that was rejected without having left, for its venue is out of reach."""


class OrderTriggered(Record, frozen=True, tag=True):
    """A stop-limit became a limit order."""

    order_id: OrderId
    ts_event: int


class OrderAmended(Record, frozen=True, tag=True):
    """The venue's order now has these terms; None means unchanged."""

    order_id: OrderId
    ts_event: int
    trigger_price: Price | None = None
    limit_price: Price | None = None
    quantity: Quantity | None = None


class OrderFilled(Record, frozen=True, tag=True):
    """Some or all of it traded. The only event that moves a position.

    `reference` is the price that it would have had without spread, slippage and gap; the difference is a cost that is
    reported. `is_gap` says that the market had already jumped past the stop when it could first trade, `is_late` that
    it did so while the stop was on its way, `has_more` that the next fill of the order came in together with it, so
    that one stop can guard both.
    """

    order_id: OrderId
    ts_event: int
    trade_id: str
    price: Price
    quantity: Quantity
    fee: Money
    liquidity: Liquidity
    reference: Price
    is_gap: bool = False
    is_late: bool = False
    has_more: bool = False


OrderEvent = (
    OrderSubmitted | OrderAccepted | OrderRejected | OrderTimedOut
    | OrderCanceled | OrderTriggered | OrderAmended | OrderFilled
)  # fmt: skip


class OrderState(StrEnum):
    """Where an order is in its life."""

    APPROVED = "APPROVED"
    SUBMITTED = "SUBMITTED"
    IN_DOUBT = "IN_DOUBT"  # sent, no answer: never resend, reconcile
    OPEN = "OPEN"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"

    @property
    def is_final(self) -> bool:
        """Tell whether nothing but a late fill can still happen to it."""
        return self in FINAL


FINAL: Final = frozenset({OrderState.FILLED, OrderState.CANCELED, OrderState.REJECTED})
"""The states after which nothing but a late fill can happen."""

_S = OrderState
_SUBMITTED: Final = OrderState.SUBMITTED
_FROM_SENT: Final = (
    (OrderAccepted, _S.OPEN),
    (OrderRejected, _S.REJECTED),
    (OrderFilled, _S.FILLED),
    (OrderCanceled, _S.CANCELED),  # IOC, FOK, or a cancel that overtook the acknowledgement
)

TRANSITIONS: Final[Mapping[tuple[OrderState, type[OrderEvent]], OrderState]] = {
    (_S.APPROVED, OrderSubmitted): _S.SUBMITTED,
    (_S.APPROVED, OrderCanceled): _S.CANCELED,  # never left the house
    (_S.SUBMITTED, OrderTimedOut): _S.IN_DOUBT,
    **{(_S.SUBMITTED, event): state for event, state in _FROM_SENT},
    **{(_S.IN_DOUBT, event): state for event, state in _FROM_SENT},
    (_S.IN_DOUBT, OrderTimedOut): _S.IN_DOUBT,  # asked again, still no answer
    (_S.OPEN, OrderAccepted): _S.OPEN,  # pushes repeat
    (_S.OPEN, OrderTriggered): _S.OPEN,
    (_S.OPEN, OrderAmended): _S.OPEN,
    (_S.OPEN, OrderFilled): _S.FILLED,
    (_S.OPEN, OrderCanceled): _S.CANCELED,
    (_S.PARTIALLY_FILLED, OrderAccepted): _S.PARTIALLY_FILLED,  # a late acknowledgement
    (_S.PARTIALLY_FILLED, OrderTriggered): _S.PARTIALLY_FILLED,
    (_S.PARTIALLY_FILLED, OrderAmended): _S.PARTIALLY_FILLED,
    (_S.PARTIALLY_FILLED, OrderFilled): _S.FILLED,
    (_S.PARTIALLY_FILLED, OrderCanceled): _S.CANCELED,
    (_S.CANCELED, OrderFilled): _S.FILLED,  # the fill overtook our cancel
    (_S.CANCELED, OrderCanceled): _S.CANCELED,
    (_S.FILLED, OrderAccepted): _S.FILLED,  # the acknowledgement came after the fill
}
"""State and event -> next state. A fill that leaves something open leads to PARTIALLY_FILLED instead of FILLED."""


class Order(Record, frozen=True):
    """An order and what has happened to it so far."""

    spec: OrderSpec
    quantity: Quantity  # as amended; `spec.quantity` is what was first asked
    trigger_price: Price | None = None
    limit_price: Price | None = None
    state: OrderState = OrderState.APPROVED
    filled: Quantity = Quantity(ZERO)
    notional: Decimal = ZERO  # sum of price x quantity over the fills
    trade_ids: tuple[str, ...] = ()
    venue_order_id: str = ""
    reason: str = ""

    @classmethod
    def of(cls, spec: OrderSpec) -> Order:
        """Return the order at the start of its life."""
        return cls(spec, spec.quantity, spec.trigger_price, spec.limit_price)

    @classmethod
    def sent(cls, spec: OrderSpec) -> Order:
        """Return the order as it leaves the house: what `of` and then OrderSubmitted come to."""
        return cls(spec, spec.quantity, spec.trigger_price, spec.limit_price, _SUBMITTED)

    @property
    def left(self) -> Decimal:
        """Return what is not yet filled (base units)."""
        return self.quantity - self.filled

    @property
    def price_average(self) -> Decimal:
        """Return the mean price of its fills; zero before the first."""
        return self.notional / self.filled if self.filled else ZERO

    def apply(self, event: OrderEvent) -> Order:
        """Return the order after the event; the same object where it changes nothing (a fill already seen).

        Raises
        ------
        InvalidTransitionError
            The state does not admit this event, or a fill exceeds what is left.
        """
        kind = type(event)
        if kind is OrderFilled and event.trade_id in self.trade_ids:  # type: ignore[union-attr]  # kind is checked
            return self
        state = TRANSITIONS.get((self.state, kind))
        if state is None:
            raise InvalidTransitionError(
                f"{kind.__name__} cannot happen to order {event.order_id} in state {self.state}",
                hint="the venue and the journal disagree: run `holdfast doctor` before trading on",
            )
        # By identity: class patterns cost each kind of event the look at those before it.
        if kind is OrderAmended:
            return self._amended(event, state)  # type: ignore[arg-type]  # kind is checked
        if kind is OrderFilled:
            return self._filled(event, state)  # type: ignore[arg-type]  # kind is checked
        venue_order_id, reason = self.venue_order_id, self.reason
        if isinstance(event, OrderAccepted):
            venue_order_id = event.venue_order_id or venue_order_id
        elif isinstance(event, OrderCanceled | OrderRejected):
            reason = event.reason
        return Order(
            self.spec, self.quantity, self.trigger_price, self.limit_price, state, self.filled, self.notional,
            self.trade_ids, venue_order_id, reason,
        )  # fmt: skip

    def _filled(self, fill: OrderFilled, state: OrderState) -> Order:
        if fill.quantity <= ZERO or fill.price <= ZERO:
            raise InvalidTransitionError(f"{fill.order_id}: fill of {fill.quantity} at {fill.price} is impossible")
        filled = Quantity(self.filled + fill.quantity)
        if filled > self.quantity:
            raise InvalidTransitionError(f"{fill.order_id}: filled {filled} of {self.quantity}")
        if filled < self.quantity:
            state = OrderState.CANCELED if self.state is OrderState.CANCELED else OrderState.PARTIALLY_FILLED
        return Order(
            self.spec, self.quantity, self.trigger_price, self.limit_price, state, filled,
            self.notional + fill.price * fill.quantity, (*self.trade_ids, fill.trade_id), self.venue_order_id,
            self.reason,
        )  # fmt: skip

    def amended(self, trigger_price: Price | None, quantity: Quantity | None) -> Order:
        """Return the order with new terms; None leaves a term as it is."""
        return Order(
            self.spec, quantity or self.quantity, trigger_price or self.trigger_price, self.limit_price,
            self.state, self.filled, self.notional, self.trade_ids, self.venue_order_id, self.reason,
        )  # fmt: skip

    def _amended(self, event: OrderAmended, state: OrderState) -> Order:
        quantity, trigger_price, limit_price = event.quantity, event.trigger_price, event.limit_price
        if (
            (quantity is None or quantity == self.quantity)
            and (trigger_price is None or trigger_price == self.trigger_price)
            and (limit_price is None or limit_price == self.limit_price)
        ):
            return self
        if quantity is not None and quantity < self.filled:
            raise InvalidTransitionError(f"{event.order_id}: amended to {quantity} but {self.filled} are filled")
        return Order(
            self.spec, quantity or self.quantity, trigger_price or self.trigger_price, limit_price or self.limit_price,
            state, self.filled, self.notional, self.trade_ids, self.venue_order_id, self.reason,
        )  # fmt: skip

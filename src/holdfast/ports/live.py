"""A venue over the wire. Nothing here waits for an answer: what happens comes back through `take`, in one order."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

from holdfast.core.record import Record
from holdfast.domain.decision import Approved, ApprovedAmend
from holdfast.domain.instrument import Instrument
from holdfast.domain.market import BarClosed, Timeframe
from holdfast.domain.order import Order, OrderEvent
from holdfast.domain.values import Asset, InstrumentId, OrderId, Side


class Quote(Record, frozen=True):
    """The best prices of one instrument; an estimate for watching, never money."""

    instrument_id: InstrumentId
    ts_event: int  # by the venue's clock
    bid: float
    ask: float
    last: float


class LinkChanged(Record, frozen=True):
    """The connection to the venue's `link` ("market" or "account") came up or went down, and why.

    `venue` here and below is that of `domain.values.venue_of`, where an agent trades at several; else it is empty.
    """

    ts_event: int
    link: str
    is_up: bool
    detail: str = ""
    venue: str = ""


class Answered(Record, frozen=True):
    """What `ask` was told about one order, after the events that it gave: whether its state is now certain."""

    order_id: OrderId
    ts_event: int
    is_certain: bool
    detail: str = ""


class OrderAtVenue(Record, frozen=True):
    """An order that rests at the venue, whoever sent it; `order_id` is empty where it is not one of ours."""

    venue_order_id: str
    instrument_id: InstrumentId
    side: Side
    quantity_left: Decimal
    order_id: OrderId = OrderId("")
    client_id: str = ""  # as the venue has it
    trigger_price: Decimal | None = None


class AccountReport(Record, frozen=True):
    """Balances (free and bound together) and what rests at the venue, as `ask_account` found them."""

    ts_event: int
    balances: dict[Asset, Decimal]
    orders: tuple[OrderAtVenue, ...]
    venue: str = ""


class Failure(Record, frozen=True):
    """Something that a person must see; `is_fatal` when nothing more will come (wrong key, locked account)."""

    ts_event: int
    message: str
    hint: str = ""
    is_fatal: bool = False
    venue: str = ""


class KeyReport(Record, frozen=True):
    """What the key may do, as far as the venue says so (None: it does not)."""

    can_trade: bool | None
    can_withdraw: bool | None
    has_whitelist: bool
    addresses: tuple[str, ...] = ()  # from which it works, where the venue says so


class Capabilities(Record, frozen=True):
    """What a venue does for us through its adapter; what it does not, the house does itself, or nobody."""

    resting_stops: bool  # a stop waits at the venue; else the software stop alone watches
    resting_targets: bool  # a target waits at the venue beside a stop; else the adapter watches its price
    asks_by_client_id: bool  # one question tells what became of an order without an answer; else lists are read
    order_expiry: bool  # the venue refuses an order that comes late, so that doubt ends within seconds
    dead_man: bool  # without a sign of life the venue cancels resting entries
    pushes: bool  # news come by themselves; else the account is asked again and again


Incoming = OrderEvent | BarClosed | Quote | LinkChanged | Answered | AccountReport | Failure


class LiveExchange(Protocol):
    """One account at one venue. `submit`, `amend` and `cancel` hand over and return at once, without an exception.

    Promises: an order is sent at most once, with its `order_id` as client id. A lost answer becomes OrderTimedOut, and
    the adapter then asks by itself until it is certain. OrderRejected("never_arrived") means that the venue cannot take
    the order any more. An end (filled, canceled, rejected) comes after every fill of the order, and events come only
    where the order's state admits them. A cancel is sent again until it is known what became of it. Bars of an
    instrument come in order, each once, also across a lost connection.
    """

    venue: str

    def start(self, instruments: Sequence[Instrument], bars: Timeframe) -> None:
        """Connect, check clock and key, and subscribe; block until both links are up.

        Raises
        ------
        VenueError
            The venue cannot be reached or refuses the key.
        """
        ...

    def history(self, instrument_id: InstrumentId, count: int, ts_after: int = 0) -> Sequence[BarClosed]:
        """Return up to `count` closed bars, oldest first, that close after `ts_after`; blocks.

        Raises
        ------
        VenueError
            They cannot be had.
        """
        ...

    def submit(self, approved: Approved, ts: int) -> Sequence[OrderEvent]:
        """Send an order; always returns nothing at once."""
        ...

    def amend(self, amend: ApprovedAmend, ts: int) -> Sequence[OrderEvent]:
        """Change a resting order; OrderAmended comes later, or nothing if it is gone."""
        ...

    def cancel(self, order_id: OrderId, ts: int, reason: str) -> Sequence[OrderEvent]:
        """Take an order back; OrderCanceled comes later, or nothing if it is gone."""
        ...

    def know(self, orders: Sequence[Order]) -> None:
        """Tell the adapter which orders of an earlier process are not final; call it before `start`."""
        ...

    def ask(self, orders: Sequence[Order]) -> None:
        """Find out about each order: missed fills and its end come as events, then an Answered for it."""
        ...

    def ask_account(self) -> None:
        """Ask for an AccountReport."""
        ...

    def beat(self, timeout_s: int) -> None:
        """Renew the dead-man timer: without a beat within `timeout_s` the venue cancels resting entries. 0 ends it."""
        ...

    def take(self, timeout_s: float) -> Sequence[Incoming]:
        """Return what has come in, in order; wait up to `timeout_s` for the first."""
        ...

    def close(self) -> None:
        """Let the connections go. What rests at the venue rests on."""
        ...


class TradingVenue(LiveExchange, Protocol):
    """A live exchange, and what is asked of it before the first order."""

    capabilities: Capabilities

    def instruments(self, pairs: Sequence[str]) -> tuple[Instrument, ...]:
        """Return the instruments of pairs like BTC/USDT, with grid and fees; blocks.

        Raises
        ------
        ConfigurationError
            The venue does not trade one of them.
        VenueError
            It does not answer.
        """
        ...

    def pairs(self) -> tuple[str, ...]:
        """Return what can be traded, as BTC/USDT."""
        ...

    def clock_skew(self) -> int:
        """Return how far the venue's clock is ahead of ours (ns)."""
        ...

    def key_report(self) -> KeyReport:
        """Return what the key may do."""
        ...

    def balances(self) -> dict[Asset, Decimal]:
        """Return what the account holds, free and bound."""
        ...

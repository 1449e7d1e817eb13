"""A venue that fills from bars: the rules only. It knows no clock; every call says when it happens."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from holdfast.core.errors import ConfigurationError, DataError, VenueError
from holdfast.core.record import Record, encode
from holdfast.core.time import MILLISECOND
from holdfast.domain.instrument import Instrument
from holdfast.domain.market import BarClosed
from holdfast.domain.order import (
    OrderAccepted,
    OrderAmended,
    OrderEvent,
    OrderFilled,
    OrderRejected,
    OrderSpec,
    OrderType,
)
from holdfast.domain.values import ONE, Asset, InstrumentId, OrderId, Price, Quantity
from holdfast.matching.account import Account
from holdfast.matching.book import NOTHING, Book, BookState, Events, Phase, Request, TradedBar
from holdfast.matching.checks import Rejection, hold_price, refusal, shortage
from holdfast.matching.config import MatchingConfig
from holdfast.matching.costs import slippage_max, taker_cost
from holdfast.matching.execution import Executor
from holdfast.matching.phases import Matcher
from holdfast.matching.working import WorkingOrder

# Read once: from its class a member takes as long as ten comparisons.
_STOP_MARKET: Final = OrderType.STOP_MARKET

STATE_VERSION = 1

ORDER_IDS_KEPT = 4_000
"""How many order ids a venue knows, those of working orders among them: one sent again within so many is a duplicate.

Whoever sends an order again after a crash does so before any other, so that one would do; an engine still knows the
last thousand of its finished orders. Without a horizon the state of a long-running account would grow for ever.
"""


class VenueState(Record, frozen=True):
    """All that a venue must remember over a restart."""

    version: int
    sequence: int
    balances: dict[Asset, Decimal]
    proceeds: dict[InstrumentId, Decimal]
    taken: tuple[OrderId, ...]  # the order ids that are known, oldest first; see ORDER_IDS_KEPT
    books: dict[InstrumentId, BookState]
    orders: tuple[WorkingOrder, ...]


class _Books(dict[InstrumentId, Book]):
    """The books of a venue; a bar of what it does not trade is told as such."""

    def __missing__(self, instrument_id: InstrumentId) -> Book:
        raise DataError(
            f"a bar of {instrument_id} came to a venue that does not trade it",
            hint="name the instruments that the bars are of; mark and index prices are no market",
        )


class Venue:
    """Takes orders and fills them from bars, on the pessimistic side. A bar is two phases, the second until empty."""

    __slots__ = ("_account", "_books", "_config", "_executor", "_latency", "_matcher", "_owner", "_worse")

    def __init__(
        self,
        instruments: Iterable[Instrument],
        bar_nanos: int | Mapping[InstrumentId, int],
        config: MatchingConfig,
        balances: Mapping[Asset, Decimal],
    ) -> None:
        self._config = config
        self._account = Account(balances)
        self._executor = Executor(config, self._account)
        self._matcher = Matcher(self._executor)
        self._latency = config.latency_ms * MILLISECOND
        self._worse = ONE + slippage_max(config)
        self._books = _Books()
        for instrument in instruments:
            nanos = bar_nanos if isinstance(bar_nanos, int) else bar_nanos.get(instrument.id, 0)
            if nanos <= 0:
                raise ConfigurationError(f"{instrument.id}: the length of its bars is not known, found {nanos} ns")
            self._books[instrument.id] = Book(instrument, nanos, config)
        # Every order whose id is known, oldest first; None where only its id outlived a restart.
        self._owner: OrderedDict[OrderId, Book | None] = OrderedDict()

    # -- orders -----------------------------------------------------------------------------------------------------

    def place(self, spec: OrderSpec, ts: int) -> Events:
        """Take an order that was sent at `ts`, or refuse it; it meets the market with a later phase."""
        order_id = spec.order_id
        if order_id in self._owner:
            return (OrderRejected(order_id, ts, Rejection.DUPLICATE),)
        book = self._books.get(spec.instrument_id)
        if book is None:
            return (OrderRejected(order_id, ts, Rejection.UNKNOWN_INSTRUMENT),)
        order = self._working(book, spec, ts)
        reason = refusal(book, order) or self._bind(book, order)
        if reason is not None:
            return (OrderRejected(order_id, ts, reason),)
        self._owner[order_id] = book
        if len(self._owner) > ORDER_IDS_KEPT:
            self._forget_oldest()
        book.heed(order)
        return (OrderAccepted(order_id, ts, f"V{self._executor.number()}"),)

    def change(
        self, order_id: OrderId, ts: int, trigger_price: Price | None = None, quantity: Quantity | None = None
    ) -> Events:
        """Give a resting order new terms, at once save for `latency_bars`; nothing if it is already gone.

        Raises
        ------
        VenueError
            The terms are off the grid, below what has filled, or not covered; the order keeps its old ones.
        """
        book = self._owner.get(order_id)
        order = None if book is None else book.orders.get(order_id)
        if book is None or order is None:
            return NOTHING
        reason = None
        if trigger_price is not None and (trigger_price % book.tick or trigger_price < book.tick):
            reason = Rejection.OFF_TICK
        elif quantity is not None:
            reason = self._resizable(book, order, quantity)
        if reason is not None:
            found = f"trigger {trigger_price}, quantity {quantity}, filled {order.filled}"
            raise VenueError(f"{order_id}: the venue does not amend it: {reason}; found {found}", venue="simulated")
        if self._config.latency_bars:
            return self._send(book, Request(self._active_from(book, ts), order_id, trigger_price, quantity))
        return self._amend(book, order, ts, trigger_price, quantity)

    def cancel(self, order_id: OrderId, ts: int, reason: str) -> Events:
        """Take an order back, at once save for `latency_bars`; nothing if it is already gone."""
        book = self._owner.get(order_id)
        order = None if book is None else book.orders.get(order_id)
        if book is None or order is None:
            return NOTHING
        if self._config.latency_bars:
            return self._send(book, Request(self._active_from(book, ts), order_id, reason=reason))
        event = self._executor.cancel(book, order, ts, reason)
        self._executor.settle(book)
        book.refresh()
        return (event,)

    def open_orders(self) -> Sequence[OrderId]:
        """Return the orders that are being worked on, those of one instrument oldest first."""
        return tuple(order_id for book in self._books.values() for order_id in book.orders)

    def balances(self) -> dict[Asset, Decimal]:
        """Return what the account holds, bound or not."""
        return dict(self._account.balances)

    # -- bars: for nearly every bar nothing ---------------------------------------------------------------------------

    def exit_cost(self, instrument_id: InstrumentId, price: Decimal, quantity: Decimal, volume: float) -> Decimal:
        """Return about what a market order would cost, in quote units, where a bar trades `volume` base units."""
        share = quantity / Decimal(volume) if volume > 0.0 else ONE
        return taker_cost(self._config, self._books[instrument_id].instrument, price * quantity, share)

    def levels(self, instrument_id: InstrumentId) -> Book:
        """Return what says whether a bar concerns any order at all; see `ports.exchange.Levels`.

        Raises
        ------
        DataError
            The venue does not trade the instrument; so do the two phases.
        """
        return self._books[instrument_id]

    def open_phase(self, bar: BarClosed) -> Events:
        """Fill at the bar's open what waits for it, and stops that the open has jumped past."""
        book = self._books[bar.instrument_id]
        if book.below < bar.open < book.above:
            return NOTHING
        return self._open(book, bar)

    def range_phase(self, bar: BarClosed) -> Events:
        """Fill what the bar's range touches; call it until it gives nothing more."""
        book = self._books[bar.instrument_id]
        book.last = bar.close
        if book.below < bar.low and bar.high < book.above:
            return NOTHING
        return self._range(book, bar)

    def _open(self, book: Book, bar: BarClosed) -> Events:
        traded = book.meet(bar, self._config)
        book.phase = Phase.CLOSED
        events: list[OrderEvent] = []
        if traded.has_traded:
            if book.requests:
                events += self._receive(book, traded)
            events += self._matcher.open(book, traded)
        if events:
            book.enter(Phase.OPEN, traded.ts_open, bar.open)
            self._executor.settle(book)
        book.refresh()
        return tuple(events)

    def _range(self, book: Book, bar: BarClosed) -> Events:
        traded = book.meet(bar, self._config)
        events = self._matcher.range(book, traded) if traded.has_traded and book.orders else []
        if events:
            fills = [event.price for event in events if type(event) is OrderFilled]
            book.enter(Phase.RANGE, traded.ts_range, float(fills[-1]) if fills else book.last)
            self._executor.settle(book)
        else:
            book.enter(Phase.CLOSED, 0, bar.close)
        book.refresh()
        return tuple(events)

    # -- state ------------------------------------------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """Return the whole state as JSON."""
        orders = tuple(order for book in self._books.values() for order in book.orders.values())
        state = VenueState(
            STATE_VERSION, self._executor.sequence, self._account.balances, self._account.proceeds,
            tuple(self._owner), {i: book.state() for i, book in self._books.items()}, orders,
        )  # fmt: skip
        return encode(state)

    def restore(self, state: bytes) -> None:
        """Take up a state that `snapshot` gave, in place of everything that there was.

        Raises
        ------
        DataError
            It is no such state, or of another version, or trades instruments that this venue does not know.
        """
        decoded = decode_state(state)
        unknown = {order.spec.instrument_id for order in decoded.orders} | decoded.books.keys() - self._books.keys()
        unknown -= self._books.keys()
        if unknown:
            raise DataError(f"the state holds instruments that this venue does not trade: {sorted(unknown)}")
        self._account.restore(decoded.balances, decoded.proceeds)
        self._executor.sequence = decoded.sequence
        self._owner = OrderedDict.fromkeys(decoded.taken)
        for instrument_id, book in self._books.items():
            orders = [order for order in decoded.orders if order.spec.instrument_id == instrument_id]
            book.restore(decoded.books.get(instrument_id, BookState()), orders)
            self._owner.update((order.spec.order_id, book) for order in orders)
            self._account.bind_short(book.instrument)
            self._account.hold(book.instrument, book.holds())
            book.refresh()
        for _ in range(len(self._owner) - ORDER_IDS_KEPT):
            self._forget_oldest()

    # -- steps ------------------------------------------------------------------------------------------------------

    def _forget_oldest(self) -> None:
        """Forget the oldest id whose order is gone. Orders that are worked on are passed over, and count as new."""
        owner = self._owner
        for _ in range(len(owner)):
            order_id = next(iter(owner))
            book = owner[order_id]
            if book is None or order_id not in book.orders:
                del owner[order_id]
                return
            owner.move_to_end(order_id)

    def _working(self, book: Book, spec: OrderSpec, ts: int) -> WorkingOrder:
        order = WorkingOrder(spec, spec.quantity, self._active_from(book, ts), hold_price(spec, book.last, self._worse))
        order.reprice(spec.trigger_price, spec.limit_price)
        if spec.trail_offset is not None:
            order.follow()
        if book.phase and not self._config.latency_bars:
            order.seen = book.last
        return order

    def _active_from(self, book: Book, ts: int) -> int:
        bars, phase = self._config.latency_bars * book.nanos, book.phase
        if not phase:  # a close: IntEnum's 0, tested first and quickly, for most orders are sent then
            return ts + self._latency + bars
        if phase is Phase.OPEN:
            return min(ts, book.ts_phase) + self._latency + bars
        # When within the bar is unknown, so is what is left of it: stops count at once, everything else waits.
        return book.ts_phase + bars

    def _send(self, book: Book, request: Request) -> Events:
        book.requests.append(request)
        book.refresh()
        return NOTHING

    def _receive(self, book: Book, bar: TradedBar) -> list[OrderEvent]:
        """Carry out the amends and cancels that have arrived by this open; what has overtaken them wins."""
        events: list[OrderEvent] = []
        for request in [request for request in book.requests if request.ts_active <= bar.ts_due]:
            book.requests.remove(request)
            order = book.orders.get(request.order_id)
            if order is None:
                continue
            if request.reason is not None:
                events.append(self._executor.cancel(book, order, bar.ts_open, request.reason))
            elif request.quantity is None or self._resizable(book, order, request.quantity) is None:
                events += self._amend(book, order, bar.ts_open, request.trigger_price, request.quantity)
        return events

    def _amend(
        self, book: Book, order: WorkingOrder, ts: int, trigger_price: Price | None, quantity: Quantity | None
    ) -> Events:
        if trigger_price is not None:
            if order.trigger_price is None or order.is_triggered:
                return NOTHING
            before = order.trigger
            order.trigger_price, order.trigger = trigger_price, float(trigger_price)
            if before and order.spec.type is _STOP_MARKET:
                book.move_stop(order, before)
            else:
                order.follow()
                book.refresh()
        if quantity is not None:
            book.resize(order, quantity)
            self._account.hold(book.instrument, book.holds())
        return (OrderAmended(order.spec.order_id, ts, trigger_price, None, quantity),)

    def _bind(self, book: Book, order: WorkingOrder) -> Rejection | None:
        """Add the order to the book if the account can bind what the book then needs."""
        group = order.spec.group
        shared = book.shared.get(group)
        book.add(order)
        needed = book.holds()
        reason = shortage(book, self._account, order, needed)
        if reason is None:
            self._account.hold(book.instrument, needed)
        else:
            book.remove(order)
            if shared is not None:
                book.shared[group] = shared
        return reason

    def _resizable(self, book: Book, order: WorkingOrder, quantity: Quantity) -> Rejection | None:
        if quantity % book.instrument.lot or quantity <= order.filled:
            return Rejection.OFF_LOT
        before, shared = Quantity(order.quantity), dict(book.shared)
        book.resize(order, quantity)
        reason = shortage(book, self._account, order, book.holds())
        book.resize(order, before)
        book.shared = shared
        return reason


def decode_state(state: bytes) -> VenueState:
    """Return the state that `snapshot` has written.

    Raises
    ------
    DataError
        It is none, or one of another version.
    """
    try:
        decoded = msgspec.json.decode(state, type=VenueState)
    except msgspec.MsgspecError as error:
        raise DataError(f"this is no state of a venue: {error}", hint="start with a new file") from error
    if decoded.version != STATE_VERSION:
        raise DataError(f"state of version {STATE_VERSION} expected, found {decoded.version}")
    return decoded

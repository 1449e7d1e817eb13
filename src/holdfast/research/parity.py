"""Compares the orders of a session with those of a backtest over the same bars, and names why they differ.

Orders are paired by what they are for: entries by instrument and the bar that they were decided on, what follows an
entry by its role and its turn. Each difference has one cause, found by evidence; what follows from an earlier
difference names the order where it began.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Final

import msgspec

from holdfast.core.record import Record, State
from holdfast.domain.command import AmendOrder, SubmitOrder
from holdfast.domain.event import EmergencyStopped, TradingResumed
from holdfast.domain.market import BarClosed
from holdfast.domain.order import (
    OrderAccepted,
    OrderCanceled,
    OrderEvent,
    OrderFilled,
    OrderRejected,
    OrderTimedOut,
    Role,
)  # fmt: skip
from holdfast.domain.passed_over import PassedOver, reason_of
from holdfast.domain.tick import Tick
from holdfast.domain.values import ZERO, InstrumentId, OrderId


class Cause(StrEnum):
    """Why an order of the session is not that of the backtest."""

    FILL_PRICE = "fill_price"  # its entry filled at another price
    FEE = "fee"  # something before it cost another fee
    PARTIAL_FILL = "partial_fill"  # its entry filled in other parts
    NOT_FILLED = "not_filled"  # its entry filled in one of the two only
    EXIT_PRICE = "exit_price"  # the trade left at another price or on another bar
    VENUE_REJECTED = "venue_rejected"
    ANSWER_LATE = "answer_late"  # it was in doubt, and its fills came with another bar
    UNFIT_BAR = "unfit_bar"  # its bar came late, or between stale or crossed quotes: nothing was entered
    OPERATOR = "operator"  # a person or the watchdog had pulled the brake
    FOLLOWS = "follows"  # a consequence of an earlier difference
    NOT_REPEATED = "not_repeated"  # all that the session was told led to another order: see `research.reproduction`
    END_OF_SESSION = "end_of_session"  # the session ended before it could come
    UNKNOWN = "unknown"


_OF_OURS: Final = frozenset({"group", "joined", "left", "never_arrived", "operator", "over", "shutdown"})
"""Why an order ends that our side has taken back before it could be one of the venue's."""


class SessionOrder(State):
    """One order as the records tell it; `bar` is the closing time (ns) of the last bar before it was decided."""

    order_id: OrderId
    instrument_id: InstrumentId
    role: str
    side: str
    type: str
    bar: int
    quantity: Decimal
    trigger_price: Decimal | None
    limit_price: Decimal | None
    entry_id: str  # of the entry that it follows; its own for an entry
    filled: Decimal = ZERO
    notional: Decimal = ZERO
    fees: Decimal = ZERO
    fills: int = 0
    end: str = ""  # rejected: why, canceled: why
    fill_bar: int = 0  # the last bar before its last fill
    was_in_doubt: bool = False
    moves: list[tuple[int, Decimal]] = msgspec.field(default_factory=list)  # of its trigger: bar and level

    @property
    def price_average(self) -> Decimal:
        """Return the mean price of its fills; zero before the first."""
        return self.notional / self.filled if self.filled else ZERO


class Session(State):
    """What was decided, in order, and what kept something from being decided."""

    orders: list[SessionOrder] = msgspec.field(default_factory=list)
    unfit: set[tuple[InstrumentId, int]] = msgspec.field(default_factory=set)
    brakes: list[tuple[int, int]] = msgspec.field(default_factory=list)  # from bar, to bar; 0: still on
    last_bar: int = 0


class Difference(Record, frozen=True):
    """One order that is not the same in both; `session` and `backtest` say what it is there, empty where it is not."""

    order_id: OrderId
    instrument_id: InstrumentId
    role: str
    bar: int
    what: str
    session: str
    backtest: str
    cause: Cause
    root: str = ""  # the order where it began


class Parity(Record, frozen=True):
    """What a comparison came to."""

    orders: int  # of the session
    equal: int
    differences: tuple[Difference, ...]
    fills_equal: bool = True  # every order filled at the same prices and fees, too
    slippage_bps: dict[str, float] = msgspec.field(default_factory=dict)  # worse (+) than the backtest, by order

    @property
    def by_cause(self) -> dict[str, int]:
        """Return how many differences each cause has."""
        found: dict[str, int] = {}
        for difference in self.differences:
            found[difference.cause.value] = found.get(difference.cause.value, 0) + 1
        return found


class Collector:
    """Reads a session from its ticks. `nanos` is the length of a bar; bars must be told where no tick says them."""

    def __init__(self, nanos: int) -> None:
        self.session, self._nanos = Session(), nanos
        self._by_id: dict[OrderId, SessionOrder] = {}
        self._entries: dict[InstrumentId, str] = {}

    def bar(self, ts: int) -> None:
        """Note that bars that close at `ts` have come."""
        self.session.last_bar = max(self.session.last_bar, ts)

    def tick(self, tick: Tick) -> None:
        """Take in one tick."""
        session, event = self.session, tick.event
        if isinstance(event, BarClosed):
            self.bar(event.ts_event)
            if any(reason_of(note) is PassedOver.UNFIT_MARKET for note in tick.notes):
                session.unfit.add((event.instrument_id, event.ts_event))
        elif isinstance(event, EmergencyStopped):
            session.brakes.append((session.last_bar, 0))
        elif isinstance(event, TradingResumed):
            session.brakes = [(since, until or session.last_bar) for since, until in session.brakes]
        elif isinstance(event, OrderEvent):
            self._on_order(event)
        for command in tick.commands:
            if isinstance(command, SubmitOrder):
                self._on_submit(command, self._bar_before(event.ts_event))
            elif isinstance(command, AmendOrder) and command.amend.trigger_price is not None:
                order = self._by_id.get(command.amend.order_id)
                if order is not None:
                    order.moves.append((self._bar_before(event.ts_event), command.amend.trigger_price))

    def _bar_before(self, ts: int) -> int:
        # By the time of what happened: a backtest learns of a fill at an open only with the bar that follows it.
        return ts // self._nanos * self._nanos

    def _on_submit(self, command: SubmitOrder, bar: int) -> None:
        spec = command.approved.order
        if spec.role is Role.ENTRY:
            self._entries[spec.instrument_id] = spec.order_id
        order = SessionOrder(
            spec.order_id, spec.instrument_id, spec.role.value, spec.side.value, spec.type.value,
            bar, spec.quantity, spec.trigger_price, spec.limit_price,
            self._entries.get(spec.instrument_id, ""),
        )  # fmt: skip
        self._by_id[spec.order_id] = order
        self.session.orders.append(order)

    def _on_order(self, event: OrderEvent) -> None:
        order = self._by_id.get(event.order_id)
        if order is None:
            return
        match event:
            case OrderFilled():
                order.filled += event.quantity
                order.notional += event.price * event.quantity
                order.fees += event.fee.amount
                order.fills += 1
                order.fill_bar = self._bar_before(event.ts_event)
            case OrderTimedOut():
                order.was_in_doubt = True
            case OrderRejected():
                order.end = f"rejected: {event.reason}"
            case OrderCanceled():
                order.end = f"canceled: {event.reason}"
            case OrderAccepted() | _:
                pass


def compare(session: Session, backtest: Session) -> Parity:
    """Return what differs. Stops count with how they moved."""
    return _Comparison(session, backtest).run()


class _Comparison:
    def __init__(self, session: Session, backtest: Session) -> None:
        self._session, self._backtest = session, backtest
        self._found: list[Difference] = []
        self._equal = 0
        self._slippage: dict[str, float] = {}
        self._fills_equal = True
        self._root: dict[InstrumentId, str] = {}  # the order from which on an instrument goes another way
        self._first: tuple[int, str, bool] | None = (
            None  # since when the money is another: bar, order, whether it is ours
        )

    def run(self) -> Parity:
        ours, theirs = _episodes(self._session.orders), _episodes(self._backtest.orders)
        for key in sorted({*ours, *theirs}, key=lambda key: (key[1], key[0])):
            self._episode(ours.get(key, []), theirs.get(key, []))
        return Parity(
            len(self._session.orders), self._equal, tuple(self._found), self._fills_equal and not self._found,
            self._slippage,
        )  # fmt: skip

    def _episode(self, ours: Sequence[SessionOrder], theirs: Sequence[SessionOrder]) -> None:
        """Compare an entry and what followed it."""
        mine, other = _by_turn(ours), _by_turn(theirs)
        entry, twin = (side.get((Role.ENTRY.value, 0)) for side in (mine, other))
        for key in sorted({*mine, *other}, key=lambda key: (key[0] != Role.ENTRY.value, key)):
            self._pair(mine.get(key), other.get(key), entry, twin)
        exits = [_outcome(orders) for orders in (ours, theirs)]
        if exits[0] != exits[1] and ours and theirs:
            self._note_money(ours[0], is_ours=True)
            if exits[0][2] != exits[1][2]:  # it left on another bar: what comes next may be another, too
                self._root.setdefault(ours[0].instrument_id, ours[0].order_id)

    def _pair(
        self, mine: SessionOrder | None, other: SessionOrder | None, entry: SessionOrder | None,
        twin: SessionOrder | None,
    ) -> None:  # fmt: skip
        one = mine or other
        if one is None:
            return
        if mine is None or other is None:
            self._alone(one, mine is not None, entry, twin)
            return
        if mine.filled and other.filled:
            sign = 1 if mine.side == "BUY" else -1
            worse = (mine.price_average - other.price_average) / other.price_average * sign
            self._slippage[mine.order_id] = round(float(worse) * 10_000, 3)
        told = _terms(mine), _terms(other)
        if (mine.price_average, mine.fees, mine.filled) != (other.price_average, other.fees, other.filled):
            self._fills_equal = False
            self._note_money(mine, is_ours=True)
        if told[0] == told[1]:
            self._equal += 1
            return
        what = ", ".join(name for name in told[0] if told[0][name] != told[1][name])
        cause, root = self._why_other(mine, other, entry, twin)
        self._add(mine, what, told[0], told[1], cause, root)

    def _why_other(
        self, mine: SessionOrder, other: SessionOrder, entry: SessionOrder | None, twin: SessionOrder | None
    ) -> tuple[Cause, str]:  # fmt: skip
        """Say why an order has other terms than its twin."""
        if mine.role != Role.ENTRY.value and entry is not None and twin is not None:
            if _terms(entry) != _terms(twin):
                return Cause.FOLLOWS, entry.order_id  # whatever it filled at: it was another order
            if entry.fills != twin.fills and mine.quantity != other.quantity:
                return Cause.PARTIAL_FILL, entry.order_id
            if entry.price_average != twin.price_average:
                return Cause.FILL_PRICE, entry.order_id
            if _outcome([entry]) != _outcome([twin]):
                return Cause.ANSWER_LATE if entry.was_in_doubt else Cause.FILL_PRICE, entry.order_id
        # The backtest has ids of its own: one of its orders may be called like ours, and is another.
        if self._first is not None and self._first[0] <= mine.bar and self._first[1:] != (mine.order_id, True):
            return Cause.FOLLOWS, self._first[1]
        return Cause.UNKNOWN, ""

    def _alone(
        self, one: SessionOrder, is_ours: bool, entry: SessionOrder | None, twin: SessionOrder | None
    ) -> None:  # fmt: skip
        cause, root = self._why_alone(one, is_ours, entry, twin)
        terms = _terms(one)
        self._add(one, "only in the session" if is_ours else "only in the backtest", terms if is_ours else {},
                  {} if is_ours else terms, cause, root)  # fmt: skip
        if one.role == Role.ENTRY.value and one.filled:
            self._root.setdefault(one.instrument_id, one.order_id)
            self._note_money(one, is_ours=is_ours)

    def _why_alone(
        self, one: SessionOrder, is_ours: bool, entry: SessionOrder | None, twin: SessionOrder | None
    ) -> tuple[Cause, str]:  # fmt: skip
        if one.role != Role.ENTRY.value:
            return self._why_no_twin(one, is_ours, entry, twin)
        if not is_ours and (one.instrument_id, one.bar) in self._session.unfit:
            return Cause.UNFIT_BAR, ""
        if not is_ours and self._is_braked(one.bar):
            return Cause.OPERATOR, ""
        if (root := self._root.get(one.instrument_id)) is not None:
            return Cause.FOLLOWS, root
        if not is_ours and one.bar > self._session.last_bar:
            return Cause.END_OF_SESSION, ""
        if self._first is not None and self._first[0] <= one.bar:
            return Cause.FOLLOWS, self._first[1]  # another equity, another answer of the gate
        return Cause.UNKNOWN, ""

    def _why_no_twin(
        self, one: SessionOrder, is_ours: bool, entry: SessionOrder | None, twin: SessionOrder | None
    ) -> tuple[Cause, str]:  # fmt: skip
        if entry is None or twin is None:
            whose = entry or twin
            return Cause.FOLLOWS, whose.order_id if whose is not None else ""
        if bool(entry.filled) != bool(twin.filled):
            if _is_refused(entry):
                return Cause.VENUE_REJECTED, entry.order_id
            return (Cause.ANSWER_LATE if entry.was_in_doubt else Cause.NOT_FILLED), entry.order_id
        if entry.fills != twin.fills and self._has_other_brackets(entry, twin):
            return Cause.PARTIAL_FILL, entry.order_id
        rejected = next((x for x in self._session.orders if x.entry_id == entry.order_id and _is_refused(x)), None)
        if rejected is not None:
            return Cause.VENUE_REJECTED, rejected.order_id
        if not is_ours and one.bar >= self._session.last_bar:
            return Cause.END_OF_SESSION, ""
        if one.role == Role.EMERGENCY.value or self._was_braked(entry.bar, one.bar):
            return Cause.OPERATOR, ""
        if entry.price_average != twin.price_average:
            return Cause.FILL_PRICE, entry.order_id
        return Cause.EXIT_PRICE if one.role in (Role.EXIT.value, Role.STOP.value) else Cause.UNKNOWN, entry.order_id

    def _has_other_brackets(self, entry: SessionOrder, twin: SessionOrder) -> bool:
        """Tell whether the parts that an entry filled in got other brackets than those of its twin."""
        ours, theirs = (
            sum(
                x.entry_id == one.order_id and x.role == Role.STOP.value and x.trigger_price is not None for x in orders
            )
            for one, orders in ((entry, self._session.orders), (twin, self._backtest.orders))
        )
        return ours != theirs

    def _is_braked(self, bar: int) -> bool:
        return any(since <= bar and (not until or bar <= until) for since, until in self._session.brakes)

    def _was_braked(self, since: int, until: int) -> bool:
        """Tell whether a brake was on between two bars, both included: what comes later is no cause of theirs."""
        return any(begin <= until and (not end or since <= end) for begin, end in self._session.brakes)

    def _note_money(self, one: SessionOrder, *, is_ours: bool) -> None:
        if self._first is None:
            self._first = (one.bar, one.order_id, is_ours)

    def _add(
        self, one: SessionOrder, what: str, ours: Mapping[str, str], theirs: Mapping[str, str], cause: Cause, root: str
    ) -> None:  # fmt: skip
        terms = _told(ours), _told(theirs)
        self._found.append(Difference(one.order_id, one.instrument_id, one.role, one.bar, what, *terms, cause, root))


def _episodes(orders: Iterable[SessionOrder]) -> dict[tuple[InstrumentId, int], list[SessionOrder]]:
    """Return orders by instrument and the bar of the entry that they follow."""
    bars = {order.order_id: order.bar for order in orders if order.role == Role.ENTRY.value}
    found: dict[tuple[InstrumentId, int], list[SessionOrder]] = {}
    for order in orders:
        found.setdefault((order.instrument_id, bars.get(OrderId(order.entry_id), 0)), []).append(order)
    return found


def _by_turn(orders: Iterable[SessionOrder]) -> dict[tuple[str, int], SessionOrder]:
    found: dict[tuple[str, int], SessionOrder] = {}
    turns: dict[str, int] = {}
    for order in orders:
        turn = turns[order.role] = turns.get(order.role, -1) + 1
        found[(order.role, turn)] = order
    return found


def _outcome(orders: Iterable[SessionOrder]) -> tuple[Decimal, Decimal, int]:
    """Return what a trade came to: what changed hands, fees, and the bar of its last fill."""
    notional = fees = ZERO
    last = 0
    for order in orders:
        notional += order.notional * (1 if order.side == "BUY" else -1)
        fees += order.fees
        last = max(last, order.fill_bar)
    return notional, fees, last


def _is_refused(order: SessionOrder) -> bool:
    """Tell whether the venue refused an order. What our own side let go has a word of ours: its group was done."""
    what, _, why = order.end.partition(": ")
    return what == "rejected" and why not in _OF_OURS


def _terms(order: SessionOrder) -> dict[str, str]:
    moves = " ".join(f"{level.normalize():f}" for _, level in order.moves)
    return {
        "bar": str(order.bar), "type": order.type, "quantity": f"{order.quantity.normalize():f}",
        "trigger": "" if order.trigger_price is None else f"{order.trigger_price.normalize():f}",
        "limit": "" if order.limit_price is None else f"{order.limit_price.normalize():f}", "moves": moves,
    }  # fmt: skip


def terms_told(order: SessionOrder) -> str:
    """Return what an order asks for, for a person."""
    return _told(_terms(order))


def _told(terms: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in terms.items() if value and name != "bar")

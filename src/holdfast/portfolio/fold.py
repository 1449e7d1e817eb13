"""The portfolio as the journal tells it: replay the records of a run and get the engine's own money, orders and trades.

Two folds read the same records. `PortfolioOnlyFold` decodes nothing but what moves money and is made for long journals;
`JournalFold` also follows every order, trade and decision. Both book fills with `domain.portfolio.Portfolio`, as the
engine does, so that equality holds to the last digit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from decimal import Decimal
from typing import Final, TypeVar, get_args

import msgspec

from holdfast.core.errors import DomainError, JournalError, UnreadableRecordError
from holdfast.domain.command import AmendOrder, Command, SubmitOrder
from holdfast.domain.decision import StopLevel
from holdfast.domain.event import EmergencyStopped, Event, TradingResumed
from holdfast.domain.order import (
    Order,
    OrderAccepted,
    OrderAmended,
    OrderEvent,
    OrderFilled,
    OrderSpec,
    OrderSubmitted,
)  # fmt: skip
from holdfast.domain.portfolio import ClosedTrade, Portfolio
from holdfast.domain.tick import Tick
from holdfast.domain.values import ZERO, OrderId
from holdfast.portfolio.decision_line import MOVED_STOP, lines_of
from holdfast.portfolio.run import RunStarted
from holdfast.portfolio.status import DecisionLine

RUN, TICK = "run", "tick"
"""The kinds of journal records that a fold takes in; it passes over all others."""

FINISHED_KEPT: Final = 1_000
"""Finished orders that stay known, as in the engine, for fills that overtake a cancel."""
_RETIRED_KEPT: Final = 10_000
_DECISIONS_KEPT: Final = 50

# Canonical JSON begins with {"sequence":N,"event":{"type":"Tag": the tag is found without decoding anything.
_EVENT: Final = b',"event":{"type":"'
_EVENT_WITHIN: Final = 48
_NUMBER_FROM: Final = len(b'{"sequence":')
# Only a SubmitOrder has these bytes: in a text the quotes would be escaped. An order spec holds no other object.
_APPROVED: Final = b'"approved":{"type":"Approved","order":{'
_SPEC_FROM: Final = len(_APPROVED) - 1


class _Fill(msgspec.Struct, gc=False):
    event: OrderFilled


class _Small(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    sequence: int
    event: OrderAccepted | OrderAmended | OrderSubmitted


Body = TypeVar("Body")

_RUN = msgspec.json.Decoder(RunStarted)
_TICK = msgspec.json.Decoder(Tick)
_FILL = msgspec.json.Decoder(_Fill)
_SPEC = msgspec.json.Decoder(OrderSpec)
_SMALL = msgspec.json.Decoder(_Small)
_TAG_FROM, _TAG_TO = len(_EVENT), len(_EVENT) + 8
_FILLED: Final = b"OrderFil"
_TAGS: Final = frozenset(f'{kind.__name__}"'.encode()[:8] for kind in get_args(Event))
"""The first eight letters, with the quote behind a shorter name, tell all events apart, as a test sees to."""
_SMALL_TAGS: Final = (b"OrderAccepted", b"OrderAmended", b"OrderSubmitted")
_SMALL_TAIL: Final = b"}}"
_BRACE: Final = ord("}")
_COMMA: Final = ord(",")


def read_body(decoder: msgspec.json.Decoder[Body], body: bytes, what: str, record: int = 0) -> Body:
    """Return what the body of a record holds; `what` names it for a person, `record` is its number, if it is known.

    Raises
    ------
    UnreadableRecordError
        It is no such body.
    """
    try:
        return decoder.decode(body)
    except msgspec.MsgspecError as error:
        named = f"record {record}, {what}," if record else what
        raise UnreadableRecordError(f"{named} cannot be read: {error}", record=record) from error


def read_run(body: bytes, record: int = 0) -> RunStarted:
    """Return what the body of a record of kind "run" says; see `read_body`."""
    return read_body(_RUN, body, "a run", record)


def read_tick(body: bytes, record: int = 0) -> Tick:
    """Return the tick that the body of a record of kind "tick" holds; see `read_body`."""
    return read_body(_TICK, body, "a tick", record)


class PortfolioOnlyFold:
    """Positions and ledger after the records taken in so far; knows of orders only what a fill needs.

    A run record with another run id begins anew; `run` is for journals whose run record is known already.
    """

    __slots__ = ("_orders", "_retired", "portfolio", "run", "sequence")

    def __init__(self, run: RunStarted | None = None) -> None:
        self.run: RunStarted | None = None
        self.portfolio: Portfolio | None = None
        self.sequence = 0
        """Of the last tick."""
        self._orders: dict[OrderId, Order] = {}
        self._retired: dict[OrderId, Order] = {}
        if run is not None:
            self._begin(run)

    def take(self, kind: str, body: bytes) -> None:
        """Take in one record; see `replay`."""
        self.replay(((kind, body),))

    def replay(self, records: Iterable[tuple[str, bytes]]) -> None:
        """Take in records (kind, body) in the order of the journal.

        Raises
        ------
        JournalError
            A body cannot be read, a tick is missing, or a fill belongs to no order.
        """
        sequence = self.sequence
        try:
            for kind, body in records:
                if kind != TICK:
                    if kind == RUN:
                        self._begin(read_run(body))
                        sequence = self.sequence
                    continue
                at = body.find(_COMMA, _NUMBER_FROM)
                tag = body[at + _TAG_FROM : at + _TAG_TO]
                if tag not in _TAGS or body[-1] != _BRACE:
                    raise _unreadable(sequence, "it is no tick in canonical JSON")
                number = int(body[_NUMBER_FROM:at])
                if number != sequence + 1:
                    raise _hole(number, sequence)
                if tag == _FILLED:
                    self._book(_FILL.decode(body).event)
                sent = body.find(_APPROVED, at)
                if sent >= 0:
                    self._send(body, sent)
                sequence = number
        except (msgspec.MsgspecError, ValueError) as error:
            raise _unreadable(sequence, str(error)) from error
        finally:
            self.sequence = sequence

    def _begin(self, run: RunStarted) -> None:
        if self.run is not None and self.run.run_id == run.run_id:
            return
        self.run, self.sequence = run, 0
        self.portfolio = Portfolio(run.quote, run.capital, run.instruments, run.capital_at)
        self._orders, self._retired = {}, {}

    def _send(self, body: bytes, at: int) -> None:
        while at >= 0:
            end = body.index(_BRACE, at)
            spec = _SPEC.decode(body[at + _SPEC_FROM : end + 1])
            self._orders[spec.order_id] = Order.of(spec)
            at = body.find(_APPROVED, end)

    def _book(self, fill: OrderFilled) -> None:
        order = self._orders.get(fill.order_id) or self._retired.get(fill.order_id)
        if order is None or self.portfolio is None:
            raise _stray(fill.order_id)
        try:
            position = self.portfolio.apply(order, fill)
        except KeyError as error:
            raise _unknown(error) from error
        if not position.quantity:
            self._retire(order)

    def _retire(self, last: Order) -> None:
        # Flat: the orders around this position are over, but for a fill that overtakes its cancel.
        name = last.spec.instrument_id
        over = [order_id for order_id, order in self._orders.items() if order.spec.instrument_id == name]
        for order_id in over:
            self._retired[order_id] = self._orders.pop(order_id)
        while len(self._retired) > _RETIRED_KEPT:
            del self._retired[next(iter(self._retired))]


class JournalFold:
    """Everything that a run's ticks say: money, orders, trades, the last decisions, and where the brake stands."""

    __slots__ = (
        "decisions", "finished", "last_trade", "orders", "pnl", "portfolio", "run", "sequence", "stop_level", "trades",
        "ts", "wins",
    )  # fmt: skip

    def __init__(self, run: RunStarted | None = None) -> None:
        self.run: RunStarted | None = None
        self._reset()
        if run is not None:
            self._begin(run)

    def _reset(self) -> None:
        self.portfolio: Portfolio | None = None
        self.orders: dict[OrderId, Order] = {}
        """Without a final state."""
        self.finished: dict[OrderId, Order] = {}
        """The last thousand with one, oldest first."""
        self.trades = self.wins = 0
        self.pnl = ZERO  # of all closed trades, in quote units
        self.last_trade: ClosedTrade | None = None
        self.decisions: deque[DecisionLine] = deque(maxlen=_DECISIONS_KEPT)
        """Newest last."""
        self.sequence = self.ts = 0
        self.stop_level = StopLevel.NONE

    @property
    def win_rate(self) -> Decimal | None:
        """Return the share of closed trades that gained; None before the first."""
        return Decimal(self.wins) / self.trades if self.trades else None

    def take(self, kind: str, body: bytes) -> None:
        """Take in one record in the order of the journal.

        Raises
        ------
        JournalError
            The body cannot be read, a tick is missing, or it names an order that is not known.
        """
        if kind == TICK:
            at = body.find(_EVENT, 0, _EVENT_WITHIN) + len(_EVENT)
            if body.endswith(_SMALL_TAIL) and body.startswith(_SMALL_TAGS, at):
                self._take_small(body)
            else:
                self.apply(read_tick(body))
        elif kind == RUN:
            self._begin(read_run(body))

    def replay(self, records: Iterable[tuple[str, bytes]]) -> None:
        """Take in records (kind, body) in the order of the journal; see `take`."""
        for kind, body in records:
            self.take(kind, body)

    def apply(self, tick: Tick) -> list[DecisionLine]:
        """Take in one tick and return what it decided, oldest first; see `take`."""
        self._count(tick.sequence)
        event = tick.event
        self.ts = max(self.ts, event.ts_event)
        order: Order | None = None
        if isinstance(event, OrderEvent):
            order = self._follow(event)
        elif isinstance(event, EmergencyStopped):
            if event.level.severity > self.stop_level.severity:
                self.stop_level = event.level
        elif isinstance(event, TradingResumed):
            self.stop_level = StopLevel.NONE
        lines = lines_of(tick, order, self.orders.get)
        for line in lines:
            self._list(line)
        for command in tick.commands:
            self._send(command, event.ts_event)
        if tick.closed is not None:
            self.last_trade = tick.closed
            self.trades += 1
            self.wins += tick.closed.pnl > 0
            self.pnl += tick.closed.pnl
        return lines

    def _send(self, command: Command, ts: int) -> None:
        if isinstance(command, SubmitOrder):
            spec = command.approved.order
            self.orders[spec.order_id] = Order.of(spec).apply(OrderSubmitted(spec.order_id, ts))
        elif isinstance(command, AmendOrder):
            # As in the engine: what was asked counts at once, and a confirmation that says the same is no record.
            amend = command.amend
            order = self.orders.get(amend.order_id)
            if order is None:
                raise _stray(amend.order_id)
            self.orders[amend.order_id] = order.amended(amend.trigger_price, amend.quantity)

    def _list(self, line: DecisionLine) -> None:
        decisions = self.decisions
        if line.what == MOVED_STOP:
            # A stop that trails would fill the list: of its moves the last two are enough.
            for at in range(len(decisions) - 2, -1, -1):
                if decisions[at].decision_id == line.decision_id and decisions[at].what == MOVED_STOP:
                    del decisions[at]
                    break
        decisions.append(line)

    def _take_small(self, body: bytes) -> None:
        # Acknowledgements are a large part of a journal: an event, and nothing that follows from it.
        try:
            small = _SMALL.decode(body)
        except msgspec.MsgspecError:
            self.apply(read_tick(body))  # there is more to it, or it says what is wrong
            return
        self._count(small.sequence)
        self.ts = max(self.ts, small.event.ts_event)
        self._follow(small.event)

    def _begin(self, run: RunStarted) -> None:
        if self.run is not None and self.run.run_id == run.run_id:
            return
        self._reset()
        self.run = run
        self.portfolio = Portfolio(run.quote, run.capital, run.instruments, run.capital_at)

    def _count(self, sequence: int) -> None:
        if sequence != self.sequence + 1:
            raise _hole(sequence, self.sequence)
        self.sequence = sequence

    def _follow(self, event: OrderEvent) -> Order:
        order_id = event.order_id
        order = self.orders.get(order_id) or self.finished.get(order_id)
        if order is None or self.portfolio is None:
            raise _stray(order_id)
        try:
            after = order.apply(event)
        except DomainError as error:
            raise JournalError(f"tick {self.sequence} contradicts those before it: {error}") from error
        if not after.state.is_final:
            self.orders[order_id] = after
        else:
            self.orders.pop(order_id, None)
            self.finished[order_id] = after
            if len(self.finished) > FINISHED_KEPT:
                del self.finished[next(iter(self.finished))]
        if isinstance(event, OrderFilled) and after is not order:
            try:
                self.portfolio.apply(after, event)
            except KeyError as error:
                raise _unknown(error) from error
        return after


def _unreadable(sequence: int, why: str) -> UnreadableRecordError:
    return UnreadableRecordError(f"the record after tick {sequence} cannot be read: {why}")


def _hole(number: int, before: int) -> JournalError:
    return JournalError(
        f"tick {number} follows tick {before}: records of the run are missing", hint="holdfast journal verify"
    )


def _unknown(name: KeyError) -> JournalError:
    return JournalError(f"a fill on {name}, which the run does not trade", hint="holdfast journal verify")


def _stray(order_id: str) -> JournalError:
    return JournalError(
        f"the journal speaks of order {order_id}, but of no run or tick that sent it",
        hint="replay from the record that began the run",
    )

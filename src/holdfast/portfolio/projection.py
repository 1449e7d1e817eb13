"""From ticks to rows: what changes in the state that doors read, and how a store is brought up to its journal.

The projector itself is pure: what it does not hold in memory it gets through the look-up that it was given, so that it
can go on where another process has stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import msgspec

from holdfast.core.errors import JournalError
from holdfast.core.record import Record, encode
from holdfast.domain.command import AmendOrder, AskOpinion, SubmitOrder
from holdfast.domain.decision import Approved, ApprovedAmend, Check, Opinion, OpinionTimedOut, StopLevel
from holdfast.domain.event import EmergencyStopped, ProtectionDue, TradingResumed
from holdfast.domain.ledger import Account, Ledger, Transfer
from holdfast.domain.market import BarClosed
from holdfast.domain.order import (
    Order,
    OrderAmended,
    OrderCanceled,
    OrderEvent,
    OrderFilled,
    OrderRejected,
    OrderSubmitted,
    Role,
)  # fmt: skip
from holdfast.domain.portfolio import Portfolio, entry_of, trade_name
from holdfast.domain.tick import Tick
from holdfast.domain.values import ZERO, InstrumentId, OrderId, Price
from holdfast.portfolio.decision_line import MOVED_STOP, lines_of, note_id, signal_to_leave
from holdfast.portfolio.fold import RUN, TICK, read_run, read_tick
from holdfast.portfolio.run import RunStarted
from holdfast.portfolio.status import DecisionLine
from holdfast.portfolio.story import (
    CURRENT,
    AccountStory,
    Balance,
    Decision,
    DecisionKind,
    DecisionState,
    OrderStory,
    PositionStory,
    RecentLine,
    StopMove,
    Table,
    read_row,
)  # fmt: skip
from holdfast.ports.journal import Journal
from holdfast.ports.projection import Change, ProjectionStore

LookUp = Callable[[str, str], bytes | None]
"""Table and key to the body that stands there."""

RECENT_KEPT: Final = 200
"""Lines kept per instrument."""
MOVES_KEPT: Final = 20
"""Stop moves kept per order; the journal has them all."""
_CACHED_MAX: Final = 4_096
_BATCH: Final = 500

RowType = TypeVar("RowType", bound=Record)


class Rows:
    """Rows as they stand, changed ones first in memory; `take` hands over what has changed."""

    __slots__ = ("_cache", "_changed", "_look_up")

    def __init__(self, look_up: LookUp) -> None:
        self._look_up = look_up
        self._cache: dict[tuple[str, str], Record] = {}
        self._changed: dict[tuple[str, str], Record] = {}

    def find(self, table: Table, key: str, kind: type[RowType]) -> RowType | None:
        """Return a row, None if there is none."""
        found = self._cache.get((table, key))
        if found is None:
            body = self._look_up(table, key)
            if body is None:
                return None
            found = read_row(body, kind)
            self._cache[table, key] = found
        if not isinstance(found, kind):
            raise JournalError(f"row {key} of {table} is a {type(found).__name__}, expected {kind.__name__}")
        return found

    def put(self, table: Table, key: str, row: Record) -> None:
        """Store a row."""
        self._cache[table, key] = row
        self._changed[table, key] = row

    def take(self) -> list[Change]:
        """Return what changed since the last call, in the order of first change."""
        changes = [Change(table, key, encode(row)) for (table, key), row in self._changed.items()]
        self._changed.clear()
        return changes

    def forget(self) -> None:
        """Drop the oldest rows above a bound; the look-up must have them by now."""
        while len(self._cache) > _CACHED_MAX:
            del self._cache[next(iter(self._cache))]


class Projector:
    """Follows one run. Give it every tick once, in order; `look_up` must know all changes that were handed out.

    Raises
    ------
    JournalError
        What `look_up` gives belongs to no run, or a tick contradicts it.
    """

    def __init__(self, run: RunStarted, look_up: LookUp) -> None:
        self.run, self._rows = run, Rows(look_up)
        self._portfolio = Portfolio(run.quote, run.capital, run.instruments)
        account = self._rows.find(Table.ACCOUNT, CURRENT, AccountStory)
        if account is None:
            account = AccountStory(run.capital, self._balances())
            self._rows.put(Table.RUN, CURRENT, run)
            self._rows.put(Table.ACCOUNT, CURRENT, account)
        else:
            self._restore(account)
        self._account = account

    def begin(self) -> list[Change]:
        """Return the rows that a fresh run begins with; none when it goes on."""
        return self._rows.take()

    def project(self, tick: Tick) -> list[Change]:
        """Return the rows that change with `tick`."""
        order = self._on_event(tick)
        lines = lines_of(tick, order, self._order)
        self._decide(tick)
        for command in tick.commands:
            if isinstance(command, SubmitOrder):
                self._send(command.approved, tick.event.ts_event)
            elif isinstance(command, AmendOrder):
                self._amend(command.amend, tick.event.ts_event)
        if tick.closed is not None:
            self._rows.put(Table.TRADE, tick.closed.trade_id, tick.closed)
            self._advance(entry_of(tick.closed.trade_id), DecisionState.CLOSED)
            account = self._account
            self._set(
                trades=account.trades + 1, wins=account.wins + (tick.closed.pnl > 0),
                pnl=account.pnl + tick.closed.pnl,
            )  # fmt: skip
        for line in lines:
            self._list(tick.sequence, line)
        if self._account is not self._rows.find(Table.ACCOUNT, CURRENT, AccountStory):
            self._set(sequence=tick.sequence, ts=tick.event.ts_event)
            self._rows.put(Table.ACCOUNT, CURRENT, self._account)
        return self._rows.take()

    def settle(self) -> None:
        """Note that all changes handed out so far are stored, so that memory need not keep them."""
        self._rows.forget()

    def _order(self, order_id: OrderId) -> Order | None:
        story = self._rows.find(Table.ORDER, order_id, OrderStory)
        return None if story is None else story.order

    # -- events ------------------------------------------------------------------------------------
    def _on_event(self, tick: Tick) -> Order | None:
        event = tick.event
        match event:
            case EmergencyStopped():
                self._brake(tick, event)
            case TradingResumed():
                self._set(stop_level=StopLevel.NONE)
            case BarClosed() | Opinion() | OpinionTimedOut() | ProtectionDue():
                pass
            case _:
                return self._on_order(event)
        return None

    def _on_order(self, event: OrderEvent) -> Order:
        story = self._rows.find(Table.ORDER, event.order_id, OrderStory)
        if story is None:
            raise _stray(event.order_id)
        before, order = story.order, story.order.apply(event)
        story = msgspec.structs.replace(story, order=order, ts_last=event.ts_event)
        if isinstance(event, OrderFilled) and order is not before:
            story = msgspec.structs.replace(story, fills=(*story.fills, event))
            self._book(order, event, story.decision_id)
        elif isinstance(event, OrderAmended):
            story = _moved(story, before, event.ts_event)
        elif isinstance(event, OrderCanceled | OrderRejected) and not order.filled:
            # Of an entry and of a way out this is the decision's own order; other ids are no decisions.
            self._advance(event.order_id, DecisionState.NOT_FILLED)
        self._rows.put(Table.ORDER, event.order_id, story)
        return order

    def _book(self, order: Order, fill: OrderFilled, decision_id: str) -> None:
        spec = order.spec
        before = self._rows.find(Table.POSITION, spec.instrument_id, PositionStory)
        position = self._portfolio.apply(order, fill)
        trade_id = ""
        if position.quantity:
            trade_id = before.trade_id if before is not None else ""
            trade_id = trade_id or trade_name(spec.order_id, len(order.trade_ids))
        self._rows.put(Table.POSITION, spec.instrument_id, PositionStory(position, trade_id))
        self._set(cash=self._portfolio.cash, balances=self._balances(), fees=self._account.fees + fill.fee.amount)
        if spec.role is Role.ENTRY:
            self._advance(decision_id, DecisionState.OPEN)

    def _brake(self, tick: Tick, event: EmergencyStopped) -> None:
        if event.level.severity > self._account.stop_level.severity:
            self._set(stop_level=event.level)
        if event.level.severity >= StopLevel.REDUCE_ONLY.severity:
            for proposal_id in self._account.asked:
                self._advance(proposal_id, DecisionState.DROPPED)
            self._set(asked=())

    # -- decisions ---------------------------------------------------------------------------------
    def _decide(self, tick: Tick) -> None:
        event, ts = tick.event, tick.event.ts_event
        if tick.proposal is not None:
            self._propose(tick)
        elif isinstance(event, EmergencyStopped | TradingResumed):
            level = event.level.value if isinstance(event, EmergencyStopped) else StopLevel.NONE.value
            detail = f"{event.actor}: {event.reason}"
            self._keep(
                Decision(
                    note_id(tick.sequence), DecisionKind.BRAKE, ts, InstrumentId(""), DecisionState.NOTED,
                    rule=level, detail=detail,
                )
            )  # fmt: skip
        elif tick.notes:
            name = event.instrument_id if isinstance(event, BarClosed) else InstrumentId("")
            signal = tick.signals[0] if tick.signals else None
            self._keep(
                Decision(
                    note_id(tick.sequence), DecisionKind.NOTE, ts, name, DecisionState.NOTED, signal,
                    detail=" ".join(tick.notes),
                )
            )  # fmt: skip
        for command in tick.commands:
            if isinstance(command, SubmitOrder) and command.approved.order.is_way_out:
                self._leave(tick, command.approved)

    def _propose(self, tick: Tick) -> None:
        proposal, event = tick.proposal, tick.event
        assert proposal is not None
        known = self._rows.find(Table.DECISION, proposal.proposal_id, Decision)
        signal = tick.signals[0] if tick.signals else known.signal if known is not None else None
        opinion = event if isinstance(event, Opinion | OpinionTimedOut) else None
        state, rule, detail = DecisionState.ORDERED, "", ""
        checks: tuple[Check, ...] = ()
        asked = tuple(name for name in self._account.asked if name != proposal.proposal_id)
        if tick.refused is not None:
            state, rule, detail = DecisionState.REFUSED, tick.refused.rule, tick.refused.detail
            checks = tick.refused.checks
        elif any(isinstance(command, AskOpinion) for command in tick.commands):
            state, asked = DecisionState.ASKED, (*asked, proposal.proposal_id)
        else:
            checks = next((c.approved.checks for c in tick.commands if isinstance(c, SubmitOrder)), ())
        if asked != self._account.asked:
            self._set(asked=asked)
        self._keep(
            Decision(
                proposal.proposal_id, DecisionKind.ENTRY, known.ts if known is not None else event.ts_event,
                proposal.instrument_id, state, signal, proposal, opinion, checks, rule, detail,
            )
        )  # fmt: skip

    def _leave(self, tick: Tick, approved: Approved) -> None:
        spec = approved.order
        trade_id = entry_of(spec.group)
        signal = signal_to_leave(tick, spec)
        self._keep(
            Decision(
                spec.order_id, DecisionKind.EXIT, tick.event.ts_event, spec.instrument_id, DecisionState.ORDERED,
                signal, checks=approved.checks, rule=spec.role.value, trade_id=trade_id, order_ids=(spec.order_id,),
            )
        )  # fmt: skip
        entry = self._rows.find(Table.DECISION, trade_id, Decision)
        if entry is not None:
            self._keep(msgspec.structs.replace(entry, exit_ids=(*entry.exit_ids, spec.order_id)))

    def _send(self, approved: Approved, ts: int) -> None:
        spec = approved.order
        decision_id = approved.proposal_id or entry_of(spec.group)
        order = Order.of(spec).apply(OrderSubmitted(spec.order_id, ts))
        self._rows.put(Table.ORDER, spec.order_id, OrderStory(order, decision_id, ts, ts))
        decision = self._rows.find(Table.DECISION, decision_id, Decision)
        if decision is not None:
            self._keep(msgspec.structs.replace(decision, order_ids=(*decision.order_ids, spec.order_id)))

    def _amend(self, amend: ApprovedAmend, ts: int) -> None:
        # As in the engine: what was asked counts at once, and a confirmation that says the same is no record.
        story = self._rows.find(Table.ORDER, amend.order_id, OrderStory)
        if story is None:
            raise _stray(amend.order_id)
        before = story.order
        after = msgspec.structs.replace(story, order=before.amended(amend.trigger_price, amend.quantity), ts_last=ts)
        self._rows.put(Table.ORDER, amend.order_id, _moved(after, before, ts))

    def _list(self, sequence: int, line: DecisionLine) -> None:
        name, lines = line.instrument_id, self._account.lines
        count = lines.get(name, 0)
        last = self._rows.find(Table.RECENT, recent_key(name, count - 1), RecentLine) if count else None
        is_again = last is not None and last.line.what == line.what and last.line.decision_id == line.decision_id
        if line.what == MOVED_STOP and is_again:
            # A stop that trails would push everything else out of the ring.
            count -= 1
        else:
            self._set(lines={**lines, name: count + 1})
        self._rows.put(Table.RECENT, recent_key(name, count), RecentLine(sequence, line))

    def _advance(self, decision_id: str, state: DecisionState) -> None:
        decision = self._rows.find(Table.DECISION, decision_id, Decision)
        if decision is not None and decision.state is not state:
            self._keep(msgspec.structs.replace(decision, state=state))
        if decision is not None and state is DecisionState.CLOSED:
            for exit_id in decision.exit_ids:
                if (way_out := self._rows.find(Table.DECISION, exit_id, Decision)) is not None:
                    self._close(way_out)

    def _close(self, way_out: Decision) -> None:
        if way_out.state is not DecisionState.NOT_FILLED:
            self._keep(msgspec.structs.replace(way_out, state=DecisionState.CLOSED))

    def _keep(self, decision: Decision) -> None:
        self._rows.put(Table.DECISION, decision.decision_id, decision)

    # -- account -----------------------------------------------------------------------------------
    def _set(self, **changes: object) -> None:
        self._account = msgspec.structs.replace(self._account, **changes)

    def _balances(self) -> tuple[Balance, ...]:
        # EXTERNAL is the other side of all: it follows from the rest.
        held = sorted(self._portfolio.ledger.balances().items())
        return tuple(
            Balance(account.value, asset, amount)
            for (account, asset), amount in held
            if amount and account is not Account.EXTERNAL
        )

    def _restore(self, account: AccountStory) -> None:
        if self._rows.find(Table.RUN, CURRENT, RunStarted) != self.run:
            raise JournalError("the projections belong to another run", hint="clear them and replay the journal")
        portfolio = self._portfolio
        portfolio.ledger = Ledger(_opening(balance) for balance in account.balances)
        for name in portfolio.positions:
            story = self._rows.find(Table.POSITION, name, PositionStory)
            if story is not None:
                portfolio.positions[name] = story.position


def recent_key(instrument_id: str, count: int) -> str:
    """Return the place in the ring of an instrument's recent lines where the line with number `count` stands."""
    return f"{instrument_id}/{count % RECENT_KEPT:03d}"


def cleared(store: ProjectionStore) -> list[Change]:
    """Return the changes that empty `store`: a new run begins with nothing."""
    return [Change(table, row.key) for table in Table for row in store.scan(table)]


def catch_up(journal: Journal, store: ProjectionStore, journal_id: str = "") -> int:
    """Fold what the journal has beyond the store into it, in batches, and return the number of records read.

    Raises
    ------
    JournalError
        A record cannot be read or contradicts the store; clear the store and call again.
    """
    body = store.get(Table.RUN, CURRENT)
    projector = None if body is None else Projector(read_run(body), store.get)
    batch: list[Change] = []
    count, sequence, digest = 0, store.applied_sequence, b""
    for record in journal.read(sequence, kinds=(RUN, TICK)):
        if record.kind == RUN:
            run = read_run(record.body, record.sequence)
            if projector is None or projector.run != run:
                store.apply(_merged(batch), sequence, journal_id, digest)
                store.apply(cleared(store), sequence, journal_id, digest)
                projector = Projector(run, store.get)
                batch = projector.begin()
        elif projector is None:
            raise JournalError("the journal begins with a tick, not with a run", hint="holdfast journal verify")
        else:
            batch += projector.project(read_tick(record.body, record.sequence))
        count, sequence, digest = count + 1, record.sequence, record.hash
        if count % _BATCH == 0:
            store.apply(_merged(batch), sequence, journal_id, digest)
            batch = []
            projector.settle()
    if count % _BATCH:
        store.apply(_merged(batch), sequence, journal_id, digest)
    return count


def _moved(story: OrderStory, before: Order, ts: int) -> OrderStory:
    trigger = story.order.trigger_price
    if trigger is None or trigger == before.trigger_price:
        return story
    move = StopMove(ts, before.trigger_price or Price(ZERO), trigger)
    last = (*story.moves_last, move)[-MOVES_KEPT:]
    return msgspec.structs.replace(story, moves=story.moves + 1, moves_last=last)


def _stray(order_id: str) -> JournalError:
    return JournalError(f"the journal speaks of order {order_id}, but of no tick that sent it")


def _merged(batch: Sequence[Change]) -> list[Change]:
    return list({(change.table_kind, change.key): change for change in batch}.values())


def _opening(balance: Balance) -> Transfer:
    account, amount = Account(balance.account), abs(balance.amount)
    if balance.amount > 0:
        return Transfer(Account.EXTERNAL, account, balance.asset, amount, "opening")
    return Transfer(account, Account.EXTERNAL, balance.asset, amount, "opening")

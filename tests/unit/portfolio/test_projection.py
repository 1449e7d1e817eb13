"""Rows follow the journal: the same in one go or in many sessions, and the same as the engine's own state."""

from collections import Counter
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.portfolio.conftest import DictStore, ListJournal, Played, make_bars, play

from holdfast.adapters.storage.sqlite.projections import ProjectionStore
from holdfast.core.errors import JournalError
from holdfast.core.record import encode
from holdfast.domain.command import AskOpinion, SubmitOrder
from holdfast.domain.decision import Opinion, StopLevel
from holdfast.domain.event import EmergencyStopped
from holdfast.domain.ledger import Account
from holdfast.domain.market import BarClosed
from holdfast.domain.order import OrderCanceled, OrderFilled
from holdfast.domain.portfolio import ClosedTrade
from holdfast.domain.tick import Tick
from holdfast.domain.values import Ratio
from holdfast.portfolio.fold import JournalFold
from holdfast.portfolio.projection import MOVES_KEPT, RECENT_KEPT, Projector, catch_up, cleared
from holdfast.portfolio.story import (
    CURRENT,
    AccountStory,
    Decision,
    DecisionKind,
    DecisionState,
    OrderStory,
    PositionStory,
    RecentLine,
    Table,
)


def rows(store, table: Table, kind):
    return {row.key: msgspec.json.decode(row.body, type=kind) for row in store.scan(table)}


@pytest.fixture(scope="module")
def store(played: Played) -> DictStore:
    store = DictStore()
    assert catch_up(played.journal, store) == len(played.ticks) + 1
    return store


def test_order_rows_are_the_engines_orders_with_all_their_fills(store: DictStore, played: Played):
    stories = rows(store, Table.ORDER, OrderStory)
    engine = played.engine
    for order_id, order in {**engine.orders, **engine.finished}.items():
        assert stories[order_id].order == order
    sent = [c for t in played.ticks for c in t.commands if isinstance(c, SubmitOrder)]
    assert len(stories) == len(sent)
    assert sum(len(story.fills) for story in stories.values()) == sum(
        isinstance(tick.event, OrderFilled) for tick in played.ticks
    )
    for story in stories.values():
        assert sum(fill.quantity for fill in story.fills) == story.order.filled
        assert len(story.moves_last) == min(story.moves, MOVES_KEPT)


def test_positions_and_account_are_the_engines(store: DictStore, played: Played):
    portfolio = played.engine.account.portfolio
    positions = rows(store, Table.POSITION, PositionStory)
    assert {name: story.position for name, story in positions.items()} == portfolio.positions
    for name, story in positions.items():
        trade = played.engine.desks[name].trade
        assert story.trade_id == ("" if trade is None or not trade.held else trade.trade_id)
    account = rows(store, Table.ACCOUNT, AccountStory)[CURRENT]
    assert account.cash == portfolio.cash
    assert {(Account(b.account), b.asset): b.amount for b in account.balances} == {
        key: amount for key, amount in portfolio.ledger.balances().items() if amount and key[0] is not Account.EXTERNAL
    }
    closed = [tick.closed for tick in played.ticks if tick.closed is not None]
    assert (account.trades, account.wins) == (len(closed), sum(trade.pnl > 0 for trade in closed))
    assert account.pnl == sum(trade.pnl for trade in closed)
    assert account.fees == sum(position.fees for position in portfolio.positions.values())
    assert account.stop_level is played.engine.account.stop_level
    assert rows(store, Table.TRADE, ClosedTrade) == {trade.trade_id: trade for trade in closed}


def test_there_is_one_decision_per_proposal_exit_note_and_brake(store: DictStore, played: Played):
    decisions = rows(store, Table.DECISION, Decision)
    kinds = Counter(decision.kind for decision in decisions.values())
    ticks = played.ticks
    assert kinds[DecisionKind.ENTRY] == sum(tick.proposal is not None for tick in ticks)
    assert kinds[DecisionKind.NOTE] == sum(bool(tick.notes) for tick in ticks)
    assert kinds[DecisionKind.BRAKE] == 2
    exits = [c for t in ticks for c in t.commands if isinstance(c, SubmitOrder) and c.approved.order.type == "market"]
    assert kinds[DecisionKind.EXIT] == len(exits) > 0


def test_an_entrys_decision_holds_what_it_rested_on_and_what_became_of_it(store: DictStore, played: Played):
    decisions = rows(store, Table.DECISION, Decision)
    closed = {tick.closed.trade_id for tick in played.ticks if tick.closed is not None}
    refused = {tick.proposal.proposal_id: tick.refused for tick in played.ticks if tick.refused and tick.proposal}
    assert refused
    for tick in played.ticks:
        if tick.proposal is None:
            continue
        decision = decisions[tick.proposal.proposal_id]
        assert decision.signal == tick.signals[0]
        assert decision.proposal == tick.proposal
        assert decision.ts == tick.event.ts_event
        if decision.decision_id in refused:
            verdict = refused[decision.decision_id]
            assert decision.state is DecisionState.REFUSED
            assert (decision.rule, decision.detail, decision.checks) == (verdict.rule, verdict.detail, verdict.checks)
            assert not decision.order_ids
        else:
            assert decision.checks == tick.commands[0].approved.checks
            assert decision.order_ids[0] == decision.decision_id
            assert (decision.state is DecisionState.CLOSED) == (decision.decision_id in closed)


def test_every_order_belongs_to_the_decision_that_lists_it(store: DictStore):
    decisions = rows(store, Table.DECISION, Decision)
    stories = rows(store, Table.ORDER, OrderStory)
    entries = [d for d in decisions.values() if d.kind is DecisionKind.ENTRY]
    listed = Counter(order_id for decision in entries for order_id in decision.order_ids)
    assert listed == dict.fromkeys(stories, 1)
    for order_id, story in stories.items():
        assert order_id in decisions[story.decision_id].order_ids
    for decision in decisions.values():
        for exit_id in decision.exit_ids:
            assert decisions[exit_id].trade_id == decision.decision_id
            assert decisions[exit_id].kind is DecisionKind.EXIT


def test_what_was_ordered_and_never_filled_says_so(store: DictStore, played: Played):
    ended = {tick.event.order_id for tick in played.ticks if isinstance(tick.event, OrderCanceled)}
    decisions = rows(store, Table.DECISION, Decision)
    stories = rows(store, Table.ORDER, OrderStory)
    missed = {i for i in ended if i in decisions and not stories[i].order.filled}
    assert missed == {i for i, d in decisions.items() if d.state is DecisionState.NOT_FILLED}


@pytest.mark.slow
@settings(max_examples=15)
@given(cuts=st.lists(st.integers(1, 4_000), min_size=1, max_size=6))
def test_many_sessions_leave_the_same_rows_as_one(store: DictStore, played: Played, cuts: list[int]):
    pieces = DictStore()
    journal = ListJournal()
    for cut in [*sorted(cuts), len(played.journal.records)]:
        journal.records = played.journal.records[:cut]
        catch_up(journal, pieces)
    assert pieces.rows == store.rows
    assert pieces.applied_sequence == store.applied_sequence


def test_a_store_that_is_up_to_date_is_left_alone(store: DictStore, played: Played):
    batches = store.batches
    assert catch_up(played.journal, store) == 0
    assert store.batches == batches


def test_the_embedded_store_holds_the_same_rows(store: DictStore, played: Played, tmp_path: Path):
    embedded = ProjectionStore(tmp_path / "state.db")
    catch_up(played.journal, embedded, "journal-1")
    found = {(table.value, row.key): row.body for table in Table for row in embedded.scan(table)}
    assert found == store.rows
    assert embedded.applied_sequence == store.applied_sequence
    embedded.close()


def test_a_new_run_begins_with_empty_tables():
    first, second = play(2, 60), play(5, 60, run_id="run-2")
    journal, store = ListJournal(), DictStore()
    journal.records = [*first.journal.records]
    catch_up(journal, store)
    for record in second.journal.records:
        journal.records.append(msgspec.structs.replace(record, sequence=len(journal.records) + 1))
    catch_up(journal, store)
    alone = DictStore()
    catch_up(second.journal, alone)
    assert store.rows == alone.rows
    both = DictStore()
    catch_up(journal, both)
    assert both.rows == alone.rows


def test_cleared_removes_every_row(store: DictStore):
    copy = DictStore()
    copy.rows = dict(store.rows)
    copy.apply(cleared(copy), 1)
    assert not copy.rows


def test_recent_lines_are_a_ring_per_instrument(store: DictStore, played: Played):
    lines = rows(store, Table.RECENT, RecentLine)
    by_name = Counter(row.line.instrument_id for row in lines.values())
    assert all(count <= RECENT_KEPT for count in by_name.values())
    assert max(by_name.values()) == RECENT_KEPT
    fold = JournalFold(played.run)
    for tick in played.ticks:
        fold.apply(tick)
    kept = {(row.sequence, row.line.decision_id, row.line.what) for row in lines.values()}
    last = fold.decisions[-1]
    assert any((name, what) == (last.decision_id, last.what) for _, name, what in kept)
    # Of two moves of one stop in a row only the later is there.
    ordered = sorted(lines.values(), key=lambda row: row.sequence)
    for name in by_name:
        mine = [row.line for row in ordered if row.line.instrument_id == name]
        moves = [(a, b) for a, b in pairwise(mine) if a.what == b.what == "moved stop"]
        assert all(a.decision_id != b.decision_id for a, b in moves)


def opinions(seed: int = 1, brake: bool = False):
    """Ticks of an engine that asks a model, and its run."""
    played = play(seed, count=0, opinion_ms=1_000)
    ticks: list[Tick] = []
    for group in make_bars(seed, 30):
        for bar in group:
            tick = played.engine.process(bar)
            ticks.append(tick)
            if brake and any(isinstance(c, AskOpinion) for c in tick.commands):
                ticks.append(played.engine.process(EmergencyStopped(bar.ts_event, StopLevel.REDUCE_ONLY, "me", "now")))
                return played, [t for t in ticks if t.sequence]
            for command in tick.commands:
                if isinstance(command, AskOpinion):
                    opinion = Opinion(
                        command.proposal.proposal_id, command.ts_deadline, Ratio(Decimal("0.5")), "too hot", "a model"
                    )
                    ticks.append(played.engine.process(opinion))
    return played, [t for t in ticks if t.sequence]


def test_a_decision_waits_for_its_opinion_and_keeps_its_signal():
    played, ticks = opinions()
    store = DictStore()
    projector = Projector(played.run, store.get)
    store.apply(projector.begin(), 1)
    at = next(i for i, tick in enumerate(ticks) if isinstance(tick.event, Opinion))
    for tick in ticks[:at]:
        store.apply(projector.project(tick), 1)
    name = ticks[at].event.proposal_id
    asked = rows(store, Table.DECISION, Decision)[name]
    assert asked.state is DecisionState.ASKED
    assert rows(store, Table.ACCOUNT, AccountStory)[CURRENT].asked == (name,)
    projector = Projector(played.run, store.get)  # another process goes on
    store.apply(projector.project(ticks[at]), 2)
    answered = rows(store, Table.DECISION, Decision)[name]
    assert answered.state is DecisionState.ORDERED
    assert answered.signal == asked.signal
    assert answered.opinion == ticks[at].event
    assert answered.ts == asked.ts
    assert rows(store, Table.ACCOUNT, AccountStory)[CURRENT].asked == ()


def test_the_brake_drops_what_waits_for_an_opinion():
    played, ticks = opinions(brake=True)
    store = DictStore()
    projector = Projector(played.run, store.get)
    for tick in ticks:
        store.apply(projector.project(tick), 1)
    decisions = rows(store, Table.DECISION, Decision)
    assert [d.state for d in decisions.values() if d.kind is DecisionKind.ENTRY] == [DecisionState.DROPPED]
    assert rows(store, Table.ACCOUNT, AccountStory)[CURRENT].asked == ()


def test_a_note_becomes_a_decision_with_its_signal(played: Played):
    tick = next(tick for tick in played.ticks if tick.signals and isinstance(tick.event, BarClosed))
    note = Tick(1, tick.event, tick.signals, notes=("no size is left",))
    store = DictStore()
    projector = Projector(played.run, store.get)
    store.apply(projector.project(note), 1)
    decision = rows(store, Table.DECISION, Decision)["n1"]
    assert (decision.kind, decision.detail) == (DecisionKind.NOTE, "no size is left")
    assert decision.signal == tick.signals[0]


def test_rows_of_another_run_are_refused(store: DictStore, played: Played):
    other = msgspec.structs.replace(played.run, run_id="other")
    with pytest.raises(JournalError, match="another run"):
        Projector(other, store.get)


def test_a_row_that_is_something_else_is_refused(store: DictStore, played: Played):
    with pytest.raises((JournalError, msgspec.ValidationError)):
        Projector(played.run, lambda table, key: b'{"cash":"1"}')


def test_a_journal_that_begins_with_a_tick_is_refused(played: Played):
    journal = ListJournal()
    journal.records = [record for record in played.journal.records if record.kind == "tick"]
    with pytest.raises(JournalError, match="begins with a tick"):
        catch_up(journal, DictStore())


def test_an_event_of_an_unknown_order_is_refused(played: Played):
    tick = next(tick for tick in played.ticks if isinstance(tick.event, OrderFilled))
    with pytest.raises(JournalError, match="no tick that sent it"):
        Projector(played.run, DictStore().get).project(tick)


def test_memory_is_given_back_once_rows_are_stored(played: Played, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("holdfast.portfolio.projection._CACHED_MAX", 8)
    small, whole = DictStore(), DictStore()
    catch_up(played.journal, small)
    monkeypatch.undo()
    catch_up(played.journal, whole)
    assert small.rows == whole.rows


def test_rows_are_canonical_json(store: DictStore):
    kinds = {
        Table.ORDER: OrderStory,
        Table.DECISION: Decision,
        Table.TRADE: ClosedTrade,
        Table.ACCOUNT: AccountStory,
        Table.POSITION: PositionStory,
        Table.RECENT: RecentLine,
    }
    for table, kind in kinds.items():
        for row in store.scan(table):
            assert encode(msgspec.json.decode(row.body, type=kind)) == row.body

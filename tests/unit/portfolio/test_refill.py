"""An entry that fills on after its first trade was stopped out: two trades, one story."""

import msgspec
import pytest
from tests.unit.engine.conftest import BTC, LONG, Rig
from tests.unit.portfolio.conftest import DictStore, ListJournal

from holdfast.core.record import encode
from holdfast.domain.order import Role
from holdfast.domain.portfolio import ClosedTrade
from holdfast.engine.engine import QUIET
from holdfast.matching.config import MatchingConfig
from holdfast.portfolio.explain import explain, find_story
from holdfast.portfolio.fold import JournalFold, PortfolioOnlyFold
from holdfast.portfolio.projection import catch_up
from holdfast.portfolio.story import Decision, DecisionState, PositionStory, Table
from holdfast.ports.journal import Entry
from holdfast.risk.config import RiskConfig
from holdfast.testing.builders import make_plan, make_run


class Refilled:
    """A market entry in three parts, the last of which overtakes the cancel that followed the stop."""

    def __init__(self) -> None:
        self.rig = rig = Rig({0: LONG}, risk=RiskConfig(is_entry_market=True))
        rig.bar()
        self.entry = rig.last(Role.ENTRY)
        part = BTC.quantity(self.entry.quantity / 4)
        rig.fill(self.entry, "100", part)
        rig.fill(self.entry, "100", part)
        self.first = [rig.fill(stop, "98").closed for stop in rig.all(Role.STOP)][-1]
        rig.fill(self.entry, "100", part)

    def close(self) -> "Refilled":
        """Stop the second trade out as well."""
        self.second = self.rig.fill(self.rig.last(Role.STOP), "97").closed
        return self

    def records(self) -> list[tuple[str, bytes]]:
        """Return the journal."""
        run = make_run(make_plan(BTC, matching=MatchingConfig.ideal()))
        ticks = [tick for tick in self.rig.ticks if tick is not QUIET]
        ticks.sort(key=lambda tick: tick.sequence)
        return [("run", encode(run)), *(("tick", encode(tick)) for tick in ticks)]

    def store(self) -> DictStore:
        """Return the rows of the journal."""
        journal, store = ListJournal(), DictStore()
        journal.append([Entry(kind, body) for kind, body in self.records()])
        catch_up(journal, store)
        return store


@pytest.fixture(scope="module")
def refilled() -> Refilled:
    return Refilled().close()


def row(store: DictStore, table: Table, key: str, kind):
    body = store.get(table, key)
    assert body is not None, key
    return msgspec.json.decode(body, type=kind)


def test_both_trades_have_a_row(refilled: Refilled):
    store, entry_id = refilled.store(), refilled.entry.order_id
    assert row(store, Table.TRADE, entry_id, ClosedTrade) == refilled.first
    assert row(store, Table.TRADE, f"{entry_id}_3", ClosedTrade) == refilled.second
    assert row(store, Table.DECISION, entry_id, Decision).state is DecisionState.CLOSED


def test_while_the_second_is_open_the_position_names_it_and_the_story_says_so():
    open_again = Refilled()
    store, rig = open_again.store(), open_again.rig
    assert row(store, Table.POSITION, BTC.id, PositionStory).trade_id == rig.trade.trade_id
    story = find_story(store.get, rig.trade.trade_id)
    assert story is not None
    assert story.decision.state is DecisionState.OPEN
    assert (story.trade, story.again) == (open_again.first, ())
    assert "It filled again and is open." in "\n".join(explain(story).lines())


def test_every_id_leads_to_the_one_story_that_tells_both_results(refilled: Refilled):
    store, first, second = refilled.store(), refilled.first, refilled.second
    assert first is not None
    assert second is not None
    ids = {row.key for table in (Table.ORDER, Table.TRADE) for row in store.scan(table)}
    assert ids > {first.trade_id, second.trade_id}
    for any_id in ids:
        story = find_story(store.get, any_id)
        assert story is not None, any_id
        assert (story.trade, story.again) == (first, (second,))
        explanation = explain(story)
        assert explanation.r_multiple == (first.pnl + second.pnl) / (first.risk + second.risk)
        text = "\n".join(explanation.lines())
        assert text.count("closed by stop at") == 2
        assert text.count("It lost ") == 2 + bool(first.excess_cause) + bool(second.excess_cause)
    orders = [spec for spec in refilled.rig.sent if spec.role is not Role.ENTRY]
    decision = row(store, Table.DECISION, refilled.entry.order_id, Decision)
    assert {spec.order_id for spec in orders} < set(decision.order_ids)


def test_both_folds_follow_it(refilled: Refilled):
    fold, small = JournalFold(), PortfolioOnlyFold()
    fold.replay(refilled.records())
    small.replay(refilled.records())
    assert fold.trades == 2
    assert fold.last_trade == refilled.second
    portfolio = refilled.rig.engine.account.portfolio
    for told in (fold.portfolio, small.portfolio):
        assert told is not None
        assert (told.positions, told.cash) == (portfolio.positions, portfolio.cash)

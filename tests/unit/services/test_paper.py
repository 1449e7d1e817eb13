"""The paper agent: start-up is recovery, from a checkpoint or without, and nothing but the same run goes on."""

from collections.abc import Iterator
from decimal import Decimal

import msgspec
import pytest

from holdfast.adapters.exchanges.simulated.client import SimulatedVenue
from holdfast.adapters.sources.feed import SeriesFeed
from holdfast.core.errors import ConfigurationError, JournalError
from holdfast.domain.decision import Action, Approved, StopLevel
from holdfast.domain.market import BarClosed
from holdfast.domain.order import Role
from holdfast.engine.recorder import BARS, CHECKPOINT, OPERATOR, RUN, TICK
from holdfast.matching.book import Events
from holdfast.ports.journal import JournalRecord
from holdfast.risk.config import RiskConfig
from holdfast.services.assembly import build_engine
from holdfast.services.backtesting import run_engine
from holdfast.services.paper import PaperAgent
from holdfast.testing.builders import Row, make_instrument, make_plan, make_run, make_series, make_venue
from holdfast.testing.memory_journal import MemoryJournal, MemoryRecords, PowerCutError
from holdfast.testing.scripted import Line, ScriptedStrategy

BTC = make_instrument()
PLAN = make_plan(BTC)
BARS_IN_ALL = 40
BARS_READ = msgspec.json.Decoder(list[BarClosed]).decode
SCRIPT = {
    3: Line(Action.ENTER_LONG, 98.0, 106.0),
    9: Line(Action.EXIT_LONG),
    12: Line(Action.ENTER_LONG, 98.0, 110.0),
    20: Line(Action.EXIT_LONG),
    25: Line(Action.ENTER_LONG, 99.9, 106.0),
}


def rows() -> list[Row]:
    closes = [100.0 + (number % 7) * 0.3 for number in range(BARS_IN_ALL)]
    return [(close, close + 1.2, close - 1.0, close, 1e6) for close in closes]


SERIES = make_series(BTC, rows())
FEED = SeriesFeed([SERIES])


def make_agent(
    records: MemoryRecords, *, plan=PLAN, checkpoint_every: int = 1_000, writes_left: int | None = None, feed=FEED
) -> PaperAgent:
    engine = build_engine(plan, lambda name: ScriptedStrategy(name, SCRIPT))
    journal = MemoryJournal(records, writes_left)
    return PaperAgent(make_run(plan), engine, make_venue(plan), feed, journal, checkpoint_every)


def finish(agent: PaperAgent) -> str:
    while agent.step():
        pass
    return agent.digest


def straight() -> str:
    agent = make_agent(MemoryRecords())
    agent.start()
    return finish(agent)


def kinds(records: MemoryRecords, kind: str) -> list[JournalRecord]:
    return [record for record in records.durable if record.kind == kind]


def test_a_paper_run_and_a_backtest_of_the_same_bars_have_one_digest():
    engine = build_engine(PLAN, lambda name: ScriptedStrategy(name, SCRIPT))
    run, _ = run_engine(engine, FEED, make_venue(PLAN), MemoryJournal())
    assert run.digest == straight()
    assert len(run.trades) >= 3


def test_a_fresh_start_writes_how_the_run_began():
    records = MemoryRecords()
    recovery = make_agent(records).start()
    assert recovery.is_fresh
    assert [record.kind for record in records.durable] == [RUN]


@pytest.mark.parametrize("checkpoint_every", [1, 5, 1_000])
@pytest.mark.parametrize("steps", [1, 4, 5, 11, 26])
def test_a_restart_goes_on_where_the_agent_was_dropped(steps: int, checkpoint_every: int):
    records = MemoryRecords()
    agent = make_agent(records, checkpoint_every=checkpoint_every)
    agent.start()
    for _ in range(steps):
        agent.step()
    held, equity, orders = agent.engine.held, agent.engine.account.equity, agent.engine.orders
    again = make_agent(records, checkpoint_every=checkpoint_every)
    recovery = again.start()
    assert (recovery.is_fresh, recovery.groups, recovery.ts) == (False, steps, agent.engine.ts_bar)
    assert (again.engine.held, again.engine.account.equity, again.engine.orders) == (held, equity, orders)
    assert again.digest == agent.digest
    assert finish(again) == straight()


def test_a_restart_repeats_only_what_came_after_the_checkpoint():
    records = MemoryRecords()
    agent = make_agent(records, checkpoint_every=10)
    agent.start()
    for _ in range(12):
        agent.step()
    after = kinds(records, CHECKPOINT)[-1].sequence
    ticks = sum(record.sequence > after for record in kinds(records, TICK))
    assert make_agent(records).start().repeated == ticks


def test_a_closed_agent_has_nothing_to_repeat():
    records = MemoryRecords()
    agent = make_agent(records)
    agent.start()
    for _ in range(15):
        agent.step()
    agent.close()
    assert make_agent(records).start().repeated == 0


def test_the_power_may_go_at_any_write():
    whole = MemoryRecords()
    agent = make_agent(whole, checkpoint_every=7)
    agent.start()
    digest = finish(agent)
    for cut in range(len(whole.durable)):
        records = MemoryRecords()
        try:
            first = make_agent(records, checkpoint_every=7, writes_left=cut)
            first.start()
            finish(first)
        except PowerCutError:
            pass
        second = make_agent(records, checkpoint_every=7)
        second.start()
        assert finish(second) == digest, f"after {cut} writes"
        bodies = [[record.body for record in kinds(found, TICK)] for found in (records, whole)]
        assert bodies[0] == bodies[1], f"after {cut} writes"


class Witness(SimulatedVenue):
    """Takes an order only if its record is durable already."""

    __slots__ = ("records",)

    def submit(self, approved: Approved, ts: int) -> Events:
        written = b"".join(record.body for record in kinds(self.records, TICK))
        assert b'"order_id":"%b"' % approved.order.order_id.encode() in written
        return super().submit(approved, ts)


def test_nothing_is_sent_before_its_record_is_durable():
    venue = Witness(PLAN.instruments, PLAN.timeframe.nanos, PLAN.matching, {BTC.quote: PLAN.engine.capital})
    venue.records = MemoryRecords()
    engine = build_engine(PLAN, lambda name: ScriptedStrategy(name, SCRIPT))
    agent = PaperAgent(make_run(PLAN), engine, venue, FEED, MemoryJournal(venue.records))
    agent.start()
    finish(agent)
    assert agent.trades >= 3


def test_the_brake_outlives_a_restart_and_is_done_again_in_its_place():
    records = MemoryRecords()
    agent = make_agent(records)
    agent.start()
    for _ in range(6):
        agent.step()
    assert agent.engine.held
    agent.stop(StopLevel.FLATTEN, "test", "drill")
    agent.step()
    assert len(kinds(records, OPERATOR)) == 1
    again = make_agent(records)
    again.start()
    assert again.engine.account.stop_level is StopLevel.FLATTEN
    assert again.engine.held == agent.engine.held == 0
    again.resume("test", "over")
    assert again.digest != agent.digest
    finish(again)
    third = make_agent(records)
    third.start()
    assert third.engine.account.stop_level is StopLevel.NONE
    assert third.digest == again.digest


def test_other_settings_are_refused_and_named():
    records = MemoryRecords()
    make_agent(records).start()
    other = make_plan(BTC, risk=RiskConfig(positions_max=1))
    with pytest.raises(ConfigurationError, match="settings") as refusal:
        make_agent(records, plan=other).start()
    assert "--fresh" in refusal.value.hint


def test_a_fresh_run_may_have_other_settings():
    records = MemoryRecords()
    make_agent(records).start()
    other = make_plan(BTC, risk=RiskConfig(positions_max=1))
    assert make_agent(records, plan=other).start(is_fresh=True).is_fresh
    assert not make_agent(records, plan=other).start().is_fresh


@pytest.mark.parametrize("checkpoint_every", [5, 1_000])
def test_a_market_that_begins_after_the_recorded_position_is_refused(checkpoint_every: int):
    records = MemoryRecords()
    agent = make_agent(records, checkpoint_every=checkpoint_every)
    agent.start()
    for _ in range(10):
        agent.step()
    following, later = (SeriesFeed([SERIES.slice(first, BARS_IN_ALL)]) for first in (10, 11))
    with pytest.raises(ConfigurationError, match="left out") as refusal:
        make_agent(records, feed=later).start()
    assert "--fresh" in refusal.value.hint
    assert make_agent(records, feed=later).start(is_fresh=True).is_fresh
    assert len(kinds(records, RUN)) == 2
    records.durable = records.durable[:-1]
    again = make_agent(records, feed=following)
    again.start()
    assert finish(again) == straight()


def test_a_market_that_begins_later_is_read_from_its_first_bar_where_it_goes_back_so_far():
    records = MemoryRecords()
    agent = make_agent(records)
    agent.start()
    for _ in range(10):
        agent.step()
    again = make_agent(records, feed=SeriesFeed([SERIES.slice(20, BARS_IN_ALL)]))
    again.start(whole=FEED)
    assert finish(again) == straight()


class LivePast:
    """A live market: each run begins with what has closed by then."""

    def __init__(self, *groups: list[BarClosed]) -> None:
        self.past = groups

    def go_on_from(self, ts: int) -> None:
        pass

    def groups(self) -> Iterator[list[BarClosed]]:
        yield from self.past


@pytest.mark.parametrize("checkpoint_every", [1, 1_000])
def test_a_bar_that_came_too_late_for_its_group_is_seen_after_a_restart(checkpoint_every: int):
    eth = make_instrument("ETH/USDT.SIM")
    plan = make_plan(BTC, eth)
    (ours, theirs) = (
        [bar for group in SeriesFeed([make_series(one, rows())]).groups() for bar in group] for one in (BTC, eth)
    )  # fmt: skip
    records = MemoryRecords()
    first = make_agent(
        records, plan=plan, checkpoint_every=checkpoint_every, feed=LivePast([ours[0], theirs[0]], [ours[1]])
    )
    first.start()
    finish(first)
    whole = LivePast(*([ours[number], theirs[number]] for number in range(4)))
    again = make_agent(records, plan=plan, checkpoint_every=checkpoint_every, feed=whole)
    again.start()
    finish(again)
    seen = [(bar.instrument_id, bar.ts_event) for record in kinds(records, BARS) for bar in BARS_READ(record.body)]
    assert len(seen) == len(set(seen)) == 8
    assert [ts for _, ts in seen] == sorted(ts for _, ts in seen)
    assert make_agent(records, plan=plan, feed=whole).start().ts == ours[3].ts_event


def test_a_run_that_has_seen_no_bar_may_begin_anywhere():
    records = MemoryRecords()
    make_agent(records).start()
    again = make_agent(records, feed=SeriesFeed([SERIES.slice(20, BARS_IN_ALL)]))
    again.start(whole=FEED)
    assert again.step()
    assert again.engine.ts_bar == SERIES.ts_close[20]


def tampered(records: MemoryRecords, kind: str, old: bytes, new: bytes) -> MemoryRecords:
    changed = MemoryRecords()
    changed.durable = list(records.durable)
    at = next(i for i, record in enumerate(changed.durable) if record.kind == kind and old in record.body)
    record = changed.durable[at]
    changed.durable[at] = msgspec.structs.replace(record, body=record.body.replace(old, new))
    return changed


def test_a_tick_that_does_not_repeat_stops_the_start():
    records = MemoryRecords()
    agent = make_agent(records)
    agent.start()
    for _ in range(8):
        agent.step()
    with pytest.raises(JournalError, match="does not repeat"):
        make_agent(tampered(records, TICK, b'"liquidity":"taker"', b'"liquidity":"maker"')).start()
    with pytest.raises(JournalError, match="does not repeat"):
        make_agent(tampered(records, BARS, b'"close":100.9', b'"close":100.8')).start()


def test_a_recorded_tick_that_did_not_happen_again_stops_the_start():
    records = MemoryRecords()
    agent = make_agent(records)
    agent.start()
    for _ in range(8):
        agent.step()
    last = kinds(records, TICK)[-1]
    records.durable.append(msgspec.structs.replace(last, sequence=len(records.durable) + 1))
    with pytest.raises(JournalError, match="does not repeat"):
        make_agent(records).start()


def test_decisions_without_what_led_to_them_stop_the_start():
    records = MemoryRecords()
    agent = make_agent(records)
    agent.start()
    for _ in range(8):
        agent.step()
    orphaned = MemoryRecords()
    orphaned.durable = [record for record in records.durable if record.kind != BARS]
    with pytest.raises(JournalError, match="without what led to them"):
        make_agent(orphaned).start()


def test_the_view_sees_every_tick_once():
    agent = make_agent(MemoryRecords())
    agent.start()
    seen = []
    while agent.step():
        seen.extend(agent.take_ticks())
    assert [tick.sequence for tick in seen] == list(range(1, agent.engine.sequence + 1))
    assert agent.trades == sum(tick.closed is not None for tick in seen)


def test_a_state_is_readable_and_holds_the_open_trade():
    records = MemoryRecords()
    agent = make_agent(records, checkpoint_every=6)
    agent.start()
    for _ in range(6):
        agent.step()
    state = msgspec.json.decode(kinds(records, CHECKPOINT)[-1].body)
    desk = state["engine"]["desks"][BTC.id]
    assert Decimal(desk["trade"]["stop"]) == 98
    assert [order["spec"]["role"] for order in state["engine"]["orders"]] == [Role.STOP, Role.TARGET]
    assert Decimal(desk["trade"]["entry_quantity"]) > 0

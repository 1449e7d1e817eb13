"""A new run begins under the stop of the run before it: only a person releases one."""

from decimal import Decimal

import msgspec
import pytest
from tests.unit.services.test_live_history import WORLD
from tests.unit.services.test_paper import PLAN, SCRIPT, finish, kinds, make_agent

from holdfast.domain.decision import StopLevel
from holdfast.domain.event import EmergencyStopped
from holdfast.engine.recorder import OPERATOR, RUN, TICK
from holdfast.ports.journal import Entry
from holdfast.services.assembly import build_engine
from holdfast.services.live import LiveAgent
from holdfast.services.parity import check_parity
from holdfast.services.run_before import stop_in_force
from holdfast.testing.builders import make_run, make_venue
from holdfast.testing.dice import Dice
from holdfast.testing.faulty_wire import FaultyWire, VenueSide
from holdfast.testing.live_simulation import CONFIG
from holdfast.testing.memory_journal import MemoryJournal, MemoryRecords, PowerCutError
from holdfast.testing.scripted import ScriptedStrategy

LEVELS = [level for level in StopLevel if level is not StopLevel.NONE]
TOLD = "the stop of the run before, {}, stays in force: holdfast resume"


def stopped(level: StopLevel = StopLevel.FLATTEN) -> MemoryRecords:
    """Return the journal of a paper agent that somebody has stopped."""
    records = MemoryRecords()
    agent = make_agent(records)
    agent.start()
    for _ in range(6):
        agent.step()
    agent.stop(level, "person", "the news")
    agent.close()
    return records


@pytest.mark.parametrize("level", LEVELS)
def test_a_fresh_run_on_paper_buys_nothing_until_somebody_resumes(level: StopLevel):
    records = stopped(level)
    agent = make_agent(records)
    recovery = agent.start(is_fresh=True)
    assert recovery.taken_over == EmergencyStopped(0, level, "person", "the news")
    assert TOLD.format(level.value.replace("_", " ")) in agent.warnings
    for _ in range(11):
        agent.step()
    assert agent.engine.account.stop_level is level
    assert not agent.engine.orders
    assert not agent.engine.finished
    agent.resume("person", "all is well")
    finish(agent)
    assert agent.engine.account.stop_level is StopLevel.NONE
    assert agent.trades


def test_it_stands_in_the_new_runs_journal_right_after_its_beginning_and_goes_on_with_it():
    records = stopped()
    agent = make_agent(records)
    agent.start(is_fresh=True)
    began = kinds(records, RUN)[-1].sequence
    assert [record.kind for record in records.durable if record.sequence > began] == [OPERATOR, TICK]
    again = make_agent(records)
    recovery = again.start()
    assert not recovery.is_fresh
    assert recovery.taken_over is None
    assert not again.warnings
    assert again.engine.account.stop_level is StopLevel.FLATTEN
    assert again.digest == agent.digest


def test_it_is_taken_over_from_run_to_run_as_it_was_ordered():
    records = stopped()
    for _ in range(3):
        make_agent(records).start(is_fresh=True)
    assert stop_in_force(MemoryJournal(records)) == EmergencyStopped(0, StopLevel.FLATTEN, "person", "the news")


def test_a_crash_at_any_write_of_the_beginning_releases_nothing():
    for cut in range(1, 6):
        records = stopped()
        agent = make_agent(records, writes_left=cut)
        try:
            agent.start(is_fresh=True)
            agent.step()
        except PowerCutError:
            pass
        again = make_agent(records)
        again.start()
        assert again.engine.account.stop_level is StopLevel.FLATTEN, f"after {cut} writes"


def test_what_somebody_has_released_is_not_taken_over():
    records = stopped()
    agent = make_agent(records)
    agent.start()
    agent.step()
    agent.resume("person", "all is well")
    agent.close()
    fresh = make_agent(records)
    assert fresh.start(is_fresh=True).taken_over is None
    assert not fresh.warnings
    assert fresh.engine.account.stop_level is StopLevel.NONE


def test_the_first_run_of_a_home_takes_nothing_over():
    records = MemoryRecords()
    assert make_agent(records).start(is_fresh=True).taken_over is None
    assert [record.kind for record in records.durable] == [RUN]


def test_of_several_stops_the_highest_is_taken_over_with_its_own_reason():
    records = stopped(StopLevel.REDUCE_ONLY)
    agent = make_agent(records)
    agent.start()
    agent.stop(StopLevel.NO_ENTRIES, "other", "a pause")
    agent.close()
    found = stop_in_force(MemoryJournal(records))
    assert found is not None
    assert (found.level, found.actor, found.reason) == (StopLevel.REDUCE_ONLY, "person", "the news")


def test_an_order_that_cannot_be_read_counts_as_the_highest_stop():
    records = stopped(StopLevel.NO_ENTRIES)
    MemoryJournal(records).append([Entry(OPERATOR, b'{"type":"SomethingNewer"}')]).wait()
    agent = make_agent(records)
    agent.start(is_fresh=True)
    assert agent.engine.account.stop_level is StopLevel.FLATTEN


def test_parity_reproduces_a_run_that_began_stopped():
    records = stopped()
    agent = make_agent(records)
    agent.start(is_fresh=True)
    for _ in range(5):
        agent.step()
    agent.resume("person", "all is well")
    finish(agent)
    agent.close()

    def make():
        return build_engine(PLAN, lambda name: ScriptedStrategy(name, SCRIPT)), make_venue(PLAN)

    began = kinds(records, RUN)[-1].sequence
    report = check_parity(make_run(PLAN), MemoryJournal(records), began, make, MemoryJournal())
    assert report.parity.orders
    assert report.is_passed, report
    assert report.cash_session == report.cash_backtest != Decimal(0)


def test_a_fresh_live_run_takes_the_stop_over_before_it_hears_its_market():
    side, records = VenueSide(make_venue(WORLD.plan), WORLD.groups), MemoryRecords()
    for _ in range(20):
        side.advance()

    def live() -> LiveAgent:
        run = make_run(WORLD.plan, WORLD.strategy, mode="live")
        wire = FaultyWire(side, Dice("run before"), 0.0)
        engine = build_engine(WORLD.plan, WORLD.factory)
        config = msgspec.structs.replace(CONFIG, history_bars=10)
        return LiveAgent(run, engine, wire, MemoryJournal(records), config, lambda: side.steady)

    first = live()
    first.start()
    first.stop(StopLevel.REDUCE_ONLY, "person", "the news")
    first.close()
    fresh = live()
    recovery = fresh.start(is_fresh=True)
    assert recovery.taken_over is not None
    assert TOLD.format("reduce only") in fresh.warnings
    assert fresh.engine.account.stop_level is StopLevel.REDUCE_ONLY
    assert fresh.engine.ts_bar, "it has seen the past"
    fresh.close()
    again = live()
    again.start()
    assert again.engine.account.stop_level is StopLevel.REDUCE_ONLY
    assert again.digest == fresh.digest
    again.resume("person", "all is well")
    assert again.engine.account.stop_level is StopLevel.NONE

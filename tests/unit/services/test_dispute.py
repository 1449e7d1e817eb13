"""A brake is pulled for what several looks say that lie apart, and not for one answer that came in three pieces."""

from collections.abc import Sequence

import msgspec
import pytest

from holdfast.core.errors import DomainError
from holdfast.core.time import MILLISECOND, SECOND
from holdfast.domain.decision import StopLevel
from holdfast.ports.live import AccountReport
from holdfast.services.assembly import build_engine
from holdfast.services.dispute import EXPLAINED_MAX, LOOKS, PAUSE, Dispute
from holdfast.services.live import WATCHDOG, LiveAgent
from holdfast.testing.builders import make_run, make_venue
from holdfast.testing.dice import Dice
from holdfast.testing.faulty_wire import FaultyWire, VenueSide
from holdfast.testing.live_simulation import CONFIG
from holdfast.testing.memory_journal import MemoryJournal, MemoryRecords
from holdfast.testing.scenario import draw


def test_looks_that_come_together_count_once():
    dispute = Dispute()
    assert not any(dispute.is_proven(5 * SECOND + i * MILLISECOND, is_explained=False) for i in range(50))


def test_looks_that_lie_apart_prove_it():
    dispute = Dispute()
    assert [dispute.is_proven(i * PAUSE, is_explained=False) for i in range(LOOKS)] == [False] * (LOOKS - 1) + [True]


def test_agreement_in_between_begins_anew():
    dispute = Dispute()
    for i in range(LOOKS - 1):
        dispute.is_proven(i * PAUSE, is_explained=False)
    assert dispute.is_open
    dispute.settle()
    assert not dispute.is_open
    assert not dispute.is_proven(LOOKS * PAUSE, is_explained=False)


def test_an_order_in_doubt_explains_it_but_not_for_ever():
    dispute = Dispute()
    assert not any(dispute.is_proven(ts, is_explained=True) for ts in range(0, EXPLAINED_MAX, PAUSE))
    found = [dispute.is_proven(EXPLAINED_MAX + i * PAUSE, is_explained=True) for i in range(LOOKS)]
    assert found[-1]


def test_what_an_order_in_doubt_explained_counts_for_nothing_afterwards():
    dispute = Dispute()
    dispute.is_proven(0, is_explained=False)
    dispute.is_proven(PAUSE, is_explained=True)
    assert not dispute.is_proven(2 * PAUSE, is_explained=False)


class ScriptedWire(FaultyWire):
    """Reports what the test has written, as often as it is told to."""

    script: Sequence[AccountReport] = ()

    def ask_account(self) -> None:
        if not self.script:
            super().ask_account()
            return
        self._queue += self.script


@pytest.fixture
def agent() -> tuple[LiveAgent, ScriptedWire, VenueSide]:
    world = draw(3)
    side = VenueSide(make_venue(world.plan), world.groups)
    wire = ScriptedWire(side, Dice("dispute"), 0.0)
    engine = build_engine(world.plan, world.factory)
    run = make_run(world.plan, world.strategy, mode="live")
    found = LiveAgent(run, engine, wire, MemoryJournal(MemoryRecords(), None), CONFIG, lambda: side.steady)
    found.start()
    found.take_ticks()
    return found, wire, side


def poor(side: VenueSide) -> AccountReport:
    return AccountReport(side.ts, {}, ())


def test_three_reports_at_once_pull_no_brake(agent):
    found, wire, side = agent
    wire.script = [poor(side)] * 3
    found._take_in(wire.script)
    assert found.engine.account.stop_level is StopLevel.NONE
    wire.script = ()
    side.steady += PAUSE
    for _ in range(60):
        found.step()
    assert found.engine.account.stop_level is StopLevel.NONE
    assert not found._venues[""].dispute.is_open


def test_an_account_that_stays_poor_pulls_the_brake(agent):
    found, wire, side = agent
    wire.script = [poor(side)]
    for _ in range(3 * LOOKS * PAUSE // SECOND * 50):
        found.step()
    assert found.engine.account.stop_level is StopLevel.NO_ENTRIES
    events = [tick.event for tick in found.take_ticks()]
    assert any(getattr(event, "actor", "") == WATCHDOG for event in events)


def test_a_start_that_finds_a_poor_account_says_what_is_left_there_and_both_ways_out():
    world = draw(3)
    side = VenueSide(make_venue(world.plan), world.groups)
    wire = ScriptedWire(side, Dice("dispute"), 0.0)
    wire.script = [poor(side)]
    engine = build_engine(world.plan, world.factory)
    run = make_run(world.plan, world.strategy, mode="live")
    config = msgspec.structs.replace(CONFIG, recovery_wait_s=60)
    agent = LiveAgent(run, engine, wire, MemoryJournal(MemoryRecords(), None), config, lambda: side.steady)
    with pytest.raises(DomainError, match=r"contradicts the journal: .*; no position of ours is held there") as refused:
        agent.start()
    assert "put back" in refused.value.hint
    assert "holdfast run --fresh --abandon" in refused.value.hint

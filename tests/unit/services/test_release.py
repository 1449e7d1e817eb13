"""A release that a person has asked for while the agent did not run: granted when the account is flat, never before."""

import pytest
from tests.unit.services.test_paper import finish, kinds, make_agent

from holdfast.core.record import encode
from holdfast.domain.decision import StopLevel
from holdfast.engine.engine import Engine
from holdfast.engine.recorder import OPERATOR, TICK
from holdfast.ports.journal import Entry
from holdfast.services.emergency import ReleaseWish
from holdfast.services.paper import RELEASE
from holdfast.testing.memory_journal import MemoryJournal, MemoryRecords, PowerCutError


def flattened(*, wishes: int = 1) -> MemoryRecords:
    """Return the journal of an agent that ended with a flatten that no bar has carried out yet."""
    records = MemoryRecords()
    agent = make_agent(records)
    agent.start()
    for _ in range(6):
        agent.step()
    assert agent.engine.held
    agent.stop(StopLevel.FLATTEN, "test", "drill")
    agent.close()
    for _ in range(wishes):
        wish(records)
    return records


def wish(records: MemoryRecords) -> None:
    MemoryJournal(records).append([Entry(RELEASE, encode(ReleaseWish(0, "person", "it was a drill")))]).wait()


def test_it_is_granted_when_the_next_bars_have_made_the_account_flat():
    records = flattened()
    agent = make_agent(records)
    agent.start()
    assert agent.engine.account.stop_level is StopLevel.FLATTEN, "not by the start itself"
    assert agent.release_wish is not None
    agent.step()
    assert agent.engine.held == 0
    assert agent.engine.account.stop_level is StopLevel.NONE
    assert agent.release_wish is None
    assert b'"actor":"person"' in kinds(records, OPERATOR)[-1].body
    assert b"it was a drill" in kinds(records, OPERATOR)[-1].body


def test_without_a_bar_nothing_is_released():
    agent = make_agent(flattened())
    agent.start()
    agent.close()
    assert agent.engine.account.stop_level is StopLevel.FLATTEN


def test_without_a_wish_nothing_is_released():
    agent = make_agent(flattened(wishes=0))
    agent.start()
    finish(agent)
    assert agent.engine.account.stop_level is StopLevel.FLATTEN


def test_the_run_repeats_with_the_release_in_its_place():
    records = flattened()
    agent = make_agent(records)
    agent.start()
    digest = finish(agent)
    again = make_agent(records)
    again.start()
    assert again.digest == digest
    assert again.engine.account.stop_level is StopLevel.NONE
    assert again.release_wish is None, "what was granted is not granted again"


def test_the_power_may_go_at_any_write():
    whole = flattened()
    straight = make_agent(whole)
    straight.start()
    digest, began = finish(straight), len(flattened().durable)
    for cut in range(len(whole.durable) - began):
        records = flattened()
        try:
            first = make_agent(records, writes_left=cut)
            first.start()
            finish(first)
        except PowerCutError:
            pass
        second = make_agent(records)
        second.start()
        assert finish(second) == digest, f"after {cut} writes"
        assert len(kinds(records, OPERATOR)) == 2, f"after {cut} writes"
        assert [r.body for r in kinds(records, TICK)] == [r.body for r in kinds(whole, TICK)], f"after {cut} writes"


@pytest.mark.parametrize("level", [StopLevel.NO_ENTRIES, StopLevel.FLATTEN])
def test_any_later_stop_takes_the_wish_back(level: StopLevel):
    records = flattened()
    agent = make_agent(records)
    agent.start()
    agent.stop(level, "test", "no, wait")
    assert agent.release_wish is None
    agent.step()
    again = make_agent(records)
    again.start()
    assert again.release_wish is None
    finish(again)
    assert again.engine.account.stop_level is StopLevel.FLATTEN


def test_a_fresh_run_knows_nothing_of_it():
    records = flattened()
    make_agent(records).start(is_fresh=True)
    agent = make_agent(records)
    agent.start()
    assert agent.release_wish is None


def test_a_loss_that_locks_the_account_is_not_accepted_by_it(monkeypatch: pytest.MonkeyPatch):
    """The person saw the loss as it was before the exits had filled."""
    monkeypatch.setattr(Engine, "is_locked_by_drawdown", property(lambda engine: True))
    agent = make_agent(flattened())
    agent.start()
    finish(agent)
    assert agent.engine.held == 0
    assert agent.engine.account.stop_level is StopLevel.FLATTEN

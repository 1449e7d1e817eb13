"""The loop of a running agent: wishes between bars, a pace, and answers that wait for their proof."""

import stat
from pathlib import Path

import pytest
from tests.unit.app.standing_agent import POSITION, StandingAgent

from holdfast.app.session import Session
from holdfast.domain.decision import StopLevel
from holdfast.interfaces.control.left import LeftStop
from holdfast.interfaces.control.mailbox import Mailbox
from holdfast.interfaces.control.messages import Request, Wish


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


def test_it_ends_after_the_groups_that_were_asked_for(mailbox):
    session = Session(StandingAgent(), mailbox, 100_000, groups_max=7)
    while not session.is_done:
        session.turn()
    assert session.groups == 7
    assert not session.has_ended


def test_it_ends_with_the_market(mailbox):
    session = Session(StandingAgent(groups=3), mailbox, 100_000)
    while not session.is_done:
        session.turn()
    assert (session.groups, session.has_ended) == (3, True)


def test_a_market_that_is_held_does_not_move_and_still_hears(mailbox):
    session = Session(StandingAgent(), mailbox, 100_000)
    session.hold(True)
    answer = mailbox.post(Request(Wish.STATUS))
    session.turn()
    assert session.groups == 0
    assert answer.result(0).status is not None


def test_a_slow_pace_tells_how_long_nothing_is_due(mailbox):
    session = Session(StandingAgent(), mailbox, 0.5)
    session.turn()
    assert session.groups == 1
    assert session.turn() > 0
    assert session.groups == 1


def test_a_stop_is_answered_when_it_is_proven(mailbox):
    agent = StandingAgent(positions=(POSITION,))
    session = Session(agent, mailbox, 100_000)
    answer = mailbox.post(Request(Wish.STOP, StopLevel.FLATTEN, "a test", "to see", wait_s=60))
    session.turn()
    proof = answer.result(0).proof
    assert proof is not None
    assert proof.is_proven
    assert (proof.level, proof.positions_left) == (StopLevel.FLATTEN, 0)
    assert agent.asked == [("flatten", "a test", "to see")]


def test_a_stop_that_cannot_be_proven_in_time_says_what_is_missing(mailbox):
    session = Session(StandingAgent(groups=0, positions=(POSITION,)), mailbox, 100_000)
    answer = mailbox.post(Request(Wish.STOP, StopLevel.FLATTEN, wait_s=60))
    session.turn()
    proof = answer.result(0).proof
    assert proof is not None
    assert not proof.is_proven
    assert "the exits fill with the next bar" in proof.note
    assert proof.exposure_left == POSITION.quantity * POSITION.price_last


def test_pause_and_resume_are_answered_at_once(mailbox):
    agent = StandingAgent(positions=(POSITION,))
    session = Session(agent, mailbox, 0.01)
    paused, resumed = mailbox.post(Request(Wish.PAUSE)), None
    session.turn()
    assert paused.result(0).proof.level is StopLevel.NO_ENTRIES
    resumed = mailbox.post(Request(Wish.RESUME))
    session.turn()
    assert resumed.result(0).proof.is_proven
    assert agent.level is StopLevel.NONE


def test_a_release_of_flatten_is_refused_until_the_account_is_flat(mailbox):
    agent = StandingAgent(groups=0, positions=(POSITION,))
    session = Session(agent, mailbox, 100_000)
    mailbox.post(Request(Wish.STOP, StopLevel.FLATTEN))
    answer = mailbox.post(Request(Wish.RESUME))
    session.turn()
    reply = answer.result(0)
    assert reply.exit_code == 3
    assert "must be flat" in reply.error
    assert "holdfast run" in reply.hint
    assert agent.level is StopLevel.FLATTEN


@pytest.mark.parametrize("is_locked", [False, True])
def test_a_release_tells_whether_the_drawdown_counts_anew(mailbox, is_locked):
    agent = StandingAgent()
    agent.is_drawdown_locked = is_locked
    answer = mailbox.post(Request(Wish.RESUME))
    Session(agent, mailbox, 1.0).turn()
    assert answer.result(0).proof.is_drawdown_anew is is_locked


def test_an_error_is_answered_and_does_not_end_the_loop(mailbox):
    agent = StandingAgent()
    agent.fails = True
    session = Session(agent, mailbox, 100_000)
    answer = mailbox.post(Request(Wish.STOP))
    session.turn()
    reply = answer.result(0)
    assert reply.error == "the account is contradictory"
    assert reply.exit_code == 1
    session.turn()
    assert session.groups > 0


def test_the_pace_stays_within_its_bounds(mailbox):
    session = Session(StandingAgent(), mailbox, 1.0)
    for _ in range(50):
        session.change_pace(2.0)
    assert session.pace == 100_000
    for _ in range(80):
        session.change_pace(0.5)
    assert session.pace == 0.01


@pytest.fixture
def left(tmp_path: Path) -> LeftStop:
    return LeftStop(tmp_path / "agent.stop")


LEFT = Request(Wish.STOP, StopLevel.REDUCE_ONLY, "cli:somebody", "it hung", wait_s=10)


def test_a_stop_that_was_left_is_obeyed_before_the_next_bar_and_is_gone_then(left):
    agent = StandingAgent()
    session = Session(agent, Mailbox(left), 100_000, groups_max=3)
    levels = []
    step = agent.step
    agent.step = lambda: levels.append(agent.level) or step()
    left.leave(LEFT)
    session.turn()
    assert agent.asked == [("reduce_only", "cli:somebody", "it hung")]
    assert set(levels) == {StopLevel.REDUCE_ONLY}
    assert not left.path.exists()


def test_a_stop_that_is_left_while_a_step_waits_is_obeyed_before_the_bars_of_that_step(left):
    agent = StandingAgent()
    Session(agent, Mailbox(left), 100_000)
    left.leave(LEFT)
    agent.look()
    assert agent.level is StopLevel.REDUCE_ONLY


def test_of_two_stops_that_are_left_the_higher_counts(left):
    left.leave(LEFT)
    left.leave(Request(Wish.STOP, StopLevel.NO_ENTRIES))
    assert left.find() == LEFT
    left.leave(Request(Wish.STOP, StopLevel.FLATTEN))
    assert left.find().level is StopLevel.FLATTEN
    assert stat.S_IMODE(left.path.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"", b"\x00", b"{}", b'{"wish":"resume"}', b'{"wish":"stop","level":"none"}'])
def test_a_left_stop_that_cannot_be_read_stops_entries(left, content):
    left.path.write_bytes(content)
    agent = StandingAgent()
    Session(agent, Mailbox(left), 100_000).turn()
    assert agent.level is StopLevel.NO_ENTRIES
    assert not left.path.exists()


def test_another_stop_that_has_come_meanwhile_is_not_forgotten(left):
    left.leave(LEFT)
    left.forget(Request(Wish.STOP, StopLevel.FLATTEN))
    assert left.find() == LEFT

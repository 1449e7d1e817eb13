"""The live view: what it draws from a status, and what its keys do."""

import io
from decimal import Decimal

import pytest
from rich.console import Console
from tests.unit.app.standing_agent import DECISION, POSITION, StandingAgent, status

from holdfast.app.session import Session
from holdfast.cli.live.controls import Controls, Question
from holdfast.cli.live.view import Frame, picture
from holdfast.domain.decision import StopLevel
from holdfast.interfaces.control.mailbox import Mailbox
from holdfast.interfaces.control.messages import Request, Wish

FRAME = Frame("recorded bars", "ma_crossover", 4.0, Decimal("0.20"))


def drawn(found, frame=FRAME, width=100, height=30) -> str:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=False)
    console.print(picture(found, frame))
    return console.file.getvalue()


@pytest.fixture
def agent() -> StandingAgent:
    return StandingAgent(positions=(POSITION,))


@pytest.fixture
def controls(agent) -> Controls:
    return Controls(Session(agent, Mailbox(), 4.0))


def test_the_picture_shows_money_risk_stop_target_and_reasons():
    text = drawn(status(positions=(POSITION,), decisions=(DECISION,)))
    money = ("10\u202f234.51 USDT", "-12.50", "74.40", "38\u202f500", "41\u202f000")
    for part in (*money, "PAPER", "2021-05-19 12:00 UTC", "EMA 12 crossed above EMA 26", "hf-1p", "4 bars/s", "q quit"):
        assert part in text, part


@pytest.mark.parametrize("width", [40, 80, 100])
def test_an_account_in_a_coin_is_drawn_with_the_decimals_of_that_coin(width):
    found = status(
        quote="BTC", equity=Decimal("0.19479451"), capital=Decimal("0.2"), peak=Decimal("0.2"),
        day_pnl=Decimal("-0.00043"), risk_open=Decimal("0.00155836"), risk_open_limit=Decimal("0.01558356"),
    )  # fmt: skip
    shown = drawn(found, width=width)
    for amount in ("0.19479451 BTC", "-0.00043", "-0.00520549", "0.00155836"):
        assert amount in shown
    assert "-0.00 " not in shown


@pytest.mark.parametrize("width", [60, 80, 200])
@pytest.mark.parametrize("height", [16, 24, 60])
def test_mode_brake_and_keys_stay_in_sight_at_every_size(width, height):
    found = status(is_synthetic=True, stop_level="flatten", positions=(POSITION,), decisions=(DECISION,) * 40)
    text = drawn(found, FRAME, width, height)
    for part in ("PAPER", "STOP: flatten", "SYNTHETIC MARKET", "q quit"):
        assert part in text, part
    assert max(len(line) for line in text.splitlines()) <= width


def test_forty_columns_keep_what_matters_and_wrap_reasons_by_words():
    text = drawn(status(positions=(POSITION,), decisions=(DECISION,)), FRAME, 40, 30)
    for part in (
        "10\u202f234.51 USDT",
        "BTC/USDT",
        "0.12",
        "38\u202f500",
        "+81.60",
        "EMA 12 crossed above EMA 26",
        "q quit",
    ):
        assert part in text, part
    # The line of the source may end in an ellipsis: no figure does.
    assert "…" not in "".join(text.splitlines()[2:])
    assert "Target" not in text
    assert max(len(line) for line in text.splitlines()) <= 40


@pytest.mark.parametrize("width", range(50, 110, 3))
def test_a_column_of_the_positions_is_whole_or_left_out(width):
    line = next(x for x in drawn(status(positions=(POSITION,)), FRAME, width, 30).splitlines() if "Quantity" in x)
    assert set(line.split()) <= {"Position", "Quantity", "Entry", "Last", "Profit", "Stop", "Target", "Risk", "R:R"}


def test_a_market_that_stands_still_or_has_ended_says_so():
    assert "standing still" in drawn(status(), Frame("a", "b", 4.0, Decimal("0.2"), is_held=True))
    assert "ended" in drawn(status(), Frame("a", "b", 4.0, Decimal("0.2"), has_ended=True))


def test_an_empty_account_can_be_drawn():
    text = drawn(status(equity=Decimal(0), peak=Decimal(0), drawdown=Decimal(0)))
    assert "no open position" in text
    assert "nothing decided yet" in text


def test_p_pauses_and_undoes_its_own_pause(agent, controls):
    controls.press("p")
    assert agent.level is StopLevel.NO_ENTRIES
    controls.press("p")
    assert agent.level is StopLevel.NONE


@pytest.mark.parametrize("keys", ["p", "r"])
@pytest.mark.parametrize("level", ["s1", "s2", "s3flatten", "ps1", "ps2"])
def test_no_single_key_releases_a_stop_that_p_did_not_set(agent, controls, level, keys):
    agent.positions = ()
    controls.press(level)
    pulled = agent.level
    controls.press(keys)
    assert agent.level is pulled
    assert controls.question is Question.RESUME_WORD
    assert "Type RESUME" in controls.prompt
    controls.press("resumx")
    assert agent.level is pulled
    assert "not the word" in controls.prompt
    controls.press(f"{keys}resume")
    assert agent.level is StopLevel.NONE


def test_p_does_not_undo_a_stop_that_came_through_the_socket_after_its_pause(agent):
    mailbox = Mailbox()
    session = Session(agent, mailbox, 4.0)
    controls = Controls(session)
    controls.press("p")
    mailbox.post(Request(Wish.STOP, StopLevel.NO_ENTRIES, "cli:somebody", "wait for me"))
    session.turn()
    controls.press("p")
    assert agent.level is StopLevel.NO_ENTRIES
    assert controls.question is Question.RESUME_WORD


def test_a_flattened_account_that_is_not_flat_stays_locked_and_says_why(agent, controls):
    controls.press("s3flatten")
    assert "RESUME" in controls.prompt
    controls.press("rresume")
    assert agent.level is StopLevel.FLATTEN
    assert "must be flat" in controls.prompt


def test_a_pause_does_not_accept_a_loss_and_a_release_that_does_announces_it(agent, controls):
    agent.is_drawdown_locked = True
    controls.press("pp")
    assert agent.level is StopLevel.NO_ENTRIES
    assert "the drawdown counts anew from here" in controls.prompt
    controls.press("resume")
    assert agent.level is StopLevel.NONE
    assert "the drawdown counts anew from here" in controls.message


def test_a_lock_by_drawdown_alone_is_shown_and_released_by_the_word(agent, controls):
    agent.is_drawdown_locked = True
    assert "DRAWDOWN LOCK" in drawn(agent.status())
    controls.press("r")
    assert agent.asked == []
    controls.press("resume")
    assert agent.asked == [("resume", "terminal", "resumed in the live view")]
    agent.is_drawdown_locked = False
    controls.press("r")
    assert (controls.question, len(agent.asked)) == (Question.NONE, 1)
    assert "DRAWDOWN LOCK" not in drawn(agent.status())


def test_a_lower_stop_says_that_the_level_stays(agent, controls):
    controls.press("s3flatten")
    controls.press("s1")
    assert "stays at flatten" in controls.prompt


def test_the_stop_menu_offers_three_levels(agent, controls):
    controls.press("s1")
    assert agent.level is StopLevel.NO_ENTRIES
    controls.press("s2")
    assert agent.level is StopLevel.REDUCE_ONLY


def test_flatten_needs_the_word_letter_by_letter(agent, controls):
    controls.press("s")
    controls.press("3")
    assert controls.question is Question.FLATTEN_WORD
    for letter in "flattem":
        controls.press(letter)
    assert agent.level is StopLevel.NONE
    assert "not the word" in controls.prompt
    controls.press("s3flax\x7ftten")
    assert agent.level is StopLevel.FLATTEN


@pytest.mark.parametrize("keys", ["s\x1b", "sx", "s3\x1b", "s3fl\r"])
def test_a_question_can_be_left_without_harm(agent, controls, keys):
    for key in keys:
        controls.press(key)
    assert controls.question is Question.NONE
    assert agent.asked == []


def test_arrow_keys_are_no_commands(agent, controls):
    controls.press("\x1b[A")
    assert (agent.asked, controls.has_quit) == ([], False)


def test_pace_hold_and_quit(controls):
    controls.press("+")
    assert "8" in controls.message
    controls.press(" ")
    assert "stands still" in controls.message
    controls.press("q")
    assert controls.has_quit

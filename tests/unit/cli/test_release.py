"""`holdfast resume --when-flat`: the way out of a flatten that came when the recorded market was at its end."""

from pathlib import Path

import pytest
from tests.unit.cli.conftest import Call

from holdfast.adapters.host.clock import SystemClock
from holdfast.adapters.storage.sqlite.journal import SqliteJournal

RUN = ("run", "--plain", "--pace", "100000", "--market", "synthetic", "--strategy", "ma_crossover", "--until")
END, LATER = "2024-01-24", "2024-03-01"


@pytest.fixture
def locked(call: Call) -> None:
    """Let the market end while something is held, flatten then, and start once more: there is no bar to fill by."""
    assert call(*RUN, END).code == 0
    assert call("stop", "--flatten", "--yes").code == 1
    assert call(*RUN, END).code == 0
    assert stop_level(call) == "flatten"
    assert call("positions", "--json").document["positions"]


def stop_level(call: Call) -> str:
    return call("status", "--json").document["status"]["stop_level"]


def test_the_refusal_names_the_way_out(locked: None, call: Call):
    refused = call("resume", "--yes")
    assert refused.code == 3
    assert "holdfast resume --when-flat" in refused.err


def test_it_is_recorded_and_honoured_by_the_start_whose_bars_make_the_account_flat(locked: None, call: Call):
    trades = call("status", "--json").document["status"]["trades"]
    asked = call("resume", "--when-flat", "--yes", "--reason", "the drill is over")
    assert asked.code == 1, "it is recorded, and not proven yet"
    assert "as soon as" in asked.out
    assert stop_level(call) == "flatten"
    assert "when the account is flat" in call("status").err
    assert call(*RUN, END).code == 0
    assert stop_level(call) == "flatten", "a start without bars releases nothing"
    again = call(*RUN, LATER)
    assert again.code == 0, again.err
    after = call("status", "--json").document["status"]
    assert after["stop_level"] == "none"
    assert after["trades"] > trades + 1, "it trades again"
    assert "the drill is over" in call("journal", "tail", "--kind", "operator").out
    for command in ("replay", "verify"):
        assert call("journal", command).code == 0


def test_it_asks_for_the_typed_word(locked: None, call: Call):
    refused = call("resume", "--when-flat")
    assert refused.code == 3
    assert "RESUME" in refused.err
    call(*RUN, LATER)
    assert stop_level(call) == "flatten"


def test_it_is_refused_while_another_agent_owns_the_journal(locked: None, call: Call, home: Path):
    with SqliteJournal(home / "journal", SystemClock()):
        refused = call("resume", "--when-flat", "--yes")
    assert refused.code == 3
    assert "already being written" in refused.err
    call(*RUN, LATER)
    assert stop_level(call) == "flatten"


def test_a_later_stop_takes_it_back(locked: None, call: Call):
    assert call("resume", "--when-flat", "--yes").code == 1
    assert "withdraws the release" in call("stop", "--level", "no-entries", "--dry-run").out
    stopped = call("stop", "--level", "no-entries")
    assert stopped.code == 0
    assert "is withdrawn" in stopped.out
    assert "when the account is flat" not in call("status").err
    assert call("status", "--json").document["status"]["is_release_wished"] is False
    assert "withdrawn" not in call("stop", "--level", "no-entries").out, "there is none any more"
    call(*RUN, LATER)
    assert stop_level(call) == "flatten"


def test_a_stop_tells_programs_whether_it_took_a_release_back(locked: None, call: Call):
    assert call("resume", "--when-flat", "--yes").code == 1
    stop = ("stop", "--level", "flatten", "--yes", "--json")
    assert call(*stop, "--dry-run").document["is_release_withdrawn"] is True
    assert [call(*stop).document["is_release_withdrawn"] for _ in range(2)] == [True, False]


def test_a_dry_run_records_nothing(locked: None, call: Call):
    planned = call("resume", "--when-flat", "--dry-run")
    assert planned.code == 0
    assert "once the account is flat" in planned.out
    assert call("resume", "--when-flat", "--dry-run", "--json").document["level_wanted"] == "none"
    call(*RUN, LATER)
    assert stop_level(call) == "flatten"


def test_a_flat_account_is_released_at_once(locked: None, call: Call):
    call(*RUN, LATER)
    released = call("resume", "--when-flat", "--yes", "--json")
    assert released.code == 0
    assert released.document["proof"]["level"] == "none"


def test_the_answer_for_programs(locked: None, call: Call):
    answer = call("resume", "--when-flat", "--yes", "--json")
    assert answer.code == 1
    assert answer.document["is_release_recorded"] is True
    assert answer.document["proof"]["level"] == "flatten"
    assert "holdfast run" in answer.document["next"]
    assert call("status", "--json").document["status"]["is_release_wished"] is True


def test_an_agent_that_ran_between_look_and_word_makes_it_ask_again(
    locked: None, call: Call, monkeypatch: pytest.MonkeyPatch
):
    def run_then_confirm(word: str, consequence: str) -> None:
        assert call(*RUN, "2024-01-25").code == 0

    monkeypatch.setattr("holdfast.cli.actions.emergency.ask_for", run_then_confirm)
    refused = call("resume", "--when-flat")
    assert refused.code == 3
    assert "an agent has run since" in refused.err
    assert stop_level(call) == "flatten"

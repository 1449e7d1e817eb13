"""The paper agent from the command line: it trades, it explains, it survives, it can be stopped."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.unit.cli.conftest import STUBBORN, Outcome

from holdfast.cli.actions import journal as journal_actions
from holdfast.cli.main import root
from holdfast.engine.engine import Engine

RUN = ("run", "--plain", "--pace", "100000", "--market", "synthetic", "--strategy", "ma_crossover")


@pytest.fixture(scope="session")
def traded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """Give a home in which 600 hours of a synthetic market were traded, and what was said; traded once."""
    path = tmp_path_factory.mktemp("traded") / "home"
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("HOLDFAST_")]:
            patch.delenv(name)
        result = CliRunner().invoke(root, [*RUN, "--bars", "600", "--home", str(path)])
    assert result.exit_code == 0, result.stderr
    return path, Outcome(result.exit_code, result.stdout, result.stderr)


@pytest.fixture
def ran(traded: tuple[Path, Outcome], home: Path) -> Outcome:
    """Put a copy of that home in the place of this test's."""
    shutil.copytree(traded[0], home)
    return traded[1]


def test_it_says_what_it_does_line_by_line(ran):
    assert "SYNTHETIC MARKET" in ran.err
    lines = ran.out.splitlines()
    assert lines[0].startswith("paper mode: ma_crossover on BNB/USDT.SYNTHETIC")
    assert any(" entered: " in line for line in lines)
    assert any(" ordered: The fast average" in line for line in lines)
    assert "equity" in lines[-2]


@pytest.mark.slow
def test_a_strategy_that_does_not_come_back_is_named_while_it_does_not(call, tmp_path):
    path = tmp_path / "slow.py"
    path.write_text(
        "import time\nfrom holdfast.strategies.free import FreeStrategy\n"
        "class Slow(FreeStrategy):\n    def on_bar(self, bar):\n"
        "        until = time.monotonic() + 0.8\n        while time.monotonic() < until: pass\n"
    )
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "holdfast.toml").write_text("[strategy]\nbar_seconds_max = 0.4\n")
    arguments = ("run", "--plain", "--market", "synthetic", "--instrument", "BTC/USDT", "--bars", "2")
    outcome = call(*arguments, "--pace", "100000", "--strategy", f"{path}:Slow")
    assert outcome.code == 0, outcome.err
    assert f"{path}:Slow has not come back from the bar that closed at 2024-01-01 04:00 UTC for 0.4 s" in outcome.err
    assert "Ctrl-C three times" in outcome.err
    waiting = call(*arguments, "--pace", "2", "--strategy", "ma_crossover", "--fresh")
    assert "has not come back" not in waiting.err  # between two bars nobody is slow


STUCK = (
    STUBBORN
    + """
class Hangs(FreeStrategy):
    def on_bar(self, bar):
        while True:
            pass
"""
)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Hangs", "Stubborn"])
def test_one_sigterm_ends_a_run_whose_strategy_does_not_come_back(home, call, tmp_path, name):
    path = tmp_path / "stuck.py"
    path.write_text(STUCK)
    home.mkdir()
    (home / "holdfast.toml").write_text("[strategy]\nbar_seconds_max = 0.2\n")
    program = [sys.executable, "-c", "from holdfast.cli.main import main; main()"]
    arguments = ("run", "--plain", "--market", "synthetic", "--instrument", "BTC/USDT", "--pace", "100000")
    with subprocess.Popen(
        [*program, *arguments, "--strategy", f"{path}:{name}"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            while "has not come back" not in process.stderr.readline():
                assert process.poll() is None
            process.terminate()
            told = process.communicate(timeout=30)[1]
        finally:
            process.kill()
    assert process.returncode == 128 + signal.SIGTERM
    assert f"ended by SIGTERM while {path}:{name} did not come back from the bar that closed at 2024-01-01" in told
    assert "the journal is whole" in told
    assert call("journal", "verify").code == 0
    assert call(*RUN, "--fresh", "--bars", "20").code == 0


def test_the_home_belongs_to_its_owner_alone(ran, home):
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert not (home / "agent.sock").exists()


@pytest.mark.slow
def test_a_second_run_goes_on_and_the_two_equal_one_long_run(ran, call, home, tmp_path):
    again = call(*RUN, "--bars", "400")
    assert "goes on at" in again.out
    long = call(*RUN, "--bars", "1000", "--home", tmp_path / "long")
    assert long.code == 0
    one = call("status", "--json").document["status"]
    other = call("status", "--json", "--home", tmp_path / "long").document["status"]
    assert one["digest"] == other["digest"]
    assert one["equity"] == other["equity"]
    assert one["bars"] == other["bars"] == 1000


def test_other_settings_are_refused_until_a_fresh_run_is_asked_for(ran, call):
    other = (*RUN, "--bars", "50", "--set", "fast=9")
    refused = call(*other)
    assert refused.code == 2
    assert "strategy.parameters.fast: recorded not set, asked for 9" in refused.err
    assert "--fresh" in refused.err
    fresh = call(*other, "--fresh")
    assert fresh.code == 0
    assert "a new run with" in fresh.out


def test_a_stop_outlives_a_fresh_run_until_somebody_resumes(ran, call):
    call("stop", "--level", "flatten", "--yes", "--reason", "the news")
    fresh = call(*RUN, "--fresh", "--bars", "300")
    assert fresh.code == 0, fresh.err
    assert "the stop of the run before, flatten, stays in force: holdfast resume" in fresh.out
    status = call("status", "--json").document["status"]
    assert (status["stop_level"], status["trades"], status["positions"]) == ("flatten", 0, [])
    assert "the news" in call("journal", "tail", "--kind", "operator").out
    assert call("journal", "replay").code == 0
    assert call("resume", "--yes").code == 0
    again = call(*RUN, "--bars", "300")
    assert "stays in force" not in again.out
    status = call("status", "--json").document["status"]
    assert status["stop_level"] == "none"
    assert status["trades"], "it trades again"
    parity = call("parity", "--json")
    assert parity.code == 0, parity.out
    assert call("journal", "verify").code == 0


def test_reading_commands_answer_for_people_and_for_programs(ran, call):
    for command in ("status", "positions", "orders", "risk"):
        assert call(command).code == 0
        assert isinstance(call(command, "--json").document, dict)
    status = call("status", "--json").document
    assert status["is_running"] is False
    assert status["status"]["is_synthetic"] is True
    assert status["status"]["ts"].endswith("Z")
    limits = {line["rule"] for line in call("risk", "--json").document["limits"]}
    assert {"drawdown", "loss_day", "positions", "exposure_total"} <= limits
    assert {"exposure_correlated", "cooldown", "risk_per_trade"} <= limits
    assert all(rule in call("risk").out for rule in limits)


def test_every_decision_that_status_shows_can_be_explained(ran, call):
    decisions = call("status", "--json").document["status"]["decisions"]
    assert decisions
    for decision in decisions[:15]:
        told = call("explain", decision["decision_id"])
        assert told.code == 0, told.err
        document = call("explain", decision["decision_id"], "--json").document
        assert document["sections"]


def test_explain_of_an_unknown_id_says_where_ids_are(ran, call):
    outcome = call("explain", "hf-999999p")
    assert outcome.code == 2
    assert "holdfast status" in outcome.err


def test_why_not_tells_the_conditions(ran, call):
    told = call("why-not", "btc/usdt")
    assert told.code == 0, told.err
    assert "What the strategy sees" in told.out
    assert call("why-not", "BTC/USDT", "--json").document["instrument_id"].startswith("BTC/USDT")
    unknown = call("why-not", "DOGE/USDT")
    assert unknown.code == 2
    assert "is not traded by this agent" in unknown.err
    assert "holdfast run --fresh --instrument" in unknown.err


@pytest.fixture
def held(ran: Outcome, call) -> Outcome:
    """Let the copied home go on until something is held."""
    for _ in range(60):
        if call("positions", "--json").document["positions"]:
            return ran
        assert call(*RUN, "--bars", "5").code == 0
    raise AssertionError("nothing was ever held")


@pytest.mark.slow
def test_a_stop_without_an_agent_is_recorded_and_honoured_by_the_next_start(held, call):
    plan = call("stop", "--flatten", "--dry-run", "--json").document
    assert plan["is_dry_run"]
    assert call("status", "--json").document["status"]["stop_level"] == "none"
    stopped = call("stop", "--flatten", "--yes", "--reason", "a test", "--json")
    assert stopped.code == 1
    assert stopped.document["proof"]["level"] == "flatten"
    assert "holdfast run" in stopped.document["next"]
    again = call(*RUN, "--bars", "300")
    assert again.code == 0, again.err
    assert " entered: " not in again.out
    status = call("status", "--json").document["status"]
    assert status["stop_level"] == "flatten"
    assert status["positions"] == []
    assert call("resume", "--yes", "--json").document["proof"]["level"] == "none"
    assert call("status", "--json").document["status"]["stop_level"] == "none"
    assert call("journal", "replay").code == 0


@pytest.mark.slow
def test_a_flatten_that_is_only_recorded_says_what_is_open_and_is_not_released(held, call):
    stopped = call("stop", "--level", "flatten", "--yes")
    assert stopped.code == 1
    assert "level flatten is recorded" in stopped.err
    assert "still open: 1 positions" in stopped.err
    assert "next: holdfast run" in stopped.err
    for asked in (("resume", "--yes"), ("resume", "--dry-run")):
        refused = call(*asked)
        assert refused.code == 3
        assert "must be flat" in refused.err
        assert "holdfast run" in refused.err
    lower = call("stop", "--level", "no-entries")
    assert lower.code == 0
    assert "stays at flatten, above no entries" in lower.out
    assert "stays at flatten" in call("stop", "--level", "no-entries", "--dry-run").out
    assert call("status", "--json").document["status"]["stop_level"] == "flatten"


def test_a_release_above_a_pause_asks_for_the_typed_word(ran, call):
    assert call("stop", "--level", "reduce-only", "--json").document["proof"]["level"] == "reduce_only"
    refused = call("resume")
    assert refused.code == 3
    assert "RESUME" in refused.err
    assert call("resume", "--yes").code == 0
    assert call("stop").code == 0
    assert call("resume").code == 0


def test_a_release_of_nothing_says_so_and_is_not_recorded(ran, call):
    before = call("status", "--json").document["status"]["journal_sequence"]
    asked = call("resume")
    assert asked.code == 0
    assert "nothing is stopped" in asked.out
    assert "nothing is stopped" in call("resume", "--when-flat").out
    answer = call("resume", "--json").document
    assert answer["is_nothing_stopped"] is True
    assert answer["proof"]["is_proven"] is True
    assert call("status", "--json").document["status"]["journal_sequence"] == before
    assert call("stop").code == 0
    assert call("resume", "--json").document["is_nothing_stopped"] is False


@pytest.mark.parametrize("is_locked", [False, True])
def test_a_release_announces_that_the_drawdown_counts_anew(ran, call, monkeypatch, is_locked):
    monkeypatch.setattr(Engine, "is_locked_by_drawdown", property(lambda engine: is_locked))
    announced = "the drawdown counts anew from here"
    assert (announced in call("resume", "--dry-run").out) is is_locked
    assert call("resume", "--dry-run", "--json").document["is_drawdown_anew"] is is_locked
    assert ("accepts the loss" in call("status").err) is is_locked
    if is_locked:
        assert announced in call("resume").err, "what accepts a loss asks for the word"
    assert (announced in call("resume", "--yes").out) is is_locked
    assert announced in " ".join(call("resume", "--help").out.split())


def test_flatten_asks_for_the_typed_word(ran, call):
    refused = call("stop", "--flatten")
    assert refused.code == 3
    assert "--yes" in refused.err
    assert call("stop", "--flatten", "--level", "no-entries").code == 2


def test_live_needs_a_key_file_and_says_where(call, home):
    outcome = call("run", "--mode", "live")
    assert outcome.code == 2
    assert f"there is no key file {home / 'venue.toml'}" in " ".join(outcome.err.split())
    assert "--mode practice" in " ".join(outcome.err.split())


def test_a_mode_that_does_not_exist_is_a_usage_error(call):
    assert call("run", "--mode", "dead").code == 2


def test_a_flag_wins_over_the_settings_even_where_it_says_the_default(call, home):
    home.mkdir()
    (home / "holdfast.toml").write_text('[agent]\nmode = "live"\n')
    assert "key file" in call("run", "--plain", "--bars", "1").err
    assert call(*RUN, "--mode", "paper", "--bars", "1").code == 0


def test_journal_commands_read_export_and_replay(ran, call, tmp_path):
    tail = call("journal", "tail", "-n", "5", "--json").document["records"]
    assert len(tail) == 5
    assert tail[-1]["kind"] == "checkpoint"
    assert len(call("journal", "tail", "-n", "5").out.splitlines()) == 5
    assert {line["kind"] for line in call("journal", "tail", "--kind", "run", "--json").document["records"]} == {"run"}
    verified = call("journal", "verify", "--json")
    assert verified.code == 0
    assert verified.document["is_whole"]
    target = tmp_path / "records.jsonl"
    assert call("journal", "export", target).code == 0
    lines = target.read_text().splitlines()
    assert len(lines) == verified.document["records"]
    assert json.loads(lines[0])["kind"] == "run"
    assert call("journal", "export", target).code == 2
    replayed = call("journal", "replay", "--json")
    assert replayed.code == 0
    assert replayed.document["differences"] == []


def test_an_export_has_its_name_only_when_it_is_whole(ran, call, tmp_path, monkeypatch):
    """Whatever ends the process while it writes leaves no half that looks whole."""
    target, seen = tmp_path / "records.jsonl", []
    real = journal_actions.export_records

    def watched(*arguments, **options):
        count = real(*arguments, **options)
        seen.append((target.exists(), [path.name for path in tmp_path.glob(".holdfast-*.part")]))
        return count

    monkeypatch.setattr(journal_actions, "export_records", watched)
    assert call("journal", "export", target).code == 0
    assert seen == [(False, [f".holdfast-{os.getpid()}.part"])]
    assert target.exists()
    assert not list(tmp_path.glob(".holdfast-*.part"))


def test_a_flipped_byte_is_found_and_named(ran, call, home):
    segment = home / "journal" / "journal-000001.db"
    content = bytearray(segment.read_bytes())
    at = content.rfind(b'"reason":"The fast average')
    content[at + 12] ^= 1
    segment.write_bytes(bytes(content))
    outcome = call("journal", "verify")
    assert outcome.code == 1
    assert "record " in outcome.err
    assert "next: restore the journal" in outcome.err
    assert call("doctor").code == 1
    assert not call("journal", "verify", "--json").document["is_whole"]


def test_a_missing_segment_and_a_missing_journal_are_told_apart(ran, call, home):
    (home / "journal" / "journal-000001.db").rename(home / "journal" / "journal-000002.db")
    outcome = call("journal", "verify")
    assert outcome.code == 1
    assert "next: " in outcome.err
    assert call("status").code == 1
    none = call("status", "--home", home / "nothing")
    assert none.code == 2


def test_damaged_projections_are_built_anew(ran, call, home):
    assert call("explain", "n1").code in (0, 2)
    (home / "projections.db").write_bytes(b"nonsense" * 1_000)
    decision = call("status", "--json").document["status"]["decisions"][0]["decision_id"]
    assert call("explain", decision).code == 0


def test_demo_leaves_nothing_behind(call, home):
    outcome = call("demo", "--plain", "--bars", "60", "--pace", "100000")
    assert outcome.code == 0, outcome.err
    assert "SYNTHETIC MARKET" in outcome.err
    assert not home.exists()


def test_a_home_that_cannot_be_written_is_told(call, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    outcome = call(*RUN, "--bars", "5", "--home", blocked / "home")
    assert outcome.code == 2
    assert "cannot be created" in outcome.err


def test_a_full_disk_keeps_the_agent_from_starting(call, monkeypatch):
    monkeypatch.setattr("holdfast.app.disk.free_mb", lambda path: 3)
    outcome = call(*RUN, "--bars", "5")
    assert outcome.code == 1
    assert "3 MiB left" in outcome.err


@pytest.mark.parametrize("end", ["2024-01-24", "2024-01-26", "2024-02-01"])
def test_the_paper_agent_decides_as_the_backtest_over_the_same_bars(call, end):
    assert call(*RUN, "--until", end).code == 0
    paper = call("status", "--json").document["status"]
    tested = call("backtest", "--data", "synthetic", "--strategy", "ma_crossover", "--to", end, "--json").document
    assert tested["digest"] == paper["digest"]
    # Where something is held at the end, the floats of the curve have come bar by bar to where they are.
    assert bool(paper["positions"]) is (end < "2024-02")
    assert Decimal(tested["equity_end"]) == Decimal(paper["equity"])
    assert tested["total_return"] == float(paper["equity"]) / float(paper["capital"]) - 1.0

"""A home that another version of holdfast wrote: it goes on where it can, and says which version can where not."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from tests.unit.cli.conftest import Call

from holdfast import __version__
from holdfast.adapters.host.clock import SystemClock
from holdfast.adapters.storage.sqlite.journal import SqliteJournal
from holdfast.adapters.storage.sqlite.projections import LAYOUT
from holdfast.cli.main import root
from holdfast.engine.recorder import CHECKPOINT, RUN, TICK
from holdfast.ports.journal import Entry
from holdfast.services.versions import PROGRAM

TRADE = ("run", "--plain", "--pace", "100000", "--market", "synthetic", "--strategy", "ma_crossover")
READING = (("status",), ("positions",), ("orders",), ("risk",))
OF_THE_ENGINE = {"exposure_correlated", "cooldown", "risk_per_trade"}
OLDER, NEWER = "0.0.9", "99.0.0"
FILL = b'"event":{"type":"OrderFilled"'
Change = Callable[[list[Entry]], list[Entry]]


@pytest.fixture(scope="module")
def traded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a home in which an agent traded, and holds something."""
    path = tmp_path_factory.mktemp("traded") / "home"
    runner = CliRunner()
    assert runner.invoke(root, [*TRADE, "--bars", "552", "--home", str(path)]).exit_code == 0
    assert '"positions": []' not in runner.invoke(root, ["positions", "--json", "--home", str(path)]).stdout
    return path


@pytest.fixture
def rewritten(traded: Path, home: Path) -> Callable[..., None]:
    """Give a function that makes this test's home one with changed records, in a chain that is whole."""

    def rewrite(*changes: Change) -> None:
        records = SqliteJournal(traded / "journal", SystemClock(), is_read_only=True).read()
        entries = [Entry(record.kind, record.body) for record in records]
        for change in changes:
            entries = change(entries)
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        with SqliteJournal(home / "journal", SystemClock()) as journal:
            journal.append(entries).wait()

    return rewrite


def written_by(version: str, settings: Callable[[dict], dict] = dict) -> Change:
    def change(entries: list[Entry]) -> list[Entry]:
        run = msgspec.json.decode(entries[0].body)
        assert entries[0].kind == RUN
        assert run["version"] == __version__
        body = {**run, "version": version, "settings": settings(run["settings"])}
        return [Entry(RUN, msgspec.json.encode(body)), *entries[1:]]

    return change


def killed(entries: list[Entry]) -> list[Entry]:
    """Leave the records of an agent that had no time for a checkpoint."""
    return [entry for entry in entries if entry.kind != CHECKPOINT]


def last_fill(change: Callable[[bytes], bytes]) -> Change:
    def changed(entries: list[Entry]) -> list[Entry]:
        at = max(n for n, entry in enumerate(entries) if entry.kind == TICK and FILL in entry.body)
        return [*entries[:at], Entry(TICK, change(entries[at].body)), *entries[at + 1 :]]

    return changed


other_liquidity = last_fill(lambda body: body.replace(b'"liquidity":"taker"', b'"liquidity":"maker"', 1))
unknown_field = last_fill(lambda body: body.replace(b'"type":"OrderFilled",', b'"type":"OrderFilled","mood":"good",'))


def less_settings(settings: dict) -> dict:
    lost = ("risk.cooldown_bars", "engine.on_silence", "exits.partial_targets", "matching.open_window_ms")
    assert all(key in settings for key in lost)
    return {key: text for key, text in settings.items() if key not in lost}


def more_settings(settings: dict) -> dict:
    return {**settings, "risk.loss_pause_minutes": "30"}


def test_an_upgrade_with_new_settings_goes_on_with_the_run(rewritten, call: Call):
    rewritten()
    before = call("status", "--json").document["status"]
    for changes in ((), (killed,)):
        rewritten(written_by(OLDER, less_settings), *changes)
        after = call("status", "--json").document
        assert after["warnings"] == []
        assert {**after["status"], "journal_sequence": 0} == {**before, "journal_sequence": 0}
        outcome = call(*TRADE, "--bars", "5")
        assert outcome.code == 0, outcome.err
        assert "goes on at" in outcome.out


def test_who_goes_on_with_the_run_of_another_version_is_recorded_once(rewritten, call: Call):
    rewritten(written_by(OLDER))
    for _ in range(2):
        assert call(*TRADE, "--bars", "2").code == 0
    records = call("journal", "tail", "-n", "100", "--kind", PROGRAM, "--json").document["records"]
    assert [record["body"] for record in records] == [{"version": __version__}]
    assert call("journal", "replay").code == 0


def test_settings_of_a_newer_version_are_named_and_its_account_is_shown_all_the_same(rewritten, call: Call):
    rewritten()
    before = call("positions", "--json").document["positions"]
    rewritten(written_by(NEWER, more_settings))
    refused = call(*TRADE, "--bars", "5")
    assert refused.code == 1
    for told in ("risk.loss_pause_minutes = 30", NEWER, __version__, "--fresh"):
        assert told in refused.err
    shown = call("positions", "--json")
    assert shown.code == 0
    assert shown.document["positions"] == before
    assert "risk.loss_pause_minutes" in " ".join(shown.document["warnings"])


def test_ticks_that_do_not_repeat_are_shown_where_they_part_with_both_versions(rewritten, call: Call):
    rewritten(written_by(OLDER), killed, other_liquidity)
    for arguments in ((*TRADE, "--bars", "5"), ("journal", "replay")):
        refused = call(*arguments)
        assert refused.code == 1
        assert "does not repeat" in refused.err
        assert '"liquidity":"maker"' in refused.err
        assert '"liquidity":"taker"' in refused.err
        assert f"holdfast {OLDER}" in refused.err
        assert f"holdfast {__version__}" in refused.err
        assert "stop in order" in refused.err
        assert "--fresh" in refused.err
        assert "fresh --home" not in refused.err


def comparable(document: object) -> object:
    """Return what two ways to the same account must agree on: the engine marks its peak in floats, the records exactly.

    The journals are not the same: one has a checkpoint more, and one tick says something else.
    """
    if isinstance(document, list):
        return [comparable(item) for item in document]
    if not isinstance(document, dict):
        return document
    figures = {key: round(float(document[key]), 9) for key in ("peak", "drawdown", "used") if key in document}
    kept = {key: comparable(item) for key, item in document.items() if key not in ("digest", "journal_sequence")}
    return {**kept, **figures}


@pytest.mark.parametrize("version", [__version__, OLDER])
def test_who_only_looks_sees_the_account_by_its_records_and_is_told_so(rewritten, call: Call, version: str):
    rewritten()
    before = {arguments: call(*arguments, "--json").document for arguments in READING}
    people = call("status").out
    rewritten(written_by(version), killed, other_liquidity)
    for arguments in READING:
        shown = call(*arguments, "--json")
        assert shown.code == 0, shown.err
        document = shown.document
        warnings = document.pop("warnings")
        expected = {key: value for key, value in before[arguments].items() if key != "warnings"}
        assert before[arguments]["warnings"] == []
        if "limits" in expected:
            left_out = [line for line in expected["limits"] if line["rule"] in OF_THE_ENGINE]
            assert {line["rule"] for line in left_out} == OF_THE_ENGINE
            expected["limits"] = [line for line in expected["limits"] if line not in left_out]
        assert comparable(document) == comparable(expected), arguments
        assert "does not repeat" in warnings[0]
        assert all(warning in shown.err for warning in warnings)
        assert "warning: " in call(*arguments).err
    lines = [line for line in people.splitlines() if not line.startswith("Journal")]
    assert [line for line in call("status").out.splitlines() if not line.startswith("Journal")] == lines


@pytest.mark.parametrize("command", [("status",), ("explain", "hf-1p"), ("journal", "replay"), (*TRADE, "--bars", "5")])
def test_a_body_of_a_newer_version_is_told_with_the_version_that_reads_it(rewritten, call: Call, command):
    rewritten(written_by(NEWER), killed, unknown_field)
    outcome = call(*command)
    assert outcome.code == 1
    assert "unexpected" not in outcome.err
    if command[0] != "run":  # which does it again before it reads it, and so sees first that it differs
        assert "mood" in outcome.err
    assert f"written by holdfast {NEWER}, this is holdfast {__version__}" in outcome.err
    assert NEWER in outcome.err.partition("next: ")[2]


@pytest.mark.parametrize("command", [("status",), ("explain", "hf-1p"), (*TRADE, "--bars", "5")])
def test_a_run_record_of_a_newer_version_is_told_with_the_version_that_reads_it(rewritten, call: Call, command):
    def change(entries: list[Entry]) -> list[Entry]:
        return [Entry(RUN, entries[0].body[:-1] + b',"mood":"good"}'), *entries[1:]]

    rewritten(written_by(NEWER), change)
    outcome = call(*command)
    assert outcome.code == 1
    assert f"written by holdfast {NEWER}, this is holdfast {__version__}" in outcome.err
    assert f"use holdfast {NEWER} or newer" in outcome.err


def test_a_checkpoint_of_another_version_is_passed_over_and_the_run_done_again(rewritten, call: Call):
    def change(entries: list[Entry]) -> list[Entry]:
        return [
            Entry(x.kind, x.body[:-1] + b',"mood":1}') if x.kind == CHECKPOINT else x for x in entries
        ]  # fmt: skip

    rewritten(written_by(OLDER), change)
    outcome = call(*TRADE, "--bars", "5")
    assert outcome.code == 0, outcome.err
    rewritten(change)
    refused = call(*TRADE, "--bars", "5")
    assert refused.code == 1
    assert "holdfast journal verify" in refused.err


def stamp(home: Path) -> str:
    with closing(sqlite3.connect(home / "projections.db")) as connection:
        return connection.execute("SELECT value FROM meta WHERE name = 'layout'").fetchone()[0]


def test_projections_of_another_version_are_built_anew(rewritten, call: Call, home: Path, monkeypatch):
    rewritten()
    with monkeypatch.context() as patch:
        patch.setattr("holdfast.adapters.storage.sqlite.projections._STAMP", f"1 of holdfast {NEWER}")
        assert call("explain", "hf-1p").code == 0
    assert stamp(home) == f"1 of holdfast {NEWER}"
    assert call("explain", "hf-1p").code == 0
    assert stamp(home) == f"{LAYOUT} of holdfast {__version__}"


@pytest.mark.parametrize(("level", "is_release"), [("flatten", False), ("", True)])
def test_the_brake_says_of_a_run_that_does_not_repeat_what_may_still_trade(rewritten, call: Call, level, is_release):
    rewritten(written_by(OLDER), killed, other_liquidity)
    told = call("resume", "--yes") if is_release else call("stop", "--level", level, "--yes")
    assert told.code == 1
    assert "does not repeat" in told.err
    assert "what wrote the journal trades on when it is started" in told.err
    assert "repaired" not in told.err, "the journal is whole"


def test_an_account_whose_strategy_is_gone_is_shown_by_its_records(call: Call, tmp_path: Path):
    example = Path(__file__).resolve().parents[3] / "examples" / "strategy_in_one_file.py"
    own = tmp_path / "own.py"
    shutil.copy(example, own)
    run = ("run", "--plain", "--pace", "100000", "--market", "synthetic", "--strategy", f"{own}:Breakout")
    assert call(*run, "--bars", "300").code == 0
    before = call("status", "--json").document["status"]
    for change in (own.unlink, lambda: own.write_text("this is no Python")):
        change()
        shown = call("status", "--json")
        assert shown.code == 0, shown.err
        after = shown.document["status"]
        assert (after["positions"], after["cash"]) == (before["positions"], before["cash"])
        assert "what traded cannot be loaded any more" in shown.err
        stopped = call("stop", "--yes")
        assert stopped.code == 1
        assert "nothing was recorded" in stopped.err
        assert f"put back what the run was begun with (strategy {own}:Breakout)" in stopped.err

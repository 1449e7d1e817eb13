"""A damaged journal: no command shows what it says; each names the record and the next step."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.unit.cli.conftest import Call

from holdfast.adapters.host.clock import SystemClock
from holdfast.adapters.storage.sqlite.folder import Ownership
from holdfast.adapters.storage.sqlite.journal import SqliteJournal
from holdfast.cli.main import root
from holdfast.ports.journal import Entry

RUN = ("run", "--plain", "--pace", "100000", "--market", "synthetic", "--strategy", "ma_crossover", "--bars", "300")
Damage = Callable[[sqlite3.Connection], int]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a home in which an agent traded, with its projections."""
    path = tmp_path_factory.mktemp("recorded") / "home"
    runner = CliRunner()
    assert runner.invoke(root, [*RUN, "--home", str(path)]).exit_code == 0
    assert runner.invoke(root, ["journal", "replay", "--home", str(path)]).exit_code == 0
    return path


def last(connection: sqlite3.Connection) -> int:
    return connection.execute("SELECT max(sequence) FROM record").fetchone()[0]


def changed_digit(connection: sqlite3.Connection) -> int:
    query = "SELECT sequence, body FROM record WHERE kind = 'tick' AND sequence > 40 ORDER BY sequence LIMIT 1"
    sequence, body = connection.execute(query).fetchone()
    at = next(place for place, letter in enumerate(body) if chr(letter).isdigit())
    other = body[:at] + (b"1" if body[at : at + 1] != b"1" else b"2") + body[at + 1 :]
    connection.execute("UPDATE record SET body = ? WHERE sequence = ?", (other, sequence))
    return sequence


def flipped_byte(connection: sqlite3.Connection) -> int:
    connection.execute("UPDATE record SET body = CAST(x'ff' || substr(body, 2) AS BLOB) WHERE sequence = 50")
    return 50


def deleted_record(connection: sqlite3.Connection) -> int:
    connection.execute("DELETE FROM record WHERE sequence = 60")
    return 60


def zeroed_hash(connection: sqlite3.Connection) -> int:
    connection.execute("UPDATE record SET hash = zeroblob(32) WHERE sequence = (SELECT max(sequence) FROM record)")
    return last(connection)


def cut_tail(connection: sqlite3.Connection) -> int:
    connection.execute("DELETE FROM record WHERE sequence > (SELECT max(sequence) - 5 FROM record)")
    return last(connection)


READERS = (
    ("status",), ("status", "--json"), ("positions",), ("orders",), ("risk",), ("explain", "hf-1p"),
    ("why-not", "BTC/USDT"), ("journal", "tail"), ("journal", "replay"), ("journal", "export"),
    ("journal", "export", "records.jsonl"), ("stop", "--yes"), ("resume", "--yes"),
)  # fmt: skip


@pytest.mark.parametrize("damage", [changed_digit, flipped_byte, deleted_record, zeroed_hash, cut_tail])
def test_no_command_shows_figures_from_a_damaged_journal(recorded: Path, home: Path, call: Call, damage: Damage):
    shutil.copytree(recorded, home)
    connection = sqlite3.connect(home / "journal" / "journal-000001.db", isolation_level=None)
    record = damage(connection)
    connection.close()
    for arguments in READERS:
        outcome = call(*arguments)
        assert outcome.code == 1, arguments
        assert f"record {record}" in outcome.err, (arguments, outcome.err)
        assert "holdfast journal verify" in outcome.err, arguments
        assert "quity" not in outcome.out, arguments
    assert not Path("records.jsonl").exists(), "nothing is left of what was refused"


GOES_ON = (*RUN[:-1], "310")


@pytest.mark.parametrize("damage", [changed_digit, flipped_byte, deleted_record, zeroed_hash, cut_tail])
@pytest.mark.parametrize("arguments", [GOES_ON, (*GOES_ON, "--fresh")], ids=["goes on", "fresh"])
def test_no_agent_starts_on_a_damaged_journal_and_no_record_changes(
    recorded: Path, home: Path, call: Call, damage: Damage, arguments: tuple[str, ...]
):
    shutil.copytree(recorded, home)
    connection = sqlite3.connect(home / "journal" / "journal-000001.db", isolation_level=None)
    record = damage(connection)
    before = connection.execute("SELECT * FROM record").fetchall()
    outcome = call(*arguments)
    assert outcome.code == 1
    assert "the journal is damaged, so nothing is traded on it" in outcome.err
    assert f"record {record}" in outcome.err
    assert "next: holdfast journal verify" in outcome.err
    assert "paper mode" not in outcome.out
    assert connection.execute("SELECT * FROM record").fetchall() == before
    connection.close()


@pytest.mark.parametrize("command", ["stop", "resume"])
def test_a_brake_that_cannot_be_recorded_says_that_nothing_trades(recorded: Path, home: Path, call: Call, command: str):
    shutil.copytree(recorded, home)
    connection = sqlite3.connect(home / "journal" / "journal-000001.db", isolation_level=None)
    flipped_byte(connection)
    connection.close()
    outcome = call(command, "--yes")
    assert outcome.code == 1
    assert f"no agent runs in {home}, so nothing trades, and none will start until the journal is" in outcome.err
    assert "nothing was recorded" in outcome.err
    assert "next: holdfast journal verify" in outcome.err
    with owned(home / "journal"):
        held = call(command, "--yes")
    assert held.code == 1
    assert "holds the journal and does not answer" in held.err
    assert "so nothing trades" not in held.err, "nobody knows, while another process may be at work"


def test_a_check_that_takes_its_time_says_what_it_does(
    recorded: Path, home: Path, call: Call, monkeypatch: pytest.MonkeyPatch
):
    shutil.copytree(recorded, home)
    assert "checking the journal" not in call(*RUN[:-1], "1").err
    monkeypatch.setattr("holdfast.cli.actions.checking._QUIET_S", 0.0)
    outcome = call(*RUN[:-1], "1")
    assert outcome.code == 0
    assert outcome.err.count("checking the journal before anything is traded: ") == 1


@contextmanager
def owned(folder: Path) -> Iterator[None]:
    """Hold the journal as a process that does not answer would."""
    ownership = Ownership(folder)
    try:
        yield
    finally:
        ownership.release()


def test_a_journal_without_its_head_note_is_not_believed(recorded: Path, home: Path, call: Call):
    shutil.copytree(recorded, home)
    (home / "journal" / "journal.head").unlink()
    outcome = call("status")
    assert outcome.code == 1
    assert "a cut tail cannot be noticed" in outcome.err


def test_a_whole_journal_is_shown(recorded: Path, home: Path, call: Call):
    shutil.copytree(recorded, home)
    for arguments in (("status",), ("journal", "tail"), ("journal", "export"), ("journal", "replay")):
        assert call(*arguments).code == 0, arguments


@pytest.mark.parametrize("kind", ["bars", "operator", "checkpoint", "run"])
def test_a_record_that_chains_and_cannot_be_decoded_is_named(recorded: Path, home: Path, call: Call, kind: str):
    shutil.copytree(recorded, home)
    with SqliteJournal(home / "journal", SystemClock()) as journal:
        journal.append([Entry(kind, b"\xff")]).wait()
        number = journal.head[0]
    for arguments in (RUN, ("status",)):
        outcome = call(*arguments)
        assert outcome.code == 1, outcome
        assert f"record {number}" in outcome.err
        assert "holdfast journal verify" in outcome.err

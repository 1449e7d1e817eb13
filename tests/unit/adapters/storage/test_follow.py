"""A journal is followed record by record, and nothing that breaks its chain is given away."""

from pathlib import Path

import pytest
from tests.unit.adapters.storage.conftest import FrozenClock, MakeJournal, change

from holdfast.adapters.storage.sqlite.config import JournalConfig
from holdfast.adapters.storage.sqlite.follow import Follower
from holdfast.adapters.storage.sqlite.journal import SqliteJournal
from holdfast.core.errors import JournalError
from holdfast.ports.journal import Entry

HEAD = 12


@pytest.fixture
def folder(make_journal: MakeJournal) -> Path:
    return make_journal()


@pytest.fixture
def follower(folder: Path) -> Follower:
    return at_head(folder)


def at_head(folder: Path) -> Follower:
    return Follower(folder, *SqliteJournal(folder, FrozenClock(), is_read_only=True).head)


def grow(folder: Path, records: int = 3) -> None:
    with SqliteJournal(folder, FrozenClock(), config=JournalConfig(segment_records_max=5)) as journal:
        for number in range(records):
            journal.append([Entry("tick", b'{"new":%d}' % number)]).wait()


def grow_in_one(folder: Path) -> None:
    with SqliteJournal(folder, FrozenClock()) as journal:
        for number in range(3):
            journal.append([Entry("tick", b'{"new":%d}' % number)]).wait()


def sequences(follower: Follower) -> list[int]:
    return [record.sequence for record in follower.read()]


def test_what_comes_is_given_once(folder: Path, follower: Follower):
    assert sequences(follower) == []
    grow(folder)
    assert sequences(follower) == [13, 14, 15]
    assert sequences(follower) == []
    grow(folder, 11)
    assert sequences(follower) == list(range(16, 27)), "over the joints of segments"


def test_a_journal_is_followed_from_its_beginning(tmp_path: Path):
    SqliteJournal(tmp_path / "new", FrozenClock()).close()
    follower = at_head(tmp_path / "new")
    assert sequences(follower) == []
    grow(tmp_path / "new")
    assert sequences(follower) == [1, 2, 3]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE record SET body = CAST('{\"new\":9}' AS BLOB) WHERE sequence = 14",
        "UPDATE record SET ts_journal = ts_journal + 1 WHERE sequence = 14",
        "UPDATE record SET kind = 'bars' WHERE sequence = 14",
        "UPDATE record SET hash = zeroblob(32) WHERE sequence = 14",
        "UPDATE record SET sequence = 99 WHERE sequence = 14",
        "UPDATE record SET kind = CAST(x'ff' AS TEXT) WHERE sequence = 14",
    ],
)
def test_a_record_that_was_changed_before_it_was_read_is_not_given(folder: Path, follower: Follower, statement: str):
    grow_in_one(folder)
    change(folder, statement)
    given: list[int] = []
    with pytest.raises(JournalError) as error:
        given.extend(record.sequence for record in follower.read())
    assert "verify" in error.value.hint
    assert set(given) <= {13}


def test_a_missing_record_is_named_by_its_neighbours(folder: Path, follower: Follower):
    grow_in_one(folder)
    change(folder, "DELETE FROM record WHERE sequence = 14")
    with pytest.raises(JournalError, match="record 15 does not follow record 13"):
        sequences(follower)


def test_a_tail_that_is_cut_while_it_is_followed_is_noticed(folder: Path, follower: Follower):
    assert sequences(follower) == []
    change(folder, "DELETE FROM record WHERE sequence > 10")
    with pytest.raises(JournalError, match="record 12 was there and is gone"):
        sequences(follower)


def test_a_tail_that_is_cut_and_written_anew_is_noticed(folder: Path, follower: Follower):
    change(folder, "UPDATE record SET hash = zeroblob(32) WHERE sequence = ?", HEAD)
    with pytest.raises(JournalError, match="record 12 was there"):
        sequences(follower)

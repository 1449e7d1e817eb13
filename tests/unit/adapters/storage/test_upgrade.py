"""Older layouts are brought to the current one without a changed hash, and a crash on the way harms nothing."""

import sqlite3
from pathlib import Path

import pytest
from tests.unit.adapters.storage.conftest import FrozenClock, MakeJournal

from holdfast.adapters.storage.sqlite import upgrade
from holdfast.adapters.storage.sqlite.journal import SqliteJournal
from holdfast.adapters.storage.sqlite.schema import CREATE, SCHEMA_VERSION, SegmentMeta, select_records, write_meta
from holdfast.adapters.storage.sqlite.verify import verify
from holdfast.core.errors import JournalError
from holdfast.ports.journal import Entry, JournalRecord

OLD = tuple(range(1, SCHEMA_VERSION))


def to_version(folder: Path, version: int) -> None:
    """Rewrite every segment as an older layout had it."""
    for path in sorted(folder.glob("journal-*.db")):
        connection = sqlite3.connect(path, isolation_level=None)
        meta = dict(connection.execute("SELECT name, value FROM meta"))
        records = connection.execute("SELECT * FROM record ORDER BY sequence").fetchall()
        connection.close()
        path.unlink()
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        for statement in CREATE[version]:
            connection.execute(statement)
        values = {"number": int(meta["number"]), "sequence_first": int(meta["sequence_first"])}
        others = {name: meta[name] for name in ("journal_id", "hash_before", "manifest")}
        write_meta(connection, SegmentMeta(schema_version=version, **values, **others))
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO record VALUES(?, ?, ?, ?, ?)", records)
        connection.execute("COMMIT")
        connection.close()


def versions(folder: Path) -> list[str]:
    found = []
    for path in sorted(folder.glob("journal-*.db")):
        connection = sqlite3.connect(path)
        found += [row[0] for row in connection.execute("SELECT value FROM meta WHERE name = 'schema_version'")]
        connection.close()
    return found


@pytest.fixture(params=OLD)
def old(make_journal: MakeJournal, request: pytest.FixtureRequest) -> Path:
    folder = make_journal(segment_records=5)
    to_version(folder, request.param)
    return folder


def records(folder: Path) -> list[JournalRecord]:
    return list(SqliteJournal(folder, FrozenClock(), is_read_only=True).read())


def test_every_layout_has_a_step_from_the_one_before_and_can_be_read():
    assert set(CREATE) == {*OLD, SCHEMA_VERSION}
    assert set(upgrade.UPGRADE) == set(OLD)
    for version in CREATE:
        assert "FROM record" in select_records(version, "TRUE")


@pytest.mark.parametrize("version", OLD)
def test_the_old_layout_can_be_read_and_verified_as_it_is(make_journal: MakeJournal, version: int):
    folder = make_journal(segment_records=5)
    expected = records(folder)
    to_version(folder, version)
    assert records(folder) == expected
    assert verify(folder).is_whole
    assert versions(folder) == [str(version)] * 3


def test_a_writer_upgrades_every_segment_and_every_hash_stays(old: Path, clock: FrozenClock):
    expected = records(old)
    with SqliteJournal(old, clock) as journal:
        assert list(journal.read()) == expected
        assert [record.sequence for record in journal.read(kinds=["run"])] == [1, 4, 7, 10]
        assert journal.append([Entry("run", b"{}")]).wait() == 13
    assert versions(old) == [str(SCHEMA_VERSION)] * 3
    assert verify(old).is_whole
    connection = sqlite3.connect(old / "journal-000001.db")
    assert connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'record_kind'").fetchone() == (1,)
    connection.close()


def test_upgraded_and_new_segments_have_the_same_tables(old: Path, make_journal: MakeJournal, clock: FrozenClock):
    SqliteJournal(old, clock).close()

    def tables(path: Path) -> list[str]:
        connection = sqlite3.connect(path)
        rows = connection.execute("SELECT sql FROM sqlite_schema ORDER BY name").fetchall()
        connection.close()
        return [" ".join(row[0].split()) for row in rows if row[0]]

    assert tables(old / "journal-000001.db") == tables(make_journal(name="new") / "journal-000001.db")


@pytest.mark.parametrize("step", ["write_meta", "_compare", "sync_file", "sync_folder"])
def test_a_crash_at_any_step_leaves_a_whole_journal(
    step: str, old: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
):
    expected = records(old)

    def crash(*_: object) -> None:
        raise OSError("power is gone")

    with monkeypatch.context() as patch:
        patch.setattr(upgrade, step, crash)
        with pytest.raises(JournalError, match="power is gone"):
            SqliteJournal(old, clock)
    assert records(old) == expected
    assert verify(old).is_whole
    with SqliteJournal(old, clock) as journal:
        assert list(journal.read()) == expected
    assert versions(old) == [str(SCHEMA_VERSION)] * 3
    assert not list(old.glob("*.new"))


def test_a_copy_that_differs_is_refused(old: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch):
    last = SCHEMA_VERSION - 1
    wrong = (*upgrade.UPGRADE[last], "UPDATE record SET body = x'00' WHERE sequence = 3")
    monkeypatch.setattr(upgrade, "UPGRADE", {**upgrade.UPGRADE, last: wrong})
    with pytest.raises(JournalError, match=r"record 3 of journal-000001\.db changed"):
        SqliteJournal(old, clock)
    assert verify(old).is_whole


def test_the_layout_of_a_newer_holdfast_is_refused(make_journal: MakeJournal, clock: FrozenClock):
    folder = make_journal()
    connection = sqlite3.connect(folder / "journal-000001.db", isolation_level=None)
    connection.execute("UPDATE meta SET value = '99' WHERE name = 'schema_version'")
    connection.close()
    with pytest.raises(JournalError, match="layout 99") as refusal:
        SqliteJournal(folder, clock)
    assert "newer" in refusal.value.hint
    assert not verify(folder).is_whole

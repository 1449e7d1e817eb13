"""Verification finds every damage, names the record, and goes on."""

import shutil
import sqlite3
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.adapters.storage.conftest import FrozenClock, MakeJournal, change

from holdfast.adapters.storage.sqlite import verify as verify_module
from holdfast.adapters.storage.sqlite.config import JournalConfig
from holdfast.adapters.storage.sqlite.folder import writer_of
from holdfast.adapters.storage.sqlite.journal import SqliteJournal
from holdfast.adapters.storage.sqlite.verify import Damage, accept, require_whole, verify
from holdfast.core.errors import JournalError
from holdfast.ports.journal import Entry, JournalRecord


def damages(folder: Path) -> dict[Damage, int]:
    """Return the first record concerned by each sort of damage."""
    found: dict[Damage, int] = {}
    for problem in verify(folder).problems:
        assert problem.message
        assert problem.hint
        found.setdefault(problem.damage, problem.sequence)
    return found


def test_a_whole_journal_has_no_problems(make_journal: MakeJournal, clock: FrozenClock):
    for records in (1_000, 5, 1):
        folder = make_journal(name=f"by-{records}", segment_records=records)
        report = verify(folder)
        assert (report.records, report.problems) == (12, ())
        with SqliteJournal(folder, clock, is_read_only=True) as journal:
            assert report.head_hash == journal.head[1].hex()


def test_an_empty_journal_is_whole(tmp_path: Path, clock: FrozenClock):
    SqliteJournal(tmp_path, clock).close()
    assert verify(tmp_path).is_whole
    assert verify(tmp_path).records == 0


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(JournalError, match="no journal"):
        verify(tmp_path / "nothing")


FIELD_BYTES = st.tuples(
    st.sampled_from(["body", "hash", "kind", "ts_journal"]), st.integers(1, 150), st.integers(0, 1_000)
)


@pytest.fixture(scope="module")
def flippable(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes, list[JournalRecord]]:
    """A journal of several pages to be restored before each flip; writing it anew would take most of the time."""
    folder = tmp_path_factory.mktemp("flippable")
    with SqliteJournal(folder, FrozenClock()) as journal:
        entries = [Entry("run" if n % 3 else "tick", b'{"n":%d,"text":"\xc3\xa9"}' % n) for n in range(150)]
        journal.append(entries).wait()
        written = list(journal.read())
    return folder, (folder / "journal-000001.db").read_bytes(), written


def restore(folder: Path, content: bytes) -> Path:
    path = folder / "journal-000001.db"
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    path.write_bytes(content)
    return path


@settings(max_examples=200)
@given(where=FIELD_BYTES, mask=st.integers(1, 255))
def test_any_flipped_byte_of_any_field_is_found(
    where: tuple[str, int, int], mask: int, flippable: tuple[Path, bytes, list[JournalRecord]]
):
    field, sequence, position = where
    folder, content, written = flippable
    restore(folder, content)
    value: int | str | bytes = getattr(written[sequence - 1], field)
    if isinstance(value, int):
        changed: object = value ^ (mask << 8 * (position % 7))
    else:
        raw = bytearray(value.encode() if isinstance(value, str) else value)
        raw[position % len(raw)] ^= mask
        changed = bytes(raw)
    cast = "CAST(? AS TEXT)" if field == "kind" else "?"
    connection = sqlite3.connect(folder / "journal-000001.db", isolation_level=None)
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute(f"UPDATE record SET {field} = {cast} WHERE sequence = ?", (changed, sequence))
    connection.close()
    assert damages(folder).get(Damage.RECORD_ALTERED) == sequence


@settings(max_examples=200)
@given(data=st.data())
def test_any_flipped_byte_of_the_file_is_found_or_changes_nothing(
    data: st.DataObject, flippable: tuple[Path, bytes, list[JournalRecord]]
):
    """Most bytes of a file are room to spare; those that matter are found."""
    folder, good, written = flippable
    content = bytearray(good)
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    restore(folder, content)
    if verify(folder).is_whole:
        journal = SqliteJournal(folder, FrozenClock(), is_read_only=True)
        assert list(journal.read()) == written
        assert list(journal.read(after=60)) == written[60:]
        assert list(journal.read(kinds=["run"])) == [record for record in written if record.kind == "run"]


def test_the_same_content_in_another_storage_class_is_found(make_journal: MakeJournal):
    """A body that became text would come back as another type, although its bytes are the same."""
    folder = make_journal()
    path = folder / "journal-000001.db"
    connection = sqlite3.connect(path, isolation_level=None)
    (sql,) = connection.execute("SELECT sql FROM sqlite_schema WHERE name = 'record'").fetchone()
    connection.execute("PRAGMA writable_schema=ON")
    loose = sql.replace("STRICT", "").replace("body BLOB", "body ANY")
    connection.execute("UPDATE sqlite_schema SET sql = ? WHERE name = 'record'", (loose,))
    connection.close()
    change(folder, "UPDATE record SET body = CAST(body AS TEXT) WHERE sequence = 4")
    assert damages(folder) == {Damage.RECORD_ALTERED: 4}


def test_deleted_records_are_named(make_journal: MakeJournal):
    folder = make_journal()
    change(folder, "DELETE FROM record WHERE sequence IN (5, 6, 7)")
    report = verify(folder)
    assert report.problems[0].damage is Damage.RECORDS_MISSING
    assert "record 5 to 7 is missing before 8" in report.problems[0].message


def test_a_deleted_first_record_is_found(make_journal: MakeJournal):
    folder = make_journal()
    change(folder, "DELETE FROM record WHERE sequence = 1")
    assert damages(folder)[Damage.RECORDS_MISSING] == 1


def test_an_inserted_record_is_found(make_journal: MakeJournal):
    folder = make_journal()
    change(folder, "UPDATE record SET sequence = -sequence WHERE sequence > 6")
    change(folder, "UPDATE record SET sequence = 1 - sequence WHERE sequence < 0")
    change(folder, "INSERT INTO record SELECT 7, ts_journal, kind, body, hash FROM record WHERE sequence = 6")
    assert damages(folder)[Damage.RECORD_ALTERED] == 7


def test_a_record_before_the_first_is_found(make_journal: MakeJournal):
    folder = make_journal()
    change(folder, "INSERT INTO record SELECT -3, ts_journal, kind, body, hash FROM record WHERE sequence = 6")
    assert damages(folder)[Damage.RECORD_MISPLACED] == -3


def test_two_records_in_each_others_place_are_found(make_journal: MakeJournal):
    folder = make_journal()
    change(folder, "UPDATE record SET sequence = -4 WHERE sequence = 4")
    change(folder, "UPDATE record SET sequence = 4 WHERE sequence = 9")
    change(folder, "UPDATE record SET sequence = 9 WHERE sequence = -4")
    assert damages(folder) == {Damage.RECORD_ALTERED: 4}


def test_a_cut_tail_is_found_by_the_known_head(make_journal: MakeJournal, clock: FrozenClock):
    folder = make_journal()
    change(folder, "DELETE FROM record WHERE sequence > 9")
    assert damages(folder) == {Damage.TAIL_CUT: 10}
    with pytest.raises(JournalError, match="its tail is cut"):
        SqliteJournal(folder, clock)


def test_a_truncated_file_is_found(make_journal: MakeJournal, clock: FrozenClock):
    folder = make_journal([b'"' + b"x" * 900 + b'"'] * 60)
    path = folder / "journal-000001.db"
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2 // 4096 * 4096)
    assert not verify(folder).is_whole
    with pytest.raises(JournalError):
        SqliteJournal(folder, clock)


def test_a_tail_that_was_cut_and_written_anew_is_found(make_journal: MakeJournal, clock: FrozenClock):
    folder, other = make_journal(), make_journal(name="other")
    with SqliteJournal(other, clock) as journal:
        journal.append([Entry("tick", b'"more"')])
    note = (other / "journal.head").read_text().replace(_journal_id(other), _journal_id(folder))
    change(folder, "INSERT INTO record SELECT 13, ts_journal, kind, body, hash FROM record WHERE sequence = 12")
    (folder / "journal.head").write_text(note)
    assert damages(folder)[Damage.TAIL_REPLACED] == 13


def _journal_id(folder: Path) -> str:
    with SqliteJournal(folder, FrozenClock(), is_read_only=True) as journal:
        return journal.journal_id


def test_a_missing_note_of_the_head_is_said_and_can_be_accepted(make_journal: MakeJournal, clock: FrozenClock):
    folder = make_journal(segment_records=5)
    (folder / "journal.head").unlink()
    assert damages(folder) == {Damage.HEAD_UNKNOWN: 0}
    with pytest.raises(JournalError, match=r"journal\.head is missing"):
        SqliteJournal(folder, clock)
    assert accept(folder).is_whole
    SqliteJournal(folder, clock).close()


def test_a_damaged_journal_cannot_be_accepted(make_journal: MakeJournal):
    folder = make_journal()
    (folder / "journal.head").unlink()
    change(folder, "UPDATE record SET body = x'00' WHERE sequence = 3")
    with pytest.raises(JournalError, match="cannot be accepted: record 3"):
        accept(folder)


def test_the_note_of_another_journal_is_found(make_journal: MakeJournal):
    folder, other = make_journal(), make_journal(name="other")
    shutil.copy(other / "journal.head", folder / "journal.head")
    assert damages(folder) == {Damage.HEAD_UNKNOWN: 0}


@pytest.mark.parametrize(("segment", "first"), [(1, 1), (2, 6)])
def test_a_missing_segment_is_named_and_the_others_are_checked(make_journal: MakeJournal, segment: int, first: int):
    folder = make_journal(segment_records=5)
    name = f"journal-{segment:06d}.db"
    (folder / name).unlink()
    report = verify(folder)
    assert [problem.damage for problem in report.problems] == [Damage.SEGMENT_MISSING]
    assert report.problems[0].sequence == first
    assert name in report.problems[0].message
    assert name in report.problems[0].hint
    assert report.records == 7
    change(folder, "UPDATE record SET body = x'00' WHERE sequence = 11", segment=3)
    assert damages(folder) == {Damage.SEGMENT_MISSING: first, Damage.RECORD_ALTERED: 11}


def test_a_missing_last_segment_is_a_cut_tail(make_journal: MakeJournal):
    folder = make_journal(segment_records=5)
    (folder / "journal-000003.db").unlink()
    assert damages(folder) == {Damage.TAIL_CUT: 11}


def test_a_replaced_segment_is_named(make_journal: MakeJournal):
    folder, other = make_journal(segment_records=5), make_journal([b"1"] * 12, name="other", segment_records=5)
    (other / "journal-000002.db").replace(folder / "journal-000002.db")
    report = verify(folder)
    assert report.problems[0].damage is Damage.SEGMENT_REPLACED
    assert "journal-000002.db" in report.problems[0].message


def test_a_segment_that_is_no_database_is_named_and_the_others_are_checked(make_journal: MakeJournal):
    folder = make_journal(segment_records=5)
    (folder / "journal-000002.db").write_bytes(b"no database" * 1_000)
    assert damages(folder) == {Damage.SEGMENT_UNREADABLE: 6}


def test_a_changed_manifest_is_found(make_journal: MakeJournal):
    folder = make_journal(segment_records=5)
    change(folder, "UPDATE meta SET value = replace(value, '\"sequence_last\":5', '\"sequence_last\":4')", segment=3)
    assert damages(folder) == {Damage.SEGMENT_REPLACED: 11}


def hide_from_index(folder: Path, sequence: int, segment: int = 1) -> None:
    path = folder / f"journal-{segment:06d}.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA writable_schema=ON")
    hidden = f" AND sequence <> {sequence:d}"
    connection.execute("UPDATE sqlite_schema SET sql = sql || ? WHERE name = 'record_kind'", (hidden,))
    connection.close()
    change(folder, "REINDEX record_kind", segment=segment)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA writable_schema=ON")
    connection.execute("UPDATE sqlite_schema SET sql = replace(sql, ?, '')", (hidden,))
    connection.close()


def test_a_record_hidden_from_the_index_is_found(make_journal: MakeJournal):
    folder = make_journal()
    hide_from_index(folder, 4)
    assert damages(folder) == {Damage.INDEX_WRONG: 1}


def test_a_report_names_a_bounded_number_of_problems(make_journal: MakeJournal):
    folder = make_journal([b"1"] * 100)
    change(folder, "UPDATE record SET body = x'00'")
    assert len(verify(folder).problems) == 20


def test_a_running_journal_can_be_verified(tmp_path: Path, clock: FrozenClock):
    with SqliteJournal(tmp_path, clock) as journal:
        for sequence in range(1, 30):
            journal.append([Entry("tick", b"1")]).wait()
            report = verify(tmp_path)
            assert (report.records, report.problems) == (sequence, ())


@pytest.mark.parametrize("after", [0, 7])
def test_a_reader_is_told_which_record_is_damaged_and_what_to_type(make_journal: MakeJournal, after: int):
    folder = make_journal(segment_records=5)
    require_whole(folder, after)
    change(folder, "UPDATE record SET body = ? WHERE sequence = 3", b"{}")
    with pytest.raises(JournalError, match="record 3 or the hash before it was changed") as refused:
        require_whole(folder, after)
    assert refused.value.hint.startswith("holdfast journal verify")


@pytest.mark.parametrize("segment", [1, 2, 3])
def test_a_writer_that_asks_for_a_check_does_not_open_what_is_damaged_anywhere(
    make_journal: MakeJournal, clock: FrozenClock, segment: int
):
    folder = make_journal(segment_records=4)
    with SqliteJournal(folder, clock, check=require_whole):
        pass
    record = 4 * segment - 2
    change(folder, "UPDATE record SET body = ? WHERE sequence = ?", b"{}", record, segment=segment)
    before = {path.name: path.read_bytes() for path in folder.glob("journal-*.db")}
    with pytest.raises(JournalError, match=f"record {record} or the hash before it was changed"):
        SqliteJournal(folder, clock, check=require_whole)
    assert {path.name: path.read_bytes() for path in folder.glob("journal-*.db")} == before
    assert writer_of(folder) is None, "what was refused is let go of"


def test_a_check_tells_how_far_it_is(make_journal: MakeJournal):
    told: list[tuple[int, int]] = []
    require_whole(make_journal(segment_records=5), on_progress=lambda done, total: told.append((done, total)))
    assert told == [(5, 12), (10, 12), (12, 12)]


def test_of_a_very_long_journal_the_segments_that_are_read_are_checked(
    make_journal: MakeJournal, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(verify_module, "WHOLE_MAX", 10)
    folder = make_journal(segment_records=5)
    change(folder, "UPDATE record SET body = ? WHERE sequence = 3", b"{}")
    for after in (5, 6, 10, 11, 12):
        require_whole(folder, after)
    for after in (0, 2, 4):
        with pytest.raises(JournalError, match="record 3"):
            require_whole(folder, after)
    change(folder, "DELETE FROM record WHERE sequence = 12", segment=3)
    for after in (5, 10, 12):
        with pytest.raises(JournalError, match="ends at record 11, but record 12 was durable"):
            require_whole(folder, after)


def test_damage_without_a_record_in_its_text_names_one_all_the_same(make_journal: MakeJournal):
    folder = make_journal(segment_records=5)
    hide_from_index(folder, 7, segment=2)
    with pytest.raises(JournalError, match=r"the index of .* \(record 6\)"):
        require_whole(folder)


def test_a_reader_beside_the_writer_raises_no_false_alarm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(verify_module, "WHOLE_MAX", 20)
    folder = tmp_path / "journal"
    config = JournalConfig(segment_records_max=40, batch_records_max=4, head_interval_ms=1)
    with SqliteJournal(folder, FrozenClock(), config=config) as journal:
        journal.append([Entry("run", b"{}")]).wait()
        is_ending = threading.Event()

        def write() -> None:
            while not is_ending.is_set():
                journal.append([Entry("tick", b"{}"), Entry("checkpoint", b"{}")]).wait()

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for count in range(60):
                require_whole(folder, journal.head[0] if count % 2 else 0)
        finally:
            is_ending.set()
            writer.join()
    require_whole(folder)

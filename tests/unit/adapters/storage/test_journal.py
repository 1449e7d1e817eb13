"""The embedded journal: ownership, segments, group commit and failing closed."""

import asyncio
import sqlite3
import threading
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.adapters.storage.conftest import FrozenClock, MakeJournal

from holdfast.adapters.storage.sqlite.config import JournalConfig
from holdfast.adapters.storage.sqlite.journal import SqliteJournal
from holdfast.adapters.storage.sqlite.verify import verify
from holdfast.adapters.storage.sqlite.writer import Ticket
from holdfast.core.errors import ConfigurationError, JournalError
from holdfast.core.time import UnixNanos
from holdfast.ports.journal import Entry

ONE = [Entry("tick", b'{"n":1}')]


class ListClock:
    """Tells the given times, then stands still."""

    def __init__(self, times: list[int]) -> None:
        self._times = times

    def now(self) -> UnixNanos:
        return UnixNanos(self._times.pop(0) if len(self._times) > 1 else self._times[0])


def test_a_second_writer_is_refused_and_told_who_holds_the_journal(tmp_path: Path, clock: FrozenClock):
    with SqliteJournal(tmp_path, clock) as journal:
        journal.append(ONE).wait()
        holder = (tmp_path / "journal.lock").read_text().strip()
        with pytest.raises(JournalError, match=f"being written by process {holder}") as refusal:
            SqliteJournal(tmp_path, clock)
        assert holder in refusal.value.hint
        assert journal.append(ONE).wait() == 2


def test_a_record_is_written_without_a_warning(tmp_path: Path, clock: FrozenClock):
    # Python 3.12 warned of each numbered placeholder of each record, and announced that it will be an error.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with SqliteJournal(tmp_path, clock) as journal:
            assert journal.append(ONE).wait() == 1


def test_the_lock_of_a_dead_writer_does_not_block(tmp_path: Path, clock: FrozenClock):
    (tmp_path / "journal.lock").write_text("4194304\n")
    SqliteJournal(tmp_path, clock).close()


def test_a_failed_start_lets_the_next_one_in(make_journal: MakeJournal, clock: FrozenClock):
    folder = make_journal()
    head = (folder / "journal.head").read_bytes()
    (folder / "journal.head").write_text("{")
    with pytest.raises(JournalError, match="damaged"):
        SqliteJournal(folder, clock)
    (folder / "journal.head").write_bytes(head)
    SqliteJournal(folder, clock).close()


def test_readers_see_what_is_durable_while_a_writer_runs(tmp_path: Path, clock: FrozenClock):
    with SqliteJournal(tmp_path, clock, config=JournalConfig(segment_records_max=2)) as journal:
        for sequence in range(1, 8):
            journal.append(ONE).wait()
            with SqliteJournal(tmp_path, clock, is_read_only=True) as reader:
                assert reader.head == journal.head
                assert [record.sequence for record in reader.read()] == list(range(1, sequence + 1))
                assert reader.journal_id == journal.journal_id
                with pytest.raises(JournalError, match="read-only"):
                    reader.append(ONE)


def test_reading_a_folder_without_a_journal_is_refused(tmp_path: Path, clock: FrozenClock):
    with pytest.raises(JournalError, match="no journal"):
        SqliteJournal(tmp_path / "nothing", clock, is_read_only=True)
    assert not (tmp_path / "nothing").exists()


def test_files_are_for_their_owner_alone(make_journal: MakeJournal):
    for path in make_journal(segment_records=5).iterdir():
        assert path.stat().st_mode & 0o077 == 0, path


def test_segments_roll_and_each_continues_the_one_before(make_journal: MakeJournal):
    folder = make_journal(segment_records=5)
    names = sorted(path.name for path in folder.glob("journal-*"))
    assert names == ["journal-000001.db", "journal-000002.db", "journal-000003.db"]
    assert verify(folder).records == 12
    assert verify(folder).is_whole


def test_segments_roll_by_size_too(tmp_path: Path, clock: FrozenClock):
    config = JournalConfig(segment_bytes_max=64 * 1024, batch_records_max=4)
    with SqliteJournal(tmp_path, clock, config=config) as journal:
        for _ in range(60):
            journal.append([Entry("tick", b'"' + b"x" * 5_000 + b'"')])
    assert len(list(tmp_path.glob("journal-*.db"))) > 2
    assert verify(tmp_path).is_whole


def test_a_missing_segment_stops_the_start_and_is_named(make_journal: MakeJournal, clock: FrozenClock):
    folder = make_journal(segment_records=5)
    (folder / "journal-000002.db").unlink()
    with pytest.raises(JournalError, match=r"journal-000002\.db is missing"):
        SqliteJournal(folder, clock)
    with pytest.raises(JournalError, match=r"journal-000002\.db is missing"):
        SqliteJournal(folder, clock, is_read_only=True)


def test_a_missing_last_segment_stops_the_start(make_journal: MakeJournal, clock: FrozenClock):
    folder = make_journal(segment_records=5)
    (folder / "journal-000003.db").unlink()
    with pytest.raises(JournalError, match="its tail is cut"):
        SqliteJournal(folder, clock)


def test_a_segment_of_another_journal_stops_the_start(make_journal: MakeJournal, clock: FrozenClock):
    folder, other = make_journal(segment_records=5), make_journal([b"1"] * 12, name="other", segment_records=5)
    (other / "journal-000002.db").replace(folder / "journal-000002.db")
    with pytest.raises(JournalError, match="not the one that segment 3 continues"):
        SqliteJournal(folder, clock)


def test_an_emptied_folder_with_a_known_head_is_no_new_journal(make_journal: MakeJournal, clock: FrozenClock):
    folder = make_journal()
    (folder / "journal-000001.db").unlink()
    with pytest.raises(JournalError, match="had 12 records"):
        SqliteJournal(folder, clock)


def test_a_half_made_segment_is_thrown_away(make_journal: MakeJournal, clock: FrozenClock):
    folder = make_journal(segment_records=5)
    draft = folder / "journal-000004.db.new"
    draft.write_bytes(b"half a file")
    SqliteJournal(folder, clock).close()
    assert not draft.exists()
    assert verify(folder).is_whole


def test_the_same_records_give_the_same_hashes(make_journal: MakeJournal, clock: FrozenClock):
    whole, cut = make_journal(name="whole"), make_journal(name="cut", segment_records=4)
    with (
        SqliteJournal(whole, clock, is_read_only=True) as one,
        SqliteJournal(cut, clock, is_read_only=True) as other,
    ):
        assert list(one.read()) == list(other.read())


@settings(max_examples=25)
@given(times=st.lists(st.integers(-(1 << 63), (1 << 63) - 1), min_size=1, max_size=20), data=st.data())
def test_any_clock_and_any_body_are_kept_exactly(times: list[int], data: st.DataObject, tmp_path_factory):
    """A clock may jump by centuries, back and forth: what it said is what is kept."""
    folder = tmp_path_factory.mktemp("journal")
    bodies = data.draw(st.lists(st.binary(min_size=1, max_size=3_000), min_size=len(times), max_size=len(times)))
    with SqliteJournal(folder, ListClock(list(times)), config=JournalConfig(linger_ms=50)) as journal:
        for body in bodies:
            journal.append([Entry("tick", body)])
        journal.flush()
        found = [(record.ts_journal, record.body) for record in journal.read()]
    assert found == list(zip(times, bodies, strict=True))
    assert verify(folder).is_whole


def test_a_group_that_needs_several_statements_is_one_commit(tmp_path: Path):
    """73 minutes of nanoseconds are all that one statement can span."""
    hours = [n * 3_600_000_000_000 for n in range(30)]
    config = JournalConfig(linger_ms=1_000, batch_records_max=1_000)
    with SqliteJournal(tmp_path, ListClock(list(hours)), config=config) as journal:
        receipts = [journal.append(ONE) for _ in hours]
        assert [receipt.wait() for receipt in receipts] == list(range(1, 31))
        assert [record.ts_journal for record in journal.read()] == hours


def test_asyncio_producers_get_their_own_sequence(tmp_path: Path, clock: FrozenClock):
    async def produce(journal: SqliteJournal, name: int) -> dict[int, bytes]:
        bodies = [b"[%d,%d]" % (name, turn) for turn in range(10)]
        return {await journal.append_async([Entry("tick", body)]): body for body in bodies}

    async def all_of_them(journal: SqliteJournal) -> dict[int, bytes]:
        acknowledged: dict[int, bytes] = {}
        for mine in await asyncio.gather(*(produce(journal, name) for name in range(20))):
            acknowledged |= mine
        return acknowledged

    with SqliteJournal(tmp_path, clock) as journal:
        acknowledged = asyncio.run(all_of_them(journal))
        assert {record.sequence: record.body for record in journal.read()} == acknowledged
    assert len(acknowledged) == 200


def test_a_cancelled_producer_disturbs_nobody(tmp_path: Path, clock: FrozenClock):
    async def cancel_one(journal: SqliteJournal) -> int:
        task = asyncio.create_task(journal.append_async(ONE))
        await asyncio.sleep(0)
        task.cancel()
        return await journal.append_async(ONE)

    with SqliteJournal(tmp_path, clock) as journal:
        assert asyncio.run(cancel_one(journal)) == 2


def test_a_loop_that_ended_disturbs_nobody(tmp_path: Path, clock: FrozenClock):
    async def leave(journal: SqliteJournal) -> None:
        task = asyncio.create_task(journal.append_async(ONE))
        await asyncio.sleep(0)
        task.cancel()

    with SqliteJournal(tmp_path, clock, config=JournalConfig(linger_ms=50)) as journal:
        asyncio.run(leave(journal))
        assert journal.append(ONE).wait() == 2


def test_a_lingering_writer_hurries_for_whoever_waits(tmp_path: Path, clock: FrozenClock):
    with SqliteJournal(tmp_path, clock, config=JournalConfig(linger_ms=1_000)) as journal:
        assert [journal.append(ONE).wait() for _ in range(20)] == list(range(1, 21))


def test_a_full_queue_makes_the_producer_wait_for_the_disk(tmp_path: Path, clock: FrozenClock):
    with SqliteJournal(tmp_path, clock, config=JournalConfig(queue_records_max=10, linger_ms=1_000)) as journal:
        for _ in range(10):
            journal.append(ONE)
        journal.append(ONE)  # the eleventh does not fit
        assert journal.head[0] == 11


def fill_disk(journal: SqliteJournal) -> None:
    """Stand in for a full disk: SQLite answers SQLITE_FULL at the page limit as it does for ENOSPC."""
    writer = journal._writer
    assert writer is not None
    pages = writer._connection.execute("PRAGMA page_count").fetchone()[0]
    writer._connection.execute(f"PRAGMA max_page_count={pages + 4}")


def test_after_a_full_disk_every_waiter_and_every_later_append_is_refused(tmp_path: Path, clock: FrozenClock):
    large = [Entry("tick", b'"' + b"x" * 3_000 + b'"')]
    journal = SqliteJournal(tmp_path, clock)
    acknowledged = [journal.append(ONE).wait()]
    fill_disk(journal)
    refused: list[JournalError] = []

    def produce() -> None:
        try:
            while True:
                acknowledged.append(journal.append(large).wait())
        except JournalError as error:
            refused.append(error)

    threads = [threading.Thread(target=produce) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 8
    assert all("full" in str(error) and "verify" in error.hint for error in refused)
    for call in (lambda: journal.append(ONE), journal.flush):
        with pytest.raises(JournalError, match="full"):
            call()
    assert journal.failure is not None
    assert journal.head[0] == max(acknowledged)
    journal.close()
    with SqliteJournal(tmp_path, clock) as again:
        assert again.head[0] == max(acknowledged)
        again.append(large).wait()
    assert verify(tmp_path).is_whole


@pytest.mark.parametrize(("producers", "size", "is_any_durable"), [(50, 3_000, False), (200, 100, True)])
def test_asyncio_waiters_are_refused_after_a_full_disk(
    tmp_path: Path, clock: FrozenClock, producers: int, size: int, is_any_durable: bool
):
    """A crowd is cut in two: what the first commit made durable is acknowledged although the second one fails."""

    async def produce(journal: SqliteJournal) -> list[int | BaseException]:
        group = [Entry("tick", b'"' + b"x" * size + b'"')]
        return await asyncio.gather(*(journal.append_async(group) for _ in range(producers)), return_exceptions=True)

    journal = SqliteJournal(tmp_path, clock)
    fill_disk(journal)
    answers = asyncio.run(asyncio.wait_for(produce(journal), 60))
    assert {type(answer) for answer in answers} <= {int, JournalError}
    assert any(isinstance(answer, JournalError) for answer in answers)
    assert any(isinstance(answer, int) for answer in answers) is is_any_durable
    journal.close()
    assert verify(tmp_path).records == journal.head[0] == sum(isinstance(answer, int) for answer in answers)


def test_a_crowd_of_producers_is_acknowledged_record_by_record(tmp_path: Path, clock: FrozenClock):
    async def produce(journal: SqliteJournal) -> list[int]:
        return [await journal.append_async(ONE) for _ in range(5)]

    async def all_of_them(journal: SqliteJournal) -> list[list[int]]:
        return await asyncio.wait_for(asyncio.gather(*(produce(journal) for _ in range(200))), 60)

    with SqliteJournal(tmp_path, clock) as journal:
        acknowledged = asyncio.run(all_of_them(journal))
        assert sorted(number for mine in acknowledged for number in mine) == list(range(1, 1_001))
    assert verify(tmp_path).records == 1_000


@pytest.mark.parametrize(
    ("queued", "unanswered", "write_seconds", "commits"),
    [
        (100, 0, 0.000_2, [50, 50]),
        (50, 50, 0.000_2, [50]),
        (99, 1, 0.000_2, [50, 49]),  # unequal halves would take turns for ever
        (1, 99, 0.000_2, [1]),
        (63, 0, 0.000_2, [63]),  # no crowd
        (0, 64, 0.000_2, []),  # closed while answers are due
        (100, 0, 0.001, [100]),  # a disk that is slower than they are
    ],
)
def test_a_crowd_works_while_the_other_half_of_it_is_written(
    tmp_path: Path, clock: FrozenClock, queued: int, unanswered: int, write_seconds: float, commits: list[int]
):
    loop = asyncio.new_event_loop()
    with SqliteJournal(tmp_path, clock) as journal:
        writer = journal._writer
        assert writer is not None
        tickets = [Ticket(writer, ONE, 0, loop.create_future()) for _ in range(queued)]
        writer._write_seconds = write_seconds
        writer._durable = [Ticket(writer, ONE, 0, None)] * unanswered
        assert [len(batch) for batch in writer._batches(tickets)] == commits
        assert [ticket for batch in writer._batches(tickets) for ticket in batch] == tickets
        writer._durable = []
    loop.close()


def test_a_clock_that_fails_does_not_lock_the_journal(tmp_path: Path, clock: FrozenClock):
    class BrokenClock(FrozenClock):
        def now(self) -> UnixNanos:
            raise OSError("no time")

    with SqliteJournal(tmp_path, BrokenClock()) as journal:
        with pytest.raises(OSError, match="no time"):
            journal.append(ONE)
        with pytest.raises(OSError, match="no time"):
            journal.append(ONE)


@pytest.mark.parametrize("name", [name for name in JournalConfig.__struct_fields__ if name != "is_exclusive"])
def test_every_number_of_the_configuration_is_bounded(name: str):
    for value in (-1, 1 << 60):
        with pytest.raises(ConfigurationError, match=f"journal.{name}"):
            JournalConfig(**{name: value})


def test_every_connection_commits_to_the_disk(tmp_path: Path, clock: FrozenClock):
    asked: set[sqlite3.Connection] = set()
    with SqliteJournal(tmp_path, clock, config=JournalConfig(segment_records_max=2, batch_records_max=1)) as journal:
        for _ in range(3):
            journal.append(ONE).wait()
            # The first record of a segment: the second is answered before its connection is closed, and no later.
            assert journal._writer is not None
            connection: sqlite3.Connection = journal._writer._connection
            assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2
            assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
            asked.add(connection)
            journal.append(ONE).wait()
    assert len(asked) == 3

"""The embedded journal: segments of SQLite in one folder, one writer with group commit, any number of readers."""

from __future__ import annotations

import asyncio
import atexit
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from holdfast.adapters.storage.sqlite.config import JournalConfig
from holdfast.adapters.storage.sqlite.folder import Ownership, segment_numbers, segment_path, sync_folder
from holdfast.adapters.storage.sqlite.schema import (
    BULK_KINDS,
    NOT_BULK,
    connect_reader,
    last_record,
    read_meta,
    select_records,
)
from holdfast.adapters.storage.sqlite.segments import check_numbers, prepare_folder
from holdfast.adapters.storage.sqlite.upgrade import upgrade_segments
from holdfast.adapters.storage.sqlite.writer import Ticket, Writer
from holdfast.core.errors import JournalError
from holdfast.core.time import Clock
from holdfast.ports.journal import Entry, JournalRecord

# Rows per read transaction: long ones would keep the write-ahead log from being folded into the segment.
_PAGE = 2_000
_DEFAULTS = JournalConfig()


class SqliteJournal:
    """A journal in the folder `path`, which is created if it is missing.

    A writer owns the folder alone; a second one is refused. Readers (`is_read_only`) may come and go beside it.

    Raises
    ------
    JournalError
        Another process writes it, a segment is missing or replaced, the tail is cut, or a newer holdfast wrote it.
    """

    def __init__(
        self, path: Path | str, clock: Clock, *, is_read_only: bool = False, config: JournalConfig = _DEFAULTS
    ) -> None:
        self._folder = Path(path)
        self._writer: Writer | None = None
        if is_read_only:
            if not self._folder.is_dir() or not segment_numbers(self._folder):
                raise JournalError(f"there is no journal in {self._folder}", hint="name the folder of a journal")
            check_numbers(self._folder, segment_numbers(self._folder))
            return
        try:
            self._writer = _open_writer(self._folder, clock, config)
        except (sqlite3.Error, OSError) as error:
            raise JournalError(
                f"the journal {self._folder} cannot be opened: {error}",
                hint="see what is damaged: holdfast journal verify",
            ) from error
        # Whatever is queued when the interpreter ends becomes durable, although the writer is a daemon thread.
        atexit.register(self._writer.close)

    def append(self, entries: Sequence[Entry]) -> Ticket:
        """Queue the entries as one atomic group, in order; the receipt's `wait` returns when they are durable.

        Returns at once, unless the queue is full: then it waits for the disk. `ts_journal` is the time of this call.

        Raises
        ------
        JournalError
            The journal is read-only, closed or has failed, or an entry cannot be recorded.
        """
        return self._for_writing().submit(tuple(entries))

    async def append_async(self, entries: Sequence[Entry]) -> int:
        """Append as one atomic group and return the sequence of its last entry when it is durable.

        Raises
        ------
        JournalError
            As for `append`; or the group never became durable.
        """
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._for_writing().submit(tuple(entries), future)
        return await future

    def flush(self) -> None:
        """Block until everything appended so far is durable."""
        self.append(()).wait()

    def read(self, after: int = 0, kinds: Sequence[str] = ()) -> Iterator[JournalRecord]:
        """Yield durable records with a sequence above `after`, of the given kinds (all when empty)."""
        number = 1
        numbers = segment_numbers(self._folder)
        check_numbers(self._folder, numbers)
        while segment_path(self._folder, number).exists():
            connection = self._reader(number)
            try:
                meta = read_meta(connection)
                last = last_record(connection)
                is_wanted = last is not None and last[0] > after
                if is_wanted:
                    for record in _records(connection, meta.schema_version, after, tuple(kinds)):
                        after = record.sequence
                        yield record
            finally:
                connection.close()
            number += 1

    @property
    def head(self) -> tuple[int, bytes]:
        """Return sequence and hash of the last durable record; (0, 32 zero bytes) when empty."""
        if self._writer is not None:
            return self._writer.head
        connection = self._reader(segment_numbers(self._folder)[-1])
        try:
            meta = read_meta(connection)
            return last_record(connection) or (meta.sequence_first - 1, bytes.fromhex(meta.hash_before))
        finally:
            connection.close()

    @property
    def journal_id(self) -> str:
        """Return the identity that this journal was born with; projections of another one do not belong to it."""
        if self._writer is not None:
            return self._writer.journal_id
        connection = self._reader(segment_numbers(self._folder)[-1])
        try:
            return read_meta(connection).journal_id
        finally:
            connection.close()

    @property
    def failure(self) -> JournalError | None:
        """Return why nothing can be appended any more, None while all is well."""
        return self._writer.failure if self._writer is not None else None

    def close(self) -> None:
        """Make everything durable and let go of the files. A second call does nothing."""
        if self._writer is not None:
            self._writer.close()
            atexit.unregister(self._writer.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _for_writing(self) -> Writer:
        if self._writer is None:
            raise JournalError("this journal was opened read-only", hint="open it with is_read_only=False")
        return self._writer

    def _reader(self, number: int) -> sqlite3.Connection:
        path = segment_path(self._folder, number)
        try:
            return connect_reader(path)
        except sqlite3.Error as error:
            raise JournalError(f"{path} cannot be read: {error}", hint="holdfast journal verify") from error


def _open_writer(folder: Path, clock: Clock, config: JournalConfig) -> Writer:
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True)
        sync_folder(folder.parent)
    ownership = Ownership(folder)
    try:
        numbers = prepare_folder(folder)
        upgrade_segments(folder, numbers, config)
        return Writer(folder, numbers[-1], clock, config, ownership)
    except BaseException:
        ownership.release()
        raise


def _records(
    connection: sqlite3.Connection, version: int, after: int, kinds: tuple[str, ...]
) -> Iterator[JournalRecord]:
    condition = "sequence > ?"
    if kinds:
        condition += f" AND kind IN ({', '.join('?' * len(kinds))})"
        if not BULK_KINDS.intersection(kinds):
            condition += f" AND {NOT_BULK}"
    query = f"{select_records(version, condition)} LIMIT {_PAGE}"
    while True:
        page = connection.execute(query, (after, *kinds)).fetchall()
        for row in page:
            yield JournalRecord(*row)
        if len(page) < _PAGE:
            return
        after = page[-1][0]

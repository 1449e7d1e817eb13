"""Reading a journal, beside its writer or without one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from holdfast.adapters.storage.sqlite.folder import segment_numbers, segment_path
from holdfast.adapters.storage.sqlite.schema import (
    BULK_KINDS,
    DAMAGE,
    NOT_BULK,
    SegmentMeta,
    connect_reader,
    last_record,
    read_meta,
    select_records,
)
from holdfast.adapters.storage.sqlite.segments import check_numbers
from holdfast.core.errors import JournalError
from holdfast.core.record import Record
from holdfast.ports.journal import JournalRecord

# Rows per read transaction: long ones would keep the write-ahead log from being folded into the segment.
_PAGE = 2_000


class Head(Record, frozen=True):
    """Where a journal ends, and which journal it is."""

    journal_id: str
    sequence: int
    hash: bytes


def existing_segments(folder: Path) -> list[int]:
    """Return the numbers of the segments, at least one.

    Raises
    ------
    JournalError
        There is no journal in the folder, or a segment is missing.
    """
    numbers = segment_numbers(folder) if folder.is_dir() else []
    if not numbers:
        raise JournalError(f"there is no journal in {folder}", hint="name the folder that holds journal-000001.db")
    check_numbers(folder, numbers)
    return numbers


def read_records(folder: Path, after: int = 0, kinds: Sequence[str] = ()) -> Iterator[JournalRecord]:
    """Yield durable records with a sequence above `after`, of the given kinds (all when empty).

    Raises
    ------
    JournalError
        There is no journal, a segment is missing, or a segment cannot be read. Hashes are not checked: see `verify`.
    """
    existing_segments(folder)
    number = 1
    # Segments may be added while we read, so the folder is asked each time.
    while (path := segment_path(folder, number)).exists():
        connection = _open(path)
        try:
            last = last_record(connection)
            if last is not None and last[0] > after:
                for record in _scan(connection, read_meta(connection), after, tuple(kinds)):
                    after = record.sequence
                    yield record
        except DAMAGE as error:
            raise _unreadable(path, error) from error
        finally:
            connection.close()
        number += 1


def read_head(folder: Path) -> Head:
    """Return where the journal ends now.

    Raises
    ------
    JournalError
        There is no journal, a segment is missing, or the last one cannot be read.
    """
    path = segment_path(folder, existing_segments(folder)[-1])
    connection = _open(path)
    try:
        meta = read_meta(connection)
        last = last_record(connection) or (meta.sequence_first - 1, bytes.fromhex(meta.hash_before))
        return Head(meta.journal_id, *last)
    except DAMAGE as error:
        raise _unreadable(path, error) from error
    finally:
        connection.close()


def _scan(
    connection: sqlite3.Connection, meta: SegmentMeta, after: int, kinds: tuple[str, ...]
) -> Iterator[JournalRecord]:
    condition = "sequence > ?"
    if kinds:
        condition += f" AND kind IN ({', '.join('?' * len(kinds))})"
        if not BULK_KINDS.intersection(kinds):
            condition += f" AND {NOT_BULK}"
    query = f"{select_records(meta.schema_version, condition)} LIMIT {_PAGE}"
    while True:
        page = connection.execute(query, (after, *kinds)).fetchall()
        for row in page:
            yield JournalRecord(*row)
        if len(page) < _PAGE:
            return
        after = page[-1][0]


def _open(path: Path) -> sqlite3.Connection:
    try:
        return connect_reader(path)
    except DAMAGE as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> JournalError:
    return JournalError(f"{path} cannot be read: {error}", hint="see what is damaged: holdfast journal verify")

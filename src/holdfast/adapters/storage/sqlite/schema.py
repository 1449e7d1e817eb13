"""The layout of one journal segment, its versions, and how a connection to it is opened."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import struct
from collections.abc import Mapping
from pathlib import Path

from holdfast.core.errors import JournalError
from holdfast.core.record import Record

# The kinds that make up the mass of a journal. All others are indexed, so that the last checkpoint among a million
# ticks is found at once, and the mass pays nothing for it. The text must be the same in index and query: SQLite
# uses a partial index only if it sees its condition again. Each entry ends in the sequence by itself, as the rowid.
NOT_BULK = "kind NOT IN ('tick', 'bars', 'input')"
BULK_KINDS = frozenset({"tick", "bars", "input"})

_META = "CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID"
_RECORD_V1 = """CREATE TABLE record(
    sequence INTEGER PRIMARY KEY, ts INTEGER NOT NULL, kind TEXT NOT NULL, body BLOB NOT NULL, hash BLOB NOT NULL
) STRICT"""
_INDEX_V2 = f"CREATE INDEX record_kind ON record(kind) WHERE {NOT_BULK}"
_RECORD_V2 = _RECORD_V1.replace(" ts ", " ts_journal ")

CREATE: Mapping[int, tuple[str, ...]] = {1: (_META, _RECORD_V1), 2: (_META, _RECORD_V2, _INDEX_V2)}
UPGRADE: Mapping[int, tuple[str, ...]] = {1: ("ALTER TABLE record RENAME COLUMN ts TO ts_journal", _INDEX_V2)}
"""What turns a layout into the one after it. A new layout is an entry in CREATE, UPGRADE and _TIME_COLUMN.

None is ever removed, for journals are kept for years. The bodies of records are JSON of their own and no part of it.
"""
SCHEMA_VERSION = max(CREATE)

# What reading a damaged file may raise: the module itself, text that is none, values of another type than they were.
DAMAGE = (sqlite3.Error, UnicodeDecodeError, TypeError, struct.error)

# A full or failing disk, a lock, missing rights or memory: none of them is a damage to the records.
_OUT_OF_REACH = frozenset({
    sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_NOMEM,
})  # fmt: skip

_TIME_COLUMN = {1: "ts", 2: "ts_journal"}
_BUSY_SECONDS = 10.0


class SegmentMeta(Record, frozen=True):
    """What a segment says about itself and about those before it."""

    schema_version: int
    journal_id: str
    number: int  # from 1
    sequence_first: int
    hash_before: str  # hex: the hash that the first record chains on
    manifest: str = "[]"  # JSON: number, last sequence and last hash of every segment before this one


def connect(path: Path, *, is_exclusive: bool = False, checkpoint_pages: int = 1_000) -> sqlite3.Connection:
    """Open a segment for writing: write-ahead log, and every commit on the disk before it returns."""
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    with contextlib.ExitStack() as undo:
        undo.callback(connection.close)
        if is_exclusive:
            # Set before WAL, it keeps SQLite from mapping shared memory, which not every file system can do.
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        if mode != "wal":
            raise JournalError(
                f"{path} cannot use a write-ahead log (journal mode {mode})", hint="keep the journal on a local disk"
            )
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint={checkpoint_pages:d}")
        connection.execute("PRAGMA temp_store=MEMORY")
        undo.pop_all()
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """Open a segment for reading, beside a running writer or on a read-only medium.

    Raises
    ------
    JournalError
        It cannot be read now, for a reason that says nothing about what stands in it.
    """
    try:
        return _connect_reader(path, "mode=ro")
    except sqlite3.OperationalError as error:
        # A log that waits to be replayed must not be skipped; without one, the file is all there is.
        if os.access(path.parent, os.W_OK) or Path(f"{path}-wal").exists():
            if error.sqlite_errorcode & 0xFF in _OUT_OF_REACH:
                raise JournalError(
                    f"{path.name} cannot be read now: {error}",
                    hint="reading takes 32 KiB on its disk: free some space, see to the rights on its folder, then"
                    " repeat. This says nothing about the records",
                ) from error
            raise
    return _connect_reader(path, "mode=ro&immutable=1")


def _connect_reader(path: Path, options: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{options}", uri=True, timeout=_BUSY_SECONDS, check_same_thread=False
    )
    with contextlib.ExitStack() as undo:
        undo.callback(connection.close)
        connection.execute("PRAGMA query_only=ON")
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        undo.pop_all()
    return connection


def read_meta(connection: sqlite3.Connection) -> SegmentMeta:
    """Return what the segment says about itself.

    Raises
    ------
    JournalError
        It is no segment, or a newer holdfast wrote it.
    """
    values = dict(connection.execute("SELECT name, value FROM meta"))
    try:
        meta = SegmentMeta(
            schema_version=int(values["schema_version"]),
            journal_id=values["journal_id"],
            number=int(values["number"]),
            sequence_first=int(values["sequence_first"]),
            hash_before=bytes.fromhex(values["hash_before"]).hex(),
            manifest=values.get("manifest", "[]"),
        )
        if meta.schema_version < 1:
            raise ValueError(f"there is no layout {meta.schema_version}")
    except (KeyError, ValueError) as error:
        raise JournalError(f"the segment's meta table is damaged: {error}", hint="restore it from a backup") from error
    if meta.schema_version > SCHEMA_VERSION:
        raise JournalError(
            f"the journal has layout {meta.schema_version}, this holdfast knows up to {SCHEMA_VERSION}",
            hint="install the holdfast that wrote it, or a newer one",
        )
    return meta


def write_meta(connection: sqlite3.Connection, meta: SegmentMeta) -> None:
    """Store every field of `meta` as one row."""
    rows = [(name, str(getattr(meta, name))) for name in meta.__struct_fields__]
    connection.executemany("INSERT OR REPLACE INTO meta VALUES(?, ?)", rows)


def select_records(version: int, condition: str) -> str:
    """Return the query for whole records in the order of a JournalRecord, whatever the layout."""
    # Every part of this text is a constant of this package; values are bound.
    return f"SELECT sequence, {_TIME_COLUMN[version]}, kind, body, hash FROM record WHERE {condition} ORDER BY sequence"  # noqa: S608


def last_record(connection: sqlite3.Connection) -> tuple[int, bytes] | None:
    """Return sequence and hash of the last record, None when the segment is empty."""
    row: tuple[int, bytes] | None = connection.execute(
        "SELECT sequence, hash FROM record ORDER BY sequence DESC LIMIT 1"
    ).fetchone()
    return row

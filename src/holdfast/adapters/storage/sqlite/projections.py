"""State that can be rebuilt: tables folded from the journal, in a file of their own.

`synchronous=NORMAL` is allowed here, and only here: after a power cut the file is consistent but may be some batches
old, and the journal, which lost nothing, brings it up to date. What it holds is never the authority.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from holdfast import __version__
from holdfast.core.errors import DomainError
from holdfast.ports.journal import Journal
from holdfast.ports.projection import Change, Row

# Raise it with every change of a table below, of a type in portfolio/story.py, or of what portfolio/projection.py puts
# into a row, that happens between two releases: a store of another layout is built anew. A release does so by itself,
# because its version is part of the stamp. A test holds what this number stands for.
LAYOUT = "2"
_STAMP = f"{LAYOUT} of holdfast {__version__}"
_BUSY_SECONDS = 10.0
_REBUILD = "delete the file, or rebuild it from the journal: it holds nothing that the journal does not"
_TABLES = (
    "CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    """CREATE TABLE IF NOT EXISTS state(
        kind TEXT NOT NULL, key TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY(kind, key)
    ) STRICT, WITHOUT ROWID""",
)

# Everything else (no space, locked, no permission) is no fault of the content, and a rebuild would not help.
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISMATCH})

Result = TypeVar("Result")


class StaleProjectionError(DomainError):
    """The projections are damaged or belong to another journal: call `rebuild` and replay."""


def put(table_kind: str, key: str, body: bytes) -> Change:
    """Return the change that stores `body` under `key`, whatever stood there."""
    return Change(table_kind, key, body)


def delete(table_kind: str, key: str) -> Change:
    """Return the change that removes `key`, if it is there."""
    return Change(table_kind, key)


@contextlib.contextmanager
def alone_with(path: Path | str) -> Iterator[None]:
    """Wait until nobody else brings the projections in the file `path` up to date, and keep them out meanwhile.

    A fold reads rows, and stores what they come to later: two at a time would count what lies between twice, or never.
    """
    # A file of its own, which stays: the projections may be removed and built anew while others wait.
    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


class ProjectionStore:
    """Rows by kind and key, in step with one journal up to `applied_sequence`. Safe to use from several threads.

    Raises
    ------
    StaleProjectionError
        The file is damaged, or of another layout. `ProjectionStore.rebuild(path)` makes an empty one.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        self._lock = threading.Lock()
        if not self._path.exists():
            os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600))
        self._connection = sqlite3.connect(
            self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        with contextlib.ExitStack() as undo:
            undo.callback(self._connection.close)
            self._guarded(self._prepare)
            undo.pop_all()

    @classmethod
    def rebuild(cls, path: Path | str) -> ProjectionStore:
        """Return an empty store in place of whatever the file holds; replay the journal into it from record 1."""
        for suffix in ("", "-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        return cls(path)

    @property
    def applied_sequence(self) -> int:
        """Return the sequence of the last journal record that is folded in, 0 for none."""
        return int(self._meta("applied_sequence") or 0)

    def apply(self, batch: Sequence[Change], sequence: int, journal_id: str = "", record_hash: bytes = b"") -> None:
        """Store the changes, and that they are the fold up to `sequence`, in one transaction.

        Give the journal's id and the hash of record `sequence` as well, and `is_stale` can tell a foreign journal.

        Raises
        ------
        DomainError
            `sequence` goes back.
        StaleProjectionError
            The file is damaged.
        """

        def work() -> None:
            self._connection.execute("BEGIN IMMEDIATE")
            with contextlib.ExitStack() as undo:
                undo.callback(self._undo)
                applied = int(self._read_meta("applied_sequence") or 0)
                if sequence < applied:
                    raise DomainError(
                        f"projections stand at record {applied}, a batch for {sequence} came after it", hint=_REBUILD
                    )
                self._store(batch)
                self._connection.executemany(
                    "INSERT OR REPLACE INTO meta VALUES(?, ?)",
                    [
                        ("applied_sequence", str(sequence)),
                        ("journal_id", journal_id or self._read_meta("journal_id")),
                        ("record_hash", record_hash.hex()),
                    ],
                )
                self._connection.execute("COMMIT")
                undo.pop_all()

        self._guarded(work)

    def get(self, table_kind: str, key: str) -> bytes | None:
        """Return the body that stands under `key`, None where there is none."""
        query = "SELECT body FROM state WHERE kind = ? AND key = ?"
        row = self._guarded(lambda: self._connection.execute(query, (table_kind, key)).fetchone())
        return None if row is None else bytes(row[0])

    def scan(self, table_kind: str) -> Iterator[Row]:
        """Yield every row of a kind as it is now, by key."""
        query = "SELECT key, body FROM state WHERE kind = ? ORDER BY key"
        return (Row(*row) for row in self._guarded(lambda: self._connection.execute(query, (table_kind,)).fetchall()))

    def is_stale(self, journal: Journal, journal_id: str = "") -> bool:
        """Return whether this is no fold of `journal`: another id, ahead of it, or another record at the same place."""
        applied = self.applied_sequence
        known_id, known_hash = self._meta("journal_id"), self._meta("record_hash")
        if journal_id and known_id and journal_id != known_id:
            return True
        if applied == 0:
            return False
        record = next(iter(journal.read(after=applied - 1)), None)
        if record is None or record.sequence != applied:
            return True
        return bool(known_hash) and record.hash.hex() != known_hash

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    def _prepare(self) -> None:
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        if (found := self._connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(found)
        for statement in _TABLES:
            self._connection.execute(statement)
        layout = self._read_meta("layout")
        if not layout:
            self._connection.execute("INSERT INTO meta VALUES('layout', ?)", (_STAMP,))
        elif layout != _STAMP:
            raise sqlite3.DatabaseError(f"layout {layout}, expected {_STAMP}")

    def _undo(self) -> None:
        # Some errors (no space, for one) have rolled back already.
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _store(self, batch: Sequence[Change]) -> None:
        # In order: a key may be stored and removed in the same batch.
        for change in batch:
            if change.body is None:
                self._connection.execute(
                    "DELETE FROM state WHERE kind = ? AND key = ?", (change.table_kind, change.key)
                )
            else:
                self._connection.execute(
                    "INSERT OR REPLACE INTO state VALUES(?, ?, ?)", (change.table_kind, change.key, change.body)
                )

    def _meta(self, name: str) -> str:
        return self._guarded(lambda: self._read_meta(name))

    def _read_meta(self, name: str) -> str:
        row = self._connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return "" if row is None else str(row[0])

    def _guarded(self, work: Callable[[], Result]) -> Result:
        """Do `work` alone, and call damage by its name."""
        with self._lock:
            try:
                return work()
            except sqlite3.DatabaseError as error:
                if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) in _DAMAGED:
                    raise StaleProjectionError(f"{self._path} is damaged: {error}", hint=_REBUILD) from error
                raise DomainError(
                    f"{self._path} cannot be used: {error}", hint="free space, or see who else holds the file"
                ) from error

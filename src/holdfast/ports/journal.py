"""The authority: one append-only, hash-chained sequence of records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from holdfast.core.record import Record


class JournalRecord(Record, frozen=True):
    """One durable record. `hash` is SHA-256 over the previous hash and everything else in it."""

    sequence: int  # from 1, without holes
    ts_journal: int  # when it was written
    kind: str  # "run", "tick", "input", "checkpoint", "operator", ...
    body: bytes  # canonical JSON
    hash: bytes


class Entry(Record, frozen=True):
    """What somebody wants to have recorded."""

    kind: str
    body: bytes


class Receipt(Protocol):
    """The promise that comes back at once; `wait` returns when the entries are durable."""

    def wait(self) -> int:
        """Block until durable and return the sequence of the last entry; raise JournalError if it never will be."""
        ...


class Journal(Protocol):
    """Append and read. An effect leaves the house only after its record is durable."""

    def append(self, entries: Sequence[Entry]) -> Receipt:
        """Queue the entries as one atomic group, in order."""
        ...

    def flush(self) -> None:
        """Block until everything appended so far is durable."""
        ...

    def read(self, after: int = 0, kinds: Sequence[str] = ()) -> Iterator[JournalRecord]:
        """Yield durable records with a sequence above `after`, of the given kinds (all when empty)."""
        ...

    @property
    def head(self) -> tuple[int, bytes]:
        """Return sequence and hash of the last durable record; (0, 32 zero bytes) when empty."""
        ...

    def close(self) -> None:
        """Make everything durable and let go of the files."""
        ...

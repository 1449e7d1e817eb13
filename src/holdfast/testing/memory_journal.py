"""A journal in memory that keeps the journal's promises, and whose power can be cut at any write."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator, Sequence

from holdfast.core.errors import JournalError
from holdfast.ports.journal import Entry, JournalRecord

_KIND = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)


class PowerCutError(Exception):
    """The power went while something was being written. No part of the house may catch this."""


class MemoryRecords:
    """What survives: durable records, shared by all journals that are opened on them one after the other."""

    def __init__(self) -> None:
        self.durable: list[JournalRecord] = []


class MemoryReceipt:
    """The promise for one group of entries."""

    __slots__ = ("_end", "_journal")

    def __init__(self, journal: MemoryJournal, end: int) -> None:
        self._journal, self._end = journal, end

    def wait(self) -> int:
        """Make everything up to this group durable and return the sequence of its last entry."""
        self._journal.flush()
        return self._end


class MemoryJournal:
    """Implements `ports.journal.Journal`. What nobody waited for is lost when the object is dropped, as on a real disk.

    `writes_left`: so many groups become durable, then the power is cut: that group and all after it are lost.
    """

    def __init__(self, records: MemoryRecords | None = None, writes_left: int | None = None) -> None:
        self.records = records or MemoryRecords()
        self.writes_left = writes_left
        self._pending: list[tuple[Entry, ...]] = []
        self._end = len(self.records.durable)
        self._is_closed = False
        self._lock = threading.Lock()

    def append(self, entries: Sequence[Entry]) -> MemoryReceipt:
        """Queue the entries as one atomic group, in order."""
        group = tuple(entries)
        for entry in group:
            if not entry.body or not _KIND.fullmatch(entry.kind):
                raise JournalError(f"an entry of kind {entry.kind!r} with {len(entry.body)} bytes cannot be recorded")
        with self._lock:
            if self._is_closed:
                raise JournalError("the journal is closed", hint="open it again")
            if group:
                self._pending.append(group)
                self._end += len(group)
            return MemoryReceipt(self, self._end)

    def flush(self) -> None:
        """Make everything appended so far durable.

        Raises
        ------
        PowerCutError
            Before all of it was: what is durable then is a prefix that ends between two groups.
        """
        with self._lock:
            while self._pending:
                if self.writes_left is not None:
                    if not self.writes_left:
                        raise PowerCutError
                    self.writes_left -= 1
                for entry in self._pending.pop(0):
                    self._write(entry)

    def _write(self, entry: Entry) -> None:
        durable = self.records.durable
        before = durable[-1].hash if durable else bytes(32)
        sequence = len(durable) + 1
        digest = hashlib.sha256(b"%b%d\0%b\0%b" % (before, sequence, entry.kind.encode(), entry.body)).digest()
        durable.append(JournalRecord(sequence, sequence, entry.kind, entry.body, digest))

    def read(self, after: int = 0, kinds: Sequence[str] = ()) -> Iterator[JournalRecord]:
        """Yield durable records with a sequence above `after`, of the given kinds (all when empty)."""
        durable = self.records.durable
        for index in range(after, len(durable)):
            record = durable[index]
            if not kinds or record.kind in kinds:
                yield record

    @property
    def head(self) -> tuple[int, bytes]:
        """Return sequence and hash of the last durable record."""
        durable = self.records.durable
        return (durable[-1].sequence, durable[-1].hash) if durable else (0, bytes(32))

    def close(self) -> None:
        """Make everything durable and take nothing more."""
        self.flush()
        self._is_closed = True

"""A journal as it was at one record: what a reader works on while an agent may be writing on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from holdfast.adapters.storage.sqlite.journal import SqliteJournal
from holdfast.ports.journal import Entry, JournalRecord


class _Kept:
    """The receipt of a journal that keeps nothing."""

    def wait(self) -> int:
        return 0


class PinnedJournal:
    """The records up to the last of now; nothing that is written later is seen.

    It takes writes without storing them, so that a rebuilt agent may act as if it ran: `written` has them.
    """

    def __init__(self, journal: SqliteJournal) -> None:
        self._journal = journal
        self._head = journal.head
        self.written: list[Entry] = []
        """What a rebuilt agent has done of the last turn, and the agent that ran had not recorded yet."""

    def append(self, entries: Sequence[Entry]) -> _Kept:
        """Take note of the entries."""
        self.written += entries
        return _Kept()

    def flush(self) -> None:
        """Do nothing: there is nothing to keep."""

    def read(self, after: int = 0, kinds: Sequence[str] = ()) -> Iterator[JournalRecord]:
        """Yield the records with a sequence above `after` and up to the head, of the given kinds (all when empty)."""
        for record in self._journal.read(after, kinds):
            if record.sequence > self._head[0]:
                return
            yield record

    @property
    def head(self) -> tuple[int, bytes]:
        """Return sequence and hash of the last record that is seen."""
        return self._head

    def close(self) -> None:
        """Let the files go."""
        self._journal.close()

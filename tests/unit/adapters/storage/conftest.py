"""Journals to be damaged: small, made in a moment, and changed behind the back of their writer."""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from holdfast.adapters.storage.sqlite.config import JournalConfig
from holdfast.adapters.storage.sqlite.journal import SqliteJournal
from holdfast.core.time import UnixNanos
from holdfast.ports.journal import Entry

MakeJournal = Callable[..., Path]


class FrozenClock:
    def __init__(self, ts: int = 1_700_000_000_000_000_000) -> None:
        self.ts = ts

    def now(self) -> UnixNanos:
        self.ts += 1
        return UnixNanos(self.ts)


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def make_journal(tmp_path: Path) -> MakeJournal:
    """Return a function that makes a closed journal and gives its folder."""

    def make(bodies: Sequence[bytes] = (), *, name: str = "journal", segment_records: int = 1_000_000) -> Path:
        folder = tmp_path / name
        config = JournalConfig(segment_records_max=segment_records, batch_records_max=1)
        with SqliteJournal(folder, FrozenClock(), config=config) as journal:
            for number, body in enumerate(bodies or [b'{"n":%d}' % n for n in range(12)]):
                journal.append([Entry("tick" if number % 3 else "run", body)])
        return folder

    return make


def change(folder: Path, statement: str, *values: object, segment: int = 1) -> None:
    """Run a statement on a segment as somebody would who has the file and a tool."""
    connection = sqlite3.connect(folder / f"journal-{segment:06d}.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.execute(statement, values)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()

"""Every journal honours the contract."""

from pathlib import Path

import pytest
from tests.contract.journal_contract import JournalContract

from holdfast.adapters.storage.sqlite.config import JournalConfig
from holdfast.adapters.storage.sqlite.journal import SqliteJournal
from holdfast.core.time import UnixNanos


class SteppingClock:
    """A microsecond passes with every look."""

    def __init__(self) -> None:
        self.ts = 1_700_000_000_000_000_000

    def now(self) -> UnixNanos:
        self.ts += 1_000
        return UnixNanos(self.ts)


class TestSqliteJournal(JournalContract):
    def open(self, path: Path) -> SqliteJournal:
        return SqliteJournal(path, SteppingClock())


class TestSqliteJournalInSmallSegments(JournalContract):
    """A new segment every three records or so, and one commit per group."""

    def open(self, path: Path) -> SqliteJournal:
        return SqliteJournal(path, SteppingClock(), config=JournalConfig(segment_records_max=3, batch_records_max=1))


class TestSqliteJournalThatLingers(JournalContract):
    def open(self, path: Path) -> SqliteJournal:
        return SqliteJournal(path, SteppingClock(), config=JournalConfig(linger_ms=200, queue_records_max=50))


@pytest.mark.parametrize("name", ["TestSqliteJournal"])
def test_the_suite_itself_is_not_empty(name: str):
    assert sum(test.startswith("test_") for test in dir(globals()[name])) >= 10

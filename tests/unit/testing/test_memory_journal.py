"""The journal in memory keeps the journal's promises, and loses on a power cut what a disk would lose."""

from pathlib import Path

import pytest
from tests.contract.journal_contract import JournalContract

from holdfast.ports.journal import Entry
from holdfast.testing.memory_journal import MemoryJournal, MemoryRecords, PowerCutError


class TestMemoryJournal(JournalContract):
    disks: dict[Path, MemoryRecords]

    @pytest.fixture(autouse=True)
    def _disks(self):
        self.disks = {}

    def open(self, path: Path) -> MemoryJournal:
        return MemoryJournal(self.disks.setdefault(path, MemoryRecords()))


def test_what_nobody_waited_for_is_lost_when_the_journal_is_dropped():
    records = MemoryRecords()
    journal = MemoryJournal(records)
    journal.append([Entry("tick", b"1")]).wait()
    journal.append([Entry("tick", b"2")])
    assert [record.body for record in MemoryJournal(records).read()] == [b"1"]


def test_a_power_cut_leaves_whole_groups_only():
    records = MemoryRecords()
    journal = MemoryJournal(records, writes_left=1)
    journal.append([Entry("tick", b"1"), Entry("tick", b"2")])
    journal.append([Entry("tick", b"3")])
    with pytest.raises(PowerCutError):
        journal.flush()
    assert [record.body for record in records.durable] == [b"1", b"2"]

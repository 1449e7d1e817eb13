"""What every journal must do, whatever it is made of. A subclass says how one is opened."""

import threading
from abc import ABC, abstractmethod
from pathlib import Path

import pytest

from holdfast.core.errors import JournalError
from holdfast.ports.journal import Entry, Journal

BODIES = [
    b'{"type":"Tick","sequence":1}',
    '{"text":"Größe ☃ \\u0000 𝄞"}'.encode(),
    b'{"float":1.7976931348623157e308,"tiny":5e-324,"long":0.1000000000000000055511151231257827}',
    b'  {"spaces" :  [1, 2 ,3]}  ',
    b"null",
    b"{" + b'"k":"' + b"x" * 70_000 + b'"}',
    b"\x00\xff not even text \n",
]


class JournalContract(ABC):
    """Give `open`, and every promise of the port is tested."""

    @abstractmethod
    def open(self, path: Path) -> Journal:
        """Return the journal kept at `path`; the same path gives the same journal again."""

    @pytest.fixture
    def journal(self, tmp_path: Path):
        journal = self.open(tmp_path / "journal")
        yield journal
        journal.close()

    def test_an_empty_journal_has_the_genesis_head_and_no_records(self, journal: Journal):
        assert journal.head == (0, bytes(32))
        assert list(journal.read()) == []

    def test_a_receipt_gives_the_sequence_of_its_last_entry(self, journal: Journal):
        assert journal.append([Entry("run", b"{}")]).wait() == 1
        assert journal.append([Entry("tick", b"{}"), Entry("tick", b"[]")]).wait() == 3
        assert journal.head[0] == 3

    def test_bodies_come_back_byte_for_byte(self, journal: Journal):
        journal.append([Entry("input", body) for body in BODIES]).wait()
        assert [record.body for record in journal.read()] == BODIES

    def test_sequences_have_no_holes_and_the_head_is_the_last_record(self, journal: Journal):
        for size in (1, 5, 2, 40):
            journal.append([Entry("tick", b"%d" % size)] * size)
        journal.flush()
        records = list(journal.read())
        assert [record.sequence for record in records] == list(range(1, 49))
        assert journal.head == (records[-1].sequence, records[-1].hash)
        assert len({record.hash for record in records}) == 48

    def test_read_starts_after_a_sequence_and_keeps_to_the_kinds(self, journal: Journal):
        journal.append([Entry(kind, b"{}") for kind in ("run", "tick", "operator", "tick", "checkpoint")])
        journal.flush()
        assert [record.sequence for record in journal.read(after=3)] == [4, 5]
        assert [record.sequence for record in journal.read(kinds=["tick"])] == [2, 4]
        assert [record.sequence for record in journal.read(2, ["operator", "checkpoint"])] == [3, 5]
        assert [record.sequence for record in journal.read(2, ["operator", "tick"])] == [3, 4]
        assert list(journal.read(kinds=["nothing"])) == []
        assert list(journal.read(after=5)) == []

    def test_everything_is_there_again_after_it_was_closed(self, tmp_path: Path):
        first = self.open(tmp_path / "journal")
        first.append([Entry("run", b"1"), Entry("tick", b"2")])
        first.close()
        second = self.open(tmp_path / "journal")
        assert [record.body for record in second.read()] == [b"1", b"2"]
        assert second.head == (2, next(iter(second.read(after=1))).hash)
        assert second.append([Entry("tick", b"3")]).wait() == 3
        second.close()

    def test_a_closed_journal_refuses_and_may_be_closed_again(self, tmp_path: Path):
        journal = self.open(tmp_path / "journal")
        receipt = journal.append([Entry("run", b"{}")])
        journal.close()
        journal.close()
        assert receipt.wait() == 1
        with pytest.raises(JournalError) as refusal:
            journal.append([Entry("run", b"{}")])
        assert refusal.value.hint

    def test_groups_of_many_threads_are_never_mixed(self, journal: Journal):
        def produce(name: int) -> None:
            for turn in range(12):
                journal.append([Entry("tick", b"[%d,%d,%d]" % (name, turn, part)) for part in range(3)])

        threads = [threading.Thread(target=produce, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        journal.flush()
        bodies = [record.body for record in journal.read()]
        groups = [bodies[start : start + 3] for start in range(0, len(bodies), 3)]
        assert len(groups) == 48
        for group in groups:
            name, turn = group[0][1:-1].split(b",")[:2]
            assert group == [b"[%s,%s,%d]" % (name, turn, part) for part in range(3)]
        for name in range(4):
            mine = [group[0] for group in groups if group[0].startswith(b"[%d," % name)]
            assert mine == [b"[%d,%d,0]" % (name, turn) for turn in range(12)]

    def test_an_entry_that_cannot_be_recorded_is_refused_at_once_and_harms_no_other(self, journal: Journal):
        journal.append([Entry("run", b"{}")])
        for bad in (Entry("run", b""), Entry("No Kind", b"{}"), Entry("", b"{}"), Entry("ru\u00f6", b"{}")):
            with pytest.raises(JournalError):
                journal.append([Entry("run", b"{}"), bad])
        assert journal.append([Entry("run", b"{}")]).wait() == 2

    def test_an_empty_group_is_durable_when_what_was_before_it_is(self, journal: Journal):
        journal.append([Entry("run", b"{}")])
        assert journal.append([]).wait() == 1

"""Crowds and single producers at once, on disks that are quick, slow or soon full: nobody hangs, nobody is lied to."""

import asyncio
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import pytest

from holdfast.adapters.storage.sqlite.config import JournalConfig
from holdfast.adapters.storage.sqlite.journal import SqliteJournal
from holdfast.adapters.storage.sqlite.verify import verify
from holdfast.adapters.storage.sqlite.writer import Ticket, Writer
from holdfast.core.errors import JournalError
from holdfast.core.time import UnixNanos
from holdfast.ports.journal import Entry

pytestmark = pytest.mark.slow

SECONDS_MAX = 30.0


class WallClock:
    def now(self) -> UnixNanos:
        return UnixNanos(time.time_ns())


@dataclass
class Storm:
    """One seeded storm: what it did to the journal, and what it was promised."""

    journal: SqliteJournal
    seed: int
    acknowledged: dict[int, list[Entry]] = field(default_factory=dict)
    refused: int = 0
    faults: list[Exception] = field(default_factory=list)

    def run(self, kind: Callable[[int], None], name: int) -> None:
        """Be a thread's target: an assertion or a timeout in it must not get lost."""
        try:
            kind(name)
        except Exception as fault:  # top of task: the thread ends, and the test fails with what it was
            self.faults.append(fault)

    def crowd(self, name: int) -> None:
        rng = random.Random(self.seed * 100 + name)

        async def produce(producer: int) -> None:
            for turn in range(rng.choice((1, 5, 20))):
                text = f'"{name}-{producer}-{turn}-%d"'
                group = [Entry("tick", (text % part).encode()) for part in range(rng.choice((1, 1, 1, 4, 60)))]
                task = asyncio.create_task(self.journal.append_async(group))
                if rng.random() < 0.05:
                    await asyncio.sleep(0)
                    task.cancel()
                try:
                    self.acknowledged[await task] = group
                except JournalError:
                    self.refused += 1
                    return
                except asyncio.CancelledError:
                    continue

        async def everybody() -> None:
            producers = [produce(number) for number in range(rng.choice((40, 100, 250)))]
            await asyncio.wait_for(asyncio.gather(*producers), SECONDS_MAX)

        asyncio.run(everybody())

    def single(self, name: int) -> None:
        rng = random.Random(self.seed * 100 + name)
        try:
            for turn in range(60):
                group = [Entry("run", f'"single-{name}-{turn}"'.encode())]
                receipt = self.journal.append(group)
                if rng.random() < 0.6:
                    self.acknowledged[receipt.wait()] = group
        except JournalError:
            self.refused += 1


def rage(storm: Storm, rng: random.Random) -> None:
    """Let all of them loose on the journal, and sometimes close it under their feet."""
    delay, commit = rng.choice((0.0, 0.000_5, 0.004)), Writer._commit

    def slowly(self: Writer, batch: list[Ticket]) -> None:
        time.sleep(delay * rng.random())
        commit(self, batch)

    kinds = [storm.crowd, storm.single, storm.crowd, storm.single]
    with mock.patch.object(Writer, "_commit", slowly):
        threads = [
            threading.Thread(target=storm.run, args=(kind, name), daemon=True) for name, kind in enumerate(kinds)
        ]
        for thread in threads:
            thread.start()
        if rng.random() < 0.3:
            time.sleep(rng.random() * 0.05)
            storm.journal.close()
        for thread in threads:
            thread.join(SECONDS_MAX)
            assert not thread.is_alive(), "a producer hangs"
        storm.journal.close()


@pytest.mark.parametrize("seed", range(12))
def test_whatever_was_acknowledged_in_a_storm_is_there(tmp_path: Path, seed: int):
    rng = random.Random(seed)
    config = JournalConfig(
        linger_ms=rng.choice((0, 5)),
        batch_records_max=rng.choice((8_192, 37)),
        segment_records_max=rng.choice((1_000_000, 300)),
        queue_records_max=rng.choice((200_000, 50)),
        head_interval_ms=60_000,  # nobody is answered merely because the head is noted
    )
    storm = Storm(SqliteJournal(tmp_path, WallClock(), config=config), seed)
    is_disk_small = seed % 4 == 3
    if is_disk_small:
        writer = storm.journal._writer
        assert writer is not None
        pages = writer._connection.execute("PRAGMA page_count").fetchone()[0]
        writer._connection.execute(f"PRAGMA max_page_count={pages + rng.choice((3, 30))}")
    rage(storm, rng)
    with SqliteJournal(tmp_path, WallClock(), is_read_only=True) as reader:
        bodies = [record.body for record in reader.read()]
    for sequence, group in storm.acknowledged.items():
        assert bodies[sequence - len(group) : sequence] == [entry.body for entry in group]
    assert storm.faults == []
    assert verify(tmp_path).is_whole
    assert storm.acknowledged or storm.refused

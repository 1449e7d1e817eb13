"""Kill the process that writes the journal, many times, and count acknowledged records that did not come back.

`python benchmarks/kill9.py --kills 1000 --seed 1` prints one JSON line. A child appends groups and says over a pipe
which sequence it was promised, after every promise; it gets SIGKILL at a random moment (while opening, too). The next
child opens the same journal, which must hold all that was promised, and goes on. Some children are one producer, some a
crowd on an event loop. At the end everything is compared.
"""

import argparse
import asyncio
import itertools
import json
import os
import random
import signal
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from holdfast.adapters.storage.sqlite.config import JournalConfig
from holdfast.adapters.storage.sqlite.journal import SqliteJournal
from holdfast.adapters.storage.sqlite.verify import verify
from holdfast.core.errors import JournalError
from holdfast.core.time import UnixNanos
from holdfast.ports.journal import Entry

_MESSAGE = struct.Struct(
    ">QQ"
)  # a group's number and the promised sequence of its last record; (0, head) after opening
EARLY_SHARE = 0.3
CROWD_SHARE = 0.4
CROWD = 100
GROUP_SIZES = (1, 1, 1, 3, 10, 200)


class WallClock:
    def now(self) -> UnixNanos:
        return UnixNanos(time.time_ns())


@dataclass
class Tally:
    kills: int = 0
    acknowledged: int = 0  # sequence of the last promised record
    promised: dict[int, int] = field(default_factory=dict)  # group -> sequence of its last record
    openings_killed: int = 0
    failures: list[str] = field(default_factory=list)


def group_entries(number: int) -> list[Entry]:
    """Return group `number`, the same every time, so that whoever checks can make it again."""
    size = GROUP_SIZES[number % len(GROUP_SIZES)]
    fill = "x" * (number * 37 % 400)
    return [
        Entry("tick" if part else "run", f'{{"group":{number},"part":{part},"fill":"{fill}"}}'.encode())
        for part in range(size)
    ]


def child(folder: Path, first_group: int, pipe: int, is_crowd: bool) -> None:
    """Open, say where the journal ends, and append until the end comes."""
    config = JournalConfig(segment_records_max=20_000, head_interval_ms=5, checkpoint_pages=50)
    journal = SqliteJournal(folder, WallClock(), config=config)
    os.write(pipe, _MESSAGE.pack(0, journal.head[0]))
    if is_crowd:
        asyncio.run(crowd(journal, itertools.count(first_group), pipe))
    number = first_group
    while True:
        # Two groups are on the way at any time, so that a kill finds one in the middle of a commit.
        receipts = [(n, journal.append(group_entries(n))) for n in (number, number + 1)]
        for group, receipt in receipts:
            os.write(pipe, _MESSAGE.pack(group, receipt.wait()))
        number += 2


async def crowd(journal: SqliteJournal, numbers: Iterator[int], pipe: int) -> None:
    """Append as many producers that each wait for their own group: these are written in halves."""

    async def produce() -> None:
        for number in numbers:
            sequence = await journal.append_async(group_entries(number))
            os.write(pipe, _MESSAGE.pack(number, sequence))

    await asyncio.gather(*(produce() for _ in range(CROWD)))


def one_kill(folder: Path, first_group: int, seconds: float, tally: Tally, *, is_early: bool, is_crowd: bool) -> int:
    """Start a child, kill it `seconds` later (while it opens, if `is_early`); return the next free group number."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            os.close(reading)
            child(folder, first_group, writing, is_crowd)
        finally:
            os._exit(1)  # the child must never run the parent's code
    os.close(writing)
    # Some are killed while they open; the others, once they are open.
    first = b"" if is_early else os.read(reading, _MESSAGE.size)
    time.sleep(seconds)
    os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    if os.WIFEXITED(status):
        tally.failures.append(f"kill {tally.kills}: the writer ended by itself, the journal could not be used")
    with os.fdopen(reading, "rb") as pipe:
        content = first + pipe.read()
    messages = list(_MESSAGE.iter_unpack(content[: len(content) // _MESSAGE.size * _MESSAGE.size]))
    tally.kills += 1
    if not messages:
        tally.openings_killed += 1
        return first_group
    if messages[0][1] < tally.acknowledged:
        tally.failures.append(f"kill {tally.kills}: {tally.acknowledged} were promised, {messages[0][1]} came back")
    for number, sequence in messages[1:]:
        tally.promised[number] = sequence
        tally.acknowledged = max(tally.acknowledged, sequence)
    # The child may have appended more than it could report: two groups, or two of each in a crowd.
    return max((number for number, _ in messages[1:]), default=first_group - 1) + 2 * CROWD + 1


def check_everything(folder: Path, tally: Tally) -> int:
    """Compare the journal with every promise; return how many records it holds."""
    try:
        with SqliteJournal(folder, WallClock()) as journal:
            if journal.head[0] < tally.acknowledged:
                tally.failures.append(f"{tally.acknowledged} were promised, {journal.head[0]} are there")
        report = verify(folder)
        tally.failures += [problem.message for problem in report.problems]
        reader = SqliteJournal(folder, WallClock(), is_read_only=True)
        bodies = [record.body for record in reader.read()]
    except JournalError as error:
        tally.failures.append(str(error))
        return 0
    for number, sequence in tally.promised.items():
        expected = [entry.body for entry in group_entries(number)]
        if bodies[sequence - len(expected) : sequence] != expected:
            tally.failures.append(f"group {number}, promised up to {sequence}, is not there")
    return len(bodies)


def run(folder: Path, kills: int, seed: int) -> tuple[Tally, int]:
    """Kill `kills` times; return what happened and how many records the journal holds."""
    rng = random.Random(seed)
    tally = Tally()
    group = 1
    for _ in range(kills):
        seconds = rng.random() * rng.choice((0.01, 0.03, 0.1))
        is_early, is_crowd = rng.random() < EARLY_SHARE, rng.random() < CROWD_SHARE
        group = one_kill(folder, group, seconds, tally, is_early=is_early, is_crowd=is_crowd)
    return tally, check_everything(folder, tally)


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill the writer of the journal.")
    parser.add_argument("--kills", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="kill9-") as folder:
        tally, records = run(Path(folder) / "journal", arguments.kills, arguments.seed)
    print(
        json.dumps(
            {
                "benchmark": "journal_kill9",
                "kills": tally.kills,
                "seed": arguments.seed,
                "lost_or_wrong": len(tally.failures),
                "acknowledged_records": tally.acknowledged,
                "acknowledged_groups": len(tally.promised),
                "records": records,
                "killed_while_opening": tally.openings_killed,
                "failures": tally.failures[:5],
                "seconds": round(time.perf_counter() - started, 1),
            }
        )
    )
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())

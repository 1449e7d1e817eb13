"""Cut the power under the journal, many times, and count acknowledged records that did not come back.

`python benchmarks/powercut.py --cuts 1000 --seed 1` prints one JSON line. Each cut writes a small journal (commits,
segments, checkpoints, notes of the head) on the file system of `powercut_fs.py`, loses its power in the middle of a
seeded operation, comes back, is opened (sometimes losing its power again meanwhile), and must then hold every
acknowledged record byte for byte, end at the border of a group, verify, and take more records. Who writes is one
producer, or a crowd on an event loop.

Needs /dev/fuse, fusermount3 (Debian: fuse3) and mfusepy.
"""

import argparse
import asyncio
import contextlib
import importlib.util
import json
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from holdfast.adapters.storage.sqlite import schema, segments
from holdfast.adapters.storage.sqlite.config import JournalConfig
from holdfast.adapters.storage.sqlite.journal import SqliteJournal
from holdfast.adapters.storage.sqlite.verify import verify
from holdfast.core.errors import JournalError
from holdfast.core.time import UnixNanos
from holdfast.ports.journal import Entry

FILE_SYSTEM = Path(__file__).with_name("powercut_fs.py")
MOUNT_SECONDS = 20.0
CONTROL_CUTS = 50
CROWD_SHARE = 0.3
CROWD = 80


class LostError(AssertionError):
    """An acknowledged record is gone, or the journal cannot be used after a cut."""


class WallClock:
    def now(self) -> UnixNanos:
        return UnixNanos(time.time_ns())


def missing_requirement() -> str:
    """Return why this machine cannot run the drill; empty when it can."""
    if not Path("/dev/fuse").exists():
        return "/dev/fuse is missing"
    if shutil.which("fusermount3") is None:
        return "fusermount3 is missing: install fuse3"
    if importlib.util.find_spec("mfusepy") is None:
        return "mfusepy is missing: pip install mfusepy"
    return ""


class PowerCutDisk:
    """The file system in a process of its own, mounted."""

    def __init__(self, mountpoint: Path) -> None:
        self.mountpoint = mountpoint
        self._process = subprocess.Popen(
            [sys.executable, str(FILE_SYSTEM), str(mountpoint)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        deadline = time.monotonic() + MOUNT_SECONDS
        while not mountpoint.is_mount():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the file system did not start (exit code {self._process.poll()})")
            time.sleep(0.02)

    def ask(self, do: str, folder: str, **more: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, "folder": folder, **more}) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        subprocess.run(["fusermount3", "-u", "-z", str(self.mountpoint)], check=False)
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextlib.contextmanager
def careless() -> Iterator[None]:
    """Let the journal commit without waiting for the disk: the drill must notice, or it proves nothing."""

    def connect(path: Path, *, is_exclusive: bool = False, checkpoint_pages: int = 1_000) -> sqlite3.Connection:
        connection = schema.connect(path, is_exclusive=is_exclusive, checkpoint_pages=checkpoint_pages)
        connection.execute("PRAGMA synchronous=NORMAL")
        return connection

    with mock.patch.object(segments, "connect", connect):
        yield


@contextlib.contextmanager
def mounted() -> Iterator[PowerCutDisk]:
    with tempfile.TemporaryDirectory(prefix="powercut-") as folder:
        disk = PowerCutDisk(Path(folder))
        try:
            yield disk
        finally:
            disk.close()


@dataclass
class Tally:
    """What happened so far."""

    cuts: int = 0
    acknowledged: int = 0
    unacknowledged_kept: int = 0
    lost_bytes: int = 0
    moments: Counter[str] = field(default_factory=Counter)


def random_group(rng: random.Random, number: int) -> list[Entry]:
    entries: list[Entry] = []
    for part in range(rng.randint(1, 5)):
        fill = rng.randbytes(rng.choice((10, 75, 75, 300, 2_500))).hex()
        body = f'{{"group":{number},"part":{part},"fill":"{fill}"}}'.encode()
        entries.append(Entry(rng.choice(("tick", "tick", "tick", "run", "operator")), body))
    return entries


def write_until_dark(folder: Path, rng: random.Random, config: JournalConfig) -> tuple[int, list[list[Entry]]]:
    """Append until the power is gone; return the last acknowledged sequence and everything that was appended."""
    if rng.random() < CROWD_SHARE:
        return asyncio.run(crowd_until_dark(folder, rng, config))
    groups: list[list[Entry]] = []
    receipts = []
    with contextlib.suppress(JournalError), SqliteJournal(folder, WallClock(), config=config) as journal:
        for number in range(40):
            groups.append(random_group(rng, number))
            receipts.append(journal.append(groups[-1]))
            if rng.random() < 0.7:
                receipts[-1].wait()
        journal.flush()
    return max((receipt.last for receipt in receipts if receipt.last > 0), default=0), groups


async def crowd_until_dark(folder: Path, rng: random.Random, config: JournalConfig) -> tuple[int, list[list[Entry]]]:
    """Do what `write_until_dark` does as many producers that each wait: a crowd is written in halves."""
    groups: list[list[Entry]] = []
    acknowledged = 0

    async def produce(journal: SqliteJournal) -> None:
        nonlocal acknowledged
        for _ in range(3):
            groups.append(random_group(rng, len(groups)))
            acknowledged = max(acknowledged, await journal.append_async(groups[-1]))

    with contextlib.suppress(JournalError), SqliteJournal(folder, WallClock(), config=config) as journal:
        await asyncio.gather(*(produce(journal) for _ in range(CROWD)), return_exceptions=True)
    return acknowledged, groups


def check_survivors(folder: Path, config: JournalConfig, acknowledged: int, groups: list[list[Entry]]) -> int:
    """Return how many records came back; LostError unless they are the right ones."""
    with SqliteJournal(folder, WallClock(), config=config) as journal:
        head = journal.head[0]
    written = [entry for group in groups for entry in group]
    borders = {0}
    for group in groups:
        borders.add(max(borders) + len(group))
    if head < acknowledged:
        raise LostError(f"{acknowledged} records were acknowledged, {head} came back")
    if head not in borders:
        raise LostError(f"a group was divided: the journal ends at record {head}")
    reader = SqliteJournal(folder, WallClock(), is_read_only=True)
    found = [Entry(record.kind, record.body) for record in reader.read()]
    if found != written[:head]:
        raise LostError("a record came back changed")
    with SqliteJournal(folder, WallClock(), config=config) as journal:
        more = journal.append([Entry("run", b'{"again":true}')]).wait()
    report = verify(folder)
    if more != head + 1 or report.records != more or not report.is_whole:
        raise LostError(f"the journal does not verify: {report.problems}")
    return head


def one_cut(disk: PowerCutDisk, name: str, seed: int, tally: Tally, operations_max: int) -> None:
    """Write, cut, come back, check."""
    rng = random.Random(seed)
    config = JournalConfig(
        is_exclusive=True,
        segment_records_max=rng.choice((7, 25, 1_000)),
        checkpoint_pages=rng.choice((10, 40, 1_000)),
        head_interval_ms=rng.choice((1, 20, 1_000)),
        batch_records_max=rng.choice((1, 8, 1_000)),
    )
    (disk.mountpoint / name).mkdir()
    disk.ask("arm", name, operation=rng.randint(1, operations_max), seed=seed)
    acknowledged, groups = write_until_dark(disk.mountpoint / name, rng, config)
    answer = disk.ask("cut", name)
    tally.moments[answer["in"]] += 1
    tally.lost_bytes += answer["lost_bytes"]
    names = [name, f"{name}-1"]
    disk.ask("revive", name, **{"as": names[1]})
    # A machine that lost its power may lose it again while it comes back.
    while rng.random() < 0.3:
        disk.ask("arm", names[-1], operation=rng.randint(1, 25), seed=rng.randrange(1 << 30))
        with contextlib.suppress(JournalError):
            SqliteJournal(disk.mountpoint / names[-1], WallClock(), config=config).close()
        tally.moments[f"{disk.ask('cut', names[-1])['in']} while coming back"] += 1
        names.append(f"{name}-{len(names)}")
        disk.ask("revive", names[-2], **{"as": names[-1]})
    kept = check_survivors(disk.mountpoint / names[-1], config, acknowledged, groups)
    tally.cuts += 1
    tally.acknowledged += acknowledged
    tally.unacknowledged_kept += kept - acknowledged
    for used in names:
        disk.ask("drop", used)


def run(cuts: int, seed: int, operations_max: int = 450) -> tuple[Tally, list[str]]:
    """Cut `cuts` times; return what happened, and what was lost."""
    tally = Tally()
    failures: list[str] = []
    with mounted() as disk:
        for number in range(cuts):
            try:
                one_cut(disk, f"disk-{number:06d}", seed * 1_000_003 + number, tally, operations_max)
            except (LostError, JournalError) as error:
                failures.append(f"cut {number} of seed {seed}: {error}")
    return tally, failures


def main() -> int:
    parser = argparse.ArgumentParser(description="Cut the power under the journal.")
    parser.add_argument("--cuts", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    reason = missing_requirement()
    if reason:
        print(json.dumps({"benchmark": "journal_powercut", "skipped": reason}))
        return 1
    with careless():
        _, noticed = run(CONTROL_CUTS, arguments.seed)
    started = time.perf_counter()
    tally, failures = run(arguments.cuts, arguments.seed)
    print(
        json.dumps(
            {
                "benchmark": "journal_powercut",
                "cuts": arguments.cuts,
                "seed": arguments.seed,
                "cuts_failed": len(failures),
                "control_cuts_failed": f"{len(noticed)} of {CONTROL_CUTS} with synchronous=NORMAL",
                "acknowledged_records": tally.acknowledged,
                "unacknowledged_kept": tally.unacknowledged_kept,
                "unsynced_bytes_at_risk": tally.lost_bytes,
                "moments": dict(tally.moments.most_common()),
                "failures": failures[:5],
                "seconds": round(time.perf_counter() - started, 1),
            }
        )
    )
    return 1 if failures or not noticed else 0


if __name__ == "__main__":
    sys.exit(main())

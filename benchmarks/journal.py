"""What the journal can take, beside what the disk can: one JSON line per figure.

`python benchmarks/journal.py [--records N] [--folder DIR]`. Before a figure counts, the answer is checked: every
acknowledged record is there, byte for byte, and the chain verifies. The physical limit is measured in the same run: a
plain file that gets the same number of bytes in batches of the same sizes, with one fdatasync each.
"""

import argparse
import asyncio
import gc
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from holdfast.adapters.storage.sqlite.config import JournalConfig
from holdfast.adapters.storage.sqlite.journal import SqliteJournal
from holdfast.adapters.storage.sqlite.verify import verify
from holdfast.adapters.storage.sqlite.writer import Ticket, Writer
from holdfast.core.time import UnixNanos
from holdfast.ports.journal import Entry

PRODUCERS = 256
ROUNDS = 5
SINGLE_RECORDS = 3_000
BACKTEST_GROUP = 100
STORED_BESIDE_BODY = 32 + 8 + 4  # hash, time, kind: what a plain file would have to hold too


class WallClock:
    def now(self) -> UnixNanos:
        return UnixNanos(time.time_ns())


class WrongError(AssertionError):
    """The journal does not hold what it acknowledged: then no figure counts."""


def body_of(number: int) -> bytes:
    """Return the JSON of a usual tick, about 190 bytes; each is different."""
    return (
        f'{{"sequence":{number},"event":{{"type":"BarClosed","instrument":"gateio:BTC/USDT","ts_open":{number * 60},'
        f'"open":57123.1,"high":57200.05,"low":57000.2,"close":57100.55,"volume":12.345}},"notes":["no signal"]}}'
    ).encode()


def emit(benchmark: str, value: float, unit: str, **more: Any) -> None:
    rounded = round(value, 3) if value < 1_000 else round(value)
    print(json.dumps({"benchmark": benchmark, "value": rounded, "unit": unit, **more}), flush=True)


def check(folder: Path, expected: Iterator[bytes], records: int) -> float:
    """Verify the chain and compare the bodies; return how long the verification took."""
    report = verify(folder)
    if not report.is_whole or report.records != records:
        raise WrongError(f"{report.records} of {records} records, {report.problems[:3]}")
    found = (record.body for record in SqliteJournal(folder, WallClock(), is_read_only=True).read())
    if any(mine != theirs for mine, theirs in zip(found, expected, strict=True)):
        raise WrongError("the bodies are not those that were acknowledged")
    return report.seconds


def plain_file(folder: Path, batches: list[int], record_bytes: int) -> list[float]:
    """Write batches of records to a plain file, with one fdatasync each; return the seconds that each one took."""
    descriptor = os.open(folder / "plain", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    seconds = []
    for batch in batches:
        content = os.urandom(record_bytes) * batch
        started = time.perf_counter()
        os.write(descriptor, content)
        os.fdatasync(descriptor)
        seconds.append(time.perf_counter() - started)
    os.close(descriptor)
    (folder / "plain").unlink()
    return seconds


def quantile(seconds: list[float], share: float) -> float:
    return sorted(seconds)[min(len(seconds) - 1, int(len(seconds) * share))]


def measure_producers(root: Path, records: int) -> None:
    """256 producers, each waiting for its record to be durable before it makes the next; the best of several rounds."""
    rounds = [produce_round(root / f"producers-{number}", records) for number in range(ROUNDS)]
    rates = [count / seconds for count, seconds, _ in rounds]
    count, _, batches = rounds[rates.index(max(rates))]
    limit = count / sum(plain_file(root, batches, len(body_of(count)) + STORED_BESIDE_BODY))
    emit(
        "journal_durable_acks",
        max(rates),
        "records/s",
        bar=100_000,
        median=round(statistics.median(rates)),
        rounds=[round(rate) for rate in rates],
        producers=PRODUCERS,
        records=count,
        commits=len(batches),
        plain_file_fdatasync=round(limit),
    )


def produce_round(folder: Path, records: int) -> tuple[int, float, list[int]]:
    """Return how many records were acknowledged, in how many seconds, and the sizes of the commits."""
    each = records // PRODUCERS
    work = [
        [(Entry("tick", body_of(number)),) for number in range(name * each, name * each + each)]
        for name in range(PRODUCERS)
    ]
    batches: list[int] = []
    commit = Writer._commit

    def counted(self: Writer, batch: list[Ticket]) -> None:
        batches.append(len(batch))
        commit(self, batch)

    acknowledged: dict[int, bytes] = {}

    async def produce(journal: SqliteJournal, groups: list[tuple[Entry]]) -> None:
        sequences = [await journal.append_async(group) for group in groups]
        acknowledged.update(zip(sequences, (group[0].body for group in groups), strict=True))

    async def all_of_them(journal: SqliteJournal) -> float:
        started = time.perf_counter()
        await asyncio.gather(*(produce(journal, groups) for groups in work))
        return time.perf_counter() - started

    # The prepared records are the benchmark's: the collector need not walk through them while the journal works.
    gc.collect()
    gc.freeze()
    with mock.patch.object(Writer, "_commit", counted), SqliteJournal(folder, WallClock()) as journal:
        seconds = asyncio.run(all_of_them(journal))
    gc.unfreeze()
    count = each * PRODUCERS
    check(folder, (acknowledged[sequence] for sequence in range(1, count + 1)), count)
    return count, seconds, batches


def measure_single(root: Path) -> None:
    """One producer that waits for each record: the latency of a decision."""
    folder = root / "single"
    seconds = []
    with SqliteJournal(folder, WallClock()) as journal:
        for number in range(SINGLE_RECORDS):
            entries = (Entry("tick", body_of(number)),)
            started = time.perf_counter()
            journal.append(entries).wait()
            seconds.append(time.perf_counter() - started)
    check(folder, map(body_of, range(SINGLE_RECORDS)), SINGLE_RECORDS)
    plain = plain_file(root, [1] * SINGLE_RECORDS, len(body_of(1)) + STORED_BESIDE_BODY)
    for name, share, bar in (("p50", 0.5, None), ("p99", 0.99, 5.0)):
        emit(
            f"journal_single_{name}",
            quantile(seconds, share) * 1_000,
            "ms",
            bar=bar,
            plain_file_fdatasync=round(quantile(plain, share) * 1_000, 3),
        )


def measure_backtest(root: Path, records: int) -> Path:
    """A busy loop that appends and never waits, as a backtest does; then verify what it wrote."""
    folder = root / "backtest"
    groups = [
        [Entry("tick", body_of(number)) for number in range(start, start + BACKTEST_GROUP)]
        for start in range(0, records, BACKTEST_GROUP)
    ]
    config = JournalConfig(linger_ms=20)
    with SqliteJournal(folder, WallClock(), config=config) as journal:
        started = time.perf_counter()
        for group in groups:
            journal.append(group)
        appended = time.perf_counter()
        journal.flush()
        flushed = time.perf_counter()
    count = len(groups) * BACKTEST_GROUP
    verified = check(folder, map(body_of, range(count)), count)
    emit("journal_append_without_waiting", (appended - started) / count * 1e6, "us/record", bar=2.0, records=count)
    plain = plain_file(root, [2_000] * (count // 2_000), len(body_of(count)) + STORED_BESIDE_BODY)
    emit(
        "journal_backtest",
        count / (flushed - started),
        "records/s",
        records=count,
        plain_file_fdatasync=round(count / sum(plain)),
    )
    emit("journal_verify", count / verified, "records/s", bar=200_000, records=count)
    size = sum(path.stat().st_size for path in folder.iterdir())
    raw = sum(len(entry.body) for group in groups for entry in group)
    emit(
        "journal_size",
        size / count,
        "bytes/record",
        body_bytes=round(raw / count, 1),
        plain_file=round(raw / count + STORED_BESIDE_BODY, 1),
    )
    return folder


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the journal.")
    parser.add_argument("--records", type=int, default=500_000)
    parser.add_argument(
        "--folder", type=Path, default=None, help="where to write; on the disk that you want to measure"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="journal-", dir=arguments.folder) as folder:
        measure_producers(Path(folder), arguments.records // 2)
        measure_single(Path(folder))
        measure_backtest(Path(folder), arguments.records)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Drills: what happens to a journal when its process, its disk or its power goes away.

The same drills run a thousand times through `benchmarks/powercut.py` and `benchmarks/kill9.py`.
"""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks import kill9, powercut

from holdfast.adapters.storage.sqlite.journal import SqliteJournal
from holdfast.adapters.storage.sqlite.verify import verify
from holdfast.core.errors import JournalError
from holdfast.ports.journal import Entry

SEED = 20_251_120
FILE_BYTES_MAX = 2_000_000

WRITER = """
import json, os, resource, signal, sys, time
from holdfast.adapters.storage.sqlite.journal import SqliteJournal
from holdfast.core.errors import HoldfastError
from holdfast.ports.journal import Entry

class WallClock:
    def now(self):
        return time.time_ns()

folder, size_max = sys.argv[1], int(sys.argv[2])
if size_max:
    # A write beyond the limit is answered like one on a full disk, with an error instead of ENOSPC's own number.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_max, size_max))
acknowledged = 0
try:
    journal = SqliteJournal(folder, WallClock())
    while True:
        acknowledged = journal.append([Entry("tick", b'"' + b"x" * 3_000 + b'"')] * 5).wait()
except HoldfastError as error:
    later = []
    for _ in range(3):
        try:
            journal.append([Entry("tick", b"1")])
        except HoldfastError as refusal:
            later.append(str(refusal))
        except NameError:
            pass
    print(json.dumps({"acknowledged": acknowledged, "error": str(error), "hint": error.hint, "later": len(later)}))
"""


def write_in_another_process(folder: Path, size_max: int = 0) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-c", WRITER, str(folder), str(size_max)],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


@pytest.mark.slow
def test_forty_kills_lose_no_acknowledged_record(tmp_path: Path):
    tally, records = kill9.run(tmp_path / "journal", 40, SEED)
    assert tally.failures == []
    assert tally.kills == 40
    assert records >= tally.acknowledged > 0


@pytest.mark.slow
def test_a_disk_that_refuses_to_grow_stops_the_journal_and_loses_nothing(tmp_path: Path):
    """RLIMIT_FSIZE stands in for a full disk: it needs no root, and the write fails in the kernel as it would there."""
    folder = tmp_path / "journal"
    answer = write_in_another_process(folder, FILE_BYTES_MAX)
    acknowledged = answer["acknowledged"]
    assert isinstance(acknowledged, int)
    assert acknowledged > 100
    assert "cannot be written" in str(answer["error"])
    assert "free space" in str(answer["hint"])
    assert answer["later"] == 3
    with SqliteJournal(folder, kill9.WallClock()) as journal:
        assert journal.head[0] >= acknowledged
        assert journal.append([Entry("run", b"{}")]).wait() > acknowledged
    assert verify(folder).is_whole


def test_a_second_process_is_refused_and_told_who_writes(tmp_path: Path):
    with SqliteJournal(tmp_path, kill9.WallClock()):
        answer = write_in_another_process(tmp_path)
    assert f"already being written by process {os.getpid()}" in str(answer["error"])
    assert str(os.getpid()) in str(answer["hint"])


def test_a_journal_survives_the_limit_of_open_files(tmp_path: Path):
    """When no file can be opened, the start is refused with a next step, and nothing is damaged."""
    with SqliteJournal(tmp_path, kill9.WallClock()) as journal:
        journal.append([Entry("run", b"{}")]).wait()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        with pytest.raises(JournalError) as refusal:
            SqliteJournal(tmp_path, kill9.WallClock())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert refusal.value.hint
    assert verify(tmp_path).is_whole


def require_fuse() -> None:
    reason = powercut.missing_requirement()
    if reason and os.environ.get("HOLDFAST_REQUIRE_FUSE") == "1":
        pytest.fail(f"HOLDFAST_REQUIRE_FUSE=1, but {reason}")
    if reason:
        pytest.skip(reason)


@pytest.mark.slow
def test_twenty_five_power_cuts_lose_no_acknowledged_record():
    require_fuse()
    tally, failures = powercut.run(25, SEED)
    assert failures == []
    assert tally.cuts == 25
    assert tally.acknowledged > 0


@pytest.mark.slow
def test_the_power_cut_drill_notices_a_journal_that_does_not_wait_for_the_disk():
    require_fuse()
    with powercut.careless():
        _, failures = powercut.run(25, SEED)
    assert failures


@pytest.mark.parametrize(("required", "outcome"), [("1", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_a_machine_without_fuse_skips_the_drill_unless_it_is_required(
    required: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOLDFAST_REQUIRE_FUSE", required)
    monkeypatch.setattr(powercut, "missing_requirement", lambda: "/dev/fuse is missing")
    with pytest.raises(outcome, match="/dev/fuse is missing"):
        require_fuse()

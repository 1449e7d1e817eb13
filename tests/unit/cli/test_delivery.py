"""A reader that leaves early is no error: nothing is said, and the exit code is the one that shells have for it."""

import json
import os
import subprocess
import sys

import pytest

PROGRAM = [sys.executable, "-c", "from holdfast.cli.main import main; main()"]
UNREAD = 141  # 128 + SIGPIPE, as `ls | head -0` has it under pipefail

COMMANDS = [
    ("--help",), ("run", "--help"), ("status",), ("status", "--json"), ("positions",), ("orders",), ("risk",),
    ("explain", "hf-1p"), ("why-not", "BTC/USDT"), ("strategies",), ("doctor",), ("data", "list"), ("data", "verify"),
    ("journal", "tail", "-n", "500"), ("journal", "tail", "--json"), ("journal", "verify"), ("journal", "export"),
    ("journal", "replay"),
]  # fmt: skip


pytestmark = pytest.mark.slow  # each starts a process or more


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
    kept.pop("PYTHONUNBUFFERED", None)  # what waits in a buffer until the end is half of the matter
    environment = {**kept, "HOLDFAST_HOME": str(tmp_path_factory.mktemp("delivery") / "home")}
    run = ("run", "--plain", "--market", "synthetic", "--strategy", "ma_crossover", "--bars", "150", "--pace", "100000")
    subprocess.run([*PROGRAM, *run], env=environment, check=True, capture_output=True)
    return environment


def unread(environment, *arguments, is_error_unread=False):
    """Run a command whose standard output nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return subprocess.run(
            [*PROGRAM, *arguments], env=environment, stdout=writer, text=True,
            stderr=writer if is_error_unread else subprocess.PIPE,
        )  # fmt: skip
    finally:
        os.close(writer)


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_command_whose_reader_has_gone_is_quiet_and_ends_as_others_do(environment, arguments):
    done = unread(environment, *arguments)
    assert done.returncode == UNREAD
    assert not [line for line in done.stderr.splitlines() if not line.startswith("warning: ")], done.stderr


def test_a_reader_that_takes_the_first_line_gets_it(environment):
    with subprocess.Popen([*PROGRAM, "journal", "export"], env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.stdout.close()
        assert process.wait(60) == UNREAD
    assert json.loads(first)["sequence"] == 1


def test_an_error_keeps_its_exit_code_where_nobody_reads_it(environment):
    for json_too in ((), ("--json",)):
        assert unread(environment, "explain", "nothing", *json_too, is_error_unread=True).returncode == 2
        assert unread(environment, "explain", "nothing", *json_too).returncode == 2
    assert unread(environment, "nonsense", is_error_unread=True).returncode == 2


def test_an_export_that_finds_no_room_leaves_no_half_of_itself(environment, tmp_path):
    target = tmp_path / "records.jsonl"
    limited = ["bash", "-c", 'ulimit -f 64 && exec "$@"', "bash", *PROGRAM, "journal", "export", str(target)]
    done = subprocess.run(limited, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "a file has reached the largest size" in done.stderr
    assert "next: raise the limit" in done.stderr
    assert not target.exists()


@pytest.mark.parametrize("arguments", [("journal", "verify"), ("journal", "export"), ("journal", "tail"), ("status",)])
def test_a_journal_that_finds_no_room_to_be_read_is_not_called_damaged(environment, arguments):
    """SQLite needs a file beside the segment to read it; after a clean end it is gone."""
    limited = ["bash", "-c", 'ulimit -f 16 && exec "$@"', "bash", *PROGRAM, *arguments]
    done = subprocess.run(limited, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "journal-000001.db cannot be read now" in done.stderr
    assert "free some space" in done.stderr
    assert not [word for word in ("damaged", "restore", "cut") if word in done.stderr], done.stderr
    subprocess.run([*PROGRAM, "journal", "verify"], env=environment, check=True, capture_output=True)


def test_what_a_command_does_is_done_although_nobody_reads_of_it(environment, tmp_path):
    assert unread(environment, "journal", "export", str(tmp_path / "records.jsonl")).returncode == UNREAD
    lines = (tmp_path / "records.jsonl").read_text("utf-8").splitlines()
    assert json.loads(lines[-1])["sequence"] == len(lines)
    assert unread(environment, "stop", "--level", "reduce-only").returncode == UNREAD
    done = subprocess.run([*PROGRAM, "status", "--json"], env=environment, capture_output=True, text=True)
    assert json.loads(done.stdout)["status"]["stop_level"] == "reduce_only"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has a disk that is always full")
@pytest.mark.parametrize("arguments", [("status",), ("status", "--json"), ("journal", "export")], ids=" ".join)
def test_output_to_a_full_disk_is_an_error_that_is_told(environment, arguments):
    with open("/dev/full", "w") as full:
        done = subprocess.run([*PROGRAM, *arguments], env=environment, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert "the output could not be written to the end: No space left on device" in done.stderr
    assert "acknowledged" not in done.stderr  # nothing of the agent's is at stake
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_an_export_to_nowhere_is_refused(environment):
    command = " ".join(f"'{part}'" for part in (*PROGRAM, "journal", "export"))
    done = subprocess.run(["sh", "-c", f"{command} >&-"], env=environment, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert "standard output is closed" in done.stderr

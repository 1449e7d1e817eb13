"""The paper agent as a process: it can be asked, stopped, killed and started again, and it loses nothing."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

HOLDFAST = (sys.executable, "-c", "from holdfast.cli.main import main; main()")
RUN = ("run", "--plain", "--market", "synthetic", "--strategy", "ma_crossover")
PATIENCE_S = 60.0


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
    return {**kept, "HOLDFAST_HOME": str(tmp_path / "home")}


def call(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*HOLDFAST, *arguments], env=environment, capture_output=True, text=True, timeout=PATIENCE_S)


@contextmanager
def agent(environment: dict[str, str], *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Give a running agent that answers; it is killed at the end, if it is still there."""
    with subprocess.Popen(
        [*HOLDFAST, *RUN, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            until = time.monotonic() + PATIENCE_S
            while status(environment).get("is_running") is not True:
                assert process.poll() is None, process.stdout.read()
                assert time.monotonic() < until
                time.sleep(0.1)
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def status(environment: dict[str, str]) -> dict:
    done = call(environment, "status", "--json")
    return json.loads(done.stdout) if done.stdout else {}


def bars(environment: dict[str, str]) -> int:
    return status(environment)["status"]["bars"]


def wait_for_bars(environment: dict[str, str], count: int) -> None:
    until = time.monotonic() + PATIENCE_S
    while bars(environment) < count:
        assert time.monotonic() < until
        time.sleep(0.1)


def test_a_killed_agent_goes_on_where_it_was(environment, tmp_path):
    with agent(environment, "--pace", "150") as process:
        wait_for_bars(environment, 250)
        process.send_signal(signal.SIGKILL)
        process.wait()
    after = status(environment)
    assert after["is_running"] is False
    done = after["status"]["bars"]
    again = call(environment, *RUN, "--pace", "100000", "--bars", "300")
    assert again.returncode == 0, again.stderr
    assert "goes on at" in again.stdout
    whole = {**environment, "HOLDFAST_HOME": str(tmp_path / "whole")}
    assert call(whole, *RUN, "--pace", "100000", "--bars", str(done + 300)).returncode == 0
    one, other = status(environment)["status"], status(whole)["status"]
    for key in ("digest", "equity", "cash", "positions", "orders", "trades", "bars"):
        assert one[key] == other[key], key
    assert call(environment, "journal", "verify").returncode == 0
    assert call(environment, "journal", "replay").returncode == 0


def test_a_second_agent_on_one_home_is_refused_and_harms_nothing(environment):
    with agent(environment, "--pace", "50") as process:
        second = call(environment, *RUN, "--bars", "5")
        assert second.returncode == 3  # refused by policy
        assert "holdfast status" in second.stderr
        assert "--home" in second.stderr
        assert f"process {process.pid}" in second.stderr
        assert "next: " in second.stderr
        assert status(environment)["is_running"] is True


def test_stop_and_resume_reach_the_running_agent_and_are_proven(environment):
    with agent(environment, "--pace", "100") as process:
        wait_for_bars(environment, 150)
        stopped = call(environment, "stop", "--flatten", "--yes", "--json")
        assert stopped.returncode == 0, stopped.stdout
        proof = json.loads(stopped.stdout)["proof"]
        assert proof["is_proven"] is True
        assert proof["level"] == "flatten"
        assert (proof["positions_left"], proof["entries_left"], proof["exposure_left"]) == (0, 0, "0")
        told = call(environment, "why-not", "BTC/USDT").stdout
        assert "flatten" in told
        resumed = call(environment, "resume", "--yes", "--json")
        assert json.loads(resumed.stdout)["proof"]["level"] == "none"
        for command in ("positions", "orders", "risk"):
            assert call(environment, command, "--json").returncode == 0
        assert status(environment)["is_running"] is True
        assert process.poll() is None


def test_the_brake_reaches_an_agent_whose_journal_is_damaged_on_the_disk(environment):
    with agent(environment, "--pace", "100") as process:
        wait_for_bars(environment, 150)
        path = Path(environment["HOLDFAST_HOME"]) / "journal" / "journal-000001.db"
        connection = sqlite3.connect(path, isolation_level=None, timeout=PATIENCE_S)
        connection.execute("UPDATE record SET body = CAST(x'ff' || substr(body, 2) AS BLOB) WHERE sequence = 50")
        connection.close()
        assert call(environment, "journal", "verify").returncode == 1
        stopped = call(environment, "stop", "--level", "flatten", "--yes", "--json")
        assert stopped.returncode == 0, stopped.stdout
        answer = json.loads(stopped.stdout)
        assert answer["is_running"] is True
        assert answer["proof"]["is_proven"] is True
        assert answer["proof"]["level"] == "flatten"
        assert (answer["proof"]["positions_left"], answer["proof"]["entries_left"]) == (0, 0)
        process.terminate()
        process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0
    again = call(environment, *RUN, "--pace", "100000", "--bars", "10")
    assert again.returncode == 1
    assert "nothing is traded on it: record 50 " in again.stderr
    assert "so nothing trades" in call(environment, "stop", "--yes").stderr


def test_sigterm_ends_it_cleanly(environment):
    with agent(environment, "--pace", "50") as process:
        process.terminate()
        told, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0
        assert "the state is kept" in told
    assert not (Path(environment["HOLDFAST_HOME"]) / "agent.sock").exists()


def test_the_socket_is_the_owners_alone(environment):
    with agent(environment, "--pace", "50"):
        path = Path(environment["HOLDFAST_HOME"]) / "agent.sock"
        assert path.stat().st_mode & 0o777 == 0o600


def test_an_agent_that_nobody_reads_any_more_leaves_in_order(environment):
    process = subprocess.Popen(
        [*HOLDFAST, *RUN, "--pace", "100000"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    told = process.stderr.read()
    assert process.wait(PATIENCE_S) == 0, told
    assert "nobody reads the output any more" in told
    assert "the state is kept" in told
    assert "Traceback" not in told
    assert call(environment, "journal", "verify").returncode == 0

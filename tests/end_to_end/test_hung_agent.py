"""A stop to an agent whose process stands still: it must not be lost, and what is said of it must be true."""

import json
import signal
import subprocess
import sys
import time

import pytest
from tests.end_to_end.test_paper_agent import PATIENCE_S, RUN, agent, call, environment, status, wait_for_bars

pytestmark = pytest.mark.slow
__all__ = ["environment"]

IMPATIENT = (
    sys.executable, "-c",
    "from holdfast.interfaces.control import client; client._GRACE_S = 4.0; from holdfast.cli.main import main; main()",
)  # fmt: skip


def asked(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*IMPATIENT, *arguments], env=environment, capture_output=True, text=True, timeout=PATIENCE_S
    )  # fmt: skip


def test_a_stop_to_a_hung_agent_takes_effect_when_it_wakes(environment):
    with agent(environment, "--pace", "40") as process:
        wait_for_bars(environment, 20)
        process.send_signal(signal.SIGSTOP)
        done = asked(environment, "stop", "--yes", "--json")
        assert done.returncode == 1
        said = json.loads(done.stdout)["error"]
        assert f"the agent (pid {process.pid}) does not answer" in said["message"]
        assert "takes effect the moment it wakes" in said["message"]
        assert f"kill -9 {process.pid}" in said["next"]
        assert f"waiting for the agent (pid {process.pid})" in done.stderr
        assert "does not answer" in asked(environment, "resume", "--yes").stderr
        process.send_signal(signal.SIGCONT)
        until = time.monotonic() + PATIENCE_S
        while (found := status(environment)["status"])["stop_level"] != "no_entries":
            assert time.monotonic() < until
        bars = found["bars"]
        wait_for_bars(environment, bars + 200)
        assert status(environment)["status"]["stop_level"] == "no_entries", "the release that was given up came later"


def test_a_stop_that_was_left_for_an_agent_that_was_killed_is_in_the_journal_after_the_next_stop(environment):
    with agent(environment, "--pace", "40") as process:
        wait_for_bars(environment, 20)
        process.send_signal(signal.SIGSTOP)
        assert asked(environment, "stop", "--level", "reduce-only").returncode == 1
        process.kill()
        process.wait()
    assert "was left for an agent that has ended" in " ".join(status(environment)["warnings"])
    done = call(environment, "stop", "--json")
    assert done.returncode == 0, done.stderr
    assert status(environment)["status"]["stop_level"] == "reduce_only", "the higher one, which was left"
    assert status(environment)["warnings"] == []
    assert call(environment, "resume", "--yes").returncode == 0
    again = call(environment, *RUN, "--pace", "100000", "--bars", "50")
    assert again.returncode == 0, again.stderr
    assert status(environment)["status"]["stop_level"] == "none", "what was released stays so"


def test_a_stop_that_was_left_for_an_agent_that_was_killed_begins_the_next_run(environment):
    with agent(environment, "--pace", "40") as process:
        wait_for_bars(environment, 20)
        process.send_signal(signal.SIGSTOP)
        assert asked(environment, "stop").returncode == 1
        process.kill()
        process.wait()
    again = call(environment, *RUN, "--pace", "100000", "--bars", "50")
    assert again.returncode == 0, again.stderr
    assert status(environment)["status"]["stop_level"] == "no_entries"

"""Practice: the agent and its venue as two processes, and the agent killed in the midst of it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

START = "import sys; from holdfast.cli.main import main; sys.exit(main())"
RUN = ("run", "--mode", "practice", "--plain", "--instrument", "BTC/USDT", "--timeframe", "4h", "--pace", "12")
PATIENCE_S = 90
pytestmark = pytest.mark.slow


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    home = tmp_path / "home"
    yield home
    for line in living(home, ""):  # the agent of a test that has failed, and any venue
        os.kill(int(line.split()[0]), signal.SIGKILL)


def start(home: Path, *more: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", START, *RUN, *more, "--home", str(home)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "COLUMNS": "240", **environment},
    )  # fmt: skip


def hear(process: subprocess.Popen[str], pattern: str) -> str:
    """Read lines until one matches, and return it."""
    assert process.stdout is not None
    ends, heard = time.monotonic() + PATIENCE_S, []
    while time.monotonic() < ends:
        line = process.stdout.readline()
        heard.append(line)
        if re.search(pattern, line):
            return line
        assert line, f"it ended: {''.join(heard)}"
    raise AssertionError(f"nothing like {pattern}: {''.join(heard)}")


def venue(url: str, what: str, body: object = None) -> dict[str, Any]:
    """Ask the venue what is really there, or let something go wrong."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}/simulator/{what}", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        found = json.load(answer)
    assert isinstance(found, dict)
    return found


def ask(home: Path, *words: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-c", START, *words, "--home", str(home), "--json"],
        capture_output=True, text=True, timeout=PATIENCE_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_a_killed_agent_goes_on_with_the_orders_and_the_position_that_it_had(home: Path):
    agent = start(home)
    hear(agent, r" entered: ")
    agent.send_signal(signal.SIGKILL)
    agent.wait(PATIENCE_S)
    assert (home / "venue" / "venue.json").exists(), "the venue lives on"
    before = ask(home, "status")["status"]
    assert isinstance(before, dict)
    (position,) = before["positions"]
    again = start(home)
    assert "goes on at" in hear(again, r"goes on at")
    trade = re.escape(position["trade_id"])
    assert hear(again, rf" (stopped|target|exited): .*\[{trade}\]"), "the position that it had has ended"
    again.send_signal(signal.SIGTERM)
    assert again.wait(PATIENCE_S) == 0
    told = again.stdout.read() if again.stdout is not None else ""
    assert "stopped at" in told
    assert not (home / "venue" / "venue.json").exists(), "it ends with the agent that is asked to end"
    assert ask(home, "journal", "replay")["differences"] == []
    assert ask(home, "journal", "verify")["is_whole"] is True


def test_an_agent_whose_orders_go_over_the_websocket_goes_on_after_a_kill_with_the_same_orders(home: Path):
    agent = start(home, HOLDFAST_VENUE__ORDERS="socket")
    address = home / "venue" / "venue.json"
    ends = time.monotonic() + PATIENCE_S
    while not address.exists():
        assert time.monotonic() < ends
        time.sleep(0.02)
    url = json.loads(address.read_bytes())["url"]
    # A millisecond harms nothing, and the venue counts which calls were so late: none of them came over REST.
    rules = [{"kind": "slow_after", "endpoint": "WS spot.order_place", "times": 1_000_000, "amount": 1.0}]
    venue(url, "faults", rules)
    hear(agent, r" entered: ")
    agent.send_signal(signal.SIGKILL)
    agent.wait(PATIENCE_S)
    (before,) = venue(url, "state")["accounts"]
    mine = [order["text"] for order in before["orders"] if order["text"].startswith("t-")]
    assert venue(url, "faults")["counts"]["slow_after"] == len(mine) > 0
    status = ask(home, "status")["status"]
    assert isinstance(status, dict)
    (position,) = status["positions"]
    again = start(home, HOLDFAST_VENUE__ORDERS="socket")
    hear(again, r"goes on at")
    trade = re.escape(position["trade_id"])
    assert hear(again, rf" (stopped|target|exited): .*\[{trade}\]"), "the position that it had has ended"
    (after,) = venue(url, "state")["accounts"]
    texts = [order["text"] for order in after["orders"] if order["text"].startswith("t-")]
    assert texts[: len(mine)] == mine, "what was there is there"
    assert len(set(texts)) == len(texts), "and nothing came twice"
    again.send_signal(signal.SIGTERM)
    assert again.wait(PATIENCE_S) == 0
    assert ask(home, "journal", "replay")["differences"] == []
    assert ask(home, "journal", "verify")["is_whole"] is True


def test_the_practice_venue_says_why_it_does_not_start(home: Path):
    done = subprocess.run(
        [sys.executable, "-c", START, *RUN, "--market", str(home / "nothing"), "--home", str(home)],
        capture_output=True, text=True, timeout=PATIENCE_S,
    )  # fmt: skip
    assert done.returncode == 5
    assert "did not start: " in done.stderr
    assert "no such file" in done.stderr
    assert "venue.log" in done.stderr
    agent = start(home)
    hear(agent, r"practice mode: ")
    leave(agent)


def leave(agent: subprocess.Popen[str]) -> None:
    agent.send_signal(signal.SIGTERM)
    assert agent.wait(PATIENCE_S) == 0


def refused(home: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", START, "run", "--mode", "practice", "--plain", "--home", str(home), *words],
        capture_output=True, text=True, timeout=PATIENCE_S,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    return done.stderr


def test_another_market_is_refused_with_both_values_until_a_fresh_run_begins_a_new_venue(home: Path):
    agent = start(home)
    hear(agent, r"practice mode: ")
    agent.send_signal(signal.SIGKILL)
    agent.wait(PATIENCE_S)
    said = refused(home, "--instrument", "BTC/USDT", "--timeframe", "1h")
    assert "holds a venue with another market: timeframe 4h, not 1h" in said
    assert "--fresh" in said
    first = json.loads((home / "venue" / "venue.json").read_bytes())["pid"]
    again = start(home, "--instrument", "ETH/USDT", "--fresh")
    hear(again, r"practice mode: .*BTC/USDT.*ETH/USDT")
    hear(again, r"a new run with ")
    assert json.loads((home / "venue" / "venue.json").read_bytes())["pid"] != first
    assert len(living(home)) == 1
    leave(again)
    assert (home / "venue-before-1" / "settings.json").exists()


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_fresh_run_begins_at_a_new_venue_with_the_capital_that_it_is_given(home: Path, is_killed: bool):
    agent = start(home)
    hear(agent, r"a new run with 10.000")
    if is_killed:
        agent.kill()
        agent.wait(PATIENCE_S)
    else:
        leave(agent)
    again = start(home, "--fresh", "--capital", "20000")
    hear(again, r"a new run with 20.000")
    assert len(living(home)) == 1
    leave(again)
    assert (home / "venue-before-1" / "settings.json").exists()


def test_a_market_that_the_practice_venue_does_not_have_is_refused_with_those_that_it_has(home: Path):
    said = refused(home, "--instrument", "FOO/BAR")
    assert "the practice venue has no market FOO/BAR" in said
    assert "BTC/USDT, ETH/USDT" in said
    assert not (home / "venue").exists()


@pytest.mark.parametrize(
    ("name", "value"), [("--venue-url", "http://127.0.0.1:9"), ("--venue", "ccxt:binance"), ("--key-file", "mine.toml")]
)
def test_what_names_another_venue_is_refused_in_practice(home: Path, name: str, value: str):
    said = refused(home, name, value)
    assert f"{name} is not for practice, which has a venue and a key of its own" in said
    assert not home.exists()


def test_a_second_agent_is_refused_and_leaves_the_venue_of_the_first_alone(home: Path):
    agent = start(home)
    hear(agent, r"practice mode: ")
    place = json.loads((home / "venue" / "venue.json").read_bytes())
    second = start(home)
    told, _ = second.communicate(timeout=PATIENCE_S)
    assert second.returncode == 3, told
    assert "already being written by process" in told
    assert json.loads((home / "venue" / "venue.json").read_bytes()) == place
    assert venue(place["url"], "state")["accounts"], "it still answers"
    agent.send_signal(signal.SIGTERM)
    assert agent.wait(PATIENCE_S) == 0
    assert not (home / "venue" / "venue.json").exists(), "it ends with the agent that has started it"


def test_a_stranger_with_the_process_number_of_a_killed_venue_is_neither_taken_for_it_nor_ended(home: Path):
    folder = home / "venue"
    folder.mkdir(parents=True)
    with subprocess.Popen(["sleep", "600"]) as stranger:
        try:
            known = {"url": "http://127.0.0.1:9", "socket_url": "ws://127.0.0.1:9/ws/v4/", "pid": stranger.pid}
            (folder / "venue.json").write_text(json.dumps(known))
            (folder / "started-by-agent").write_text(str(stranger.pid))
            agent = start(home)
            hear(agent, r"practice mode: ")
            assert json.loads((folder / "venue.json").read_bytes())["pid"] != stranger.pid
            agent.send_signal(signal.SIGTERM)
            assert agent.wait(PATIENCE_S) == 0
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_a_venue_that_was_killed_is_told_with_what_to_do_and_that_works(home: Path):
    agent = start(home)
    hear(agent, r" entered: ")
    os.kill(json.loads((home / "venue" / "venue.json").read_bytes())["pid"], signal.SIGKILL)
    assert "end this agent and start it again" in hear(agent, r"the practice venue has ended")
    leave(agent)
    again = start(home)
    hear(again, r"goes on at")
    hear(again, r" (stopped|target|exited): ")
    leave(again)


@pytest.mark.parametrize("name", ["snapshot.json", "settings.json", "credentials.toml"])
def test_a_damaged_venue_is_refused_with_what_to_do_and_that_works(home: Path, name: str):
    agent = start(home)
    hear(agent, r"practice mode: ")
    leave(agent)
    (home / "venue" / name).write_text("garbage\n")
    failed = start(home)
    told, _ = failed.communicate(timeout=PATIENCE_S)
    assert failed.returncode in (2, 5), told
    assert name in told
    assert "--fresh" in told
    assert "--state" not in told
    assert "--market" not in told
    again = start(home, "--fresh")
    hear(again, r"a new run with ")
    leave(again)
    assert (home / "venue-before-1" / name).read_text() == "garbage\n"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_start_that_is_broken_off_leaves_no_venue_behind(home: Path, number: signal.Signals, code: int):
    agent = start(home)
    ends = time.monotonic() + PATIENCE_S
    while not (home / "venue" / "venue.log").exists():  # the venue's process is on its way, and does not serve yet
        assert time.monotonic() < ends
        time.sleep(0.002)
    agent.send_signal(number)
    told, _ = agent.communicate(timeout=PATIENCE_S)
    assert agent.returncode == code, told
    assert not living(home)


def living(home: Path, what: str = "simulate-venue") -> list[str]:
    """Return process number and command line of what runs in a home: of its venues, be they as young as they may."""
    asked = subprocess.run(["ps", "-eww", "-o", "pid=,args="], capture_output=True, text=True, check=True)
    return [line for line in asked.stdout.splitlines() if what in line and f"--home {home}" in line]

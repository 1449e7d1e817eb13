"""Paper over the wire: a venue's live public market, fills in this process, and not one request with a key."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

START = "import sys; from holdfast.cli.main import main; sys.exit(main())"
PATIENCE_S = 90
pytestmark = pytest.mark.slow


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    venue = subprocess.Popen(
        [
            *(sys.executable, "-c", START, "simulate-venue", "--market", "synthetic", "--instrument", "BTC/USDT"),
            *("--instrument", "ETH/USDT"),
            *("--timeframe", "4h", "--pace", "8", "--account", "k:a-secret-of-a-test", "--balance", "USDT=100"),
            *("--state", str(tmp_path / "venue"), "--json"),
        ],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert venue.stdout is not None
        yield json.loads(venue.stdout.readline())["url"]
    finally:
        venue.kill()
        venue.wait(PATIENCE_S)


def words(url: str, home: Path, *more: str) -> list[str]:
    run = ("run", "--market", "venue", "--venue-url", url, "--instrument", "BTC/USDT", "--timeframe", "4h", "--plain")
    return [sys.executable, "-c", START, *run, "--home", str(home), *more]


def call(home: Path, *asked: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", START, *asked, "--home", str(home)], capture_output=True, text=True, timeout=PATIENCE_S
    )


def test_a_killed_paper_agent_goes_on_and_parity_finds_every_order(url: str, tmp_path: Path):
    home = tmp_path / "home"
    agent = subprocess.Popen(
        words(url, home), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**os.environ, "COLUMNS": "240"},
    )  # fmt: skip
    assert agent.stdout is not None
    ends = time.monotonic() + PATIENCE_S
    while " entered: " not in agent.stdout.readline():
        assert time.monotonic() < ends
    agent.send_signal(signal.SIGKILL)
    agent.wait(PATIENCE_S)
    time.sleep(0.3)  # bars close meanwhile
    again = subprocess.run(words(url, home, "--bars", "100"), capture_output=True, text=True, timeout=PATIENCE_S)
    assert again.returncode == 0, again.stderr
    assert "goes on at" in again.stdout
    parity = call(home, "parity", "--json")
    report = json.loads(parity.stdout)
    assert report["orders"] >= 3
    # Bars that closed while nobody was there are the only cause that a backtest over the same bars may differ by.
    assert set(report["by_cause"]) <= {"unfit_bar", "follows"}
    assert parity.returncode == 0
    assert (report["is_reproduced"], report["reproduced"]) == (True, report["orders"])
    assert json.loads(call(home, "journal", "verify", "--json").stdout)["is_whole"] is True
    assert json.loads(call(home, "journal", "replay", "--json").stdout)["differences"] == []
    with urllib.request.urlopen(f"{url}/simulator/state", timeout=PATIENCE_S) as answer:
        (account,) = json.load(answer)["accounts"]
    assert not account["orders"]
    assert not account["triggers"]


def test_several_instruments_go_on_after_an_outage_longer_than_the_history_of_a_new_run(url: str, tmp_path: Path):
    home, more = tmp_path / "home", ("--instrument", "ETH/USDT")
    environment = {**os.environ, "COLUMNS": "240", "HOLDFAST_LIVE__HISTORY_BARS": "60"}
    agent = subprocess.Popen(
        words(url, home, *more), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    )
    assert agent.stdout is not None
    ends = time.monotonic() + PATIENCE_S
    while " entered: " not in (line := agent.stdout.readline()):
        assert line, "it ended"
        assert time.monotonic() < ends
    agent.send_signal(signal.SIGKILL)
    agent.wait(PATIENCE_S)
    short = {**environment, "HOLDFAST_LIVE__HISTORY_BARS": "2"}
    time.sleep(1)  # some eight bars close meanwhile
    again = subprocess.run(
        words(url, home, *more, "--bars", "100"), capture_output=True, text=True, timeout=PATIENCE_S, env=short
    )
    assert again.returncode == 0, again.stderr
    assert "goes on at" in again.stdout
    report = json.loads(call(home, "parity", "--json").stdout)
    assert report["orders"] >= 3
    assert set(report["by_cause"]) <= {"unfit_bar", "follows"}
    assert json.loads(call(home, "journal", "replay", "--json").stdout)["differences"] == []


def test_what_a_live_market_cannot_do_is_said(tmp_path: Path):
    home = tmp_path / "home"
    past = call(home, "run", "--market", "venue", "--from", "2021-01-01", "--plain")
    assert past.returncode == 2
    assert "leave out --from" in past.stderr
    tested = call(home, "backtest", "--data", "venue")
    assert tested.returncode == 2
    assert "holdfast run --market venue" in tested.stderr
    silent = call(home, "run", "--market", "venue", "--venue-url", "http://127.0.0.1:9", "--plain")
    assert silent.returncode == 5
    assert "--venue-url" in silent.stderr

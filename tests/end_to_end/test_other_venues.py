"""A person trades at a venue of ccxt's: live and on paper, typed as a command, at the simulated venue."""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

START = "import sys; from holdfast.cli.main import main; sys.exit(main())"
KEY, SECRET = "someone", "a-secret-of-theirs"
PATIENCE_S = 120
pytestmark = pytest.mark.slow


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", START, "simulate-venue", "--market", "synthetic", "--pace", "0", "--no-limits"),
            *("--instrument", "BTC/USDT", "--account", f"{KEY}:{SECRET}", "--balance", "USDT=100000"),
            *("--state", str(tmp_path / "venue"), "--json"),
        ],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.terminate()
        process.wait(30)


def advance(url: str) -> None:
    request = urllib.request.Request(
        f"{url}/simulator/advance", b'{"bars": 1}', {"Content-Type": "application/json"}
    )  # fmt: skip
    urllib.request.urlopen(request, timeout=30).close()


@pytest.mark.parametrize("mode", [("--mode", "live", "--yes"), ("--market", "venue")])
def test_the_agent_runs_at_a_venue_of_ccxts(tmp_path: Path, url: str, mode: tuple[str, ...]):
    key_file = tmp_path / "key.toml"
    key_file.write_text(f'key = "{KEY}"\nsecret = "{SECRET}"\n')
    key_file.chmod(0o600)
    advance(url)
    words = [*mode, "--venue", "ccxt:gate", "--venue-url", url, "--key-file", str(key_file), "--plain"]
    words += ["--instrument", "BTC/USDT", "--timeframe", "1m", "--home", str(tmp_path / "home"), "--bars", "3"]
    agent = subprocess.Popen(
        [sys.executable, "-c", START, "run", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    ends = time.monotonic() + PATIENCE_S
    while agent.poll() is None and time.monotonic() < ends:
        advance(url)
        time.sleep(0.5)
    agent.terminate()  # nothing where it has ended
    told, _ = agent.communicate(timeout=60)
    assert agent.returncode == 0, told
    assert "gate (through ccxt)" in told
    assert "BTC/USDT.GATE" in told
    assert SECRET not in told

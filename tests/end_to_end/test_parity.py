"""A day of recorded minutes, traded on paper and killed in the midst of it, is what the backtester makes of it."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from holdfast.core.time import HOUR, parse_time

START = "import sys; from holdfast.cli.main import main; sys.exit(main())"
DAY = (
    "run", "--plain", "--timeframe", "1m", "--instrument", "BTC/USDT", "--instrument", "ETH/USDT", "--instrument",
    "XRP/USDT", "--from", "2021-12-03T12:00:00Z", "--until", "2021-12-04T12:00:00Z", "--strategy", "ma_crossover",
    "--set", "fast=5", "--set", "slow=15", "--fee", "0.0001",
)  # fmt: skip
PATIENCE_S = 120
pytestmark = [pytest.mark.slow, pytest.mark.recorded_data]


def call(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", START, *words, "--home", str(home)], capture_output=True, text=True, timeout=PATIENCE_S
    )


def test_a_day_of_trading_is_reproduced_order_by_order(tmp_path: Path):
    home = tmp_path / "home"
    agent = subprocess.Popen(
        [sys.executable, "-c", START, *DAY, "--pace", "400", "--home", str(home)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert agent.stdout is not None
    ends = time.monotonic() + PATIENCE_S
    while " entered: " not in agent.stdout.readline():
        assert time.monotonic() < ends
    agent.send_signal(signal.SIGKILL)
    agent.wait(PATIENCE_S)
    ended = call(home, *DAY, "--pace", "100000")
    assert ended.returncode == 0, ended.stderr
    assert "goes on at" in ended.stdout
    done = call(home, "parity", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["bars"] == 3 * 24 * 60
    assert report["orders"] == report["equal"] > 50
    assert report["differences"] == []
    assert report["fills_equal"]
    assert report["gain_session"] == report["gain_backtest"]
    assert (report["reproduced"], report["is_reproduced"]) == (report["orders"], True)
    told = call(home, "parity")
    assert f"it sends each of these {report['orders']} orders again" in told.stdout
    assert f"the backtest sends the same {report['orders']} orders" in told.stdout


def test_a_stop_by_a_person_is_part_of_the_comparison_or_a_cause(tmp_path: Path):
    home = tmp_path / "home"
    begun = (*DAY, "--pace", "100000")
    assert call(home, *begun, "--bars", "300").returncode == 0
    assert call(home, "stop", "--reason", "a test").returncode == 0
    assert call(home, *begun).returncode == 0
    with_it, without = (
        json.loads(call(home, "parity", "--json", *more).stdout) for more in ((), ("--without-operator",))
    )  # fmt: skip
    assert with_it["differences"] == []
    assert set(without["by_cause"]) <= {"operator", "follows"}
    assert without["by_cause"]["operator"] > 0


STRATEGY = """
from holdfast.strategies.free import FreeStrategy

class Every(FreeStrategy):
    warmup = 0

    def __init__(self, instrument_id):
        super().__init__(instrument_id)
        self.bars = 0

    def on_bar(self, bar):
        self.bars += 1
        if self.bars % 40 == 0:
            return self.enter_long(bar, bar.close * 0.98, bar.close * 1.05, "it is time")
        if self.bars % 40 == 30:
            return self.exit_long(bar, "it is time to go")
"""


def test_a_strategy_that_was_changed_since_is_found_at_its_first_other_order(tmp_path: Path):
    home, file = tmp_path / "home", tmp_path / "mine.py"
    file.write_text(STRATEGY)
    market = ("--market", "synthetic", "--instrument", "BTC/USDT", "--timeframe", "4h", "--strategy", f"{file}:Every")
    assert call(home, "run", "--plain", *market, "--bars", "300", "--pace", "100000").returncode == 0
    before = json.loads(call(home, "parity", "--json").stdout)
    assert before["is_reproduced"]
    assert before["orders"] > 10
    file.write_text(STRATEGY.replace("0.98", "0.9801"))
    after = call(home, "parity", "--json")
    assert after.returncode == 1
    report = json.loads(after.stdout)
    assert not report["is_reproduced"]
    assert report["reproduced"] < report["orders"]
    assert report["not_reproduced"][0]["cause"] == "not_repeated"
    assert parse_time(report["not_reproduced"][0]["bar"]) % (4 * HOUR) == 0  # RFC 3339, as everywhere
    assert parse_time(report["differences"][0]["bar"]) % (4 * HOUR) == 0
    assert {report["gain_session"], report["gain_backtest"]}.isdisjoint({None})
    assert report["cash_session"] != report["cash_backtest"]
    told = call(home, "parity")
    assert "NOT REPRODUCED" in told.stdout


def test_a_session_without_an_order_is_no_success(tmp_path: Path):
    home = tmp_path / "home"
    assert call(home, *DAY, "--pace", "100000", "--bars", "5").returncode == 0
    done = call(home, "parity", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["is_empty"] is True
    assert "NOTHING WAS COMPARED" in done.stderr


def test_a_run_that_is_not_there_is_named_with_those_that_are(tmp_path: Path):
    home = tmp_path / "home"
    assert call(home, *DAY, "--pace", "100000", "--bars", "5").returncode == 0
    missing = call(home, "parity", "--run", "nope")
    assert missing.returncode == 2
    assert "its runs are:" in missing.stderr

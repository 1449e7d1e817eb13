"""A strategy of the user's own that looks ahead, fails, hangs or leaves: what `holdfast backtest` makes of it."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.cli.conftest import STUBBORN


@pytest.mark.slow
def test_lookahead_is_checked_and_a_cheat_is_refused(call, candles, tmp_path):
    arguments = ("backtest", "--data", candles, "--timeframe", "1h", "--check-lookahead")
    honest = call(*arguments, "--strategy", "ma_crossover", "--json")
    assert honest.code == 0, honest.out
    assert honest.document["is_clean"]
    cheat = tmp_path / "cheat.py"
    cheat.write_text(
        "import sys\nfrom holdfast.strategies.free import FreeStrategy\n"
        "class Cheat(FreeStrategy):\n    def on_bar(self, bar):\n        sys._getframe(1)\n        return None\n"
    )
    refused = call(*arguments, "--strategy", f"{cheat}:Cheat")
    assert refused.code == 1
    assert "must not be trusted" in refused.out


def test_a_strategy_that_raises_is_named_and_is_no_fault_of_ours(call, candles, tmp_path):
    path = tmp_path / "broken.py"
    path.write_text(
        "from holdfast.strategies.free import FreeStrategy\n"
        "class Broken(FreeStrategy):\n    def on_bar(self, bar):\n        return 1 / 0\n"
    )
    outcome = call("backtest", "--data", candles, "--timeframe", "1h", "--strategy", f"{path}:Broken")
    assert outcome.code == 1
    assert "the strategy Broken raised ZeroDivisionError" in outcome.err
    assert "2021-01-01T01:00:00Z" in outcome.err


LEAVES = {
    "in on_bar": "    def on_bar(self, bar):\n        raise SystemExit(0)\n",
    "in __init__": "    def __init__(self, instrument_id):\n        raise SystemExit(0)\n",
    "on import": "raise SystemExit(0)\n",
}


STEP_LEAVES = """
from holdfast.strategies.reference import CrossParameters
from holdfast.strategies.stepping import StepDefinition

def step(state, params, opened, high, low, close, volume):
    raise {error}

Leaves = StepDefinition(name="leaves", step=step, parameters=CrossParameters, reasons=())
"""


@pytest.mark.parametrize(("error", "name"), [("SystemExit(0)", "SystemExit"), ("KeyError(1)", "KeyError")])
def test_a_step_of_the_users_own_is_guarded_like_a_class(call, candles, tmp_path, error, name):
    path = tmp_path / "leaves.py"
    path.write_text(STEP_LEAVES.format(error=error))
    outcome = call("backtest", "--data", candles, "--timeframe", "1h", "--strategy", f"{path}:Leaves")
    assert outcome.code == 1
    assert f"the strategy leaves raised {name}" in outcome.err
    assert "2021-01-01T01:00:00Z" in outcome.err


@pytest.mark.parametrize("where", LEAVES)
@pytest.mark.parametrize("flags", [(), ("--check-lookahead",)])
def test_a_strategy_that_leaves_the_program_is_no_success(call, candles, tmp_path, where, flags):
    """exit() was the end of the command, with exit code 0 and not a word: a cheat passed the look-ahead check by it."""
    path = tmp_path / "leaves.py"
    path.write_text(
        "from holdfast.strategies.free import FreeStrategy\nclass Leaves(FreeStrategy):\n    warmup = 1\n"
        + LEAVES[where]
    )
    outcome = call("backtest", "--data", candles, "--timeframe", "1h", "--strategy", f"{path}:Leaves", *flags)
    assert outcome.code in (1, 2)
    assert "SystemExit" in outcome.out + outcome.err


@pytest.mark.parametrize(("what", "kind"), [("'buy'", "str"), ("True", "bool"), ("(1, 2)", "tuple")])
def test_a_strategy_that_returns_no_signal_is_told_what_to_return(call, candles, tmp_path, what, kind):
    path = tmp_path / "wrong.py"
    path.write_text(
        "from holdfast.strategies.free import FreeStrategy\n"
        f"class Wrong(FreeStrategy):\n    def on_bar(self, bar):\n        return {what}\n"
    )
    outcome = call("backtest", "--data", candles, "--timeframe", "1h", "--strategy", f"{path}:Wrong")
    assert outcome.code == 2
    assert f"on_bar of Wrong returned {kind}; return a signal (enter_long(...)) or None" in outcome.err
    assert "fault of holdfast" not in outcome.err


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_strategy_whose_source_is_refused_is_not_run(call, candles, tmp_path, form):
    path, ran = tmp_path / "peeks.py", tmp_path / "ran"
    path.write_text(
        f"import gc\nfrom holdfast.strategies.free import FreeStrategy\nopen({str(ran)!r}, 'w').close()\n"
        "class Peeks(FreeStrategy):\n    def on_bar(self, bar):\n        gc.get_objects()\n"
    )
    arguments = ("--data", candles, "--timeframe", "1h", "--strategy", f"{path}:Peeks", "--check-lookahead")
    outcome = call("backtest", *arguments, *form)
    assert outcome.code == 1
    assert not ran.exists()
    if form:
        assert outcome.document["is_clean"] is False
        assert [check["instrument"] for check in outcome.document["checks"]] == ["BTC/USDT.BINANCE"]
    else:
        assert "must not be trusted: its source is refused, so it was not run." in outcome.out
        assert "line 1: " in outcome.out


def test_a_lookahead_check_of_a_slow_strategy_ends_and_proves_nothing(call, candles, monkeypatch):
    monkeypatch.setattr("holdfast.cli.actions.lookahead._SECONDS_MAX", 0.0)
    outcome = call(
        "backtest", "--data", candles, "--timeframe", "1h", "--strategy", "ma_crossover", "--check-lookahead"
    )
    assert outcome.code == 1
    assert "is not judged yet" in outcome.out
    assert "The time was up" in outcome.out


SLOW = """
import time
from holdfast.strategies.free import FreeStrategy

class Slow(FreeStrategy):
    def __init__(self, instrument_id, seconds=0.0):
        super().__init__(instrument_id)
        self.bars, self.seconds = 0, seconds

    def on_bar(self, bar):
        self.bars += 1
        until = time.monotonic() + self.seconds
        while self.bars == 50 and time.monotonic() < until:
            pass
"""
HANGS = (
    STUBBORN
    + """
class Hangs(FreeStrategy):
    def __init__(self, instrument_id):
        super().__init__(instrument_id)
        self.bars = 0

    def on_bar(self, bar):
        self.bars += 1
        while self.bars == 50:
            pass
"""
)


@pytest.mark.slow
def test_a_lookahead_check_ends_a_strategy_that_never_returns(call, candles, tmp_path):
    path = tmp_path / "hangs.py"
    path.write_text(HANGS)
    arguments = ("backtest", "--data", candles, "--timeframe", "1h", "--check-lookahead", "--bar-seconds-max", "0.2")
    outcome = call(*arguments, "--strategy", f"{path}:Hangs")
    assert outcome.code == 1
    assert f"the strategy {path}:Hangs did not return within 0.2 s" in outcome.err
    assert "the bar of BTC/USDT.BINANCE that closed at 2021-01-03T02:00:00Z" in outcome.err
    assert "next: look for a loop without end" in outcome.err
    assert call(*arguments, "--strategy", "ma_crossover").code == 0
    assert call(*arguments[:-1], "0", "--strategy", "ma_crossover").code == 2


def checked_apart(candles, strategy):
    """Check for look-ahead in a process of its own, which may have to be killed."""
    program = [sys.executable, "-c", "from holdfast.cli.main import main; main()"]
    arguments = ("backtest", "--data", candles, "--timeframe", "1h", "--check-lookahead", "--json")
    return subprocess.run(
        [*program, *arguments, "--bar-seconds-max", "0.2", "--strategy", strategy],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_a_lookahead_check_ends_even_a_strategy_that_catches_everything(home, candles, tmp_path):
    path = tmp_path / "hangs.py"
    path.write_text(HANGS)
    done = checked_apart(candles, f"{path}:Stubborn")
    assert done.returncode == 1
    assert "Stubborn did not return within 0.2 s" in json.loads(done.stdout)["error"]["message"]


STUCK = """
from holdfast.strategies.free import FreeStrategy

class Sum(FreeStrategy):
    def on_bar(self, bar):
        sum(iter(int, 1))

class Search(FreeStrategy):
    def on_bar(self, bar):
        return "needle" in iter(int, 1)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "line"), [("Sum", 6), ("Search", 10)])
def test_a_lookahead_check_ends_even_a_strategy_inside_of_one_call_into_c(home, candles, tmp_path, name, line):
    path = tmp_path / "stuck.py"
    path.write_text(STUCK)
    done = checked_apart(candles, f"{path}:{name}")
    assert done.returncode == -signal.SIGKILL
    message = f"the strategy {path}:{name} did not return within 0.2 s, in line {line} of stuck.py (on_bar)"
    assert done.stderr.startswith(f"error: {message}\nnext: it is inside of one call into C code")
    error = json.loads(done.stdout)["error"]
    assert (error["message"], error["exit_code"]) == (message, 137)


def test_a_backtest_warns_of_a_bar_that_takes_too_long_and_goes_on(call, candles, tmp_path):
    path = tmp_path / "slow.py"
    path.write_text(SLOW)
    arguments = ("backtest", "--data", candles, "--timeframe", "1h", "--strategy", f"{path}:Slow", "--json")
    slow = call(*arguments, "--set", "seconds=1.5", "--bar-seconds-max", "0.1")
    assert slow.code == 0, slow.err
    assert "has not come back from the bar that closed at 2021-01-03 02:00 UTC for 0.1 s" in slow.err
    assert slow.document["bars"] == 2_000
    assert "has not come back" not in call(*arguments).err


def test_a_strategy_that_a_file_does_not_have_is_met_with_those_that_it_has(call, candles, tmp_path):
    example = Path(__file__).parents[3] / "examples" / "strategy_in_one_file.py"
    outcome = call("backtest", "--data", candles, "--strategy", f"{example}:Name")
    assert outcome.code == 2
    assert "next: it has: Breakout, PULLBACK\n" in outcome.err
    empty = tmp_path / "empty.py"
    empty.write_text("from holdfast.strategies.free import FreeStrategy\n")
    assert "no class with on_bar" in call("backtest", "--data", candles, "--strategy", f"{empty}:Name").err

"""`holdfast backtest`: figures for good input, one clear sentence for bad input."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.unit.cli.conftest import wandering, write_candles

FIGURES = {
    "trades", "wins", "win_rate", "profit_factor", "net_pnl", "fees", "slippage", "return", "cagr", "sharpe", "sortino",
    "calmar", "max_drawdown", "exposure", "average_r", "buy_and_hold_return", "digest",
}  # fmt: skip
TRADE_KEYS = {
    "instrument", "side", "quantity", "entry_ts", "entry_price", "exit_ts", "exit_price", "exit_reason", "stop_price",
    "target_price", "fees", "slippage", "r_multiple", "reasons",
}  # fmt: skip
BASE = ("--timeframe", "1h", "--strategy", "ma_crossover")


def test_it_reports_every_figure_for_a_person_and_as_json(call, candles, tmp_path):
    trades = tmp_path / "trades.jsonl"
    told = call("backtest", "--data", candles, "--instrument", "BTC/USDT", *BASE, "--trades", trades)
    assert told.code == 0, told.err
    for label in ("Return", "Buy and hold", "Sharpe", "Sortino", "Calmar", "Profit factor", "Fees", "Digest"):
        assert label in told.out
    document = call("backtest", "--data", candles, "--instrument", "BTC/USDT", *BASE, "--json").document
    assert set(document) >= FIGURES
    assert document["digest"] in told.out
    lines = [json.loads(line) for line in trades.read_text().splitlines()]
    assert len(lines) == document["trades"] > 0
    assert set(lines[0]) >= TRADE_KEYS
    assert lines[0]["entry_ts"].endswith("Z")
    assert isinstance(lines[0]["entry_price"], str)


def test_a_full_disk_leaves_no_half_file_of_trades_and_harms_no_older_one(call, candles, tmp_path, monkeypatch):
    def full(_):
        yield "{}"
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("holdfast.cli.actions.backtest.trade_lines", full)
    place = tmp_path / "results"
    place.mkdir()
    for before in ([], ["trades.jsonl"]):
        for name in before:
            (place / name).write_text("older")
        call("backtest", "--data", candles, *BASE, "--trades", place / "trades.jsonl")
        assert [path.name for path in place.iterdir()] == before
    assert (place / "trades.jsonl").read_text() == "older"


def test_trades_take_the_place_of_a_file_but_not_of_a_link_or_a_device(call, candles, tmp_path):
    older, link = tmp_path / "older.jsonl", tmp_path / "link.jsonl"
    older.write_text("older")
    older.chmod(0o640)
    link.symlink_to(older)
    assert call("backtest", "--data", candles, *BASE, "--trades", link).code == 0
    assert link.is_symlink()
    told = older.read_text()
    assert json.loads(told.splitlines()[0])
    assert call("backtest", "--data", candles, *BASE, "--trades", older).code == 0
    assert (older.read_text(), older.stat().st_mode & 0o777) == (told, 0o640)
    assert call("backtest", "--data", candles, *BASE, "--trades", "/dev/null").code == 0
    assert Path("/dev/null").is_char_device()
    older.chmod(0o440)
    if os.geteuid() != 0:
        assert call("backtest", "--data", candles, *BASE, "--trades", older).code == 2


def test_the_same_bars_give_the_same_digest_and_other_capital_another(call, candles):
    first = call("backtest", "--data", candles, *BASE, "--json").document
    again = call("backtest", "--data", candles, *BASE, "--json").document
    other = call("backtest", "--data", candles, *BASE, "--capital", "5000", "--json").document
    assert first["digest"] == again["digest"] != other["digest"]
    assert other["capital"] == "5000"


def test_parameters_reach_the_strategy(call, candles):
    one = call("backtest", "--data", candles, *BASE, "--set", "fast=5", "--set", "slow=40", "--json").document
    assert one["parameters"] == {"fast": "5", "slow": "40"}


def test_the_seed_of_the_settings_counts_and_the_flag_wins(call, home):
    arguments = ("backtest", "--data", "synthetic", "--strategy", "ma_crossover", "--to", "2024-01-10", "--json")
    digests = [call(*arguments, *more).document["digest"] for more in ((), ("--seed", "7"), ("--seed", "8"))]
    assert digests[0] == digests[1] != digests[2]
    home.mkdir()
    (home / "holdfast.toml").write_text("[market]\nseed = 8\n")
    assert call(*arguments).document["data_source"].startswith("synthetic market, seed 8,")
    assert call(*arguments, "--seed", "7").document["digest"] == digests[0]


def test_from_and_to_cut_the_bars(call, candles):
    arguments = ("--from", "2021-02-01", "--to", "2021-03-01")
    document = call("backtest", "--data", candles, *BASE, *arguments, "--json").document
    assert document["bars"] == 28 * 24


def test_frictionless_says_so_and_costs_nothing(call, candles):
    told = call("backtest", "--data", candles, *BASE, "--frictionless")
    assert "FRICTIONLESS" in told.err
    document = call("backtest", "--data", candles, *BASE, "--frictionless", "--json").document
    assert document["is_frictionless"]
    assert document["fees"] == "0"


def test_a_synthetic_market_says_so_loudly(call):
    told = call("backtest", "--data", "synthetic", "--instrument", "BTC/USDT", *BASE, "--to", "2024-03-01")
    assert told.code == 0, told.err
    assert "SYNTHETIC MARKET" in told.err


def test_its_journal_can_be_kept_verified_and_is_never_written_over(call, candles, tmp_path):
    folder = tmp_path / "kept" / "journal"
    assert call("backtest", "--data", candles, *BASE, "--journal", folder).code == 0
    for command in ("verify", "replay", "tail"):
        assert call("journal", command, "--home", tmp_path / "kept").code == 0
    assert call("explain", "hf-1p", "--home", tmp_path / "kept").code == 0
    assert "that of a backtest" in call("status", "--home", tmp_path / "kept").err
    again = call("backtest", "--data", candles, *BASE, "--journal", folder)
    assert again.code == 2
    assert "holds something already" in again.err


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("--strategy", "ma_crosover"), 2, "unknown strategy 'ma_crosover'"),
        (("--strategy", "nowhere.py:Mine"), 2, "there is no strategy file"),
        (("--timeframe", "7h"), 2, "7h"),
        (("--instrument", "DOGE/USDT"), 2, "DOGE/USDT"),
        (("--set", "fats=12"), 2, "fats"),
        (("--set", "fast=minus"), 2, "fast"),
        (("--set", "fast"), 2, "is no key=value"),
        (("--set", "fats=12"), 2, "has no parameter 'fats'"),
        (("--set", "fats=12"), 2, "did you mean fast"),
        (("--set", "foo=1"), 2, "with a key of: "),
        (("--set", "fast=abc"), 2, "fast=abc is not valid"),
        (("--set", "fast=abc"), 2, "fast must be a whole number at least"),
        (("--set", "slow=100000"), 2, "slow must be a whole number at least 3 and at most 2000"),
        (("--set", "volume_ratio=x"), 2, "volume_ratio must be a number at least 0 and at most 20"),
        (("--set", "allow_short=perhaps"), 2, "allow_short must be true or false"),
        (("--from", "2021-03-01", "--to", "2021-02-01"), 2, "--from, --to: the start 2021-03-01 does not lie before"),
        (("--instrument", "BTC/USDT", "--instrument", "btc_usdt"), 2, "BTC/USDT is named twice"),
        (("--strategy", "ma_crosover"), 2, "did you mean ma_crossover?"),
        (("--capital", "-5"), 2, "--capital"),
        (("--capital", "lots"), 2, "--capital"),
        (("--capital", "nan"), 2, "above 0 and at most 1000000000000"),
        (("--capital", "inf"), 2, "above 0 and at most 1000000000000"),
        (("--from", "yesterday"), 2, "--from"),
        (("--from", "2030-01-01"), 2, "no bars in the asked time"),
        (("--trades", "nowhere/trades.jsonl"), 2, "--trades"),
        (("--format", "xml"), 2, "xml"),
    ],
)
def test_each_wrong_argument_is_named_with_the_next_step(call, candles, arguments, code, told):
    outcome = call("backtest", "--data", candles, "--strategy", "ma_crossover", *arguments)
    assert outcome.code == code
    assert told in outcome.err
    assert "next: " in outcome.err
    assert "Traceback" not in outcome.err


def test_without_data_the_next_step_is_told(call):
    outcome = call("backtest", "--strategy", "ma_crossover")
    assert outcome.code == 2
    assert "there is no market data" in outcome.err
    assert "HOLDFAST_DATA" in outcome.err


@pytest.mark.parametrize("inside", ["market", ""])
def test_the_variable_names_the_folder_around_market_or_the_candles_themselves(
    call, candles, tmp_path, monkeypatch, inside
):
    folder = tmp_path / "data" / inside
    folder.mkdir(parents=True)
    candles.rename(folder / candles.name)
    monkeypatch.setenv("HOLDFAST_DATA", str(tmp_path / "data"))
    outcome = call("backtest", "--strategy", "ma_crossover", "--timeframe", "1h", "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.document["instruments"] == ["BTC/USDT.BINANCE"]
    assert call("doctor", "--json").document["is_healthy"]
    run = call("run", "--plain", "--strategy", "ma_crossover", "--timeframe", "1h", "--bars", "3", "--pace", "10000")
    assert run.code == 0, run.err
    assert str(folder) in run.out


def swapped(columns):
    columns["ts"][[5, 6]] = columns["ts"][[6, 5]]


def doubled(columns):
    columns["ts"][6] = columns["ts"][5]


def upside_down(columns):
    columns["high"][7] = columns["low"][7] / 2


def not_a_number(columns):
    columns["close"][8] = np.nan


def negative(columns):
    columns["low"][9] = -1.0


@pytest.mark.parametrize("spoil", [swapped, doubled, upside_down, not_a_number, negative])
def test_bars_that_break_a_rule_are_refused_with_their_row(call, tmp_path, spoil):
    columns = wandering(100)
    spoil(columns)
    path = tmp_path / "binance-spot-BTC_USDT-1h-bad.parquet"
    write_candles(path, columns)
    outcome = call("backtest", "--data", path, *BASE)
    assert outcome.code == 1
    assert "row " in outcome.err
    assert "next: " in outcome.err


def test_a_missing_an_empty_a_cut_and_a_corrupt_file_are_refused(call, candles, tmp_path):
    whole = candles.read_bytes()
    spoilt = tmp_path / "binance-spot-BTC_USDT-1h-spoilt.parquet"
    for content in (b"", whole[:-200], whole[: len(whole) // 2], b"PAR1" + bytes(500) + b"PAR1"):
        spoilt.write_bytes(content)
        outcome = call("backtest", "--data", spoilt, *BASE)
        assert outcome.code == 1
        assert "next: " in outcome.err
        assert "Traceback" not in outcome.err
    missing = call("backtest", "--data", tmp_path / "none.parquet", *BASE)
    assert missing.code == 2  # an argument is wrong, not a file
    assert "there is no such file" in missing.err
    empty = tmp_path / "empty"
    empty.mkdir()
    assert call("backtest", "--data", empty, *BASE).code == 1


def test_errors_are_json_where_json_was_asked_for(call, candles):
    outcome = call("backtest", "--data", candles, "--strategy", "nothing", "--json")
    assert outcome.code == 2
    assert outcome.document["error"]["exit_code"] == 2
    assert "ma_crossover" in outcome.document["error"]["next"]


def test_spot_and_perpetual_of_one_asset_are_refused_by_backtest_and_run(call, candles):
    (candles.parent / "binance-perp-BTC_USDT-1h-20210101-20210325.parquet").write_bytes(candles.read_bytes())
    both = ("--instrument", "BTC/USDT", "--instrument", "BTC/USDT-PERP", *BASE)
    for outcome in (
        call("backtest", "--data", candles.parent, *both),
        call("run", "--plain", "--bars", "5", "--market", candles.parent, *both),
    ):
        assert outcome.code == 2, outcome.err
        assert "same base asset BTC" in outcome.err
        assert "next: name one of them" in outcome.err
        assert "Traceback" not in outcome.err


def test_of_a_folder_with_two_markets_of_one_asset_the_first_is_taken(call, candles):
    (candles.parent / "gateio-spot-BTC_USDT-1h-20210101-20210325.parquet").write_bytes(candles.read_bytes())
    outcome = call("backtest", "--data", candles.parent, *BASE, "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.document["instruments"] == ["BTC/USDT.BINANCE"]


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
HANGS = """
from holdfast.strategies.free import FreeStrategy

class Hangs(FreeStrategy):
    def __init__(self, instrument_id):
        super().__init__(instrument_id)
        self.bars = 0

    def on_bar(self, bar):
        self.bars += 1
        while self.bars == 50:
            pass

class Stubborn(FreeStrategy):
    def on_bar(self, bar):
        while True:
            try:
                while True:
                    pass
            except BaseException:
                pass
"""


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


def test_a_lookahead_check_ends_even_a_strategy_that_catches_everything(home, candles, tmp_path):
    path = tmp_path / "hangs.py"
    path.write_text(HANGS)
    arguments = ("backtest", "--data", candles, "--timeframe", "1h", "--check-lookahead", "--json")
    program = [sys.executable, "-c", "from holdfast.cli.main import main; main()"]
    done = subprocess.run(
        [*program, *arguments, "--bar-seconds-max", "0.2", "--strategy", f"{path}:Stubborn"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
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


@pytest.mark.parametrize(("name", "line"), [("Sum", 6), ("Search", 10)])
def test_a_lookahead_check_ends_even_a_strategy_inside_of_one_call_into_c(home, candles, tmp_path, name, line):
    path = tmp_path / "stuck.py"
    path.write_text(STUCK)
    arguments = ("backtest", "--data", candles, "--timeframe", "1h", "--check-lookahead", "--json")
    program = [sys.executable, "-c", "from holdfast.cli.main import main; main()"]
    done = subprocess.run(
        [*program, *arguments, "--bar-seconds-max", "0.2", "--strategy", f"{path}:{name}"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
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


def test_strategies_of_the_benchmark_are_not_offered(call, candles):
    outcome = call("backtest", "--data", candles, "--strategy", "nothing")
    assert "harmonized" in outcome.err
    assert "job_" not in outcome.err


def test_a_pair_that_is_not_listed_yet_is_left_out_and_that_is_said(call, candles):
    late = wandering(500, seed=5)
    late["ts"] = late["ts"] + 1_000 * 3_600_000
    write_candles(candles.parent / "binance-spot-ETH_USDT-1h-20210211-20210304.parquet", late)
    both = ("--data", candles.parent, "--instrument", "BTC/USDT", "--instrument", "ETH/USDT", *BASE, "--json")
    early = call("backtest", *both, "--to", "2021-02-01")
    assert early.code == 0, early.err
    assert early.document["instruments"] == ["BTC/USDT.BINANCE"]
    assert any("ETH/USDT.BINANCE is left out: no bars in the asked time" in note for note in early.document["notes"])
    assert len(call("backtest", *both).document["instruments"]) == 2
    none = call("backtest", *both, "--from", "2030-01-01")
    assert none.code == 2
    assert "BTC/USDT.BINANCE and ETH/USDT.BINANCE: no bars in the asked time" in none.err

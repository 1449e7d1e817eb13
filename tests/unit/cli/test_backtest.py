"""`holdfast backtest`: figures for good input, one clear sentence for bad input."""

import errno
import json
import os
from decimal import Decimal
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
    refused = call("status", "--home", tmp_path / "kept")
    assert refused.code == 2
    assert "that of a backtest" in refused.err
    assert f"holdfast why-not BTC/USDT --home {tmp_path / 'kept'}" in refused.err, "it names what does work"
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


def test_a_fee_of_ones_own_is_charged_on_every_fill_and_told(call, candles, tmp_path):
    trades = tmp_path / "trades.jsonl"
    told = call("backtest", "--data", candles, *BASE, "--fee", "0.0005", "--trades", trades)
    assert told.code == 0, told.err
    assert "maker 0.0005, taker 0.0005" in told.err + told.out
    for trade in map(json.loads, trades.read_text().splitlines()):
        assert trade["exit_reason"] != "end", "an open trade has paid one leg only"
        paid = Decimal(trade["quantity"]) * (Decimal(trade["entry_price"]) + Decimal(trade["exit_price"]))
        assert Decimal(trade["fees"]) == pytest.approx(paid * Decimal("0.0005"), rel=Decimal("1e-20"))


@pytest.mark.parametrize(
    ("fee", "what"),
    [
        ("0.1", "fee_maker is 0.1, valid is -0.001 to 0.05"),  # meant as a percentage
        ("-0.0005", "fee_taker is -0.0005, valid is 0 to 0.05"),
        ("nan", "fee_maker is NaN"),
        ("cheap", "fee_maker is 'cheap'"),
    ],
)
def test_an_impossible_fee_is_refused(call, candles, fee: str, what: str):
    told = call("backtest", "--data", candles, *BASE, "--fee", fee)
    assert told.code != 0
    assert what in told.err
    assert "next:" in told.err


OWN = """
from holdfast.strategies.free import FreeStrategy

class Mine(FreeStrategy):
    def on_bar(self, bar):
        return {signal}
"""
UNUSABLE = {
    "WRONG_SIDE": 'self.enter_long(bar, bar.close * 1.05, bar.close * 1.2, "stop above")',
    "NO_PRICE": 'self.enter_long(bar, float("nan"), bar.close * 1.2, "no stop")',
    "NO_SHORT_ON_SPOT": 'self.enter_short(bar, bar.close * 1.05, bar.close * 0.8, "short")',
}


@pytest.mark.parametrize("reason", UNUSABLE)
def test_signals_that_nothing_can_come_of_are_counted_and_explained(call, candles, tmp_path, reason):
    path = tmp_path / "mine.py"
    path.write_text(OWN.format(signal=UNUSABLE[reason]))
    arguments = ("backtest", "--data", candles, "--timeframe", "1h", "--strategy", f"{path}:Mine")
    told = call(*arguments)
    assert told.code == 0, told.err
    assert f"Signals to enter: 2000, passed over: {reason} 2000" in told.out
    assert f"  {reason}, first at 2021-01-01T01:00:00Z: " in told.out
    assert f"could become a proposal: {reason} 2000" in told.err
    document = call(*arguments, "--json").document
    assert (document["signals"], document["proposals"]) == (2_000, 0)
    passed = document["passed_over"][reason]
    assert (passed["count"], passed["first_ts"]) == (2_000, "2021-01-01T01:00:00Z")
    assert passed["first"] in told.out
    assert any(reason in warning for warning in document["warnings"])


def test_shorts_on_a_spot_market_are_seen_beside_the_trades(call, candles):
    document = call("backtest", "--data", candles, *BASE, "--set", "allow_short=true", "--json").document
    assert document["trades"] > 0
    assert document["passed_over"]["NO_SHORT_ON_SPOT"]["count"] > 0
    assert document["signals"] == document["proposals"] + document["passed_over"]["NO_SHORT_ON_SPOT"]["count"]


def test_a_backtest_in_a_coin_has_its_decimals(call, tmp_path):
    columns = wandering(600)
    for name in ("open", "high", "low", "close"):
        columns[name] = np.round(columns[name] / 500_000, 6)
    path = tmp_path / "binance-spot-ETH_BTC-1h-20210101-20210125.parquet"
    write_candles(path, columns)
    told = call("backtest", "--data", path, *BASE, "--capital", "1")
    assert told.code == 0, told.err
    equity = next(line for line in told.out.splitlines() if line.startswith("Equity"))
    assert equity.split()[1:3] == ["1.00", "BTC"]
    assert len(equity.split()[4].partition(".")[2]) > 4
    assert "-0.00 BTC" not in told.out


def test_why_not_tells_what_came_of_the_last_signals_of_a_backtest(call, candles, tmp_path):
    path, kept = tmp_path / "mine.py", tmp_path / "kept"
    path.write_text(OWN.format(signal=UNUSABLE["WRONG_SIDE"]))
    arguments = ("backtest", "--data", candles, "--timeframe", "1h", "--strategy", f"{path}:Mine")
    ended = call(*arguments, "--journal", kept / "journal")
    assert f"to read it: holdfast explain ID --home {kept}" in ended.out
    told = call("why-not", "BTC/USDT", "--home", kept)
    assert told.code == 0, told.err
    assert "The backtest has ended" in told.out
    assert "lies on the wrong side of entry" in told.out
    noted = next(line for line in told.out.splitlines() if "passed over" in line).split()[1]
    assert call("explain", noted, "--home", kept).code == 0
    assert call("why-not", "BTC/USDT", "--home", kept, "--json").document["sections"]
    other = call("why-not", "DOGE/USDT", "--home", kept)
    assert other.code == 2
    assert "it traded BTC/USDT." in other.err


def test_why_not_tells_of_a_backtest_that_traded_how_it_ended(call, candles, tmp_path):
    call("backtest", "--data", candles, *BASE, "--journal", tmp_path / "kept" / "journal")
    told = call("why-not", "BTC/USDT", "--home", tmp_path / "kept")
    assert "Last decisions besides" in told.out

"""A market that was asked for and has no bars then: left out, and said."""

from pathlib import Path

import pytest
from tests.unit.cli.conftest import HOUR_MS, Call, wandering, write_candles

RUN = ("run", "--plain", "--timeframe", "1h", "--strategy", "ma_crossover", "--pace", "100000")
BOTH = ("--instrument", "BTC/USDT", "--instrument", "SOL/USDT")


@pytest.fixture
def market(tmp_path: Path) -> Path:
    """Give a folder in which SOL/USDT begins a thousand hours after BTC/USDT."""
    folder = tmp_path / "market"
    folder.mkdir()
    write_candles(folder / "binance-spot-BTC_USDT-1h-a.parquet", wandering(1_200))
    later = wandering(200, 5)
    later["ts"] += 1_000 * HOUR_MS
    write_candles(folder / "binance-spot-SOL_USDT-1h-a.parquet", later)
    return folder


def test_a_run_says_at_its_start_what_it_leaves_out_and_why_not_knows_it(call: Call, market: Path):
    started = call(*RUN, "--market", market, *BOTH, "--until", "2021-01-05")
    assert started.code == 0
    assert "note: SOL/USDT.BINANCE is left out: no bars in the asked time, only 2021-02-11" in started.err
    assert "on BTC/USDT.BINANCE 1h" in started.out
    told = call("why-not", "sol/usdt")
    assert told.code == 2
    assert "SOL/USDT.BINANCE is not traded by this agent: it was left out" in told.err
    assert "holdfast run --fresh" in told.err
    assert call("status", "--json").document["status"]["left_out"] == ["SOL/USDT.BINANCE"]


def test_a_run_goes_on_whether_or_not_what_it_left_out_is_asked_for_again(call: Call, market: Path):
    assert call(*RUN, "--market", market, *BOTH, "--until", "2021-01-05").code == 0
    alone = call(*RUN, "--market", market, "--instrument", "BTC/USDT", "--until", "2021-01-06")
    assert "goes on at" in alone.out, alone.err
    assert "goes on at" in call(*RUN, "--market", market, *BOTH, "--until", "2021-01-07").out
    assert call("journal", "replay").code == 0


def test_what_is_left_out_changes_no_digest(call: Call, market: Path, tmp_path: Path):
    digests = []
    for place, named in ((tmp_path / "one", BOTH), (tmp_path / "other", BOTH[:2])):
        assert call(*RUN, "--market", market, *named, "--until", "2021-02-01", "--home", place).code == 0
        digests.append(call("status", "--json", "--home", place).document["status"]["digest"])
    assert digests[0] == digests[1]


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (("run", "--plain", "--market", "synthetic", "--until", "2019-01-01"), "--until"),
        (("run", "--plain", "--market", "synthetic", "--from", "2024-03-01", "--until", "2024-03-01T02:00"), "--until"),
        (("backtest", "--data", "synthetic", "--to", "2019-01-01"), "--to"),
    ],
)
def test_an_end_before_the_first_bar_of_the_synthetic_market_is_a_usage_error(
    call: Call, home: Path, arguments: tuple[str, ...], option: str
):
    outcome = call(*arguments)
    assert outcome.code == 2
    begins = "2024-03-01" if "--from" in arguments else "2024-01-01"
    assert f"the synthetic market begins at {begins}T00:00:00Z, its first 4h bar closes at {begins}T04" in outcome.err
    assert option in outcome.err
    assert not (home / "journal").exists()


def test_a_run_goes_on_when_one_of_its_markets_has_ended_and_the_others_grow(call: Call, tmp_path: Path, monkeypatch):
    """Without --from the last two years are traded: a market that ended before them must not drop out."""
    folder = tmp_path / "data" / "market"
    folder.mkdir(parents=True)
    day = 24 * HOUR_MS
    both = ("--instrument", "BTC/USDT", "--instrument", "SOL/USDT")
    run = ("run", "--plain", "--timeframe", "1d", "--strategy", "ma_crossover", "--pace", "100000", *both)
    monkeypatch.setenv("HOLDFAST_DATA", str(tmp_path / "data"))
    for bars in (1_500, 2_300):
        for pair, count in (("BTC", bars), ("SOL", 1_200)):
            candles = wandering(count)
            candles["ts"] = candles["ts"][0] // day * day + (candles["ts"] - candles["ts"][0]) * 24
            write_candles(folder / f"binance-spot-{pair}_USDT-1d-a.parquet", candles)
        told = call(*run)
        assert told.code == 0, told.err
    assert "goes on at" in told.out

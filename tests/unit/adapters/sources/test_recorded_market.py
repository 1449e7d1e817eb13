"""The recorded market: what was measured by other means must come out here, to the last number."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from holdfast.adapters.sources.feed import SeriesFeed
from holdfast.adapters.sources.loading import available, load_bars
from holdfast.adapters.sources.parquet_candles import read_candles
from holdfast.core.errors import DataError
from holdfast.core.time import parse_time
from holdfast.domain.bar_quality import QualityReport
from holdfast.domain.market import BarFlag, BarSeries, Timeframe
from holdfast.domain.resample import bars_from_trades, resample
from holdfast.domain.values import InstrumentId

pytestmark = pytest.mark.slow


def only(market: Path, pattern: str) -> BarSeries:
    (path,) = market.glob(pattern)
    return read_candles(path)


def rows_at(series: BarSeries, other: BarSeries) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The rows of both that have the same time."""
    _, one, two = np.intersect1d(series.ts, other.ts, return_indices=True)
    return one, two


@pytest.fixture(scope="module")
def reports(market: Path) -> dict[str, QualityReport]:
    names = [path for path in sorted(market.glob("*.parquet")) if "-funding-" not in path.name]
    return {path.name: load_bars(path).report for path in names}


def test_every_candle_file_loads_and_its_gaps_are_those_of_the_manifest(
    market: Path, reports: dict[str, QualityReport]
):
    manifest = {item["file"]: item for item in json.loads((market / "manifest.json").read_text("utf-8"))}
    candles = {name for name, item in manifest.items() if item["timeframe"] != "funding"}
    assert candles == set(reports)
    for name in candles:
        report, item = reports[name], manifest[name]
        assert (report.bars, report.missing) == (item["rows"], item["missing_candles"]), name
        assert report.ts_first == parse_time(item["first"])
        assert report.ts_last == parse_time(item["last"])
        assert sum(gap.count for gap in report.gaps) == item["missing_candles"]
        assert len(report.gaps) == len(item["gaps"])


def test_marks_of_the_trade_candles_are_those_that_were_counted(reports: dict[str, QualityReport]):
    trade = {name: report for name, report in reports.items() if "-mark-" not in name}
    assert len(trade) == 76
    assert sum(report.missing for report in trade.values()) == 953
    assert sum(len(report.gaps) for report in trade.values()) == 248
    assert sum(len(report.no_trade) for report in trade.values()) == 70


def test_three_false_prints_are_found_and_two_real_moves_that_the_next_day_confirms(reports: dict[str, QualityReport]):
    found = {(report.instrument_id, report.timeframe): report.suspect for report in reports.values() if report.suspect}
    assert found == {
        ("BNB/USDT.BINANCE", "1h"): (parse_time("2017-11-06T03:00:00Z"),),
        ("LINK/USDT.BINANCE", "1h"): (parse_time("2020-03-12T10:00:00Z"),),
        ("LINK/USDT.BINANCE", "1d"): (parse_time("2020-03-12T00:00:00Z"),),
        # From 0.0074 to 0.0365, and from 0.182 to 0.365: it rose so far in a day, and stayed.
        ("DOGE/USDT.BINANCE", "1d"): (parse_time("2021-01-28T00:00:00Z"), parse_time("2021-04-16T00:00:00Z")),
    }
    moves = {report.instrument_id for report in reports.values() for bar in report.suspect_bars if bar.is_believed}
    assert moves == {"DOGE/USDT.BINANCE"}
    doge = next(report for report in reports.values() if report.instrument_id in moves and report.timeframe == "1d")
    assert [(list(bar.prices), bar.is_believed) for bar in doge.suspect_bars] == [(["high", "close"], True)] * 2


def test_the_127_missing_hours_of_btc_are_listed(reports: dict[str, QualityReport]):
    report = reports["binance-spot-BTC_USDT-1h-20170817-20221011.parquet"]
    longest = max(report.gaps, key=lambda gap: gap.count)
    assert (report.missing, len(report.gaps)) == (127, 27)
    assert (longest.ts_first_missing, longest.count) == (parse_time("2018-02-08T01:00:00Z"), 33)


@pytest.mark.parametrize("pair", ["BTC", "ETH"])
def test_5m_makes_1h_of_gateio(market: Path, pair: str):
    hours = only(market, f"gateio-perp-{pair}_USDT-1h-2023*.parquet")
    made = resample(only(market, f"gateio-perp-{pair}_USDT-5m-*.parquet"), Timeframe.H1)
    ours, theirs = rows_at(made, hours)
    assert len(ours) == 6_345
    for name in ("open", "high", "low", "close", "volume"):
        assert getattr(made, name)[ours].tolist() == getattr(hours, name)[theirs].tolist()


def test_trades_make_5m_of_xrp_eth(market: Path):
    table = pq.read_table(market / "trades" / "binance-spot-XRP_ETH-trades-20191011-20191013.parquet")
    table = table.sort_by([("ts", "ascending"), ("id", "ascending")])
    ts, price, amount = (table.column(name).to_numpy() for name in ("ts", "price", "amount"))
    made = bars_from_trades(InstrumentId("XRP/ETH.BINANCE"), Timeframe.M5, ts * 1_000_000, price, amount)
    recorded = only(market, "binance-spot-XRP_ETH-5m-*.parquet")
    ours, theirs = rows_at(made, recorded)
    assert len(theirs) == len(recorded) == 706
    for name in ("open", "high", "low", "close"):
        assert getattr(made, name)[ours].tolist() == getattr(recorded, name)[theirs].tolist()
    assert made.volume[ours].tolist() == recorded.volume[theirs].tolist()


def test_a_file_of_trades_gives_the_candles_of_the_same_days_but_for_its_edges(market: Path):
    loaded = load_bars(market / "trades" / "binance-spot-XRP_ETH-trades-20191011-20191013.parquet", None, Timeframe.M5)
    recorded = only(market, "binance-spot-XRP_ETH-5m-*.parquet")
    made = loaded.series
    ours, theirs = rows_at(made, recorded)
    assert len(made) == len(ours) == 704
    for name in ("open", "high", "low", "close", "volume", "flags"):
        assert getattr(made, name)[ours].tolist() == getattr(recorded, name)[theirs].tolist()
    assert "12477 trades" in loaded.report.notes[0]


def test_1h_makes_1d_of_binance_btc_on_every_whole_day(market: Path):
    made = resample(only(market, "binance-spot-BTC_USDT-1h-2017*.parquet"), Timeframe.D1)
    days = only(market, "binance-spot-BTC_USDT-1d-2018*.parquet")
    ours, theirs = rows_at(made, days)
    assert len(ours) == 1_717
    for name in ("open", "high", "low", "close"):
        assert getattr(made, name)[ours].tolist() == getattr(days, name)[theirs].tolist()
    np.testing.assert_allclose(made.volume[ours], days.volume[theirs], rtol=1e-14)


def test_gateio_and_binance_agree_within_half_a_percent(market: Path):
    gateio, binance = (only(market, f"{name}-perp-BTC_USDT-1h-2023*.parquet") for name in ("gateio", "binance"))
    ours, theirs = rows_at(gateio, binance)
    apart = np.abs(gateio.close[ours] / binance.close[theirs] - 1.0) * 1e4
    assert np.median(apart) == pytest.approx(1.16, abs=0.01)
    assert apart.max() == pytest.approx(47, abs=0.5)


def test_the_feed_shows_no_link_near_zero_and_says_why(market: Path):
    series = load_bars(market, "LINK/USDT.BINANCE", Timeframe.H1).series
    crash = series.between(parse_time("2020-03-12T09:00:00Z"), parse_time("2020-03-12T12:00:00Z"))
    assert crash.low.min() == 0.0001
    bars = [bar for group in SeriesFeed([crash]).groups() for bar in group]
    assert [bar.flags & BarFlag.SUSPECT for bar in bars] == [0, BarFlag.SUSPECT, 0]
    assert [bar.low for bar in bars] == [crash.low[0], 2.4693, 2.0]
    assert bars[1].high == 3.0765


def test_a_day_made_of_hours_does_not_show_it_either(market: Path):
    hours = load_bars(market, "LINK/USDT.BINANCE", Timeframe.H1).series
    days = resample(hours, Timeframe.D1)
    row = days.ts.tolist().index(parse_time("2020-03-12"))
    assert days.flags[row] & BarFlag.SUSPECT
    assert days.low[row] > 1.0


def test_the_outage_of_gateio_in_may_2025_is_no_trade_in_all_ten_pairs(market: Path):
    names = [name for name in available(market) if name.endswith("-PERP.GATEIO")]
    assert len(names) == 10
    outage = parse_time("2025-05-19T06:00:00Z")
    for path in market.glob("gateio-perp-*-1h-2025*.parquet"):
        series = read_candles(path)
        row = series.ts.tolist().index(outage)
        assert series.flags[row] == BarFlag.NO_TRADE
        assert series.flags[row + 1] == BarFlag.AFTER_NO_TRADE


def test_two_files_of_btc_1h_are_joined_with_a_gap_between(market: Path):
    loaded = load_bars(market, "BTC/USDT.BINANCE", Timeframe.H1)
    assert len(loaded.series) == 45_024 + 8_759
    assert "joined from 2 files" in loaded.report.notes[0]
    assert max(gap.count for gap in loaded.report.gaps) == 1_957


def test_funding_is_refused(market: Path):
    for path in market.glob("*-funding-*"):
        with pytest.raises(DataError, match="not candles"):
            load_bars(path)

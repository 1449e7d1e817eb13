"""Candles from Parquet files."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.unit.adapters.sources.conftest import write_candles
from tests.unit.domain.conftest import NAME, is_same, make_walk

from holdfast.adapters.sources.parquet_candles import SLICE_BARS, iter_candles, read_candles
from holdfast.core.errors import ConfigurationError, DataError
from holdfast.domain.bar_quality import label
from holdfast.domain.market import Timeframe
from holdfast.domain.values import InstrumentId

BTC = "binance-spot-BTC_USDT-1h-x.parquet"


@pytest.mark.parametrize("per_second", [1, 1_000, 1_000_000, 1_000_000_000])
def test_the_unit_of_time_is_told_from_the_times(tmp_path: Path, per_second: int):
    series = make_walk(100, name="BTC/USDT.BINANCE")
    assert is_same(read_candles(write_candles(tmp_path / BTC, series, per_second)), label(series))


@pytest.mark.parametrize("kind", [pa.timestamp("ms", "UTC"), pa.timestamp("s"), pa.timestamp("ns")])
def test_timestamp_columns_and_other_names_are_read(tmp_path: Path, kind: pa.DataType):
    series = make_walk(50)
    times = pa.array(series.ts).cast(pa.timestamp("ns")).cast(pa.timestamp(kind.unit)).cast(kind)
    columns = {"Date": times, "Open": series.open, "High": series.high, "Low": series.low, "Close": series.close}
    pq.write_table(pa.table({**columns, "Volume": series.volume, "extra": series.close}), tmp_path / "x.parquet")
    assert is_same(read_candles(tmp_path / "x.parquet", NAME), label(series))


def test_numbers_may_be_integers_or_single_floats(tmp_path: Path):
    rows = {"ts": [0, 3600], "open": [10, 11], "high": [12, 12], "low": [9, 9], "close": [11, 10]}
    rows["ts"] = [1_704_067_200, 1_704_070_800]
    table = pa.table({**rows, "volume": pa.array([1.5, 2.5], pa.float32())})
    pq.write_table(table, tmp_path / "x.parquet")
    series = read_candles(tmp_path / "x.parquet", NAME)
    assert series.timeframe is Timeframe.H1
    assert series.volume.tolist() == [1.5, 2.5]


def test_slices_are_the_whole(tmp_path: Path):
    series = label(make_walk(1_000, missing=0.05))
    path = write_candles(tmp_path / "x.parquet", series)
    slices = list(iter_candles(path, NAME, Timeframe.H1, bars=77))
    assert max(map(len, slices)) == 77
    first = 0
    for part in slices:
        assert is_same(part, series.slice(first, first + len(part)))
        first += len(part)
    assert first == len(series)


@pytest.mark.parametrize("bars", [SLICE_BARS - 1, SLICE_BARS, SLICE_BARS + 1, 2 * SLICE_BARS + 7])
def test_a_file_of_many_slices_is_read_as_one_series(tmp_path: Path, bars: int):
    series = make_walk(bars, name="BTC/USDT.BINANCE")
    found = read_candles(write_candles(tmp_path / BTC, series))
    assert is_same(found, label(series))
    assert not found.close.flags.writeable


def test_a_fault_at_a_border_of_slices_is_found(tmp_path: Path):
    series = make_walk(100)
    order = np.r_[0:50, 30:100]
    columns = {"ts": series.ts[order] // 1_000_000}
    columns |= {name: getattr(series, name)[order] for name in ("open", "high", "low", "close", "volume")}
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    with pytest.raises(DataError, match="not later than") as caught:
        list(iter_candles(tmp_path / "x.parquet", NAME, Timeframe.H1, bars=50))
    assert "2024-01-02T06:00:00Z" in str(caught.value)
    assert caught.value.hint


def test_what_is_no_candle_file_is_refused_and_told_why(tmp_path: Path):
    rates = tmp_path / "rates.parquet"
    pq.write_table(pa.table({"ts": [1_704_067_200_000], "rate": [0.0001]}), rates)
    with pytest.raises(DataError, match="funding rates"):
        read_candles(rates, NAME)
    with pytest.raises(DataError, match="holds funding, not candles"):
        read_candles(rates.rename(tmp_path / "binance-perp-BTC_USDT-funding-2024.parquet"))
    pq.write_table(pa.table({"a": [1]}), rates)
    with pytest.raises(DataError, match="no column for ts, open"):
        read_candles(rates, NAME)


def test_a_missing_file_names_what_lies_beside_it(tmp_path: Path):
    write_candles(tmp_path / "there.parquet", make_walk(3))
    with pytest.raises(DataError, match="no such file") as caught:
        read_candles(tmp_path / "gone.parquet", NAME)
    assert "there.parquet" in caught.value.hint


def test_a_file_without_a_telling_name_needs_an_instrument(tmp_path: Path):
    path = write_candles(tmp_path / "x.parquet", make_walk(3))
    with pytest.raises(ConfigurationError, match="does not say which market") as caught:
        read_candles(path)
    assert "BTC/USDT.BINANCE" in caught.value.hint
    assert read_candles(path, InstrumentId("AAA/USDT.TEST")).instrument_id == NAME


@pytest.mark.parametrize("cut", [0, 3, 100, -1, -20])
def test_a_cut_file_is_refused(tmp_path: Path, cut: int):
    path = write_candles(tmp_path / "x.parquet", make_walk(100))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match="no readable Parquet file") as caught:
        read_candles(path, NAME)
    assert caught.value.hint


def test_an_empty_table_nulls_and_text_are_refused(tmp_path: Path):
    path = write_candles(tmp_path / "x.parquet", make_walk(3).slice(0, 0))
    with pytest.raises(DataError, match="no candle"):
        read_candles(path, NAME)
    good = {"ts": [1_704_067_200], "open": [1.0], "high": [1.0], "low": [1.0], "close": [1.0], "volume": [1.0]}
    pq.write_table(pa.table({**good, "close": pa.array([None], pa.float64())}), path)
    with pytest.raises(DataError, match="1 rows have no close"):
        read_candles(path, NAME)
    pq.write_table(pa.table({**good, "close": ["1.0"]}), path)
    with pytest.raises(DataError, match="column close is of type string"):
        read_candles(path, NAME)
    pq.write_table(pa.table({**good, "ts": ["2024"]}), path)
    with pytest.raises(DataError, match="time column is of type string"):
        read_candles(path, NAME)
    pq.write_table(pa.table({**good, "ts": [17]}), path)
    with pytest.raises(DataError, match="no known unit"):
        read_candles(path, NAME)


def test_the_length_of_bars_must_be_told_or_tellable(tmp_path: Path):
    path = write_candles(tmp_path / "x.parquet", make_walk(1))
    with pytest.raises(DataError, match="cannot be told from 1 rows"):
        read_candles(path, NAME)
    assert read_candles(path, NAME, Timeframe.H1).timeframe is Timeframe.H1

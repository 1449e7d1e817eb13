"""Bars from a file or a folder, and what is said about them."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from tests.unit.adapters.sources.conftest import write_candles, write_csv
from tests.unit.domain.conftest import NAME, is_same, make_series, make_walk

from holdfast.adapters.sources.columns import Repair
from holdfast.adapters.sources.loading import available, load_bars, load_whole, stream_bars
from holdfast.adapters.storage.parquet.store import ParquetBarStore
from holdfast.core.errors import ConfigurationError, DataError
from holdfast.domain.bar_quality import label
from holdfast.domain.market import BarSeries, Timeframe
from holdfast.domain.resample import resample

BTC = "BTC/USDT.BINANCE"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    walk = make_walk(960, timeframe=Timeframe.M15, name=BTC)
    hours = resample(walk, Timeframe.H1)
    write_candles(tmp_path / "binance-spot-BTC_USDT-15m-a.parquet", walk)
    write_candles(tmp_path / "binance-spot-BTC_USDT-1h-a.parquet", hours.slice(0, 100))
    write_candles(tmp_path / "binance-spot-BTC_USDT-1h-b.parquet", hours.slice(120, 240))
    write_candles(tmp_path / "gateio-perp-BTC_USDT-1h-a.parquet", make_walk(48, name="BTC/USDT-PERP.GATEIO"))
    write_candles(tmp_path / "gateio-perp-BTC_USDT-1h-mark-a.parquet", make_walk(48))
    write_csv(tmp_path / "ETHUSDT-1h-2024-01.csv", make_walk(24))
    (tmp_path / "gateio-perp-BTC_USDT-funding-a.parquet").write_bytes(b"not read")
    (tmp_path / "README.md").write_text("not read", "utf-8")
    return tmp_path


def test_available_lists_what_the_names_say(folder: Path):
    assert available(folder) == {
        "BTC/USDT-MARK.GATEIO": [Timeframe.H1],
        "BTC/USDT-PERP.GATEIO": [Timeframe.H1],
        BTC: [Timeframe.M15, Timeframe.H1],
        "ETH/USDT.BINANCE": [Timeframe.H1],
    }


def test_a_folder_above_the_candles_will_do(folder: Path, tmp_path_factory: pytest.TempPathFactory):
    data = tmp_path_factory.mktemp("data")
    (data / "market").symlink_to(folder)
    assert available(data) == available(folder)


def test_files_of_one_pair_are_joined_and_the_hole_between_them_is_a_gap(folder: Path):
    loaded = load_bars(folder, BTC, Timeframe.H1)
    assert len(loaded.series) == 220
    assert (loaded.report.missing, len(loaded.report.gaps)) == (20, 1)
    assert loaded.series.flags[100] == 1
    assert "joined from 2 files" in loaded.report.notes[0]


def test_files_that_overlap_and_agree_are_joined_whole(folder: Path):
    series = resample(make_walk(960, timeframe=Timeframe.M15, name=BTC), Timeframe.H1)
    write_candles(folder / "binance-spot-BTC_USDT-1h-c.parquet", series.slice(90, 230))
    loaded = load_bars(folder, BTC, Timeframe.H1)
    assert is_same(loaded.series, label(series))
    assert is_same(load_whole(folder, BTC, Timeframe.H1).series, label(series))
    assert "joined from 3 files" in loaded.report.notes[0]


def test_of_files_that_overlap_and_differ_the_longer_stays(folder: Path):
    series = make_walk(240, seed=9, name=BTC)
    write_candles(folder / "binance-spot-BTC_USDT-1h-c.parquet", series.slice(90, 230))
    loaded = load_bars(folder, BTC, Timeframe.H1)
    assert is_same(loaded.series, label(series.slice(90, 230)))
    assert [note for note in loaded.report.notes if "left out: it differs from the longer" in note] == list(
        loaded.report.notes
    )
    with pytest.raises(DataError, match=r"the bar of 2024-01-0.* has .* in binance-spot-BTC_USDT-1h-c.parquet, and"):
        load_whole(folder, BTC, Timeframe.H1)


def test_a_coarser_timeframe_is_made_from_the_coarsest_that_fits(folder: Path):
    loaded = load_bars(folder, BTC, Timeframe.H4)
    assert is_same(loaded.series, resample(load_bars(folder, BTC, Timeframe.H1).series, Timeframe.H4))
    assert any("4h bars are made from 1h bars" in note and "lack 20 in 1 gaps" in note for note in loaded.report.notes)
    assert load_bars(folder, BTC, Timeframe.M30).series.timeframe is Timeframe.M30
    with pytest.raises(ConfigurationError, match="not there in 5m") as caught:
        load_bars(folder, BTC, Timeframe.M5)
    assert "15m, 1h" in caught.value.hint


def test_names_may_be_short_where_they_are_clear(folder: Path):
    assert load_bars(folder, "eth_usdt").series.instrument_id == "ETH/USDT.BINANCE"
    assert load_bars(folder, "BTC/USDT-PERP").series.instrument_id == "BTC/USDT-PERP.GATEIO"
    with pytest.raises(ConfigurationError, match="has no market XYZ/USDT") as caught:
        load_bars(folder, "XYZ/USDT")
    assert BTC in caught.value.hint
    with pytest.raises(ConfigurationError, match="has several markets") as caught:
        load_bars(folder)
    assert BTC in caught.value.hint
    with pytest.raises(ConfigurationError, match="in several timeframes"):
        load_bars(folder, BTC)


def test_the_unit_of_volume_and_mark_prices_are_noted(folder: Path):
    loaded = load_bars(folder, "BTC/USDT-PERP.GATEIO")
    assert "contracts of 0.0001 BTC" in loaded.report.notes[0]
    assert is_same(loaded.series, label(make_walk(48, name="BTC/USDT-PERP.GATEIO")))
    assert "mark prices" in load_bars(folder, "BTC/USDT-MARK.GATEIO").report.notes[0]


def test_a_file_says_who_it_is_unless_it_is_told(folder: Path):
    path = folder / "binance-spot-BTC_USDT-1h-a.parquet"
    assert load_bars(path).series.instrument_id == BTC
    assert load_bars(path, "BTC/USDT").series.instrument_id == BTC
    assert load_bars(path, "btc/usdc.kraken").series.instrument_id == "BTC/USDC.KRAKEN"
    assert load_bars(path, timeframe=Timeframe.D1).report.timeframe == "1d"
    with pytest.raises(ConfigurationError, match="has no market ETH/USDT"):
        load_bars(path, "ETH/USDT")
    nameless = write_candles(folder / "x.parquet", make_walk(3))
    assert load_bars(nameless, "eth_usdt").series.instrument_id == "ETH/USDT.FILE"
    with pytest.raises(ConfigurationError, match="names no instrument"):
        load_bars(nameless, "ETH")


def test_any_kind_of_file_gives_the_same_bars(tmp_path: Path):
    series = label(make_walk(100))
    parquet, plain = write_candles(tmp_path / "a.parquet", series), write_csv(tmp_path / "a.csv", series)
    packed = tmp_path / "b.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    for path in (parquet, plain, packed):
        assert is_same(load_bars(path, NAME).series, series)
    assert is_same(load_bars(plain, NAME, file_format="generic").series, series)


def test_repairs_reach_the_reader(tmp_path: Path):
    series = label(make_walk(10))
    path = write_csv(tmp_path / "a.csv", series)
    lines = path.read_text("utf-8").splitlines()
    path.write_text("\n".join([lines[0], *lines[5:], *lines[1:5]]), "utf-8")
    with pytest.raises(DataError, match="stands after"):
        load_bars(path, NAME)
    assert is_same(load_bars(path, NAME, repair=frozenset({Repair.SORT})).series, series)


def test_quality_is_reported(tmp_path: Path):
    rows = [(0, 10.0, 11.0, 9.0, 10.0, 1.0), (2, 10.0, 10.0, 10.0, 10.0, 0.0), (3, 10.0, 11.0, 0.1, 10.0, 1.0)]
    series = make_series(rows)
    report = load_bars(write_candles(tmp_path / "a.parquet", series), NAME).report
    assert (report.bars, report.missing, len(report.gaps)) == (3, 1, 1)
    assert report.no_trade == (int(series.ts[1]),)
    assert report.suspect == (int(series.ts[2]),)


def test_what_is_not_there_is_said(tmp_path: Path, folder: Path):
    with pytest.raises(DataError, match="no such file"):
        load_bars(tmp_path / "gone.parquet", NAME)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no candle file in this folder"):
        load_bars(tmp_path / "empty")
    with pytest.raises(ConfigurationError, match="unknown file format 'xml'"):
        load_bars(folder, file_format="xml")
    short = write_candles(tmp_path / "short.parquet", make_walk(5))
    with pytest.raises(DataError, match="no 1d bar is complete"):
        load_bars(short, NAME, Timeframe.D1)


def test_a_stream_gives_what_loading_gives(folder: Path):
    path = folder / "binance-spot-BTC_USDT-15m-a.parquet"
    slices = list(stream_bars(path, "BTC/USDT", bars=100))
    whole: BarSeries = load_bars(path).series
    assert {part.instrument_id for part in slices} == {BTC}
    assert np.concatenate([part.close for part in slices]).tolist() == whole.close.tolist()
    assert np.concatenate([part.flags for part in slices]).tolist() == whole.flags.tolist()


def test_a_file_of_the_store_is_read_wherever_it_lies(tmp_path: Path):
    series = label(make_walk(1_000, missing=0.1))
    path = tmp_path / "moved.parquet"
    Path(ParquetBarStore(tmp_path).save(series, "walk").path).rename(path)
    assert is_same(load_bars(path).series, series)
    assert load_bars(path, "B/C.D", Timeframe.D1).report.instrument_id == "B/C.D"
    slices = list(stream_bars(path, bars=300))
    assert [len(part) for part in slices][:2] == [300, 300]
    assert np.concatenate([part.close for part in slices]).tolist() == series.close.tolist()
    path.write_bytes(path.read_bytes().replace(b'"source":"walk"', b'"source":"talk"'))
    with pytest.raises(DataError, match="damaged"):
        load_bars(path)

"""Candles from CSV exports."""

import gzip
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.adapters.sources.conftest import write_csv
from tests.unit.domain.conftest import NAME, START, is_same, make_series, make_walk

from holdfast.adapters.sources.columns import Repair
from holdfast.adapters.sources.csv_candles import read_candles
from holdfast.core.errors import ConfigurationError, DataError
from holdfast.domain.bar_quality import label
from holdfast.domain.market import BarSeries, Timeframe

SECONDS = START // 1_000_000_000
HEADER = "timestamp,open,high,low,close,volume"
GOOD = [f"{SECONDS},10,12,9,11,5", f"{SECONDS + 3600},11,13,10,12,6", f"{SECONDS + 7200},12,14,11,13,7"]
EXPECTED = [(0, 10.0, 12.0, 9.0, 11.0, 5.0), (1, 11.0, 13.0, 10.0, 12.0, 6.0), (2, 12.0, 14.0, 11.0, 13.0, 7.0)]


def write(path: Path, *lines: str, end: str = "\n") -> Path:
    path.write_bytes((end.join(lines) + end).encode())
    return path


def expected(name: str = NAME) -> BarSeries:
    return label(make_series(EXPECTED, name=name))


@given(bars=st.integers(2, 200), seed=st.integers(0, 999))
def test_what_is_written_comes_back_bit_for_bit(tmp_path_factory: pytest.TempPathFactory, bars: int, seed: int):
    series = label(make_walk(bars, seed))
    path = write_csv(tmp_path_factory.mktemp("csv") / "x.csv", series)
    assert is_same(read_candles(path, NAME, Timeframe.H1), series)


def test_binance_with_and_without_header_in_ms_and_us(tmp_path: Path):
    rows = [
        f"{(SECONDS + at * 3600) * 1000},{o},{h},{low},{c},{v},{(SECONDS + at * 3600 + 3600) * 1000 - 1},1,2,3,4,0"
        for at, o, h, low, c, v in EXPECTED
    ]
    header = "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_volume,taker_quote_volume,ignore"
    name = "AAAUSDT-1h-2024-01.csv"
    assert is_same(read_candles(write(tmp_path / name, *rows), NAME), expected())
    assert is_same(read_candles(write(tmp_path / name, header, *rows), NAME), expected())
    micros = [row.replace("00000,", "00000000,", 1) for row in rows]
    found = read_candles(write(tmp_path / name, *micros))
    assert is_same(found, expected("AAA/USDT.BINANCE"))


def test_gateio_archive_and_rest_export(tmp_path: Path):
    archive = [f"{SECONDS + at * 3600},{v},{c},{h},{low},{o}" for at, o, h, low, c, v in EXPECTED]
    path = write(tmp_path / "AAA_USDT-202401.csv", *archive)
    assert is_same(read_candles(path), expected("AAA/USDT.GATEIO"))
    rest = [f"{SECONDS + at * 3600},{v * c},{c},{h},{low},{o},{v},true" for at, o, h, low, c, v in EXPECTED]
    assert is_same(read_candles(write(path, *rest), layout="gateio"), expected("AAA/USDT.GATEIO"))
    zipped = tmp_path / "AAA_USDT-202402.csv.gz"
    zipped.write_bytes(gzip.compress(path.read_bytes()))
    assert is_same(read_candles(zipped), expected("AAA/USDT.GATEIO"))


def test_coinbase_comes_newest_first_and_is_turned_around(tmp_path: Path):
    rows = [f"{SECONDS + at * 3600},{low},{h},{o},{c},{v}" for at, o, h, low, c, v in reversed(EXPECTED)]
    path = write(tmp_path / "Coinbase_AAAUSD_1h.csv", *rows)
    assert is_same(read_candles(path), expected("AAA/USD.COINBASE"))
    assert is_same(read_candles(write(path, "time,low,high,open,close,volume", *rows)), expected("AAA/USD.COINBASE"))


def test_collections_with_a_link_on_top_and_two_volumes(tmp_path: Path):
    lines = ["https://www.example.org", "unix,date,symbol,open,high,low,close,Volume AAA,Volume USD"]
    lines += [
        f"{(SECONDS + at * 3600) * 1000},2024-01-01 0{at}:00:00,AAA/USD,{o},{h},{low},{c},{v},{v * c}"
        for at, o, h, low, c, v in reversed(EXPECTED)
    ]
    assert is_same(read_candles(write(tmp_path / "x.csv", *lines), NAME), expected())


@pytest.mark.parametrize(
    ("stamp", "delimiter"),
    [
        ("2024-01-01T{:02}:00:00Z", ","),
        ("2024-01-01 {:02}:00:00", ";"),
        ("2024-01-01T{:02}:00:00+00:00", "\t"),
        ("2024-01-01 {:02}:00:00 UTC", ","),
    ],
)
def test_iso_times_and_other_delimiters(tmp_path: Path, stamp: str, delimiter: str):
    lines = ["Date,Open,High,Low,Close,Volume".replace(",", delimiter)]
    lines += [delimiter.join([stamp.format(row[0]), *map(str, row[1:])]) for row in EXPECTED]
    assert is_same(read_candles(write(tmp_path / "x.csv", *lines), NAME), expected())


def test_windows_line_ends_byte_order_mark_blank_lines_and_float_times(tmp_path: Path):
    path = tmp_path / "x.csv"
    path.write_bytes(
        b"\xef\xbb\xbf" + "\r\n".join([HEADER, *GOOD, "", ""]).replace(f"{SECONDS},", f"{SECONDS}.0,").encode()
    )
    assert is_same(read_candles(path, NAME), expected())


def test_a_zip_with_one_csv_is_read_and_one_with_two_is_refused(tmp_path: Path):
    path = tmp_path / "AAAUSDT-1h-2024-01.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("AAAUSDT-1h-2024-01.csv", "\n".join([HEADER, *GOOD]))
    assert is_same(read_candles(path), expected("AAA/USDT.BINANCE"))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("more.csv", "")
    with pytest.raises(DataError, match="holds 2 CSV files"):
        read_candles(path)


FAULTS = [
    ([], "the file is empty"),
    ([HEADER], "there is a header but no row"),
    ([HEADER, GOOD[0], GOOD[2], GOOD[1]], "line 4: 2024-01-01T01:00:00Z stands after 2024-01-01T02:00:00Z"),
    ([HEADER, GOOD[0], GOOD[0], GOOD[1]], "line 3: 2024-01-01T00:00:00Z stood in line 2 with the same numbers"),
    ([HEADER, *GOOD[:2], f"{SECONDS + 7200},12,14"], "line 4 has 3 fields, expected 6"),
    ([HEADER, GOOD[0], f"{SECONDS + 3600},11,13,ten,12,6"], "line 3: low is 'ten', expected a number"),
    ([HEADER, GOOD[0], f"{SECONDS + 3600},11,13,,12,6"], "line 3: low is '', expected a number"),
    ([HEADER, GOOD[0], f"{SECONDS + 3600},11,13,nan,12,6"], "line 3: low is 'nan', expected a number"),
    ([HEADER, GOOD[0], f"{SECONDS + 3600},11,inf,10,12,6"], "line 3: high is 'inf', expected a number"),
    ([HEADER, GOOD[0], "yesterday,11,13,10,12,6"], "line 3: time is 'yesterday', expected a Unix time or a date"),
    ([HEADER, GOOD[0], f"{SECONDS + 3600},11,10.5,10,12,6"], "line 3: .* high is below open or close"),
    ([HEADER, GOOD[0], f"{SECONDS + 3600},11,13,10,12,-6"], "line 3: .* volume is negative"),
    ([HEADER, "", *GOOD[:2], f"{SECONDS + 7201},12,14,11,13,7"], "line 5: .* not on the grid of 1h"),
    (["timestamp,open,high,low,close", "1,2,3,4,5"], "no column for volume; the header has timestamp, open"),
    (["1,2,3"], "line 1 has 3 fields; a candle has at least 6"),
]


@pytest.mark.parametrize(("lines", "what"), FAULTS)
def test_faults_name_their_line_and_a_remedy(tmp_path: Path, lines: list[str], what: str):
    path = tmp_path / "x.csv"
    path.write_text("\n".join(lines), "utf-8")
    with pytest.raises(DataError, match=what) as caught:
        read_candles(path, NAME, Timeframe.H1)
    assert str(caught.value).startswith("x.csv: ")
    assert caught.value.hint


def test_a_missing_cut_or_binary_file_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match="no such file"):
        read_candles(tmp_path / "gone.csv", NAME)
    packed = gzip.compress("\n".join([HEADER, *GOOD * 50]).encode())
    (tmp_path / "x.csv.gz").write_bytes(packed[:-9])
    with pytest.raises(DataError, match="cut off or damaged"):
        read_candles(tmp_path / "x.csv.gz", NAME)
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\x00\x01" * 10)
    with pytest.raises(DataError, match="no text file"):
        read_candles(tmp_path / "x.csv", NAME)


def test_sorting_and_dropping_duplicates_must_be_asked_for(tmp_path: Path):
    path = write(tmp_path / "x.csv", HEADER, GOOD[2], GOOD[0], GOOD[1], GOOD[0])
    with pytest.raises(DataError, match="stands after") as caught:
        read_candles(path, NAME, Timeframe.H1)
    assert "repair 'sort'" in caught.value.hint
    with pytest.raises(DataError, match="with the same numbers") as caught:
        read_candles(path, NAME, Timeframe.H1, repair=frozenset({Repair.SORT}))
    assert "drop-duplicates" in caught.value.hint
    assert is_same(read_candles(path, NAME, repair=frozenset(Repair)), expected())


def test_two_rows_that_contradict_each_other_are_never_mended(tmp_path: Path):
    path = write(tmp_path / "x.csv", HEADER, GOOD[0], GOOD[1], f"{SECONDS + 3600},11,13,10,12.5,6")
    with pytest.raises(DataError, match="with other numbers"):
        read_candles(path, NAME, Timeframe.H1, repair=frozenset(Repair))


def test_columns_that_can_be_read_two_ways_must_be_named(tmp_path: Path):
    path = write(tmp_path / "x.csv", f"{SECONDS},1,1,1,1,1", f"{SECONDS + 3600},1,1,1,1,1")
    with pytest.raises(ConfigurationError, match="can be read as") as caught:
        read_candles(path, NAME)
    assert "binance" in caught.value.hint
    assert len(read_candles(path, NAME, layout="gateio")) == 2
    wrong = write(tmp_path / "x.csv", f"{SECONDS},1,2,30,4,5", f"{SECONDS + 3600},9,1,7,1,1")
    with pytest.raises(ConfigurationError, match="none of the known orders"):
        read_candles(wrong, NAME)
    with pytest.raises(ConfigurationError, match="does not say which market"):
        read_candles(path)

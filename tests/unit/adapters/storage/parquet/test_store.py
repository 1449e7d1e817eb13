"""The folder of bar files."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.domain.conftest import NAME, START, any_series, is_same, make_series, make_walk

from holdfast.adapters.sources.feed import SeriesFeed, StreamFeed
from holdfast.adapters.storage.parquet.durable import PART_SUFFIX, replace_durably
from holdfast.adapters.storage.parquet.store import GROUP_BARS, ParquetBarStore, instrument_named, path_name
from holdfast.core.errors import DataError
from holdfast.core.time import HOUR
from holdfast.domain.bar_quality import label
from holdfast.domain.false_prints import trusted
from holdfast.domain.market import BarFlag, BarSeries, Timeframe
from holdfast.domain.series_digest import series_digest
from holdfast.ports.market import BarStore, Catalog, DatasetInfo


@pytest.fixture
def store(tmp_path: Path) -> ParquetBarStore:
    return ParquetBarStore(tmp_path)


@given(any_series())
def test_any_valid_series_comes_back_bit_for_bit(tmp_path_factory: pytest.TempPathFactory, series: BarSeries):
    store: BarStore = ParquetBarStore(tmp_path_factory.mktemp("bars"))
    info = store.save(series, "drawn")
    assert is_same(store.load(series.instrument_id, series.timeframe), series)
    assert store.catalog() == Catalog((info,))


def test_a_series_of_several_groups_comes_back_whole_and_in_slices(store: ParquetBarStore):
    series = label(make_walk(2 * GROUP_BARS + 4_000, timeframe=Timeframe.M1, missing=0.01))
    store.save(series, "walk")
    assert is_same(store.load(NAME, Timeframe.M1), series)
    for bars in (7_000, 50_000):
        slices = list(store.iter_slices(NAME, Timeframe.M1, bars=bars))
        assert max(map(len, slices)) <= bars
        first = 0
        for part in slices:
            assert is_same(part, series.slice(first, first + len(part)))
            first += len(part)
        assert first == len(series)


@pytest.mark.parametrize(
    ("first", "last"), [(0, 10), (100, 40_000), (32_767, 32_769), (65_536, 65_537), (None, 5), (69_000, None), (9, 9)]
)
def test_a_stretch_of_time_is_what_between_gives(store: ParquetBarStore, first: int | None, last: int | None):
    series = make_walk(70_000, timeframe=Timeframe.M1)
    if not store.path_of(NAME, Timeframe.M1).exists():
        store.save(series, "walk")
    begin, end = (None if at is None else START + at * Timeframe.M1.nanos for at in (first, last))
    expected = series.between(begin, end)
    assert is_same(store.load_between(NAME, Timeframe.M1, begin, end), expected)
    slices = list(store.iter_slices(NAME, Timeframe.M1, ts_from=begin, ts_to=end))
    assert sum(map(len, slices)) == len(expected)


def with_false_bars(rows: tuple[int, ...]) -> BarSeries:
    walk = make_walk(GROUP_BARS + 2_000, timeframe=Timeframe.M1)
    columns = [np.array(column) for column in (walk.open, walk.high, walk.low, walk.close)]
    for row in rows:
        for column in columns:
            column[row] = 0.01
    return walk.replaced(prices=(columns[0], columns[1], columns[2], columns[3]))


@pytest.mark.parametrize("row", [100, GROUP_BARS - 1, GROUP_BARS, GROUP_BARS + 1])
def test_a_stretch_that_begins_with_a_false_bar_is_as_good_as_the_whole(store: ParquetBarStore, row: int):
    series = label(with_false_bars((row,)))
    assert store.save(series, "walk").suspect == 1
    begin = int(series.ts[row])
    expected = trusted(series).slice(row, len(series))
    assert is_same(trusted(store.load_between(NAME, Timeframe.M1, begin, None)), expected)
    for first in (None, begin):
        at = 0 if first is None else row
        for part in store.iter_slices(NAME, Timeframe.M1, bars=7_000, ts_from=first):
            assert is_same(trusted(part), trusted(series).slice(at, at + len(part)))
            at += len(part)


def test_a_series_that_was_saved_when_only_wicks_were_judged_is_judged_when_it_is_read(
    store: ParquetBarStore, monkeypatch: pytest.MonkeyPatch
):
    rows = (100, GROUP_BARS - 1, GROUP_BARS + 1)
    raw = with_false_bars(rows)
    monkeypatch.setattr("holdfast.adapters.storage.parquet.store.VERSION", 1)
    store.save(raw, "walk")
    monkeypatch.undo()
    expected = label(raw)
    assert np.flatnonzero(expected.flags & BarFlag.SUSPECT).tolist() == list(rows)
    assert store.verify(NAME, Timeframe.M1).bars == len(raw)
    assert is_same(store.load(NAME, Timeframe.M1), expected)
    for row in (0, *rows):
        begin, at = int(raw.ts[row]), row
        assert is_same(
            trusted(store.load_between(NAME, Timeframe.M1, begin, None)), trusted(expected).between(begin, None)
        )
        for part in store.iter_slices(NAME, Timeframe.M1, bars=7_000, ts_from=begin):
            assert is_same(trusted(part), trusted(expected).slice(at, at + len(part)))
            at += len(part)


def test_a_stretch_reads_its_own_groups_only(store: ParquetBarStore):
    series = make_walk(3 * GROUP_BARS, timeframe=Timeframe.M1)
    path = Path(store.save(series, "walk").path)
    with pq.ParquetFile(path) as file:
        column = file.metadata.row_group(0).column(5)
        at = column.data_page_offset + column.total_compressed_size // 2
    content = bytearray(path.read_bytes())
    content[at] ^= 0xFF
    path.write_bytes(content)
    later = START + GROUP_BARS * Timeframe.M1.nanos
    assert is_same(store.load_between(NAME, Timeframe.M1, later, None), series.slice(GROUP_BARS, len(series)))
    with pytest.raises(DataError, match=r"damaged"):
        store.load(NAME, Timeframe.M1)


def test_the_catalog_tells_what_is_stored_and_in_order(store: ParquetBarStore):
    rows = [(0, 10.0, 11.0, 9.0, 10.0, 1.0), (2, 10.0, 10.0, 10.0, 10.0, 0.0), (3, 10.0, 11.0, 0.1, 10.0, 1.0)]
    series = label(make_series(rows, name="BTC/USDT.BINANCE"))
    info = store.save(series, "made by hand")
    path = store.path_of("BTC/USDT.BINANCE", Timeframe.H1)
    assert info == DatasetInfo(
        "BTC/USDT.BINANCE", "1h", 3, START, START + 3 * HOUR, 1, 1, 1, 1, False,
        path.stat().st_size, series_digest(series), str(path), "made by hand",
    )  # fmt: skip
    store.save(make_walk(5, timeframe=Timeframe.M15, name="BTC/USDT.BINANCE"), "x")
    store.save(make_walk(5, timeframe=Timeframe.D1, name="BTC/USDT.BINANCE"), "x")
    store.save(make_walk(5, name="AAA/USDT.BINANCE"), "x")
    names = [(item.instrument_id, item.timeframe) for item in store.catalog().datasets]
    btc = [("BTC/USDT.BINANCE", name) for name in ("15m", "1h", "1d")]
    assert names == [("AAA/USDT.BINANCE", "1h"), *btc]
    assert store.verify("BTC/USDT.BINANCE", Timeframe.H1) == info
    assert ParquetBarStore(path / "nowhere").catalog() == Catalog()


def test_a_folder_is_named_after_its_instrument_and_back():
    for name in ("BTC/USDT.BINANCE", "A_B/C.X", ".hidden", "ä %", "BTC/USDT-PERP.GATEIO"):
        assert instrument_named(path_name(name)) == name
    assert instrument_named("%FF") == "%FF"


def test_saving_again_replaces(store: ParquetBarStore):
    store.save(make_walk(100), "old")
    store.save(make_walk(50, seed=2), "new")
    assert is_same(store.load(NAME, Timeframe.H1), make_walk(50, seed=2))
    assert [item.source for item in store.catalog().datasets] == ["new"]


def test_what_cannot_be_trusted_is_not_kept(store: ParquetBarStore):
    store.save(make_walk(100), "good")
    with pytest.raises(DataError, match="low is above"):
        store.save(make_series([(0, 10.0, 11.0, 10.5, 10.0, 1.0)]), "bad")
    assert is_same(store.load(NAME, Timeframe.H1), make_walk(100))


def test_what_is_not_there_is_said(store: ParquetBarStore):
    with pytest.raises(DataError, match=r"AAA/USDT\.TEST 1h: no bars are stored") as caught:
        store.load(NAME, Timeframe.H1)
    assert "import" in caught.value.hint
    with pytest.raises(DataError, match="no bars are stored"):
        next(iter(store.iter_slices(NAME, Timeframe.M1)))


def test_a_file_that_was_renamed_is_refused(store: ParquetBarStore):
    store.save(make_walk(10), "x")
    store.path_of(NAME, Timeframe.H1).rename(store.path_of(NAME, Timeframe.D1))
    with pytest.raises(DataError, match=r"holds AAA/USDT\.TEST 1h, not AAA/USDT\.TEST 1d"):
        store.load(NAME, Timeframe.D1)


def test_a_foreign_parquet_file_is_refused(store: ParquetBarStore):
    path = store.path_of(NAME, Timeframe.H1)
    path.parent.mkdir(parents=True)
    pq.write_table(pq.read_table(store.save(make_walk(5, name="B/C.D"), "x").path).replace_schema_metadata(None), path)
    with pytest.raises(DataError, match="no bar file of holdfast"):
        store.load(NAME, Timeframe.H1)


@given(st.text(min_size=1, max_size=16), st.text(min_size=1, max_size=16))
def test_names_of_folders_are_safe_and_one_to_one(one: str, other: str):
    names = [path_name(one), path_name(other)]
    assert (names[0] == names[1]) == (one == other)
    for name in names:
        assert "/" not in name
        assert "\0" not in name
        assert not name.startswith(".")
        assert name.isascii()


def test_names_of_folders_can_be_read_by_a_person():
    assert path_name("BTC/USDT.BINANCE") == "BTC_USDT.BINANCE"
    assert path_name("../etc") == "%2E._etc"
    for name in ("", "A" * 201):
        with pytest.raises(DataError, match="cannot name a folder"):
            path_name(name)


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path):
    path = tmp_path / "a" / "b" / "bars"
    replace_durably(path, lambda file: file.write(b"old") and None)

    def fails(file: object) -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        replace_durably(path, fails)
    assert path.read_bytes() == b"old"
    assert [item.name for item in path.parent.iterdir()] == ["bars"]


def test_a_process_killed_while_it_writes_leaves_the_old_series(store: ParquetBarStore):
    store.save(make_walk(100), "old")
    path = store.path_of(NAME, Timeframe.H1)
    program = (
        "import os, sys; from pathlib import Path\n"
        "from holdfast.adapters.storage.parquet.durable import replace_durably\n"
        "replace_durably(Path(sys.argv[1]), lambda file: (file.write(b'half'), file.flush(), os._exit(9)))"
    )
    assert subprocess.run([sys.executable, "-c", program, str(path)], check=False).returncode == 9
    assert [item.suffix for item in path.parent.iterdir() if item != path] == [PART_SUFFIX]
    assert is_same(store.load(NAME, Timeframe.H1), make_walk(100))
    assert [item.source for item in store.catalog().datasets] == ["old"]


def test_a_stream_from_the_store_is_the_feed_of_the_series(store: ParquetBarStore):
    series = label(make_walk(40_000, timeframe=Timeframe.M1))
    store.save(series, "walk")
    stream = StreamFeed(lambda: store.iter_slices(NAME, Timeframe.M1))
    assert list(stream.groups()) == list(SeriesFeed([series]).groups())


@pytest.mark.slow
def test_a_million_bars_pass_through_little_memory(store: ParquetBarStore):
    store.save(make_walk(1_000_000, timeframe=Timeframe.M1), "walk")
    program = (
        "import sys; from pathlib import Path\n"
        "from holdfast.adapters.sources.feed import StreamFeed\n"
        "from holdfast.adapters.storage.parquet.store import ParquetBarStore\n"
        "from holdfast.domain.market import Timeframe\n"
        "store = ParquetBarStore(Path(sys.argv[1]))\n"
        "feed = StreamFeed(lambda: store.iter_slices(sys.argv[2], Timeframe.M1))\n"
        "count = sum(1 for _ in feed.groups())\n"
        # Not ru_maxrss: a child inherits that from the process that started it.
        "peak = next(line for line in open('/proc/self/status') if line.startswith('VmHWM'))\n"
        "print(count, int(peak.split()[1]) // 1024)"
    )
    root = store.path_of(NAME, Timeframe.M1).parents[1]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    result = subprocess.run(
        [sys.executable, "-c", program, str(root), NAME], capture_output=True, text=True, check=True, env=environment
    )
    count, megabytes = map(int, result.stdout.split())
    assert count == 1_000_000
    assert megabytes <= 120


def test_any_parquet_reader_sees_integers_and_a_header_in_json(store: ParquetBarStore):
    series = make_walk(100)
    info = store.save(series, "walk")
    table = pq.read_table(info.path)
    header = msgspec.json.decode(table.schema.metadata[b"holdfast.bars"])
    assert header["instrument_id"] == NAME
    assert header["scale"] == {"price_places": 2, "volume_places": 4}
    assert table.column_names == ["missing", "open", "high", "low", "close", "volume", "flags"]
    steps = [(n >> 1) ^ -(n & 1) for name in ("open", "close") for n in table.column(name).to_pylist()]
    closes = np.cumsum(np.array(steps[:100]) + np.array(steps[100:])) / 100
    assert closes.tolist() == series.close.tolist()

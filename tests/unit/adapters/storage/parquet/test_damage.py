"""A damaged file is an error or harmless; wrong bars never come out of it."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.domain.conftest import NAME, is_same, make_walk

from holdfast.adapters.storage.parquet.store import ParquetBarStore
from holdfast.core.errors import DataError
from holdfast.domain.bar_quality import label
from holdfast.domain.market import BarSeries, Timeframe


def kept(folder: Path) -> tuple[ParquetBarStore, Path, BarSeries]:
    """A file with gaps, a companion column and noisy volumes."""
    series = make_walk(120, missing=0.1)
    volume = series.volume.copy()
    volume[7] = 1 / 3
    prices = (series.open, series.high, series.low, series.close)
    series = label(BarSeries(NAME, Timeframe.H1, series.ts, prices, volume, series.flags))
    store = ParquetBarStore(folder)
    return store, Path(store.save(series, "walk").path), series


def outcome(store: ParquetBarStore, series: BarSeries) -> str:
    try:
        found = store.load(NAME, Timeframe.H1)
    except DataError as error:
        return "refused" if error.hint and str(store.path_of(NAME, Timeframe.H1)) in str(error) else "refused badly"
    return "harmless" if is_same(found, series) else "WRONG"


@given(data=st.data())
def test_any_change_of_a_few_bytes_is_found_or_harmless(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject):
    store, path, series = kept(tmp_path_factory.mktemp("bars"))
    content = bytearray(path.read_bytes())
    places = data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4))
    for place in places:
        content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    assert outcome(store, series) in {"refused", "harmless"}


@pytest.mark.slow
@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_every_flipped_byte_is_found_or_harmless(tmp_path: Path, mask: int):
    store, path, series = kept(tmp_path)
    content = path.read_bytes()
    outcomes = []
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ mask]) + content[place + 1 :])
        outcomes.append(outcome(store, series))
    assert set(outcomes) <= {"refused", "harmless"}
    # What may change without harm is what nobody reads: the writer's name and the like.
    assert outcomes.count("refused") > 0.8 * len(outcomes)


def test_a_file_cut_anywhere_is_refused(tmp_path: Path):
    store, path, series = kept(tmp_path)
    content = path.read_bytes()
    for cut in [*range(0, len(content), 97), len(content) - 1]:
        path.write_bytes(content[:cut])
        assert outcome(store, series) == "refused"


def test_a_file_of_zeros_and_a_file_in_the_middle_of_which_a_block_is_lost_are_refused(tmp_path: Path):
    store, path, series = kept(tmp_path)
    content = path.read_bytes()
    path.write_bytes(bytes(len(content)))
    assert outcome(store, series) == "refused"
    path.write_bytes(content[:512] + bytes(512) + content[1_024:])
    assert outcome(store, series) == "refused"


def test_a_damaged_file_is_named_by_catalog_and_verify(tmp_path: Path):
    store, path, _ = kept(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"source":"walk"', b'"source":"talk"'))
    (named,) = store.catalog().damaged
    assert (named.instrument_id, named.timeframe, named.path) == (NAME, "1h", str(path))
    assert str(path) in named.error
    assert "damaged" in named.error
    assert "import its bars again" in named.next
    with pytest.raises(DataError, match="damaged"):
        store.verify(NAME, Timeframe.H1)


def test_one_damaged_file_hides_no_other(tmp_path: Path):
    store, path, _ = kept(tmp_path)
    sound = store.save(make_walk(50, name="ETH/USDT.BINANCE"), "walk")
    for content in (b"", b"rubbish", path.read_bytes()[:-9]):
        path.write_bytes(content)
        found = store.catalog()
        assert found.datasets == (sound,)
        assert [item.path for item in found.damaged] == [str(path)]


def test_a_file_that_was_moved_is_named_and_nothing_else_is_lost(tmp_path: Path):
    store, path, _ = kept(tmp_path)
    other, third = path.with_name("4h.parquet"), path.with_name("notes.parquet")
    path.rename(other)
    third.write_bytes(b"no bars")
    sound = store.save(make_walk(50, name="ETH/USDT.BINANCE"), "walk")
    found = store.catalog()
    assert found.datasets == (sound,)
    assert [item.path for item in found.damaged] == [str(other), str(third)]
    assert f"holds {NAME} 1h, not {NAME} 4h" in found.damaged[0].error


@given(data=st.data())
def test_no_changed_byte_stops_the_catalog(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject):
    store, path, _ = kept(tmp_path_factory.mktemp("bars"))
    sound = store.save(make_walk(5, name="ETH/USDT.BINANCE"), "walk")
    content = bytearray(path.read_bytes())
    # The footer is what a catalog reads.
    content[data.draw(st.integers(max(0, len(content) - 2_500), len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    found = store.catalog()
    assert sound in found.datasets
    assert len(found.datasets) + len(found.damaged) == 2


def test_verify_compares_with_the_digest_of_what_was_saved(tmp_path: Path):
    store, path, series = kept(tmp_path)
    assert store.verify(NAME, Timeframe.H1).sha256
    other = ParquetBarStore(tmp_path / "other")
    content = path.read_bytes()
    changed = BarSeries(
        NAME, Timeframe.H1, series.ts, (series.open, series.high, series.low, series.close),
        np.roll(series.volume, 1), series.flags,
    )  # fmt: skip
    foreign = Path(other.save(changed, "walk").path)
    path.write_bytes(foreign.read_bytes())
    assert is_same(store.load(NAME, Timeframe.H1), changed)
    path.write_bytes(content)
    assert is_same(store.load(NAME, Timeframe.H1), series)

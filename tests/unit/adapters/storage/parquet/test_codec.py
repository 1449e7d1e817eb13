"""Bars to integer columns and back."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.unit.domain.conftest import any_series, is_same, make_series, make_walk

from holdfast.adapters.storage.parquet import codec
from holdfast.adapters.storage.parquet.layout import Group, Header, Scale, opened, sealed
from holdfast.core.errors import DataError
from holdfast.domain.market import BarSeries


def there_and_back(series: BarSeries, cut: int) -> list[BarSeries]:
    """Encode and decode in two groups, the second from what the first left."""
    scale = codec.scale_of(series)
    close_before, found = 0, []
    for part in (series.slice(0, cut), series.slice(cut, len(series))):
        if len(part):
            group = Group(len(part), int(part.ts[0]), int(part.ts[-1]), close_before, 0)
            columns, close_before = codec.encode(part, scale, close_before, 0)
            assert set(columns) == set(codec.names(scale))
            found.append(codec.decode(columns, scale, group, part.instrument_id, part.timeframe))
    return found


@given(any_series(), st.integers(0, 40))
@example(make_series([(0, 0.1 + 0.2, 0.4, 0.3, 0.3, -0.0), (9, 0.3, 0.3, 0.3, 0.3, 1e300)]), 1)
@example(make_series([(0, 5e-324, 1.7e308, 5e-324, 1.7e308, 5e-324)]), 0)
def test_any_valid_series_comes_back_bit_for_bit(series: BarSeries, cut: int):
    cut = min(cut, len(series))
    parts = there_and_back(series, cut)
    expected = [part for part in (series.slice(0, cut), series.slice(cut, len(series))) if len(part)]
    assert len(parts) == len(expected)
    assert all(is_same(one, other) for one, other in zip(parts, expected, strict=True))


@given(st.integers(1, 500), st.integers(0, 999), st.integers(0, 6), st.sampled_from([0.0, 0.1]))
def test_prices_on_a_tick_become_small_integers(bars: int, seed: int, places: int, missing: float):
    walk = make_walk(bars, seed, missing=missing)
    ticks = [np.rint(column * 100) for column in (walk.open, walk.high, walk.low, walk.close)]
    prices = (ticks[0] / 10**places, ticks[1] / 10**places, ticks[2] / 10**places, ticks[3] / 10**places)
    series = BarSeries(walk.instrument_id, walk.timeframe, walk.ts, prices, walk.volume, walk.flags)
    scale = codec.scale_of(series)
    assert scale.price_places is not None
    columns, _ = codec.encode(series, scale, int(series.open[0] * 10**scale.price_places), 0)
    assert all(np.abs(columns[name][1:]).max(initial=0) < 10**4 for name in codec.PRICES if not scale.patched)
    (back,) = there_and_back(series, 0)
    assert is_same(back, series)


def test_the_smaller_of_digits_and_companions_is_taken():
    walk = make_walk(2_000)
    assert codec.scale_of(walk) == Scale(2, 4)
    volume = walk.volume.copy()
    volume[1_000] = 1 / 3
    one_off = BarSeries(
        walk.instrument_id, walk.timeframe, walk.ts, (walk.open, walk.high, walk.low, walk.close), volume, walk.flags
    )
    assert codec.scale_of(one_off) == Scale(2, 4, ("volume",))
    none = walk.close * np.pi / 10_000
    no_grid = BarSeries(walk.instrument_id, walk.timeframe, walk.ts, (none, none, none, none), volume, walk.flags)
    assert codec.scale_of(no_grid) == Scale(None, 4, ("volume",))


def test_the_checksum_sees_every_value_and_not_the_width():
    columns, _ = codec.encode(make_walk(50), codec.scale_of(make_walk(50)), 0, 0)
    whole = codec.checksum(columns)
    assert codec.checksum({name: column.astype(np.int32) for name, column in columns.items()}) == whole
    for name, column in columns.items():
        changed = column.copy()
        changed[25] += 1
        assert codec.checksum({**columns, name: changed}) != whole


def header() -> Header:
    scale = Scale(2, 4, ("volume",))
    groups = (Group(1, 0, 0, 0, 7),)
    return Header(1, "A/B.C", "1h", 1, 0, 0, 0, 0, False, "00", "a file", scale, groups)


def test_a_header_comes_back_and_every_flipped_byte_of_it_is_seen():
    entries = sealed(header())
    assert opened(entries, "x") == header()
    for key, value in entries.items():
        for index in range(len(value)):
            for mask in (1, 0x80, 0xFF):
                changed = bytearray(value)
                changed[index] ^= mask
                with pytest.raises(DataError):
                    opened({**entries, key: bytes(changed)}, "x")


def test_other_files_and_newer_formats_are_told_apart():
    with pytest.raises(DataError, match="no bar file of holdfast"):
        opened(None, "x")
    newer = sealed(Header(3, *(getattr(header(), name) for name in header().__struct_fields__[1:])))
    with pytest.raises(DataError, match="written in format 3") as caught:
        opened(newer, "x")
    assert "import" in caught.value.hint

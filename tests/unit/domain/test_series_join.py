"""Several series of one instrument become one, and nothing is lost, chosen or made up."""

import re
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.domain.conftest import COLUMNS, START, any_series, is_same, make_series, make_walk

from holdfast.core.errors import DataError
from holdfast.core.time import HOUR
from holdfast.domain.bar_quality import label, with_flags
from holdfast.domain.market import BarFlag, BarSeries, Timeframe
from holdfast.domain.resample import resample
from holdfast.domain.series_join import OverlapError, join

NAMES = ("in a.csv", "in b.csv", "in c.csv")


def rows_of(series: BarSeries, rows: np.ndarray) -> BarSeries:
    """Some rows of a series, labelled as a file that has only them would be."""
    ts, opens, highs, lows, closes, volume, flags = (getattr(series, name)[rows] for name in COLUMNS)
    prices = (opens, highs, lows, closes)
    return label(BarSeries(series.instrument_id, series.timeframe, ts, prices, volume, flags))


def with_close(series: BarSeries, row: int, close: float) -> BarSeries:
    closes = series.close.copy()
    closes[row] = close
    prices = (series.open, np.maximum(series.high, closes), np.minimum(series.low, closes), closes)
    return BarSeries(series.instrument_id, series.timeframe, series.ts, prices, series.volume, series.flags)


@given(any_series(), st.data())
def test_any_split_of_a_series_joined_in_any_order_is_the_series(drawn: BarSeries, data: st.DataObject):
    made = np.full(len(drawn), data.draw(st.sampled_from([0, int(BarFlag.SYNTHETIC)])), dtype=np.uint8)
    whole = label(with_flags(drawn, made))
    # 1: in the first part, 2: in the second, 3: in both.
    owners = np.array(data.draw(st.lists(st.integers(1, 3), min_size=len(whole), max_size=len(whole))))
    parts = [rows_of(whole, np.flatnonzero(owners & bit)) for bit in (1, 2)]
    parts = [part for part in parts if len(part)]
    for ordered in permutations(parts):
        assert is_same(join(ordered, NAMES[: len(ordered)]), whole)


@given(st.integers(0, 120), st.integers(0, 120), st.integers(1, 50))
def test_a_head_and_a_tail_that_meet_overlap_or_leave_a_hole_give_what_is_in_them(first: int, last: int, seed: int):
    whole = label(make_walk(120, seed, missing=0.1))
    head, tail = whole.slice(0, first), whole.slice(last, len(whole))
    rows = np.unique(np.concatenate((np.arange(len(head)), np.arange(min(last, len(whole)), len(whole)))))
    if len(rows):
        parts = [label(part) for part in (head, tail) if len(part)]
        assert is_same(join(parts, NAMES[: len(parts)]), rows_of(whole, rows))


def test_many_parts_are_joined_at_once():
    whole = label(make_walk(1_000, missing=0.05))
    parts = [label(whole.slice(at, at + 70)) for at in range(0, len(whole), 60)]
    assert is_same(join(parts[::-1], [f"in {at}" for at in range(len(parts))]), whole)


def test_what_a_coarse_bar_knows_of_the_finer_ones_is_kept():
    rows = [(at, 100.0, 101.0, 99.0, 100.0, 5.0) for at in range(24)]
    rows[9] = (9, 100.0, 101.0, 1.0, 100.0, 5.0)  # a false print, clipped where the coarse bar is made
    rows[15] = (15, 100.0, 100.0, 100.0, 100.0, 0.0)
    coarse = resample(label(make_series(rows)), Timeframe.H4)
    assert coarse.flags.tolist() == [0, 0, BarFlag.SUSPECT, 0, BarFlag.AFTER_NO_TRADE, 0]
    for cut in range(1, 6):
        assert is_same(join((coarse.slice(cut, 6), coarse.slice(0, cut + 1)), NAMES[:2]), coarse)


def test_a_hole_that_is_filled_is_no_gap_any_more():
    whole = label(make_walk(30))
    with_hole = rows_of(whole, np.r_[0:10, 20:30])
    assert with_hole.flags[10] == BarFlag.GAP_BEFORE
    assert is_same(join((with_hole, label(whole.slice(8, 22))), NAMES[:2]), whole)


@given(st.integers(0, 19), st.integers(0, 19))
def test_bars_that_differ_are_refused_with_the_first_time_and_both_values(one: int, other: int):
    series = make_walk(20)
    changed = with_close(with_close(series, one, 77.25), other, 77.25)
    with pytest.raises(OverlapError) as caught:
        join((series, changed), NAMES[:2])
    row = min(one, other)
    assert caught.value.ts == START + row * HOUR
    assert caught.value.parts == (0, 1)
    assert f"close {float(series.close[row])!r}" in str(caught.value)
    assert re.search(r"close 77\.25\b.* in b\.csv", str(caught.value))
    assert ("1 later ones differ" in str(caught.value)) is (one != other)


def test_one_bit_is_a_difference():
    series = make_series([(0, 1.0, 1.0, 1.0, 1.0, 0.0), (1, 1.0, 1.0, 1.0, 1.0, 3.0)])
    signed = make_series([(0, 1.0, 1.0, 1.0, 1.0, -0.0)])
    with pytest.raises(OverlapError, match=r"has volume 0\.0 in a\.csv, and volume -0\.0 in b\.csv"):
        join((series, signed), NAMES[:2])
    near = make_series([(1, 1.0, 1.0, 1.0, 1.0, float(np.nextafter(3.0, 4.0)))])
    with pytest.raises(OverlapError, match=r"and volume 3\.0000000000000004 in c\.csv"):
        join((make_walk(1), near, series)[2:0:-1], (NAMES[0], NAMES[2]))


def test_synthetic_and_recorded_bars_are_never_mixed():
    series = make_walk(20)
    synthetic = with_flags(series, np.full(20, BarFlag.SYNTHETIC, dtype=np.uint8))
    for parts in ((series.slice(0, 10), synthetic.slice(10, 20)), (synthetic, series)):
        with pytest.raises(DataError, match=r"are synthetic, those .* are recorded") as caught:
            join(parts, NAMES[:2])
        assert caught.value.hint


def test_only_bars_of_one_instrument_and_timeframe_make_a_series():
    for other in (make_walk(5, name="BBB/USDT.TEST"), make_walk(5, timeframe=Timeframe.M1)):
        with pytest.raises(DataError, match="do not make one series"):
            join((make_walk(5), other), NAMES[:2])


def confirmed_collapse() -> BarSeries:
    """Hours in which a price falls by 96 % at one, and stays there."""
    prices = [100.0] * 30 + [4.0] * 42
    return label(make_series([(row, price, price + 0.1, price - 0.1, price, 5.0) for row, price in enumerate(prices)]))


@pytest.mark.parametrize("seam", range(19))
def test_a_move_that_finer_bars_have_confirmed_is_doubted_in_no_join(seam: int):
    made = resample(confirmed_collapse(), Timeframe.H4)
    assert not (made.flags & np.uint8(BarFlag.SUSPECT)).any()
    assert is_same(join((made, made), NAMES[:2]), made), "the same once more changes nothing"
    parts = [part for part in (made.slice(0, seam), made.slice(seam, len(made))) if len(part)]
    assert is_same(join(parts, NAMES[: len(parts)], is_made=True), made)


def test_what_was_judged_in_a_published_part_stays_judged_beside_a_made_one():
    made = resample(confirmed_collapse(), Timeframe.H4)
    published = label(made)
    assert (published.flags & np.uint8(BarFlag.FALSE_CLOSE)).any()
    for parts in ((published, made), (made, published)):
        assert (join(parts, NAMES[:2]).flags & np.uint8(BarFlag.FALSE_CLOSE)).any()

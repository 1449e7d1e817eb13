"""Coarser bars from finer ones, and bars from trades."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.domain.conftest import NAME, START, make_series, make_walk

from holdfast.core.errors import ConfigurationError, DataError
from holdfast.core.time import DAY, HOUR, MINUTE
from holdfast.domain.bar_quality import label, validate, with_flags
from holdfast.domain.market import BarFlag, Timeframe
from holdfast.domain.resample import bars_from_trades, coarser, resample


@given(st.integers(1, 400), st.integers(0, 99), st.sampled_from([0.0, 0.05, 0.5]), st.booleans())
def test_each_coarse_bar_is_the_fold_of_the_bars_within(bars: int, seed: int, missing: float, keep: bool):
    fine = label(make_walk(bars, seed, Timeframe.M15, missing=missing))
    coarse = resample(fine, Timeframe.H1, keep_incomplete=keep)
    expected: dict[int, list[int]] = {}
    for row, ts in enumerate(fine.ts.tolist()):
        expected.setdefault(ts // HOUR * HOUR, []).append(row)
    expected = {ts: rows for ts, rows in expected.items() if keep or len(rows) == 4}
    assert coarse.ts.tolist() == list(expected)
    for index, rows in enumerate(expected.values()):
        assert coarse.open[index] == fine.open[rows[0]]
        assert coarse.high[index] == max(fine.high[rows])
        assert coarse.low[index] == min(fine.low[rows])
        assert coarse.close[index] == fine.close[rows[-1]]
        assert coarse.volume[index] == pytest.approx(sum(fine.volume[rows]), rel=1e-12)
        assert bool(coarse.flags[index] & BarFlag.GAP_BEFORE) or len(rows) == 4
    if len(coarse):
        validate(coarse)


def test_a_bucket_that_lacks_a_bar_is_left_out_and_the_next_one_says_so():
    fine = make_walk(12, timeframe=Timeframe.M15)
    holed = fine.slice(0, 12)
    rows = [index for index in range(12) if index != 5]
    holed = make_series(
        [(i, fine.open[i], fine.high[i], fine.low[i], fine.close[i], fine.volume[i]) for i in rows], Timeframe.M15
    )
    coarse = resample(label(holed), Timeframe.H1)
    assert coarse.ts.tolist() == [START, START + 2 * HOUR]
    assert coarse.flags.tolist() == [0, BarFlag.GAP_BEFORE]
    kept = resample(label(holed), Timeframe.H1, keep_incomplete=True)
    assert kept.flags.tolist() == [0, BarFlag.GAP_BEFORE, 0]


def test_the_bucket_that_has_not_ended_is_left_out():
    assert len(resample(make_walk(7, timeframe=Timeframe.M15), Timeframe.H1)) == 1
    assert len(resample(make_walk(3, timeframe=Timeframe.M15), Timeframe.H1)) == 0


def test_flags_of_the_bars_within_are_combined():
    fine = make_walk(8, timeframe=Timeframe.M15)
    flags = np.zeros(8, dtype=np.uint8)
    flags[2] = BarFlag.SUSPECT
    flags[4] = BarFlag.AFTER_NO_TRADE
    flags[7] = BarFlag.SYNTHETIC | BarFlag.AFTER_NO_TRADE
    coarse = resample(with_flags(fine, flags), Timeframe.H1)
    assert coarse.flags.tolist() == [BarFlag.SUSPECT, BarFlag.AFTER_NO_TRADE | BarFlag.SYNTHETIC]
    assert resample(with_flags(fine, flags[3:7].repeat(2)), Timeframe.H1).flags[1] == 0


def test_a_false_print_does_not_get_into_a_coarse_bar():
    rows = [(index, 10.0, 11.0, 0.01 if index == 1 else 9.0, 10.0, 1.0) for index in range(4)]
    coarse = resample(label(make_series(rows, Timeframe.M15)), Timeframe.H1)
    assert coarse.low.tolist() == [9.0]
    assert coarse.flags.tolist() == [BarFlag.SUSPECT]


def test_a_whole_hour_without_trade_is_no_trade():
    rows = [(index, 10.0, 10.0, 10.0, 10.0, 0.0 if index < 4 else 1.0) for index in range(8)]
    coarse = resample(label(make_series(rows, Timeframe.M15)), Timeframe.H1)
    assert coarse.flags.tolist() == [BarFlag.NO_TRADE, BarFlag.AFTER_NO_TRADE]


def test_weeks_begin_on_monday():
    week = resample(make_walk(21, timeframe=Timeframe.D1), Timeframe.W1)
    assert week.ts.tolist() == [START, START + 7 * DAY, START + 14 * DAY]
    validate(week)


@pytest.mark.parametrize("wanted", [Timeframe.M5, Timeframe.M30])
def test_what_is_no_multiple_is_refused(wanted: Timeframe):
    with pytest.raises(ConfigurationError, match="cannot be made from 1h bars") as caught:
        resample(make_walk(5), wanted)
    assert "1d" in caught.value.hint


def test_the_same_timeframe_is_the_same_series():
    series = make_walk(5)
    assert resample(series, Timeframe.H1) is series
    assert coarser(Timeframe.D1) == [Timeframe.D1, Timeframe.W1]
    assert len(resample(make_series([]), Timeframe.D1)) == 0


def test_trades_make_bars_and_a_bucket_without_trade_is_a_gap():
    ts = np.array([0, 10, 59, 180], dtype=np.int64) * (MINUTE // 60) + START
    price, amount = np.array([10.0, 12.0, 9.0, 11.0]), np.array([1.0, 2.0, 3.0, 4.0])
    bars = bars_from_trades(NAME, Timeframe.M1, ts, price, amount)
    assert bars.ts.tolist() == [START, START + 3 * MINUTE]
    assert (bars.open[0], bars.high[0], bars.low[0], bars.close[0], bars.volume[0]) == (10.0, 12.0, 9.0, 9.0, 6.0)
    assert bars.flags.tolist() == [0, BarFlag.GAP_BEFORE]
    assert len(bars_from_trades(NAME, Timeframe.M1, ts[:0], price[:0], amount[:0])) == 0


def test_trades_that_go_back_or_make_no_sense_are_refused():
    ts, ones = np.array([START + 1, START], dtype=np.int64), np.ones(2)
    with pytest.raises(DataError, match="go back in time"):
        bars_from_trades(NAME, Timeframe.M1, ts, ones, ones)
    with pytest.raises(DataError, match="no positive number"):
        bars_from_trades(NAME, Timeframe.M1, ts[::-1].copy(), ones * 0, ones)
    with pytest.raises(DataError, match="differ in length"):
        bars_from_trades(NAME, Timeframe.M1, ts, ones[:1], ones)

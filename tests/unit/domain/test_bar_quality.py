"""What a series must be, and what is marked in it."""

import math

import numpy as np
import pytest
from hypothesis import given
from tests.unit.domain.conftest import NAME, START, any_series, is_same, make_series, make_walk

from holdfast.core.errors import DataError
from holdfast.core.time import HOUR
from holdfast.domain.bar_quality import BarError, Gap, gaps, label, quality_report, validate, with_flags
from holdfast.domain.false_prints import trusted
from holdfast.domain.market import BarFlag, BarSeries, Timeframe

GOOD = [(0, 10.0, 11.0, 9.0, 10.5, 5.0), (1, 10.5, 12.0, 10.0, 11.0, 6.0), (2, 11.0, 11.5, 10.0, 10.0, 7.0)]


def spoiled(column: int, value: float, row: int = 1) -> BarSeries:
    rows = [list(item) for item in GOOD]
    rows[row][column] = value
    return make_series([tuple(item) for item in rows])  # type: ignore[misc]  # a row has six fields


def test_a_good_series_passes():
    validate(make_series(GOOD))


@pytest.mark.parametrize(
    ("column", "value", "what"),
    [
        (0, 0, "the time of the row before stands here again"),
        (0, -3, "the row before is later"),
        (1, math.nan, "open is not a finite number"),
        (2, math.inf, "high is not a finite number"),
        (5, math.nan, "volume is not a finite number"),
        (3, 0.0, "low is not positive"),
        (4, -1.0, "close is not positive"),
        (5, -0.5, "volume is negative"),
        (3, 10.75, "low is above open or close"),
        (2, 10.75, "high is below open or close"),
    ],
)
def test_a_bad_row_is_refused_by_number_time_and_remedy(column: int, value: float, what: str):
    with pytest.raises(BarError, match=what) as caught:
        validate(spoiled(column, value))
    assert caught.value.row == 1
    assert "row 1 (20" in str(caught.value)
    assert NAME in str(caught.value)
    assert caught.value.hint


def test_a_time_off_the_grid_is_refused_with_a_guess_at_the_timeframe():
    series = make_walk(50, timeframe=Timeframe.M5)
    wrong = BarSeries(
        NAME, Timeframe.H1, series.ts, (series.open, series.high, series.low, series.close), series.volume, series.flags
    )
    with pytest.raises(BarError, match="not on the grid of 1h") as caught:
        validate(wrong)
    assert "most bars are 5m apart" in caught.value.hint


def test_weekly_bars_open_on_monday():
    validate(make_walk(5, timeframe=Timeframe.W1))
    with pytest.raises(BarError, match="grid of 1w"):
        validate(make_series(GOOD, Timeframe.W1, start=START + 24 * HOUR))


def test_an_empty_series_is_refused():
    with pytest.raises(DataError, match="no bar"):
        validate(make_series([]))


def test_gaps_name_the_first_missing_bar_and_how_many():
    series = label(make_series([GOOD[0], (4, *GOOD[1][1:]), (5, *GOOD[2][1:])]))
    assert gaps(series) == [Gap(START + HOUR, 3)]
    assert series.flags.tolist() == [0, BarFlag.GAP_BEFORE, 0]
    assert quality_report(series).missing == 3


def test_a_flat_bar_without_volume_is_no_trade_and_the_next_open_is_a_gap_open():
    series = label(make_series([GOOD[0], (1, 10.5, 10.5, 10.5, 10.5, 0.0), (2, 9.0, 9.5, 8.0, 9.0, 3.0)]))
    assert series.flags.tolist() == [0, BarFlag.NO_TRADE, BarFlag.AFTER_NO_TRADE]
    assert quality_report(series).no_trade == (START + HOUR,)


def test_a_flat_bar_with_volume_and_a_moving_bar_without_are_no_outage():
    series = label(make_series([(0, 10.0, 10.0, 10.0, 10.0, 1.0), (1, 10.0, 11.0, 10.0, 11.0, 0.0)]))
    assert series.flags.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("row", "is_suspect"),
    [
        ((0, 10.0, 11.0, 5.0, 10.0, 1.0), False),
        ((0, 10.0, 11.0, 4.99, 10.0, 1.0), True),
        ((0, 10.0, 20.0, 9.0, 10.0, 1.0), False),
        ((0, 10.0, 20.01, 9.0, 10.0, 1.0), True),
    ],
)
def test_a_wick_beyond_half_or_double_the_body_is_suspect(
    row: tuple[int, float, float, float, float, float], is_suspect: bool
):
    series = label(make_series([row]))
    assert bool(series.flags[0] & BarFlag.SUSPECT) is is_suspect
    assert (quality_report(series).suspect == (START,)) is is_suspect


def test_trusted_clips_the_false_wick_alone_and_keeps_its_flag():
    raw = label(make_series([(0, 3.0634, 3.0765, 0.0001, 2.4693, 6_364_776.5)]))
    clean = trusted(raw)
    assert (clean.open[0], clean.high[0], clean.low[0], clean.close[0]) == (3.0634, 3.0765, 2.4693, 2.4693)
    assert clean.flags.tolist() == [BarFlag.SUSPECT]
    assert raw.low[0] == 0.0001


def test_trusted_returns_a_clean_series_itself():
    series = label(make_walk(100))
    assert trusted(series) is series


@given(any_series())
def test_trusted_bars_are_valid_and_suspect_no_more(series: BarSeries):
    clean = trusted(label(series))
    validate(clean)
    assert not ((clean.low < 0.5 * np.minimum(clean.open, clean.close)) & (clean.open < 1e308)).any()
    assert is_same(trusted(clean), clean)


def test_labels_of_slices_are_those_of_the_whole():
    rows = [(0, 9.0, 9.0, 9.0, 9.0, 0.0), (1, *GOOD[1][1:]), (5, *GOOD[2][1:]), (6, 8.0, 8.0, 8.0, 8.0, 0.0)]
    rows += [(9, *GOOD[0][1:])]
    whole = label(make_series(rows))
    for cut in range(1, len(rows)):
        first, last = whole.slice(0, cut), whole.slice(cut, len(rows))
        assert np.concatenate((label(first).flags, label(last, first).flags)).tolist() == whole.flags.tolist()


def test_label_keeps_synthetic_and_drops_stale_flags():
    stale = np.full(3, BarFlag.SYNTHETIC | BarFlag.SUSPECT | BarFlag.GAP_BEFORE, dtype=np.uint8)
    series = label(with_flags(make_series(GOOD), stale))
    assert series.flags.tolist() == [BarFlag.SYNTHETIC] * 3
    assert quality_report(series).is_synthetic


def test_a_report_tells_what_there_is():
    report = quality_report(label(make_walk(200, missing=0.1)), ("joined from 2 files",))
    assert report.bars + report.missing == (report.ts_last - report.ts_first) // HOUR + 1
    assert report.missing == sum(gap.count for gap in report.gaps)
    assert report.notes == ("joined from 2 files",)
    assert report.timeframe == "1h"

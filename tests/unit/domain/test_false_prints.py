"""Which open and close are not trusted, what a bar is without them, and that the future has no say in it."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.domain.conftest import START, Row, any_series, is_same, make_series

from holdfast.core.time import HOUR
from holdfast.domain.bar_quality import SuspectBar, label, quality_report, validate, with_flags
from holdfast.domain.false_prints import believed, suspect_wicks, trusted
from holdfast.domain.market import BarFlag, BarSeries, Timeframe
from holdfast.domain.resample import resample
from holdfast.domain.tradable import tradable

OPEN, CLOSE, SUSPECT = BarFlag.FALSE_OPEN, BarFlag.FALSE_CLOSE, BarFlag.SUSPECT
NO_TRADE, AFTER, GAP = BarFlag.NO_TRADE, BarFlag.AFTER_NO_TRADE, BarFlag.GAP_BEFORE
NEITHER = OPEN | CLOSE | SUSPECT | NO_TRADE | AFTER
FLAT = (100.0, 100.0, 100.0, 100.0)

Prices = tuple[float, float, float, float]


def series_of(*prices: Prices, timeframe: Timeframe = Timeframe.H1) -> BarSeries:
    return make_series([(index, *bar, 5.0) for index, bar in enumerate(prices)], timeframe)


def prices_of(series: BarSeries, row: int) -> Prices:
    return (float(series.open[row]), float(series.high[row]), float(series.low[row]), float(series.close[row]))


GOOD: Prices = (100.0, 102.0, 99.0, 101.0)
BEFORE: Prices = (98.0, 101.0, 97.0, 100.0)


@pytest.mark.parametrize(
    ("bar", "flags", "clean"),
    [
        ((0.01, 102.0, 0.01, 0.01), NEITHER, FLAT),
        ((0.01, 0.01, 0.01, 0.01), NEITHER, FLAT),
        ((10.0, 10.2, 9.9, 10.1), NEITHER, FLAT),
        ((1e6, 1e6, 99.0, 1e6), NEITHER, FLAT),
        ((0.01, 102.0, 0.01, 101.0), OPEN | SUSPECT | AFTER, (101.0, 102.0, 101.0, 101.0)),
        ((99.0, 102.0, 0.01, 0.01), CLOSE | SUSPECT, (99.0, 102.0, 99.0, 99.0)),
        ((99.0, 1e6, 98.0, 1e6), CLOSE | SUSPECT, (99.0, 99.0, 98.0, 99.0)),
        ((49.9, 102.0, 49.9, 101.0), OPEN | SUSPECT | AFTER, (101.0, 102.0, 101.0, 101.0)),
        ((50.0, 102.0, 50.0, 101.0), BarFlag.NONE, (50.0, 102.0, 50.0, 101.0)),
        ((100.0, 200.0, 99.0, 200.0), BarFlag.NONE, (100.0, 200.0, 99.0, 200.0)),
        ((100.0, 201.0, 99.0, 201.0), CLOSE | SUSPECT, (100.0, 100.0, 99.0, 100.0)),
    ],
)
def test_a_false_open_or_close_gives_way_to_the_other_and_a_false_bar_stands_still(
    bar: Prices, flags: BarFlag, clean: Prices
):
    series = label(series_of(BEFORE, bar, GOOD))
    is_known = not flags & (CLOSE | NO_TRADE)
    assert series.flags.tolist() == [0, flags, 0 if is_known else AFTER]
    assert [prices_of(trusted(series), row) for row in range(3)] == [BEFORE, clean, GOOD]
    assert prices_of(series, 1) == bar, "what is stored is what was published"
    assert not believed(series).any()


def test_a_collapse_that_stays_is_believed_one_bar_later():
    fallen: Prices = (4.1, 4.2, 3.5, 3.9)
    series = label(series_of(BEFORE, (99.0, 100.0, 3.8, 4.0), fallen, fallen))
    assert series.flags.tolist() == [0, CLOSE | SUSPECT, AFTER, 0]
    assert [prices_of(trusted(series), row) for row in (1, 2, 3)] == [(99.0, 100.0, 99.0, 99.0), fallen, fallen]
    assert believed(series).tolist() == [False, True, False, False]
    assert quality_report(series).suspect_bars == (SuspectBar(START + HOUR, {"low": 3.8, "close": 4.0}, True),)


def test_a_collapse_in_two_steps_is_believed_step_by_step():
    series = label(series_of(BEFORE, (99.0, 99.0, 4.0, 4.0), (4.1, 4.1, 0.1, 0.1), (0.1, 0.11, 0.09, 0.1)))
    assert series.flags.tolist() == [0, CLOSE | SUSPECT, CLOSE | SUSPECT | AFTER, AFTER]
    assert trusted(series).close.tolist() == [100.0, 99.0, 4.1, 0.1]


def test_an_open_that_repeats_a_false_close_confirms_nothing():
    """Some venues publish the close before as the open."""
    series = label(series_of(BEFORE, (100.0, 101.0, 0.01, 0.01), (0.01, 102.0, 0.01, 101.0), GOOD))
    assert series.flags.tolist() == [0, CLOSE | SUSPECT, OPEN | SUSPECT | AFTER, 0]
    assert trusted(series).low.min() == 97.0


def test_a_bar_without_trade_confirms_nothing():
    rows: list[Row] = [(0, *BEFORE, 5.0), (1, 100.0, 101.0, 0.01, 0.01, 5.0), (2, 0.01, 0.01, 0.01, 0.01, 0.0)]
    series = label(make_series([*rows, (3, *GOOD, 5.0)]))
    assert series.flags.tolist() == [0, CLOSE | SUSPECT, NEITHER, AFTER]
    assert trusted(series).close.tolist() == [100.0, 100.0, 100.0, 101.0]
    assert not believed(series).any()


def test_across_a_gap_nothing_is_compared():
    fallen: Row = (2, 0.1, 0.1, 0.1, 0.1, 5.0)
    series = label(make_series([(0, *BEFORE, 5.0), fallen, (3, *fallen[1:])]))
    assert series.flags.tolist() == [0, GAP, 0]
    pending = label(make_series([(0, *BEFORE, 5.0), (1, 99.0, 99.0, 4.0, 4.0, 5.0), (3, *GOOD, 5.0)]))
    assert pending.flags.tolist() == [0, CLOSE | SUSPECT, GAP | AFTER]


def test_a_wick_is_measured_against_the_trusted_body():
    series = label(series_of(BEFORE, (99.0, 103.0, 45.0, 0.7 * 60), GOOD))
    assert (series.flags[1], trusted(series).low[1]) == (CLOSE | SUSPECT, 99.0)


def test_a_report_names_the_prices_that_are_false():
    series = label(series_of(BEFORE, (0.01, 102.0, 0.01, 0.01), GOOD, (10.0, 10.2, 9.9, 10.1), GOOD))
    whole = SuspectBar(START + HOUR, {"open": 0.01, "low": 0.01, "close": 0.01})
    tenth = SuspectBar(START + 3 * HOUR, {"open": 10.0, "high": 10.2, "low": 9.9, "close": 10.1})
    assert quality_report(series).suspect_bars == (whole, tenth)
    assert quality_report(series).suspect == (START + HOUR, START + 3 * HOUR)


def test_a_volume_in_quote_units_is_divided_by_a_trusted_close():
    rows: list[Row] = [(0, *BEFORE, 500.0), (1, 100.0, 101.0, 0.01, 0.01, 500.0)]
    assert tradable(label(make_series(rows, name="BTC/USDT-PERP.FTX"))).volume.tolist() == [5.0, 5.0]


levels = st.sampled_from([100.0, 100.0, 101.0, 99.0, 0.01, 0.011, 4.0, 4.1, 40.0, 49.9, 60.0, 130.0, 201.0, 1000.0])


@st.composite
def jumpy_series(draw: st.DrawFn) -> BarSeries:
    """A market in which anything can stand beside anything."""
    rows: list[Row] = []
    at = 0
    for _ in range(draw(st.integers(1, 25))):
        at += draw(st.sampled_from([1, 1, 1, 1, 1, 2]))
        opened, closed = draw(levels), draw(levels)
        volume = draw(st.sampled_from([5.0, 5.0, 0.0]))
        opened = closed if not volume else opened
        high, low = max(opened, closed), min(opened, closed)
        if volume:
            high, low = max(high, draw(levels)), min(low, draw(levels))
        rows.append((at, opened, high, low, closed, volume))
    return make_series(rows)


@given(st.one_of(jumpy_series(), any_series()))
def test_trusted_bars_are_valid_and_doing_it_twice_changes_nothing(series: BarSeries):
    series = label(series)
    clean = trusted(series)
    validate(clean)
    assert is_same(trusted(clean), clean)
    assert not any(mask.any() for mask in suspect_wicks(clean))
    is_flagged = (series.flags & SUSPECT) != 0
    for name in ("open", "high", "low", "close"):
        assert np.array_equal(getattr(series, name)[~is_flagged], getattr(clean, name)[~is_flagged])


@given(st.one_of(jumpy_series(), any_series()))
def test_no_trusted_price_leaves_the_band_unless_a_bar_has_confirmed_it(series: BarSeries):
    clean = trusted(label(series))
    for row in range(1, len(clean)):
        before, flags = clean.close[row - 1], int(clean.flags[row])
        is_confirmed = clean.flags[row - 1] & CLOSE and not flags & NO_TRADE
        if not (flags & GAP or is_confirmed):
            for price in (clean.open[row], clean.close[row]):
                assert 0.5 * before <= price
                assert price / 2.0 <= before


@given(st.one_of(jumpy_series(), any_series()), st.integers(0, 40), st.integers(0, 40))
def test_slices_cut_anywhere_are_judged_like_the_whole(raw: BarSeries, one: int, other: int):
    raw = with_flags(raw, np.zeros(len(raw), dtype=np.uint8))
    whole = label(raw)
    cuts = [0, *sorted(min(cut, len(raw)) for cut in (one, other)), len(raw)]
    flags, last = [], None
    for first, end in pairwise(cuts):
        part = label(raw.slice(first, end), last)
        # What a reader carries from slice to slice is one bar, however many came before.
        last = part.slice(len(part) - 1, len(part)) if len(part) else last
        flags += part.flags.tolist()
        assert is_same(trusted(part), trusted(whole).slice(first, end))
        assert is_same(trusted(whole.slice(first, end)), trusted(whole).slice(first, end))
    assert flags == whole.flags.tolist()


@given(jumpy_series(), jumpy_series(), st.integers(1, 25))
def test_no_bar_is_judged_by_what_comes_after_it(past: BarSeries, future: BarSeries, count: int):
    count = min(count, len(past))
    begun = past.slice(0, count)
    shift = int(past.ts[count - 1]) - int(future.ts[0]) + HOUR
    columns = [
        np.concatenate((getattr(begun, name), getattr(future, name))) for name in ("open", "high", "low", "close")
    ]
    other = BarSeries(
        past.instrument_id, past.timeframe, np.concatenate((begun.ts, future.ts + shift)),
        (columns[0], columns[1], columns[2], columns[3]), np.concatenate((begun.volume, future.volume)),
        np.zeros(count + len(future), dtype=np.uint8),
    )  # fmt: skip
    one, two = label(past).slice(0, count), label(other).slice(0, count)
    assert is_same(one, two)
    assert is_same(trusted(one), trusted(two))
    assert is_same(trusted(one), trusted(label(begun)))


def test_a_false_bar_does_not_get_into_a_coarse_bar():
    bars = [
        BEFORE,
        (0.01, 0.01, 0.01, 0.01),
        (0.01, 102.0, 0.01, 101.0),
        GOOD,
        (101.0, 1e6, 100.0, 1e6),
        GOOD,
        GOOD,
        GOOD,
    ]
    coarse = resample(label(series_of(*bars, timeframe=Timeframe.M15)), Timeframe.H1)
    assert [prices_of(coarse, row) for row in (0, 1)] == [(98.0, 102.0, 97.0, 101.0), (101.0, 102.0, 99.0, 101.0)]
    assert coarse.flags.tolist() == [SUSPECT, SUSPECT]
    assert trusted(coarse) is coarse
    assert [bar.prices for bar in quality_report(coarse).suspect_bars] == [{}, {}]


def test_a_coarse_bar_of_false_bars_alone_has_no_trade_and_the_open_after_it_is_a_gap_open():
    false: Prices = (10.0, 10.0, 10.0, 10.0)
    bars = [BEFORE] * 4 + [false, (0.01, 0.01, 0.01, 0.01)] * 2 + [GOOD] * 4
    coarse = resample(label(series_of(*bars, timeframe=Timeframe.M15)), Timeframe.H1)
    assert coarse.flags.tolist() == [0, NO_TRADE | SUSPECT | AFTER, AFTER]
    assert prices_of(coarse, 1) == FLAT


def test_a_collapse_that_a_fine_bar_confirms_is_believed_in_the_same_coarse_bar():
    fallen: Prices = (4.1, 4.2, 3.5, 3.9)
    bars = [*[BEFORE] * 5, (99.0, 100.0, 3.8, 4.0), *[fallen] * 6]
    coarse = resample(label(series_of(*bars, timeframe=Timeframe.M15)), Timeframe.H1)
    assert trusted(coarse).close.tolist() == [100.0, 3.9, 3.9]
    assert coarse.flags.tolist() == [0, 0, 0]


def test_a_collapse_in_the_last_fine_bar_is_in_doubt_until_the_next_coarse_bar():
    fallen: Prices = (4.1, 4.2, 3.5, 3.9)
    bars = [*[BEFORE] * 7, (99.0, 100.0, 3.8, 4.0), *[fallen] * 4]
    fine = label(series_of(*bars, timeframe=Timeframe.M15))
    coarse = resample(fine, Timeframe.H1)
    assert trusted(coarse).close.tolist() == [100.0, 99.0, 3.9]
    assert coarse.flags.tolist() == [0, SUSPECT, AFTER]
    assert is_same(resample(fine.slice(0, 8), Timeframe.H1), coarse.slice(0, 2))

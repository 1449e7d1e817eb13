"""Curve statistics: by hand on small cases, against an independent loop on random ones, and by their invariances."""

import math
import tracemalloc
from array import array
from statistics import fmean, stdev

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from holdfast.core.errors import DomainError
from holdfast.core.time import DAY, HOUR
from holdfast.research.equity import (
    Drawdown,
    EquityCurve,
    calmar_ratio,
    daily_returns,
    drawdown_of,
    growth_rate,
    sharpe_error,
    sharpe_ratio,
    sortino_ratio,
)

levels = st.lists(st.floats(10.0, 1_000.0), min_size=1, max_size=120)


def curve_of(equity, step: int = DAY, capital: float = 100.0, first: int | None = None) -> EquityCurve:
    begun = step if first is None else first
    return EquityCurve([begun + step * i for i in range(len(equity))], equity, capital)


def slow_daily_returns(curve: EquityCurve) -> list[float]:
    """The same by dictionary and loop."""
    closing: dict[int, float] = {}
    for ts, equity in zip(curve.ts.tolist(), curve.equity.tolist(), strict=True):
        closing[(ts - 1) // DAY] = equity
    before, found = curve.capital, []
    for day in range(min(closing), max(closing) + 1):
        now = closing.get(day, before)
        found.append(now / before - 1.0)
        before = now
    return found


def slow_drawdown(curve: EquityCurve) -> tuple[float, float]:
    """Largest share and longest time below a peak, by loop."""
    peak, peak_ts, is_below = curve.capital, curve.ts_start, False
    largest, longest = 0.0, 0
    for ts, equity in zip(curve.ts.tolist(), curve.equity.tolist(), strict=True):
        if equity < peak:
            largest = max(largest, 1.0 - equity / peak)
        if equity < peak or is_below:
            longest = max(longest, ts - peak_ts)
        is_below = equity < peak
        if not is_below:
            peak, peak_ts = equity, ts
    return largest, longest / DAY


def plain_drawdown(curve: EquityCurve) -> Drawdown:
    """The definition, over whole columns at once."""
    ts, equity = np.append(curve.ts_start, curve.ts), np.append(curve.capital, curve.equity)
    peaks = np.maximum.accumulate(equity)
    shares = 1.0 - equity / peaks
    deepest, tops = int(np.argmax(shares)), np.flatnonzero(equity >= peaks)
    ends = np.append(tops[1:], len(equity) - 1)
    spans = np.where(ends - tops > 1, ts[ends] - ts[tops], 0)
    spans[-1] = ts[ends[-1]] - ts[tops[-1]]
    around = int(np.searchsorted(tops, deepest, side="right")) - 1
    return Drawdown(
        float(shares[deepest]), float(spans[around]) / DAY if shares[deepest] > 0 else 0.0, float(spans.max()) / DAY,
        around < len(tops) - 1 or float(shares[deepest]) == 0.0,
    )  # fmt: skip


def plain_returns(curve: EquityCurve) -> list[float]:
    """The definition, over whole columns at once."""
    days = (curve.ts - 1) // DAY
    is_last = np.append(days[1:] != days[:-1], True)
    every = np.arange(days[0], days[-1] + 1)
    filled = curve.equity[is_last][np.searchsorted(days[is_last], every, side="right") - 1]
    levels = np.append(curve.capital, filled)
    return (levels[1:] / levels[:-1] - 1.0).tolist()


# -- by hand -------------------------------------------------------------------------------------------
def test_daily_returns_take_the_last_equity_of_each_day():
    curve = EquityCurve([DAY // 2, DAY, DAY + 1, 2 * DAY], [105.0, 110.0, 90.0, 99.0], 100.0)
    assert daily_returns(curve).tolist() == pytest.approx([0.10, -0.10])


def test_midnight_belongs_to_the_day_that_ends():
    curve = EquityCurve([DAY, DAY + HOUR], [110.0, 121.0], 100.0)
    assert daily_returns(curve).tolist() == pytest.approx([0.10, 0.10])


def test_a_day_without_a_point_earns_nothing():
    curve = EquityCurve([DAY, 4 * DAY], [110.0, 121.0], 100.0)
    assert daily_returns(curve).tolist() == pytest.approx([0.10, 0.0, 0.0, 0.10])


def test_ratios_of_three_days_computed_by_hand():
    returns = np.array([0.02, -0.01, 0.03])
    mean, deviation = (
        0.04 / 3,
        math.sqrt(((0.02 - 0.04 / 3) ** 2 + (0.01 + 0.04 / 3) ** 2 + (0.03 - 0.04 / 3) ** 2) / 2),
    )
    assert sharpe_ratio(returns) == pytest.approx(mean / deviation * math.sqrt(365))
    assert sortino_ratio(returns) == pytest.approx(mean / math.sqrt(0.01**2 / 3) * math.sqrt(365))


def test_growth_of_a_year_is_its_return_and_of_half_a_year_its_square():
    assert growth_rate(curve_of([100.0] * 364 + [150.0])) == pytest.approx(0.5)
    assert growth_rate(curve_of([100.0] * 364 + [150.0], step=DAY // 2)) == pytest.approx(1.5**2 - 1)


def test_drawdown_by_hand():
    found = drawdown_of(curve_of([110.0, 99.0, 88.0, 110.0, 120.0, 114.0, 118.0, 117.0]))
    # From the peak of day 1 down 20 % and back on day 4; then below 120 from day 5 to the end on day 8.
    assert found == Drawdown(pytest.approx(0.2), 3.0, 3.0, True)
    assert drawdown_of(curve_of([110.0, 99.0, 88.0])) == Drawdown(pytest.approx(0.2), 2.0, 2.0, False)


def test_the_capital_is_the_first_peak():
    assert drawdown_of(curve_of([90.0, 100.0])) == Drawdown(pytest.approx(0.1), 2.0, 2.0, True)


def test_a_curve_that_only_rises_has_no_drawdown():
    assert drawdown_of(curve_of([100.0, 101.0, 101.0, 105.0])) == Drawdown(0.0, 0.0, 0.0, True)


def test_the_longest_drawdown_need_not_be_the_deepest():
    found = drawdown_of(curve_of([50.0, 100.0, 99.0, 99.5, 99.0, 100.0]))
    assert found == Drawdown(pytest.approx(0.5), 2.0, 4.0, True)


def test_the_error_of_a_sharpe_ratio_by_hand():
    # A daily ratio of 0.1 over 400 days: sqrt((1 + 0.005) / 400) a day, times sqrt(365).
    returns = np.zeros(400)
    assert sharpe_error(returns, 0.1 * math.sqrt(365)) == pytest.approx(math.sqrt(1.005 / 400) * math.sqrt(365))
    assert sharpe_error(returns, None) is None


# -- undefined -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("returns", [[], [0.01], [0.0, 0.0, 0.0], [0.01] * 50])
def test_a_sharpe_ratio_without_deviation_is_undefined(returns: list[float]):
    assert sharpe_ratio(np.array(returns)) is None


@pytest.mark.parametrize("returns", [[], [0.01], [0.01, 0.0, 0.02]])
def test_a_sortino_ratio_without_a_losing_day_is_undefined(returns: list[float]):
    assert sortino_ratio(np.array(returns)) is None


def test_calmar_needs_growth_and_a_drawdown():
    deep = Drawdown(0.2, 1.0, 1.0, True)
    assert calmar_ratio(0.5, deep) == pytest.approx(2.5)
    assert calmar_ratio(None, deep) is None
    assert calmar_ratio(0.5, Drawdown(0.0, 0.0, 0.0, True)) is None
    assert calmar_ratio(1e308, Drawdown(1e-3, 0.0, 0.0, True)) is None


def test_growth_is_undefined_below_a_day_and_below_zero():
    assert growth_rate(curve_of([101.0, 102.0], step=HOUR)) is None
    assert growth_rate(curve_of([50.0, -1.0])) is None
    assert growth_rate(curve_of([50.0, 0.0])) == -1.0
    assert growth_rate(curve_of([1e9], capital=1e-9, step=DAY, first=DAY)) is None


def test_growth_that_overflows_is_undefined():
    assert growth_rate(curve_of([100.0, 1e9])) is None


def test_days_that_end_without_equity_have_no_returns():
    assert len(daily_returns(curve_of([50.0, 0.0, 10.0]))) == 0


def test_an_empty_curve_is_flat():
    curve = EquityCurve([], [], 100.0)
    assert len(curve) == 0
    assert curve.nanos == 0
    assert len(daily_returns(curve)) == 0
    assert growth_rate(curve) is None
    assert drawdown_of(curve) == Drawdown(0.0, 0.0, 0.0, True)


@pytest.mark.parametrize(
    ("ts", "equity", "capital"),
    [
        ([1, 2], [1.0], 1.0),
        ([[1]], [[1.0]], 1.0),
        ([2, 1], [1.0, 1.0], 1.0),
        ([1, 1], [1.0, 1.0], 1.0),
        ([1], [math.nan], 1.0),
        ([1], [math.inf], 1.0),
        ([1], [1.0], 0.0),
        ([1], [1.0], math.nan),
    ],
)
def test_what_is_no_curve_is_refused(ts, equity, capital):
    with pytest.raises(DomainError):
        EquityCurve(ts, equity, capital)


# -- against another implementation, and by invariance ----------------------------------------------------
@given(levels, st.integers(1, 5), st.integers(0, DAY))
def test_daily_returns_agree_with_a_loop(equity: list[float], per_day: int, shift: int):
    curve = curve_of(equity, step=DAY // per_day, first=shift + 1)
    expected = slow_daily_returns(curve)
    assert daily_returns(curve).tolist() == pytest.approx(expected)
    if len(expected) > 1:
        downside = math.sqrt(fmean(min(r, 0.0) ** 2 for r in expected))
        if stdev(expected) > 1e-9:
            assert sharpe_ratio(np.array(expected)) == pytest.approx(fmean(expected) / stdev(expected) * math.sqrt(365))
        if downside > 1e-9:
            assert sortino_ratio(np.array(expected)) == pytest.approx(fmean(expected) / downside * math.sqrt(365))


@given(levels)
def test_drawdowns_agree_with_a_loop(equity: list[float]):
    curve = curve_of(equity)
    share, days = slow_drawdown(curve)
    found = drawdown_of(curve)
    assert found.share_max == pytest.approx(share)
    assert found.days_longest == pytest.approx(days)
    assert found.days_max <= found.days_longest
    assert 0.0 <= found.share_max < 1.0


@given(levels, st.floats(0.001, 1_000.0))
def test_nothing_changes_with_the_unit_of_money(equity: list[float], scale: float):
    curve, scaled = curve_of(equity), curve_of([x * scale for x in equity], capital=100.0 * scale)
    assert daily_returns(scaled).tolist() == pytest.approx(daily_returns(curve).tolist(), abs=1e-12)
    assert drawdown_of(scaled).share_max == pytest.approx(drawdown_of(curve).share_max, abs=1e-12)
    before, after = growth_rate(curve), growth_rate(scaled)
    assert (before is None) == (after is None)
    assert before is None or before == pytest.approx(after, rel=1e-6)


@given(levels, st.integers(1, 1_000))
def test_nothing_changes_with_the_date_on_which_it_began(equity: list[float], days: int):
    curve, later = curve_of(equity), curve_of(equity, first=DAY + days * DAY)
    assert daily_returns(later).tolist() == daily_returns(curve).tolist()
    assert growth_rate(later) == growth_rate(curve)
    assert drawdown_of(later) == drawdown_of(curve)


@given(st.lists(st.floats(-0.2, 0.2), min_size=3, max_size=60), st.randoms(use_true_random=False))
def test_ratios_do_not_depend_on_the_order_of_the_days(returns: list[float], random):
    shuffled = list(returns)
    random.shuffle(shuffled)
    assume(float(np.std(returns)) > 1e-6)
    assert sharpe_ratio(np.array(shuffled)) == pytest.approx(sharpe_ratio(np.array(returns)))
    one, other = sortino_ratio(np.array(shuffled)), sortino_ratio(np.array(returns))
    assert (one is None) == (other is None)
    assert one is None or one == pytest.approx(other)


@given(st.lists(st.floats(-0.2, 0.2), min_size=3, max_size=60))
def test_the_mirror_of_a_run_has_the_mirrored_sharpe_ratio(returns: list[float]):
    sharpe, mirrored = sharpe_ratio(np.array(returns)), sharpe_ratio(-np.array(returns))
    assert (sharpe is None) == (mirrored is None)
    assert sharpe is None or sharpe == pytest.approx(-mirrored)


@given(levels)
def test_more_points_within_a_day_leave_the_daily_figures_alone(equity: list[float]):
    curve = curve_of(equity)
    ts = [t - 1 for t in curve.ts.tolist()] + curve.ts.tolist()
    finer = EquityCurve(sorted(ts), [x for pair in zip(equity, equity, strict=True) for x in pair], 100.0)
    assert daily_returns(finer).tolist() == daily_returns(curve).tolist()


# -- longer than what is looked at together ------------------------------------------------------------------
PIECE = len(next(EquityCurve(range(10**5), [1.0] * 10**5, 1.0).pieces())[0])
borders = st.tuples(st.integers(1, 3), st.integers(-3, 3), st.sampled_from([80.0, 95.0, 100.0, 105.0, 120.0]))


@pytest.mark.parametrize("seed", range(12))
def test_a_long_curve_gives_what_the_definitions_give_to_the_last_bit(seed: int):
    rng = np.random.default_rng(seed)
    points = int(rng.integers(PIECE - 2, 4 * PIECE))
    steps = rng.normal(scale=0.01, size=points)
    equity = 100.0 + (np.abs(steps) if seed % 4 == 0 else steps).cumsum()
    # Regular, with gaps, and without any usual distance at all.
    ts = np.cumsum(
        [np.full(points, HOUR), rng.choice([HOUR, HOUR, 9 * HOUR], points), rng.integers(1, DAY, points)][seed % 3]
    )
    curve = EquityCurve(ts, equity, 100.0)
    assert curve.ts_start == ts[0] - int(np.median(np.diff(ts)))
    assert drawdown_of(curve) == plain_drawdown(curve)
    assert daily_returns(curve).tolist() == plain_returns(curve)


@given(st.lists(borders, max_size=12), st.integers(-2, 2), st.sampled_from([90.0, 100.0]))
@example([(1, 0, 105.0), (2, 0, 105.0)], 0, 100.0)
@example([(1, -1, 120.0), (2, 1, 120.0)], 1, 90.0)
def test_a_peak_at_the_border_of_two_pieces_is_one_peak(events, longer: int, level: float):
    equity = np.full(4 * PIECE + longer, level)
    for piece, offset, value in events:
        equity[piece * PIECE + offset] = value
    curve = EquityCurve(np.arange(1, len(equity) + 1) * HOUR, equity, 100.0)
    assert drawdown_of(curve) == plain_drawdown(curve)


@pytest.mark.parametrize("at", [PIECE - 1, PIECE, PIECE + 1, 2 * PIECE])
def test_a_fault_far_into_a_curve_is_found(at: int):
    ts, equity = np.arange(1, 2 * PIECE + 2), np.ones(2 * PIECE + 1)
    EquityCurve(ts, equity, 1.0)
    stuck, broken = ts.copy(), equity.copy()
    stuck[at], broken[at] = ts[at - 1], math.nan
    for times, values in ((stuck, equity), (ts, broken)):
        with pytest.raises(DomainError):
            EquityCurve(times, values, 1.0)


def test_the_statistics_of_a_long_curve_need_no_copy_of_it():
    points = 20 * PIECE
    ts, equity = array("q", range(1, points + 1)), array("d", [100.0, 99.0] * (points // 2))
    tracemalloc.start()
    try:
        curve = EquityCurve(ts, equity, 100.0)
        daily_returns(curve), growth_rate(curve), drawdown_of(curve)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 * points  # bytes; one copy of a column would be eight a point

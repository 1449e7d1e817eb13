"""Correlations of returns, against numpy, and what happens where they cannot be known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.risk.correlation import RETURNS_MIN, WINDOW, correlation

walks = st.lists(st.floats(-0.2, 0.2), min_size=RETURNS_MIN, max_size=160)


def simple(series):
    series = np.asarray(series)
    return np.diff(series) / series[:-1]


def closes(returns):
    return [100.0, *(100.0 * math.exp(x) for x in np.cumsum(returns))]


@given(st.lists(st.tuples(st.floats(-0.2, 0.2), st.floats(-0.2, 0.2)), min_size=RETURNS_MIN, max_size=160))
def test_correlation_is_that_of_numpy(pairs):
    one, two = closes([a for a, _ in pairs]), closes([b for _, b in pairs])
    found = correlation(one, two)
    assert -1.0 <= found <= 1.0
    assert found == correlation(two, one)
    xs, ys = (simple(series)[-WINDOW:] for series in (one, two))
    if min(xs.std(), ys.std()) > 1e-6:
        assert found == pytest.approx(np.corrcoef(xs, ys)[0, 1], abs=1e-6)


@given(walks)
def test_series_with_itself_is_one_and_with_its_mirror_minus_one(returns):
    series = closes(returns)
    assert correlation(series, series) == pytest.approx(1.0)
    assert correlation(series, [0.5 * price for price in series]) == pytest.approx(1.0)
    if np.std(simple(series)[-WINDOW:]) > 1e-6:
        mirror = [100.0, *(100.0 * np.cumprod(1.0 - simple(series)))]
        assert correlation(series, mirror) == pytest.approx(-1.0)


def test_only_the_window_counts():
    rng = np.random.default_rng(1)
    old, new, other = rng.normal(0, 0.01, 50), rng.normal(0, 0.01, WINDOW), rng.normal(0, 0.01, WINDOW)
    before = correlation(closes([*old, *new]), closes([*-old, *other]))
    assert before == pytest.approx(correlation(closes(new), closes(other)))


def test_shorter_series_is_aligned_at_the_newest_end():
    rng = np.random.default_rng(2)
    returns = rng.normal(0, 0.01, 60)
    assert correlation(closes(returns), closes(returns)[20:]) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ([], []),
        ([100.0], [100.0]),
        (closes([0.01, -0.02] * 11), closes([-0.01, 0.02] * 11)),  # too few
        ([100.0] * 60, closes([0.01, -0.01] * 30)[:60]),  # one does not move
        ([100.0] * 60, [50.0] * 60),
        ([math.nan] * 60, closes([0.01, -0.01] * 30)[:60]),
        ([0.0] * 60, [-1.0] * 60),
    ],
)
def test_where_nothing_can_be_said_it_counts_as_the_same_thing(one, two):
    assert correlation(one, two) == 1.0


def test_missing_and_impossible_prices_leave_out_their_steps_only():
    rng = np.random.default_rng(3)
    one, two = closes(rng.normal(0, 0.01, 80)), closes(rng.normal(0, 0.01, 80))
    whole = correlation(one, two)
    for bad in (math.nan, math.inf, 0.0, -5.0):
        holed = list(one)
        holed[40] = bad
        found = correlation(holed, two)
        assert found != whole
        assert found == pytest.approx(whole, abs=0.2)

"""Swing points, their levels, legs and divergences: never before they are confirmed, and then as defined."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.indicators.divergence import (
    DIVERGENCE_BEARISH,
    DIVERGENCE_BULLISH,
    DIVERGENCE_SLOTS,
    HIDDEN,
    NONE,
    REGULAR,
    divergence_step,
)
from holdfast.indicators.fibonacci import LEG_SLOTS, RATIOS, leg_step, retracement
from holdfast.indicators.levels import level_above, level_below
from holdfast.indicators.swing import (
    NEW_HIGH,
    NEW_LOW,
    SWING_HIGH_BAR,
    SWING_HIGHS,
    SWING_K_MAX,
    SWING_LOW_BAR,
    SWING_LOWS,
    SWING_SLOTS,
    swing_step,
)

paths = st.lists(st.integers(1, 12), min_size=1, max_size=80)
reach = st.integers(1, SWING_K_MAX)


def swing_points(highs: list[float], lows: list[float], k: int) -> list[int]:
    """Say by definition, with the whole series in view, what each bar confirms."""
    found = [0] * len(highs)
    for i in range(k, len(highs) - k):
        older, newer = range(i - k, i), range(i + 1, i + k + 1)
        if all(highs[j] < highs[i] for j in older) and all(highs[j] <= highs[i] for j in newer):
            found[i + k] += NEW_HIGH
        if all(lows[j] > lows[i] for j in older) and all(lows[j] >= lows[i] for j in newer):
            found[i + k] += NEW_LOW
    return found


@given(paths, reach)
def test_swing_points_are_those_of_the_definition(path: list[int], k: int):
    highs, lows = [x + 0.5 for x in path], [x - 0.5 for x in path]
    state = [0.0] * SWING_SLOTS
    found = [swing_step(state, 0, high, low, k) for high, low in zip(highs, lows, strict=True)]
    assert found == swing_points(highs, lows, k)


@given(paths, st.integers(1, 4))
def test_remembered_levels_are_the_newest_confirmed_ones(path: list[int], k: int):
    highs, lows = [x + 0.5 for x in path], [x - 0.5 for x in path]
    state = [0.0] * SWING_SLOTS
    expected_highs: list[float] = []
    expected_lows: list[float] = []
    for i, (high, low) in enumerate(zip(highs, lows, strict=True)):
        found = swing_step(state, 0, high, low, k)
        if found & NEW_HIGH:
            expected_highs.insert(0, highs[i - k])
            assert state[SWING_HIGH_BAR] == i - k
        if found & NEW_LOW:
            expected_lows.insert(0, lows[i - k])
            assert state[SWING_LOW_BAR] == i - k
    padding = [0.0] * 4
    assert state[SWING_HIGHS : SWING_HIGHS + 4] == (expected_highs + padding)[:4]
    assert state[SWING_LOWS : SWING_LOWS + 4] == (expected_lows + padding)[:4]
    levels = expected_highs[:4] + expected_lows[:4]
    for price in (2.0, 5.0, 11.9):
        assert level_below(state, 0, price) == max((x for x in levels if x < price), default=0.0)
        assert level_above(state, 0, price) == min((x for x in levels if x > price), default=0.0)


def run(path: list[float], k: int, oscillator: list[float]) -> list[tuple[float, float]]:
    """Give the kinds of (bullish, bearish) divergence that each bar of a path confirms."""
    swing, state = 0, [0.0] * (SWING_SLOTS + DIVERGENCE_SLOTS)
    seen = []
    for price, value in zip(path, oscillator, strict=True):
        found = swing_step(state, swing, price, price, k)
        divergence_step(state, SWING_SLOTS, swing, found, value, k)
        seen.append((state[SWING_SLOTS + DIVERGENCE_BULLISH], state[SWING_SLOTS + DIVERGENCE_BEARISH]))
    return seen


@pytest.mark.parametrize(
    ("lows", "values", "kind"),
    [
        ((5.0, 4.0), (30.0, 35.0), REGULAR),
        ((5.0, 6.0), (30.0, 25.0), HIDDEN),
        ((5.0, 4.0), (30.0, 25.0), NONE),
        ((5.0, 6.0), (30.0, 35.0), NONE),
    ],
)
def test_bullish_divergence_compares_two_confirmed_lows(lows: tuple[float, float], values, kind: float):
    path = [9.0, 8.0, lows[0], 8.0, 9.0, 8.0, lows[1], 8.0, 9.0]
    oscillator = [50.0, 40.0, values[0], 40.0, 50.0, 40.0, values[1], 40.0, 50.0]
    seen = [bullish for bullish, _ in run(path, 1, oscillator)]
    assert seen == [NONE] * 7 + [kind] + [NONE]


@pytest.mark.parametrize(
    ("highs", "values", "kind"),
    [((5.0, 6.0), (70.0, 65.0), REGULAR), ((5.0, 4.5), (70.0, 75.0), HIDDEN), ((5.0, 6.0), (70.0, 75.0), NONE)],
)
def test_bearish_divergence_compares_two_confirmed_highs(highs: tuple[float, float], values, kind: float):
    path = [1.0, 2.0, highs[0], 2.0, 1.0, 2.0, highs[1], 2.0, 1.0]
    oscillator = [50.0, 60.0, values[0], 60.0, 50.0, 60.0, values[1], 60.0, 50.0]
    seen = [bearish for _, bearish in run(path, 1, oscillator)]
    assert seen == [NONE] * 7 + [kind] + [NONE]


@given(paths, st.integers(1, 3))
def test_leg_runs_from_the_older_to_the_newer_of_the_two_points(path: list[int], k: int):
    state = [0.0] * (SWING_SLOTS + LEG_SLOTS)
    for price in path:
        found = swing_step(state, 0, price + 0.5, price - 0.5, k)
        direction = leg_step(state, SWING_SLOTS, 0, found)
        high, low = state[SWING_HIGHS], state[SWING_LOWS]
        is_leg = high > low > 0 and state[SWING_HIGH_BAR] != state[SWING_LOW_BAR]
        assert is_leg == (direction != 0.0)
        if is_leg:
            is_up = state[SWING_HIGH_BAR] > state[SWING_LOW_BAR]
            start, end = (low, high) if is_up else (high, low)
            assert direction == (1.0 if is_up else -1.0)
            assert retracement(state, SWING_SLOTS, 0.0) == end
            assert retracement(state, SWING_SLOTS, 1.0) == start
            inside = [retracement(state, SWING_SLOTS, ratio) for ratio in RATIOS]
            assert inside == sorted(inside, reverse=end > start)

"""Fibonacci retracements of the last confirmed leg: level(r) = end - r * (end - start)."""

from __future__ import annotations

from holdfast.indicators.compilation import State, step_function
from holdfast.indicators.swing import SWING_HIGH_BAR, SWING_HIGHS, SWING_LOW_BAR, SWING_LOWS

RATIOS = (0.236, 0.382, 0.5, 0.618, 0.786)
"""The customary ratios: powers of the golden section, a half, and the root of 0.618."""

LEG_START = 0
LEG_END = 1
LEG_SLOTS = 2


@step_function
def leg_step(state: State, at: int, swing: int, found: int) -> float:
    """Take in what `swing_step` found and return the leg's direction: 1.0 up, -1.0 down, 0.0 none yet.

    The leg runs between the newest confirmed swing high and low, from the older to the newer of the two. A high below
    an older low, or both on one bar, make no leg.
    """
    if found != 0:
        high = state[swing + SWING_HIGHS]
        low = state[swing + SWING_LOWS]
        is_leg = high > low > 0.0 and state[swing + SWING_HIGH_BAR] != state[swing + SWING_LOW_BAR]
        is_up = state[swing + SWING_HIGH_BAR] > state[swing + SWING_LOW_BAR]
        if not is_leg:
            state[at + LEG_START] = 0.0
            state[at + LEG_END] = 0.0
        else:
            state[at + LEG_START] = low if is_up else high
            state[at + LEG_END] = high if is_up else low
    if state[at + LEG_END] > state[at + LEG_START]:
        return 1.0
    return -1.0 if state[at + LEG_END] < state[at + LEG_START] else 0.0


@step_function
def retracement(state: State, at: int, ratio: float) -> float:
    """Return the price at which `ratio` of the leg is taken back; a negative ratio extends it beyond its end."""
    return state[at + LEG_END] - ratio * (state[at + LEG_END] - state[at + LEG_START])

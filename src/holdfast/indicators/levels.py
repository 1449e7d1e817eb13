"""Support and resistance that move with the market: the last confirmed swing points, highs and lows alike.

A high that price has risen above supports it from then on, so both kinds are asked on both sides.
"""

from __future__ import annotations

from holdfast.indicators.compilation import State, step_function
from holdfast.indicators.swing import LEVELS, SWING_HIGHS


@step_function
def level_below(state: State, swing: int, price: float) -> float:
    """Return the highest remembered swing level below `price`; 0.0 if there is none."""
    best = 0.0
    for slot in range(swing + SWING_HIGHS, swing + SWING_HIGHS + 2 * LEVELS):
        level = state[slot]
        if best < level < price:
            best = level
    return best


@step_function
def level_above(state: State, swing: int, price: float) -> float:
    """Return the lowest remembered swing level above `price`; 0.0 if there is none."""
    best = 0.0
    for slot in range(swing + SWING_HIGHS, swing + SWING_HIGHS + 2 * LEVELS):
        level = state[slot]
        if level > price and (best == 0.0 or level < best):
            best = level
    return best

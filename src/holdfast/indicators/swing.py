"""Swing points: a high above its k neighbours on each side, a low below them; known only k bars later.

A high counts when the k bars before it are lower and the k bars after it are not higher, so that of equal neighbours
the first one counts. What is not yet confirmed is never shown: that is how swing indicators come to see the future.
"""

from __future__ import annotations

from holdfast.indicators.compilation import State, step_function

SWING_K_MAX = 10
LEVELS = 4  # how many swing highs and how many swing lows are remembered, newest first

SWING_BARS = 0
SWING_HIGHS = 2
SWING_LOWS = SWING_HIGHS + LEVELS
SWING_HIGH_BAR = SWING_LOWS + LEVELS  # number of the bar of the newest swing high
SWING_LOW_BAR = SWING_HIGH_BAR + 1
_PLACE = 1
_RING = SWING_LOW_BAR + 1
_RING_LENGTH = 2 * SWING_K_MAX + 1
SWING_SLOTS = _RING + 2 * _RING_LENGTH

# What a step returns: the sum of the points that this bar confirmed.
NEW_HIGH = 1
NEW_LOW = 2


@step_function
def swing_step(state: State, at: int, high: float, low: float, k: float) -> int:
    """Take in a bar and return which swing points it confirms: 0, NEW_HIGH, NEW_LOW or both added.

    A confirmed point lies k bars back. Levels stand newest first from SWING_HIGHS and SWING_LOWS; 0.0 is none.
    """
    bars = state[at + SWING_BARS]
    state[at + SWING_BARS] = bars + 1.0
    place = int(state[at + _PLACE])
    highs = at + _RING
    lows = highs + _RING_LENGTH
    state[highs + place] = high
    state[lows + place] = low
    length = 2 * int(k) + 1
    state[at + _PLACE] = float(place + 1 if place + 1 < length else 0)
    if bars + 1.0 < length:
        return 0
    middle = place - int(k)
    if middle < 0:
        middle += length
    found = 0
    if high <= state[highs + middle] and _is_peak(state, highs, middle, length, 1.0):
        _remember(state, at + SWING_HIGHS, state[highs + middle])
        state[at + SWING_HIGH_BAR] = bars - k
        found += NEW_HIGH
    if low >= state[lows + middle] and _is_peak(state, lows, middle, length, -1.0):
        _remember(state, at + SWING_LOWS, state[lows + middle])
        state[at + SWING_LOW_BAR] = bars - k
        found += NEW_LOW
    return found


@step_function
def _is_peak(state: State, ring: int, middle: int, length: int, sign: float) -> bool:
    peak = sign * state[ring + middle]
    place = middle
    # Newer bars follow the middle one around the ring, and the older ones after them.
    for distance in range(1, length):
        place += 1
        if place == length:
            place = 0
        other = sign * state[ring + place]
        if other > peak or (other == peak and 2 * distance > length):
            return False
    return True


@step_function
def _remember(state: State, levels: int, level: float) -> None:
    for slot in range(levels + LEVELS - 1, levels, -1):
        state[slot] = state[slot - 1]
    state[levels] = level

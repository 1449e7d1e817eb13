"""Divergence between price and an oscillator at confirmed swing points.

| | price | oscillator | means |
| --- | --- | --- | --- |
| regular bullish | lower low | higher low | a fall that loses force |
| hidden bullish | higher low | lower low | a rise that rests |
| regular bearish | higher high | lower high | a rise that loses force |
| hidden bearish | lower high | higher high | a fall that rests |
"""

from __future__ import annotations

from holdfast.indicators.compilation import State, step_function
from holdfast.indicators.swing import NEW_HIGH, NEW_LOW, SWING_HIGHS, SWING_K_MAX, SWING_LOWS

NONE = 0.0
REGULAR = 1.0
HIDDEN = 2.0

DIVERGENCE_BULLISH = 0  # kind that the last bar confirmed
DIVERGENCE_BEARISH = 1
_SEEN = 2
_PLACE = 3
_AT_HIGH = 4  # of the oscillator at the newest swing high, and whether there was one
_AT_LOW = 6
_RING = 8
DIVERGENCE_SLOTS = _RING + SWING_K_MAX + 1


@step_function
def divergence_step(state: State, at: int, swing: int, found: int, oscillator: float, k: float) -> None:
    """Take in an oscillator's value and what `swing_step` found on the same bar with the same k.

    Leaves NONE, REGULAR or HIDDEN in `at + DIVERGENCE_BULLISH` and `at + DIVERGENCE_BEARISH`. Begin to call it when the
    oscillator is warm; it compares only points that it has seen.
    """
    length = int(k) + 1
    place = int(state[at + _PLACE])
    state[at + _RING + place] = oscillator
    place = place + 1 if place + 1 < length else 0
    state[at + _PLACE] = float(place)
    state[at + DIVERGENCE_BULLISH] = NONE
    state[at + DIVERGENCE_BEARISH] = NONE
    if state[at + _SEEN] < k:
        state[at + _SEEN] += 1.0
        return
    if found == 0:
        return
    # The oldest value in the ring is the oscillator k bars ago, where the swing point lies.
    there = state[at + _RING + place]
    if found != NEW_HIGH:
        state[at + DIVERGENCE_BULLISH] = _kind(state, at + _AT_LOW, swing + SWING_LOWS, there, -1.0)
    if found != NEW_LOW:
        state[at + DIVERGENCE_BEARISH] = _kind(state, at + _AT_HIGH, swing + SWING_HIGHS, there, 1.0)


@step_function
def _kind(state: State, last: int, levels: int, there: float, sign: float) -> float:
    before = state[last]
    is_known = state[last + 1] > 0.0
    state[last] = there
    state[last + 1] = 1.0
    if not is_known:
        return NONE
    price = sign * (state[levels] - state[levels + 1])
    force = sign * (there - before)
    if price > 0.0 and force < 0.0:
        return REGULAR
    if price < 0.0 and force > 0.0:
        return HIDDEN
    return NONE

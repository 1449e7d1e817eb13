"""The simple moving average: the mean of the last n values."""

from __future__ import annotations

from holdfast.indicators.compilation import State, step_function

_RING = 3  # slots before the ring of the last values: sum, next place in the ring, number of values in it


def sma_slots(length: int) -> int:
    """Return how many slots an average over `length` values needs."""
    return _RING + length


@step_function
def sma_step(state: State, at: int, x: float, length: float) -> float:
    """Take in `x` and return the mean of the last `length` values, or of all while there are fewer.

    The running sum is added up anew each time the ring is full, so that rounding cannot build up over years of bars;
    TA-Lib never does so, and differs by that rounding alone.
    """
    ring = at + _RING
    place = int(state[at + 1])
    count = state[at + 2]
    total = state[at] + x
    if count < length:
        count += 1.0
        state[at + 2] = count
    else:
        total -= state[ring + place]
    state[ring + place] = x
    place += 1
    if place == int(length):
        place = 0
        total = 0.0
        for slot in range(ring, ring + int(length)):
            total += state[slot]
    state[at] = total
    state[at + 1] = float(place)
    return total / count

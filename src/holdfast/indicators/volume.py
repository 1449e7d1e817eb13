"""Relative volume: a bar's volume over the mean volume of the n bars before it."""

from __future__ import annotations

from holdfast.indicators.compilation import State, step_function
from holdfast.indicators.sma import sma_slots, sma_step

_SMA = 1  # slots before the average of the bars so far: that average


def volume_slots(length: int) -> int:
    """Return how many slots an average over `length` bars needs."""
    return _SMA + sma_slots(length)


@step_function
def volume_step(state: State, at: int, volume: float, length: float) -> float:
    """Take in a bar's volume and return it as a multiple of the usual; 0.0 on the first bar and after silence.

    The bar itself is not part of what is usual, or a burst would lift the measure that it is held against.
    """
    usual = state[at]
    state[at] = sma_step(state, at + _SMA, volume, length)
    return volume / usual if usual > 0.0 else 0.0

"""Wilder's average true range: TR = max(high, close_before) - min(low, close_before); ATR += (TR - ATR) / n.

Source: J. Welles Wilder, New Concepts in Technical Trading Systems, 1978.
"""

from __future__ import annotations

from holdfast.indicators.compilation import State, step_function

ATR_SLOTS = 4  # average, close before, number of bars seen, sum of true ranges until it is known
CLOSE_BEFORE = 1


@step_function
def atr_step(state: State, at: int, high: float, low: float, close: float, length: float) -> float:
    """Take in a bar and return the average true range, which stands in slot `at`; 0.0 until `length` are known.

    Seeded as Wilder and TA-Lib do: the first bar has no close before it and gives no true range; the first average is
    the plain mean of the next `length`. The values are TA-Lib's.
    """
    before = state[at + CLOSE_BEFORE]
    count = state[at + 2]
    state[at + CLOSE_BEFORE] = close
    state[at + 2] = count + 1.0
    if count == 0.0:
        return 0.0
    true_range = (high if high > before else before) - (low if low < before else before)
    if count > length:
        average = (state[at] * (length - 1.0) + true_range) / length
        state[at] = average
        return average
    state[at + 3] += true_range
    if count == length:
        state[at] = state[at + 3] / length
    return state[at]

"""Wilder's average true range: TR = max(high, close_before) - min(low, close_before); ATR += (TR - ATR) / n.

Source: J. Welles Wilder, New Concepts in Technical Trading Systems, 1978.
"""

from __future__ import annotations

from holdfast.indicators.compilation import State, step_function

ATR_SLOTS = 3  # average, number of true ranges in it, close before


@step_function
def atr_step(state: State, at: int, high: float, low: float, close: float, length: float) -> float:
    """Take in a bar and return the average true range; 0.0 until `length` true ranges are known.

    Seeded as Wilder and TA-Lib do: the first bar has no close before it and gives no true range; the first average is
    the plain mean of the next `length`. Slots `at` average (a sum until seeded), `at + 1` count, `at + 2` close before.
    """
    count = state[at + 1]
    before = state[at + 2]
    state[at + 1] = count + 1.0
    state[at + 2] = close
    if count == 0.0:
        return 0.0
    true_range = (high if high > before else before) - (low if low < before else before)
    average = state[at]
    if count > length:
        average = (average * (length - 1.0) + true_range) / length
        state[at] = average
        return average
    average += true_range
    if count < length:
        state[at] = average
        return 0.0
    average /= length
    state[at] = average
    return average

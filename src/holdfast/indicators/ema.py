"""The exponential moving average: e_0 = x_0, then e_i = e_{i-1} + alpha * (x_i - e_{i-1}), alpha = 2 / (n + 1)."""

from __future__ import annotations

from holdfast.indicators.compilation import State, step_function

EMA_SLOTS = 2  # value, number of values seen


def ema_alpha(length: int) -> float:
    """Return the weight of the newest value in an average of `length` bars."""
    return 2.0 / (length + 1.0)


@step_function
def ema_step(state: State, at: int, x: float, alpha: float) -> float:
    """Take in `x` and return the average; slots `at` (value) and `at + 1` (count).

    Seeded with the first value, like pandas `ewm(adjust=False)`. TA-Lib seeds with the simple mean of the first n
    values: equal where those n are equal, else the two converge by the factor 1 - alpha per bar.
    """
    count = state[at + 1]
    value = state[at] + alpha * (x - state[at]) if count > 0.0 else x
    state[at] = value
    state[at + 1] = count + 1.0
    return value

"""Moving average convergence/divergence: line = EMA(fast) - EMA(slow), signal = EMA(line), histogram = line - signal.

Source: Gerald Appel, The Moving Average Convergence-Divergence Trading Method, 1979.
"""

from __future__ import annotations

from holdfast.indicators.compilation import State, step_function
from holdfast.indicators.ema import EMA_SLOTS, ema_step

MACD_FAST = 0
MACD_SLOW = EMA_SLOTS
MACD_SIGNAL = 2 * EMA_SLOTS
MACD_LINE = 3 * EMA_SLOTS
MACD_HISTOGRAM = MACD_LINE + 1
MACD_SLOPE = MACD_LINE + 2  # how much the histogram grew with the last value
MACD_SLOTS = MACD_LINE + 3


@step_function
def macd_step(state: State, at: int, x: float, fast: float, slow: float, signal: float) -> float:
    """Take in `x` and return the histogram; `fast`, `slow` and `signal` are the alphas of the three averages.

    All three are seeded with their first value. TA-Lib seeds each with a simple mean and begins the signal when
    the slow average is known: equal where the market begins flat, else converging.
    """
    line = ema_step(state, at + MACD_FAST, x, fast) - ema_step(state, at + MACD_SLOW, x, slow)
    histogram = line - ema_step(state, at + MACD_SIGNAL, line, signal)
    state[at + MACD_LINE] = line
    state[at + MACD_SLOPE] = histogram - state[at + MACD_HISTOGRAM]
    state[at + MACD_HISTOGRAM] = histogram
    return histogram

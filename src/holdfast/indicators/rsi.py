"""Wilder's relative strength index: RSI = 100 * G / (G + L), with G and L the averages of gains and losses.

G += (gain - G) / n and L += (loss - L) / n. Source: J. Welles Wilder, New Concepts in Technical Trading Systems, 1978.
"""

from __future__ import annotations

from holdfast.indicators.compilation import State, step_function

RSI_SLOTS = 4  # average gain, average loss, number of values seen, value before


@step_function
def rsi_step(state: State, at: int, x: float, length: float) -> float:
    """Take in `x` and return the index, 0 to 100; 50.0 until `length` changes are known, and while nothing moves.

    Seeded as Wilder and TA-Lib do, with the plain means of the first `length` gains and losses, so the values are
    TA-Lib's; where nothing has moved TA-Lib says 0. Slots from `at`: gain, loss, count, value before.
    """
    count = state[at + 2]
    change = x - state[at + 3]
    state[at + 2] = count + 1.0
    state[at + 3] = x
    if count == 0.0:
        return 50.0
    gain = state[at]
    loss = state[at + 1]
    if count > length:
        gain *= length - 1.0
        loss *= length - 1.0
    if change > 0.0:
        gain += change
    else:
        loss -= change
    if count >= length:
        gain /= length
        loss /= length
    state[at] = gain
    state[at + 1] = loss
    moved = gain + loss
    if count < length or moved == 0.0:
        return 50.0
    return 100.0 * (gain / moved)

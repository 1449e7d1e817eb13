"""The two strategies of the engine benchmark, inlined for speed; their figures are known to the fourth decimal.

Job A: EMA(fast) above EMA(slow) buys, below sells. Job C: the same with RSI > 50 at the entry and a ratcheting stop of
3 ATR. EMAs are seeded with the first close; RSI and ATR are Wilder's with averages that start at 0 and at high - low.
They exist to be compared with other engines, not to earn money.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from holdfast.core.errors import ConfigurationError
from holdfast.core.record import Record
from holdfast.indicators.compilation import State, step_function
from holdfast.indicators.ema import ema_alpha
from holdfast.strategies.stepping import (
    BARS,
    ENTER_LONG,
    EXIT_LONG,
    HEAD,
    NOTHING,
    REASON,
    STOP,
    STRENGTH,
    TARGET,
    TRAIL,
    StepDefinition,
    StepPlan,
)

FAST = HEAD
SLOW = HEAD + 1
ABOVE = HEAD + 2
CLOSE = HEAD + 3
GAIN = HEAD + 4
LOSS = HEAD + 5
ATR = HEAD + 6
SLOTS_A = HEAD + 3
SLOTS_C = HEAD + 7

FAR_STOP = 0.01  # a stop that is never hit, so that the gate has one to review
FAR_TARGET = 100.0

Length = Annotated[int, Meta(ge=1, le=10_000)]


class CrossParameters(Record, frozen=True):
    """Job A: lengths of the two averages, in bars."""

    fast: Length = 12
    slow: Length = 26

    def __post_init__(self) -> None:
        if self.fast >= self.slow:
            raise ConfigurationError(f"fast {self.fast} must be below slow {self.slow}", hint="e.g. fast=12, slow=26")

    def plan(self) -> StepPlan:
        """Return what the step needs."""
        return StepPlan((ema_alpha(self.fast), ema_alpha(self.slow)), SLOTS_A, 1)


class StoppedCrossParameters(Record, frozen=True):
    """Job C: lengths in bars; `stop_atr` is the stop's distance in average true ranges."""

    fast: Length = 12
    slow: Length = 26
    wilder: Length = 14
    stop_atr: Annotated[float, Meta(gt=0.0, le=100.0)] = 3.0

    def __post_init__(self) -> None:
        if self.fast >= self.slow:
            raise ConfigurationError(f"fast {self.fast} must be below slow {self.slow}", hint="e.g. fast=12, slow=26")

    def plan(self) -> StepPlan:
        """Return what the step needs."""
        vector = (ema_alpha(self.fast), ema_alpha(self.slow), float(self.wilder), self.stop_atr)
        return StepPlan(vector, SLOTS_C, 1)


@step_function
def job_a_step(
    state: State, params: State, _open: float, _high: float, _low: float, close: float, _volume: float
) -> int:
    """Take in a bar; slots FAST, SLOW, ABOVE."""
    bars = state[BARS]
    state[BARS] = bars + 1.0
    if bars == 0.0:
        state[FAST] = close
        state[SLOW] = close
        return NOTHING
    fast = state[FAST]
    fast += params[0] * (close - fast)
    state[FAST] = fast
    slow = state[SLOW]
    slow += params[1] * (close - slow)
    state[SLOW] = slow
    if fast > slow:
        if state[ABOVE] == 0.0:
            state[ABOVE] = 1.0
            state[STOP] = close * FAR_STOP
            state[TARGET] = close * FAR_TARGET
            state[STRENGTH] = 1.0
            state[REASON] = 0.0
            return ENTER_LONG
    elif state[ABOVE] != 0.0:
        state[ABOVE] = 0.0
        state[REASON] = 1.0
        return EXIT_LONG
    return NOTHING


@step_function
def job_c_step(state: State, params: State, _open: float, high: float, low: float, close: float, _volume: float) -> int:
    """Take in a bar; slots FAST to ATR. Entered or not, the trail is close - stop_atr * ATR."""
    bars = state[BARS]
    state[BARS] = bars + 1.0
    if bars == 0.0:
        state[FAST] = close
        state[SLOW] = close
        state[CLOSE] = close
        state[ATR] = high - low
        return NOTHING
    fast = state[FAST]
    fast += params[0] * (close - fast)
    state[FAST] = fast
    slow = state[SLOW]
    slow += params[1] * (close - slow)
    state[SLOW] = slow
    wilder = params[2]
    before = state[CLOSE]
    state[CLOSE] = close
    gain = state[GAIN]
    loss = state[LOSS]
    if close > before:
        gain += (close - before - gain) / wilder
        loss -= loss / wilder
    else:
        gain -= gain / wilder
        loss += (before - close - loss) / wilder
    state[GAIN] = gain
    state[LOSS] = loss
    atr = state[ATR]
    atr += ((high if high > before else before) - (low if low < before else before) - atr) / wilder
    state[ATR] = atr
    trail = close - params[3] * atr
    state[TRAIL] = trail if trail > 0.0 else 0.0
    if fast > slow:
        if state[ABOVE] == 0.0:
            state[ABOVE] = 1.0
            if 100.0 * gain > 50.0 * (gain + loss):
                state[STOP] = trail
                state[TARGET] = close + FAR_TARGET * (close - trail)
                state[STRENGTH] = 1.0
                state[REASON] = 0.0
                return ENTER_LONG
    elif state[ABOVE] != 0.0:
        state[ABOVE] = 0.0
        state[REASON] = 1.0
        return EXIT_LONG
    return NOTHING


def _situation_a(state: Sequence[float], _params: Sequence[float]) -> Sequence[str]:
    side = "above" if state[ABOVE] else "not above"
    return (
        f"The fast average {state[FAST]:.6g} is {side} the slow one {state[SLOW]:.6g}; an entry needs a new cross.",
    )


def _situation_c(state: Sequence[float], params: Sequence[float]) -> Sequence[str]:
    moved = state[GAIN] + state[LOSS]
    rsi = 100.0 * state[GAIN] / moved if moved else 50.0
    verdict = "holds" if rsi > 50.0 else "is missing"
    return (*_situation_a(state, params), f"RSI above 50 {verdict}: it stands at {rsi:.1f}.")


JOB_A = StepDefinition(
    name="job_a",
    step=job_a_step,
    parameters=CrossParameters,
    reasons=(
        "The fast average {fast:.6g} rose above the slow one {slow:.6g}.",
        "The fast average {fast:.6g} fell below the slow one {slow:.6g}.",
    ),
    evidence=(("fast", FAST), ("slow", SLOW)),
    situation=_situation_a,
)

JOB_C = StepDefinition(
    name="job_c",
    step=job_c_step,
    parameters=StoppedCrossParameters,
    reasons=(
        "The fast average {fast:.6g} rose above the slow one {slow:.6g} with RSI above 50.",
        "The fast average {fast:.6g} fell below the slow one {slow:.6g}.",
    ),
    evidence=(("fast", FAST), ("slow", SLOW), ("gain", GAIN), ("loss", LOSS), ("atr", ATR)),
    situation=_situation_c,
    is_anchored_to_fill=True,
)

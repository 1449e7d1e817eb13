"""Moving-average crossover: buys when the fast EMA crosses above the slow one on more volume than usual."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from holdfast.core.errors import ConfigurationError
from holdfast.core.record import Record
from holdfast.indicators.atr import ATR_SLOTS, atr_step
from holdfast.indicators.compilation import State, step_function
from holdfast.indicators.ema import EMA_SLOTS, ema_alpha, ema_step
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
SLOW = FAST + EMA_SLOTS
VOLUME = SLOW + EMA_SLOTS
ATR = VOLUME + EMA_SLOTS
ABOVE = ATR + ATR_SLOTS
BUSY = ABOVE + 1
SLOTS = BUSY + 1


class MaCrossoverParameters(Record, frozen=True):
    """Lengths in bars; `volume_ratio` is how many times the average volume a cross needs; stops in ATRs."""

    fast: Annotated[int, Meta(ge=2, le=500)] = 12
    slow: Annotated[int, Meta(ge=3, le=2000)] = 26
    volume_length: Annotated[int, Meta(ge=2, le=500)] = 20
    volume_ratio: Annotated[float, Meta(ge=0.0, le=20.0)] = 1.2
    atr_length: Annotated[int, Meta(ge=2, le=500)] = 14
    stop_atr: Annotated[float, Meta(gt=0.0, le=20.0)] = 2.0
    trail_atr: Annotated[float, Meta(ge=0.0, le=50.0)] = 3.0
    reward_risk: Annotated[float, Meta(ge=1.3, le=20.0)] = 2.0

    def __post_init__(self) -> None:
        if self.fast >= self.slow:
            raise ConfigurationError(f"fast {self.fast} must be below slow {self.slow}", hint="e.g. fast=12, slow=26")

    def plan(self) -> StepPlan:
        """Return what the step needs."""
        vector = (
            ema_alpha(self.fast), ema_alpha(self.slow), ema_alpha(self.volume_length), self.volume_ratio,
            float(self.atr_length), self.stop_atr, self.trail_atr, self.reward_risk,
        )  # fmt: skip
        return StepPlan(vector, SLOTS, self.slow)


@step_function
def ma_crossover_step(
    state: State, params: State, _open: float, high: float, low: float, close: float, volume: float
) -> int:
    """Take in a bar."""
    bars = state[BARS]
    state[BARS] = bars + 1.0
    usual = state[VOLUME]
    ema_step(state, VOLUME, volume, params[2])
    fast = ema_step(state, FAST, close, params[0])
    slow = ema_step(state, SLOW, close, params[1])
    atr = atr_step(state, ATR, high, low, close, params[4])
    trail = close - params[6] * atr
    state[TRAIL] = trail if params[6] > 0.0 and trail > 0.0 else 0.0
    state[BUSY] = volume / usual if usual > 0.0 else 0.0
    if fast > slow:
        was_above = state[ABOVE]
        state[ABOVE] = 1.0
        if was_above == 0.0 and bars > 0.0 and atr > 0.0 and state[BUSY] >= params[3]:
            risk = params[5] * atr
            if risk < close:
                state[STOP] = close - risk
                state[TARGET] = close + params[7] * risk
                state[STRENGTH] = 0.6
                state[REASON] = 0.0
                return ENTER_LONG
    elif state[ABOVE] != 0.0:
        state[ABOVE] = 0.0
        state[STRENGTH] = 1.0
        state[REASON] = 1.0
        return EXIT_LONG
    return NOTHING


def _situation(state: Sequence[float], params: Sequence[float]) -> Sequence[str]:
    side = "above" if state[ABOVE] else "not above"
    verdict = "holds" if state[BUSY] >= params[3] else "is missing"
    return (
        f"The fast average {state[FAST]:.6g} is {side} the slow one {state[SLOW]:.6g}; an entry needs a new cross.",
        f"Volume of {params[3]:.2f} times the usual {verdict}: it is {state[BUSY]:.2f} times.",
    )


MA_CROSSOVER = StepDefinition(
    name="ma_crossover",
    step=ma_crossover_step,
    parameters=MaCrossoverParameters,
    reasons=(
        "The fast EMA {fast:.6g} crossed above the slow one {slow:.6g} on {volume_ratio:.2f} times its usual volume.",
        "The fast average {fast:.6g} fell below the slow one {slow:.6g}.",
    ),
    evidence=(("fast", FAST), ("slow", SLOW), ("volume_ratio", BUSY), ("atr", ATR)),
    situation=_situation,
)

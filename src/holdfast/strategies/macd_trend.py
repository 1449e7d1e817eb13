"""MACD trend: buys when the MACD line crosses above its signal and the histogram rises steeply enough."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from holdfast.core.errors import ConfigurationError
from holdfast.indicators.compilation import State, step_function
from holdfast.indicators.ema import ema_alpha
from holdfast.indicators.macd import MACD_HISTOGRAM, MACD_LINE, MACD_SLOPE, MACD_SLOTS, macd_step
from holdfast.strategies.frame import (
    ATR,
    LEAVE,
    OWN,
    OWN_PARAMS,
    REWARD_RISK,
    STANCE,
    AtrMultiple,
    FrameParameters,
    Length,
    aged,
    bounded,
    condition,
    frame_step,
    room_to_pay,
    settle,
)
from holdfast.strategies.stepping import BARS, STRENGTH, StepDefinition, StepPlan

# Slots from `at`.
AGE = 0  # bars since the cross that still waits for its slope, counted from 1; 0.0 for none
MACD = 1
SLOTS = MACD + MACD_SLOTS

# Parameters from `p`.
_FAST, _SLOW, _SIGNAL, _SLOPE_ATR, _CONFIRM_BARS = range(5)
PARAMS = 5

STANCE_FULL_ATR = 0.25  # a histogram of so many average true ranges is a full lean


class MacdTrendParameters(FrameParameters, frozen=True):
    """Lengths in bars; a cross counts when within `confirm_bars` the histogram grows by `slope_atr` ATRs in a bar."""

    macd_fast: Length = 12
    macd_slow: Annotated[int, Meta(ge=3, le=2000)] = 26
    macd_signal: Length = 9
    slope_atr: AtrMultiple = 0.03
    confirm_bars: Annotated[int, Meta(ge=1, le=50)] = 2

    def __post_init__(self) -> None:
        if self.macd_fast >= self.macd_slow:
            raise ConfigurationError(
                f"macd_fast {self.macd_fast} must be below macd_slow {self.macd_slow}",
                hint="e.g. macd_fast=12, macd_slow=26",
            )

    def own(self) -> tuple[float, ...]:
        """Return the vector of `macd_lean`."""
        alphas = (ema_alpha(self.macd_fast), ema_alpha(self.macd_slow), ema_alpha(self.macd_signal))
        return *alphas, self.slope_atr, float(self.confirm_bars)

    def plan(self) -> StepPlan:
        """Return what the step needs."""
        warmup = max(self.macd_slow + self.macd_signal, self.atr_length + 1)
        return StepPlan(self.frame(warmup) + self.own(), OWN + SLOTS, warmup)


@step_function
def macd_lean(state: State, at: int, params: State, p: int, close: float) -> int:
    """Take in a bar; return 1 or -1 on a confirmed cross. Leaves LEAVE and STANCE."""
    before = state[at + MACD + MACD_HISTOGRAM]
    histogram = macd_step(state, at + MACD, close, params[p + _FAST], params[p + _SLOW], params[p + _SIGNAL])
    atr = state[ATR]
    state[STANCE] = bounded(histogram / (STANCE_FULL_ATR * atr)) if atr > 0.0 else 0.0
    is_cross = histogram > 0.0 >= before or histogram < 0.0 <= before
    if state[BARS] < 3.0:
        is_cross = False
    side = 1.0 if histogram > 0.0 else -1.0
    if is_cross:
        state[LEAVE] = -side
    age = aged(state[at + AGE], is_cross, params[p + _CONFIRM_BARS])
    lean = 0
    if age > 0.0 and side * state[at + MACD + MACD_SLOPE] >= params[p + _SLOPE_ATR] * atr:
        age = 0.0
        lean = 1 if side > 0.0 else -1
    state[at + AGE] = age
    return lean


@step_function
def macd_trend_step(
    state: State, params: State, _open: float, high: float, low: float, close: float, _volume: float
) -> int:
    """Take in a bar."""
    frame_step(state, params, high, low, close)
    lean = macd_lean(state, OWN, params, OWN_PARAMS, close)
    state[STRENGTH] = 0.5 + 0.5 * abs(state[STANCE])
    return settle(state, params, lean)


def macd_situation(state: Sequence[float], at: int, params: Sequence[float], p: int) -> Sequence[str]:
    """Say where the line, its signal and the histogram stand."""
    line, histogram = state[at + MACD + MACD_LINE], state[at + MACD + MACD_HISTOGRAM]
    slope, age = state[at + MACD + MACD_SLOPE], state[at + AGE]
    is_waiting = age > 0.0 and histogram > 0.0
    where = f"the line {line:.6g} {'crossed above' if is_waiting else 'did not just cross above'} its signal"
    where += f" {line - histogram:.6g}."
    least = params[p + _SLOPE_ATR] * state[ATR]
    steep = f"the histogram {histogram:.6g} changed by {slope:.6g} in the last bar; {least:.6g} is asked."
    return condition(is_waiting, where), condition(slope >= least, steep)


def _situation(state: Sequence[float], params: Sequence[float]) -> Sequence[str]:
    return *macd_situation(state, OWN, params, OWN_PARAMS), room_to_pay(state, params)


MACD_TREND = StepDefinition(
    name="macd_trend",
    step=macd_trend_step,
    parameters=MacdTrendParameters,
    reasons=(
        "The MACD line {line:.6g} crossed above its signal, its histogram rising by {slope:.6g} in a bar;"
        " the target pays {reward_risk:.2f} times the risk.",
        "The MACD line {line:.6g} fell below its signal.",
        "The MACD line {line:.6g} crossed below its signal, its histogram changing by {slope:.6g} in a bar;"
        " the target pays {reward_risk:.2f} times the risk.",
        "The MACD line {line:.6g} rose above its signal.",
    ),
    evidence=(
        ("line", OWN + MACD + MACD_LINE),
        ("histogram", OWN + MACD + MACD_HISTOGRAM),
        ("slope", OWN + MACD + MACD_SLOPE),
        ("atr", ATR),
        ("reward_risk", REWARD_RISK),
    ),
    situation=_situation,
)

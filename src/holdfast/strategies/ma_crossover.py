"""Moving-average crossover: buys when the fast EMA crosses above the slow one and volume confirms it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from holdfast.core.errors import ConfigurationError
from holdfast.indicators.compilation import State, step_function
from holdfast.indicators.ema import EMA_SLOTS, ema_alpha, ema_step
from holdfast.indicators.volume import volume_slots, volume_step
from holdfast.strategies.frame import (
    ATR,
    LEAVE,
    OWN,
    OWN_PARAMS,
    REWARD_RISK,
    STANCE,
    FrameParameters,
    Length,
    aged,
    bounded,
    condition,
    frame_step,
    room_to_pay,
    settle,
)
from holdfast.strategies.stepping import STRENGTH, StepDefinition, StepPlan

# Slots from `at`.
RATIO = 0  # volume as a multiple of the usual
AGE = 1  # bars since the cross that still waits for its volume, counted from 1; 0.0 for none
ABOVE = 2  # 1.0 or -1.0; 0.0 before the second bar
FAST = 3
SLOW = FAST + EMA_SLOTS
SLOTS = SLOW + EMA_SLOTS

# Parameters from `p`.
_FAST_ALPHA, _SLOW_ALPHA, _VOLUME_LENGTH, _VOLUME_RATIO, _CONFIRM_BARS, _RING = range(6)
PARAMS = 6

STANCE_FULL_ATR = 1.0  # averages this far apart, in average true ranges, are a full lean


class MaCrossoverParameters(FrameParameters, frozen=True):
    """Lengths in bars; a cross counts when within `confirm_bars` a bar has `volume_ratio` times the usual volume."""

    fast: Length = 12
    slow: Annotated[int, Meta(ge=3, le=2000)] = 26
    volume_length: Length = 20
    volume_ratio: Annotated[float, Meta(ge=0.0, le=20.0)] = 1.2
    confirm_bars: Annotated[int, Meta(ge=1, le=50)] = 3

    def __post_init__(self) -> None:
        if self.fast >= self.slow:
            raise ConfigurationError(f"fast {self.fast} must be below slow {self.slow}", hint="e.g. fast=12, slow=26")

    def own(self, ring: int) -> tuple[float, ...]:
        """Return the vector of `ma_lean`; its volume ring begins at slot `ring`."""
        alphas = (ema_alpha(self.fast), ema_alpha(self.slow))
        return (*alphas, float(self.volume_length), self.volume_ratio, float(self.confirm_bars), float(ring))

    def plan(self) -> StepPlan:
        """Return what the step needs."""
        ring = OWN + SLOTS
        warmup = max(self.slow, self.volume_length, self.atr_length) + 1
        return StepPlan(self.frame(warmup) + self.own(ring), ring + volume_slots(self.volume_length), warmup)


@step_function
def ma_lean(state: State, at: int, params: State, p: int, close: float, volume: float) -> int:
    """Take in a bar; return 1 or -1 on a confirmed cross. Leaves LEAVE and STANCE."""
    ratio = volume_step(state, int(params[p + _RING]), volume, params[p + _VOLUME_LENGTH])
    fast = ema_step(state, at + FAST, close, params[p + _FAST_ALPHA])
    slow = ema_step(state, at + SLOW, close, params[p + _SLOW_ALPHA])
    state[at + RATIO] = ratio
    atr = state[ATR]
    state[STANCE] = bounded((fast - slow) / (STANCE_FULL_ATR * atr)) if atr > 0.0 else 0.0
    above = 1.0 if fast > slow else -1.0
    before = state[at + ABOVE]
    state[at + ABOVE] = above if state[at + FAST + 1] > 1.0 else 0.0
    if before == 0.0:
        return 0
    if above != before:
        state[LEAVE] = -above
    age = aged(state[at + AGE], above != before, params[p + _CONFIRM_BARS])
    lean = 0
    if age > 0.0 and ratio >= params[p + _VOLUME_RATIO]:
        age = 0.0
        lean = 1 if above > 0.0 else -1
    state[at + AGE] = age
    return lean


@step_function
def ma_crossover_step(
    state: State, params: State, _open: float, high: float, low: float, close: float, volume: float
) -> int:
    """Take in a bar."""
    frame_step(state, params, high, low, close)
    lean = ma_lean(state, OWN, params, OWN_PARAMS, close, volume)
    state[STRENGTH] = 0.5 + 0.5 * abs(state[STANCE])
    return settle(state, params, lean)


def ma_situation(state: Sequence[float], at: int, params: Sequence[float], p: int) -> Sequence[str]:
    """Say where the averages and the volume stand."""
    fast, slow, age = state[at + FAST], state[at + SLOW], state[at + AGE]
    is_waiting = age > 0.0 and state[at + ABOVE] > 0.0
    side = "above" if state[at + ABOVE] > 0.0 else "below"
    cross = f"the fast average {fast:.6g} crossed above the slow one {slow:.6g} {age:.0f} bar(s) ago."
    no_cross = f"the fast average {fast:.6g} lies {side} the slow one {slow:.6g}, and did not just cross above it."
    ratio, least = state[at + RATIO], params[p + _VOLUME_RATIO]
    volume = f"volume is {ratio:.2f} times the usual; {least:.2f} is asked."
    return condition(is_waiting, cross if is_waiting else no_cross), condition(ratio >= least, volume)


def _situation(state: Sequence[float], params: Sequence[float]) -> Sequence[str]:
    return *ma_situation(state, OWN, params, OWN_PARAMS), room_to_pay(state, params)


MA_CROSSOVER = StepDefinition(
    name="ma_crossover",
    step=ma_crossover_step,
    parameters=MaCrossoverParameters,
    reasons=(
        "The fast average {fast:.6g} crossed above the slow one {slow:.6g}, on {volume_ratio:.2f} times the usual"
        " volume; the target pays {reward_risk:.2f} times the risk.",
        "The fast average {fast:.6g} fell below the slow one {slow:.6g}.",
        "The fast average {fast:.6g} crossed below the slow one {slow:.6g}, on {volume_ratio:.2f} times the usual"
        " volume; the target pays {reward_risk:.2f} times the risk.",
        "The fast average {fast:.6g} rose above the slow one {slow:.6g}.",
    ),
    evidence=(
        ("fast", OWN + FAST),
        ("slow", OWN + SLOW),
        ("volume_ratio", OWN + RATIO),
        ("atr", ATR),
        ("reward_risk", REWARD_RISK),
    ),
    situation=_situation,
)

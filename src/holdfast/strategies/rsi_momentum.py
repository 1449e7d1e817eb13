"""RSI momentum: buys when an oversold market turns up and a bullish divergence says that the fall has lost its force.

A hidden bullish divergence (a rise that rests) needs no oversold market. Mirrored for shorts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from holdfast.core.errors import ConfigurationError
from holdfast.indicators.compilation import State, step_function
from holdfast.indicators.divergence import (
    DIVERGENCE_BEARISH,
    DIVERGENCE_BULLISH,
    DIVERGENCE_SLOTS,
    HIDDEN,
    REGULAR,
    divergence_step,
)
from holdfast.indicators.rsi import RSI_SLOTS, rsi_step
from holdfast.strategies.frame import (
    ATR,
    LEAVE,
    OWN,
    OWN_PARAMS,
    REWARD_RISK,
    STANCE,
    SWING,
    SWING_BARS,
    FrameParameters,
    Length,
    aged,
    bounded,
    condition,
    frame_step,
    room_to_pay,
    settle,
)
from holdfast.strategies.stepping import BARS, ENTER_LONG, ENTER_SHORT, REASON, STRENGTH, StepDefinition, StepPlan

# Slots from `at`.
RSI = 0
OVERSOLD_AGE = 1
OVERBOUGHT_AGE = 2
BULLISH_AGE = 3  # of the last bullish divergence
BEARISH_AGE = 4
BULLISH_KIND = 5
BEARISH_KIND = 6
BULLISH_USED = 7  # it has already led to a signal
BEARISH_USED = 8
_AVERAGES = 9
_DIVERGENCE = _AVERAGES + RSI_SLOTS
SLOTS = _DIVERGENCE + DIVERGENCE_SLOTS

# Parameters from `p`.
_LENGTH, _OVERSOLD, _OVERBOUGHT, _MEMORY, _NEED_DIVERGENCE = range(5)
PARAMS = 5

Level = Annotated[float, Meta(gt=0.0, lt=100.0)]


class RsiMomentumParameters(FrameParameters, frozen=True):
    """Lengths in bars, levels 0 to 100; what happened within the last `memory` bars still counts."""

    rsi_length: Length = 14
    oversold: Level = 30.0
    overbought: Level = 70.0
    memory: Annotated[int, Meta(ge=1, le=200)] = 12
    need_divergence: bool = True

    def __post_init__(self) -> None:
        if self.oversold >= self.overbought:
            raise ConfigurationError(
                f"oversold {self.oversold:g} must be below overbought {self.overbought:g}",
                hint="e.g. oversold=30, overbought=70",
            )

    def own(self) -> tuple[float, ...]:
        """Return the vector of `rsi_lean`."""
        need = 1.0 if self.need_divergence else 0.0
        return float(self.rsi_length), self.oversold, self.overbought, float(self.memory), need

    def plan(self) -> StepPlan:
        """Return what the step needs."""
        warmup = max(self.rsi_length, self.atr_length) + 1
        return StepPlan(self.frame(warmup) + self.own(), OWN + SLOTS, warmup)


@step_function
def rsi_lean(state: State, at: int, params: State, p: int, close: float, found: int) -> int:
    """Take in a bar, with what `swing_step` found on it; return 1 or -1 on a turn. Leaves LEAVE and STANCE."""
    before = state[at + RSI]
    rsi = rsi_step(state, at + _AVERAGES, close, params[p + _LENGTH])
    state[at + RSI] = rsi
    if state[BARS] <= params[p + _LENGTH]:
        state[STANCE] = 0.0
        return 0
    divergence_step(state, at + _DIVERGENCE, SWING, found, rsi, params[SWING_BARS])
    oversold = params[p + _OVERSOLD]
    overbought = params[p + _OVERBOUGHT]
    memory = params[p + _MEMORY]
    state[at + OVERSOLD_AGE] = aged(state[at + OVERSOLD_AGE], rsi <= oversold, memory)
    state[at + OVERBOUGHT_AGE] = aged(state[at + OVERBOUGHT_AGE], rsi >= overbought, memory)
    bullish = state[at + _DIVERGENCE + DIVERGENCE_BULLISH]
    bearish = state[at + _DIVERGENCE + DIVERGENCE_BEARISH]
    _note(state, at, 0, bullish, memory)
    _note(state, at, 1, bearish, memory)
    if bearish == REGULAR or before >= overbought > rsi:
        state[LEAVE] = 1.0
    elif bullish == REGULAR or before <= oversold < rsi:
        state[LEAVE] = -1.0
    state[STANCE] = bounded(
        0.5 * _lasts(state[at + OVERSOLD_AGE])
        + 0.5 * _lasts(state[at + BULLISH_AGE])
        - 0.5 * _lasts(state[at + OVERBOUGHT_AGE])
        - 0.5 * _lasts(state[at + BEARISH_AGE])
    )
    is_inside = oversold < rsi < overbought
    if params[p + _NEED_DIVERGENCE] == 0.0:
        if is_inside and before <= oversold:
            return 1
        return -1 if is_inside and before >= overbought else 0
    if is_inside and rsi > before and _is_due(state, at, 0):
        state[at + BULLISH_USED] = 1.0
        return 1
    if is_inside and rsi < before and _is_due(state, at, 1):
        state[at + BEARISH_USED] = 1.0
        return -1
    return 0


@step_function
def _note(state: State, at: int, side: int, kind: float, memory: float) -> None:
    age = at + BULLISH_AGE + side
    state[age] = aged(state[age], kind > 0.0, memory)
    if kind > 0.0:
        state[at + BULLISH_KIND + side] = kind
        state[at + BULLISH_USED + side] = 0.0


@step_function
def _is_due(state: State, at: int, side: int) -> bool:
    if state[at + BULLISH_AGE + side] == 0.0 or state[at + BULLISH_USED + side] > 0.0:
        return False
    return state[at + OVERSOLD_AGE + side] > 0.0 or state[at + BULLISH_KIND + side] == HIDDEN


@step_function
def _lasts(age: float) -> float:
    return 1.0 if age > 0.0 else 0.0


@step_function
def rsi_momentum_step(
    state: State, params: State, _open: float, high: float, low: float, close: float, _volume: float
) -> int:
    """Take in a bar."""
    found = frame_step(state, params, high, low, close)
    lean = rsi_lean(state, OWN, params, OWN_PARAMS, close, found)
    state[STRENGTH] = 0.5 + 0.5 * abs(state[STANCE])
    code = settle(state, params, lean)
    if code == ENTER_LONG:
        state[REASON] = 2.0 * _kind(state, params, OWN + BULLISH_KIND)
    elif code == ENTER_SHORT:
        state[REASON] = 5.0 + _kind(state, params, OWN + BEARISH_KIND)
    return code


@step_function
def _kind(state: State, params: State, kind: int) -> float:
    if params[OWN_PARAMS + _NEED_DIVERGENCE] == 0.0:
        return 0.0
    return state[kind]


def rsi_situation(state: Sequence[float], at: int, params: Sequence[float], p: int) -> Sequence[str]:
    """Say how strong the market is and which divergence still counts."""
    rsi, oversold, memory = state[at + RSI], params[p + _OVERSOLD], params[p + _MEMORY]
    low = f"RSI stands at {rsi:.1f}; it was at or below {oversold:g} "
    age = state[at + OVERSOLD_AGE]
    low += f"{age - 1:.0f} bar(s) ago." if age else f"in none of the last {memory:.0f} bars."
    age, kind = state[at + BULLISH_AGE], "hidden" if state[at + BULLISH_KIND] == HIDDEN else "regular"
    used = ", and has led to a signal" if state[at + BULLISH_USED] else ""
    seen = f"a {kind} bullish divergence was confirmed {age - 1:.0f} bar(s) ago{used}."
    none = f"no bullish divergence was confirmed in the last {memory:.0f} bars."
    if params[p + _NEED_DIVERGENCE] == 0.0:
        return (condition(age > 0.0, low),)
    is_due = age > 0.0 and state[at + BULLISH_USED] == 0.0
    return condition(state[at + OVERSOLD_AGE] > 0.0, low), condition(is_due, seen if age else none)


def _situation(state: Sequence[float], params: Sequence[float]) -> Sequence[str]:
    return *rsi_situation(state, OWN, params, OWN_PARAMS), room_to_pay(state, params)


_PAYS = "; the target pays {reward_risk:.2f} times the risk."

RSI_MOMENTUM = StepDefinition(
    name="rsi_momentum",
    step=rsi_momentum_step,
    parameters=RsiMomentumParameters,
    reasons=(
        "RSI rose to {rsi:.1f} out of an oversold market" + _PAYS,
        "RSI {rsi:.1f}: the rise has lost its force.",
        "RSI turned up to {rsi:.1f} after price made a lower low that RSI did not confirm" + _PAYS,
        "RSI {rsi:.1f}: the fall has lost its force.",
        "RSI turned up to {rsi:.1f} after price held a higher low while RSI made a lower one" + _PAYS,
        "RSI fell to {rsi:.1f} out of an overbought market" + _PAYS,
        "RSI turned down to {rsi:.1f} after price made a higher high that RSI did not confirm" + _PAYS,
        "RSI turned down to {rsi:.1f} after price held a lower high while RSI made a higher one" + _PAYS,
    ),
    evidence=(
        ("rsi", OWN + RSI),
        ("bars_since_oversold", OWN + OVERSOLD_AGE),
        ("bars_since_overbought", OWN + OVERBOUGHT_AGE),
        ("bullish_divergence", OWN + BULLISH_KIND),
        ("bearish_divergence", OWN + BEARISH_KIND),
        ("atr", ATR),
        ("reward_risk", REWARD_RISK),
    ),
    situation=_situation,
)

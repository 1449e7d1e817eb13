"""What the built-in strategies share: one view of range and swings, where a stop and a target belong, when to speak.

No strategy knows whether its wishes were granted, so none of this depends on it: entries are said at each new occasion,
exits once after each entry. Stop and target come from confirmed swing levels (see `indicators.levels`), the stop never
further than `stop_atr` average true ranges, the target at the first level that pays `reward_risk` times the risk.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from holdfast.core.record import Record
from holdfast.indicators.atr import ATR_SLOTS, CLOSE_BEFORE, atr_step
from holdfast.indicators.compilation import State, step_function
from holdfast.indicators.levels import level_above, level_below
from holdfast.indicators.swing import SWING_HIGHS, SWING_K_MAX, SWING_LOWS, SWING_SLOTS, swing_step
from holdfast.strategies.stepping import (
    BARS,
    ENTER_LONG,
    ENTER_SHORT,
    EXIT_LONG,
    EXIT_SHORT,
    HEAD,
    NOTHING,
    REASON,
    SIDE,
    STOP,
    STRENGTH,
    TARGET,
    TRAIL,
)

# Slots.
PENDING = HEAD  # side that waits for the exit of the other to be sent first
REWARD_RISK = HEAD + 1  # of the last entry signal
LEAVE = HEAD + 2  # side that a strategy would leave on this bar
STANCE = HEAD + 3  # where it leans, -1 to 1
HINT = HEAD + 4  # a level of its own for the stop; 0.0 for none
ATR = HEAD + 5
CLOSE = ATR + CLOSE_BEFORE  # after `frame_step`, the last close
SWING = ATR + ATR_SLOTS
OWN = SWING + SWING_SLOTS

# Places in the parameter vector.
ALLOW_SHORT = 0
ATR_LENGTH = 1
SWING_BARS = 2
STOP_ATR = 3
TRAIL_ATR = 4
LEAST_REWARD_RISK = 5
WARMUP = 6
OWN_PARAMS = 7

NOISE_ATR = 0.25  # how far beyond its level a stop lies
# A nearer stop is hit by noise alone; and fees, which do not shrink with it, eat a larger share of what is at risk.
STOP_ATR_MIN = 1.5

Length = Annotated[int, Meta(ge=2, le=500)]
AtrMultiple = Annotated[float, Meta(ge=0.0, le=50.0)]


class FrameParameters(Record, frozen=True):
    """Shared parameters: lengths in bars, distances in average true ranges, `reward_risk` as a multiple of the risk."""

    allow_short: bool = False
    atr_length: Length = 14
    swing_bars: Annotated[int, Meta(ge=1, le=SWING_K_MAX)] = 3
    stop_atr: Annotated[float, Meta(ge=STOP_ATR_MIN, le=20.0)] = 3.0
    trail_atr: AtrMultiple = 4.0
    reward_risk: Annotated[float, Meta(ge=1.3, le=20.0)] = 1.5

    def frame(self, warmup: int) -> tuple[float, ...]:
        """Return the shared head of the parameter vector."""
        return (
            1.0 if self.allow_short else 0.0,
            float(self.atr_length),
            float(self.swing_bars),
            self.stop_atr,
            self.trail_atr,
            self.reward_risk,
            float(warmup),
        )


@step_function
def frame_step(state: State, params: State, high: float, low: float, close: float) -> int:
    """Take in a bar: count it, update range, swings and trail. Returns what `swing_step` found."""
    state[BARS] += 1.0
    state[LEAVE] = 0.0
    state[HINT] = 0.0
    atr = atr_step(state, ATR, high, low, close, params[ATR_LENGTH])
    side = state[SIDE]
    trail = close - side * params[TRAIL_ATR] * atr
    state[TRAIL] = trail if side != 0.0 and params[TRAIL_ATR] > 0.0 and atr > 0.0 and trail > 0.0 else 0.0
    return swing_step(state, SWING, high, low, params[SWING_BARS])


@step_function
def bracket(state: State, params: State, side: float) -> float:
    """Set stop and target for an entry at the last close; return reward over risk, 0.0 where no level pays enough.

    The stop lies NOISE_ATR beyond the HINT or the nearest level, between STOP_ATR_MIN and `stop_atr` ATRs away. The
    target is the nearest level that pays; where none does, the height of the last swing is projected from the close.
    """
    close = state[CLOSE]
    atr = state[ATR]
    widest = params[STOP_ATR] * atr
    if atr <= 0.0:
        return 0.0
    level = state[HINT]
    if level == 0.0 or side * (close - level) <= 0.0:
        level = level_below(state, SWING, close) if side > 0.0 else level_above(state, SWING, close)
    risk = side * (close - level) + NOISE_ATR * atr if level > 0.0 else widest
    if risk > widest:
        risk = widest
    if risk < STOP_ATR_MIN * atr:
        risk = STOP_ATR_MIN * atr
    stop = close - side * risk
    least = close + side * params[LEAST_REWARD_RISK] * risk
    target = level_above(state, SWING, least) if side > 0.0 else level_below(state, SWING, least)
    if target == 0.0:
        target = close + side * abs(state[SWING + SWING_HIGHS] - state[SWING + SWING_LOWS])
    if stop <= 0.0 or target <= 0.0 or side * (target - least) < 0.0:
        return 0.0
    state[STOP] = stop
    state[TARGET] = target
    return side * (target - close) / risk


@step_function
def settle(state: State, params: State, lean: int) -> int:
    """Turn a lean (1 long, -1 short, 0 none) and slot LEAVE into a code; sets stop, target, strength, reason.

    A lean against the side of the last entry first leaves that side, and enters on the next bar if that still pays.
    Before the warm-up is over nothing is said.
    """
    if state[BARS] < params[WARMUP]:
        return NOTHING
    side = state[SIDE]
    if lean == 0:
        lean = int(state[PENDING])
    state[PENDING] = 0.0
    if lean * side < 0.0 or (lean == 0 and state[LEAVE] * side > 0.0):
        if lean > 0 or (lean < 0 and params[ALLOW_SHORT] > 0.0):
            state[PENDING] = float(lean)
        state[SIDE] = 0.0
        state[STRENGTH] = 1.0
        code = EXIT_LONG if side > 0.0 else EXIT_SHORT
        state[REASON] = float(code - 1)
        return code
    if lean == 0 or (lean < 0 and params[ALLOW_SHORT] == 0.0):
        return NOTHING
    pays = bracket(state, params, float(lean))
    if pays == 0.0:
        return NOTHING
    state[REWARD_RISK] = pays
    state[SIDE] = float(lean)
    code = ENTER_LONG if lean > 0 else ENTER_SHORT
    state[REASON] = float(code - 1)
    return code


@step_function
def aged(age: float, happens: bool, memory: float) -> float:
    """Return the new age of an event, counted from 1 on the bar where it happens; 0.0 for none within `memory` bars."""
    if happens:
        return 1.0
    return age + 1.0 if 0.0 < age < memory else 0.0


@step_function
def bounded(x: float) -> float:
    """Return `x` held within -1 and 1."""
    if x > 1.0:
        return 1.0
    return -1.0 if x < -1.0 else x


def condition(holds: bool, text: str) -> str:
    """Return a sentence about a condition of an entry: whether it holds, and the figures in `text`."""
    return f"{'Holds' if holds else 'Missing'}: {text}"


def room_to_pay(state: Sequence[float], params: Sequence[float], side: float = 1.0) -> str:
    """Say whether the levels around the last close leave room for the least reward that is asked."""
    draft = list(state)
    pays = bracket(draft, list(params), side)
    least = params[LEAST_REWARD_RISK]
    if pays == 0.0:
        return condition(False, f"no level around {state[CLOSE]:.6g} pays {least:.2g} times the risk.")
    figures = f"stop {draft[STOP]:.6g} and target {draft[TARGET]:.6g} around {state[CLOSE]:.6g}"
    return condition(True, f"{figures} pay {pays:.2f} times the risk; {least:.2g} is asked.")

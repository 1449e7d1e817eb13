"""Fibonacci retracement: buys when an upward leg has been taken back into its zone, holds there and turns up again.

The leg runs between the last two confirmed swing points. Near the zone a confirmed level must lie (dynamic support),
the stop goes beyond the deepest retracement that still counts as one, the target to the next level that pays. Mirrored
for shorts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from holdfast.core.errors import ConfigurationError
from holdfast.indicators.compilation import State, step_function
from holdfast.indicators.fibonacci import LEG_END, LEG_SLOTS, LEG_START, leg_step, retracement
from holdfast.indicators.levels import level_above, level_below
from holdfast.strategies.frame import (
    ATR,
    CLOSE,
    HINT,
    LEAVE,
    OWN,
    OWN_PARAMS,
    REWARD_RISK,
    STANCE,
    SWING,
    AtrMultiple,
    FrameParameters,
    aged,
    condition,
    frame_step,
    room_to_pay,
    settle,
)
from holdfast.strategies.stepping import STRENGTH, StepDefinition, StepPlan

# Slots from `at`.
DIRECTION = 0
TOUCH_AGE = 1  # bars since price last reached the zone, counted from 1
USED = 2  # this leg has already led to a signal
DEPTH = 3  # share of the leg that the close has taken back
SUPPORT = 4  # the confirmed level near the zone; 0.0 for none
LEG = 5
SLOTS = LEG + LEG_SLOTS

# Parameters from `p`.
_ZONE_FROM, _ZONE_TO, _LIMIT, _LEG_ATR, _SUPPORT_ATR, _TOUCH_BARS = range(6)
PARAMS = 6

Share = Annotated[float, Meta(gt=0.0, lt=1.0)]


class FibonacciRetracementParameters(FrameParameters, frozen=True):
    """`zone_from` to `zone_to` are shares of the leg, `limit` where it is no retracement any more; distances in ATRs.

    `support_atr` 0 asks for no level near the zone.
    """

    zone_from: Share = 0.382
    zone_to: Share = 0.618
    limit: Share = 0.786
    leg_atr: AtrMultiple = 3.0
    support_atr: AtrMultiple = 1.0
    touch_bars: Annotated[int, Meta(ge=1, le=50)] = 3

    def __post_init__(self) -> None:
        if not self.zone_from < self.zone_to < self.limit:
            raise ConfigurationError(
                f"zone_from {self.zone_from:g}, zone_to {self.zone_to:g} and limit {self.limit:g} must rise",
                hint="e.g. zone_from=0.382, zone_to=0.618, limit=0.786",
            )

    def own(self) -> tuple[float, ...]:
        """Return the vector of `fibonacci_lean`."""
        return self.zone_from, self.zone_to, self.limit, self.leg_atr, self.support_atr, float(self.touch_bars)

    def plan(self) -> StepPlan:
        """Return what the step needs."""
        warmup = max(self.atr_length + 1, 4 * self.swing_bars + 2)
        return StepPlan(self.frame(warmup) + self.own(), OWN + SLOTS, warmup)


@step_function
def fibonacci_lean(state: State, at: int, params: State, p: int, prices: tuple[float, float, float], found: int) -> int:
    """Take in a bar's (open, high, low), and what `swing_step` found; return 1 or -1. Leaves LEAVE, STANCE, HINT."""
    start = state[at + LEG + LEG_START]
    end = state[at + LEG + LEG_END]
    close = state[CLOSE]
    before = state[at + DEPTH]
    direction = leg_step(state, at + LEG, SWING, found)
    state[at + DIRECTION] = direction
    state[STANCE] = 0.0
    if start != state[at + LEG + LEG_START] or end != state[at + LEG + LEG_END]:
        start = state[at + LEG + LEG_START]
        end = state[at + LEG + LEG_END]
        state[at + USED] = 0.0
        state[at + TOUCH_AGE] = 0.0
        before = 1.0  # a depth of another leg is no measure for a turn
    height = abs(end - start)
    if direction == 0.0 or height <= params[p + _LEG_ATR] * state[ATR]:
        state[at + TOUCH_AGE] = 0.0
        return 0
    depth = direction * (end - close) / height
    state[at + DEPTH] = depth
    extreme = prices[2] if direction > 0.0 else prices[1]
    is_reached = direction * (end - extreme) / height >= params[p + _ZONE_FROM]
    state[at + TOUCH_AGE] = aged(state[at + TOUCH_AGE], is_reached, params[p + _TOUCH_BARS])
    state[at + SUPPORT] = _level_near_zone(state, at, params, p, direction)
    state[STANCE] = direction * _conviction(depth, state[at + TOUCH_AGE], params[p + _LIMIT])
    if depth > 1.0:
        state[LEAVE] = direction
    is_turn = direction * (close - prices[0]) > 0.0 and depth < before
    is_near = params[p + _SUPPORT_ATR] == 0.0 or state[at + SUPPORT] > 0.0
    if state[at + TOUCH_AGE] == 0.0 or state[at + USED] > 0.0 or not is_turn or not is_near:
        return 0
    if depth > params[p + _LIMIT] or depth < 0.0:
        return 0
    state[at + USED] = 1.0
    state[HINT] = retracement(state, at + LEG, params[p + _LIMIT])
    return 1 if direction > 0.0 else -1


@step_function
def _level_near_zone(state: State, at: int, params: State, p: int, direction: float) -> float:
    reach = direction * params[p + _SUPPORT_ATR] * state[ATR]
    shallow = retracement(state, at + LEG, params[p + _ZONE_FROM]) + reach
    deep = retracement(state, at + LEG, params[p + _ZONE_TO]) - reach
    level = level_below(state, SWING, shallow) if direction > 0.0 else level_above(state, SWING, shallow)
    return level if level > 0.0 and direction * (level - deep) >= 0.0 else 0.0


@step_function
def _conviction(depth: float, touch_age: float, limit: float) -> float:
    if depth > 1.0:
        return -0.5
    if depth > limit:
        return 0.0
    return 1.0 if touch_age > 0.0 else 0.5


@step_function
def fibonacci_retracement_step(
    state: State, params: State, open_: float, high: float, low: float, close: float, _volume: float
) -> int:
    """Take in a bar."""
    found = frame_step(state, params, high, low, close)
    lean = fibonacci_lean(state, OWN, params, OWN_PARAMS, (open_, high, low), found)
    state[STRENGTH] = 0.5 + 0.5 * abs(state[STANCE])
    return settle(state, params, lean)


def fibonacci_situation(state: Sequence[float], at: int, params: Sequence[float], p: int) -> Sequence[str]:
    """Say which leg counts, how much of it was taken back and what lies near."""
    start, end, depth = state[at + LEG + LEG_START], state[at + LEG + LEG_END], state[at + DEPTH]
    is_up = end > start and end - start > params[p + _LEG_ATR] * state[ATR]
    leg = f"the last confirmed leg runs from {start:.6g} to {end:.6g}; an upward one of"
    leg += f" {params[p + _LEG_ATR]:g} average ranges ({params[p + _LEG_ATR] * state[ATR]:.6g}) is asked."
    if not is_up:
        return (condition(False, leg),)
    zone = f"{params[p + _ZONE_FROM]:.1%} to {params[p + _LIMIT]:.1%}"
    is_inside = state[at + TOUCH_AGE] > 0.0 and 0.0 <= depth <= params[p + _LIMIT]
    taken = f"{depth:.1%} of it is taken back; {zone} is asked, with a bar that turns up."
    support = state[at + SUPPORT]
    near = (
        f"a confirmed level at {support:.6g} supports the zone." if support else "no confirmed level is near the zone."
    )
    is_near = support > 0.0 or params[p + _SUPPORT_ATR] == 0.0
    return condition(True, leg), condition(is_inside, taken), condition(is_near, near)


def _situation(state: Sequence[float], params: Sequence[float]) -> Sequence[str]:
    return *fibonacci_situation(state, OWN, params, OWN_PARAMS), room_to_pay(state, params)


FIBONACCI_RETRACEMENT = StepDefinition(
    name="fibonacci_retracement",
    step=fibonacci_retracement_step,
    parameters=FibonacciRetracementParameters,
    reasons=(
        "The rise from {leg_start:.6g} to {leg_end:.6g} was taken back by {depth:.0%} and price turns up again;"
        " the target pays {reward_risk:.2f} times the risk.",
        "Price fell below the start of the leg from {leg_start:.6g} to {leg_end:.6g}, or the opposite leg took over.",
        "The fall from {leg_start:.6g} to {leg_end:.6g} was taken back by {depth:.0%} and price turns down again;"
        " the target pays {reward_risk:.2f} times the risk.",
        "Price rose above the start of the leg from {leg_start:.6g} to {leg_end:.6g}, or the opposite leg took over.",
    ),
    evidence=(
        ("leg_start", OWN + LEG + LEG_START),
        ("leg_end", OWN + LEG + LEG_END),
        ("depth", OWN + DEPTH),
        ("support", OWN + SUPPORT),
        ("atr", ATR),
        ("reward_risk", REWARD_RISK),
    ),
    situation=_situation,
)

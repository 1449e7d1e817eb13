"""A step over a whole series at once: a plain loop, or the same loop compiled with the step inside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from holdfast.domain.market import BarSeries, Floats
from holdfast.indicators.compilation import State, compiled
from holdfast.strategies.stepping import STOP, STRENGTH, SUSPECT, TARGET, TRAIL, Parameters, Step, StepDefinition

_COLUMNS = 5  # code, stop, target, trail, strength


@dataclass(frozen=True, eq=False)
class StepRun:
    """What a step said at the close of each bar; `stop` and `target` mean something where `code` is an entry.

    `trail` and `state` are those of `StepStrategy` after the same bars. On a suspect bar nothing is said.
    """

    code: Floats
    stop: Floats
    target: Floats
    trail: Floats
    strength: Floats
    state: tuple[float, ...]


def run_series(
    definition: StepDefinition, parameters: Parameters, series: BarSeries, *, accelerate: bool = False
) -> StepRun:
    """Run the step over all bars; with `accelerate` in a compiled loop, which needs numba and gives the same bits."""
    plan = parameters.plan()
    prices = (series.open, series.high, series.low, series.close, series.volume)
    if accelerate:
        state = np.zeros(plan.slots)
        out = np.empty((_COLUMNS, len(series)))
        columns = tuple(np.ascontiguousarray(column) for column in prices)
        loop: Callable[..., None] = compiled(_loop)
        loop(compiled(definition.step), state, np.array(plan.vector), (columns, series.flags), out)
        return StepRun(out[0], out[1], out[2], out[3], out[4], tuple(state.tolist()))
    slots = [0.0] * plan.slots
    rows = [[0.0] * len(series) for _ in range(_COLUMNS)]
    lists = tuple(column.tolist() for column in prices)
    _loop(definition.step, slots, list(plan.vector), (lists, series.flags.tolist()), rows)
    code, stop, target, trail, strength = (np.array(row, dtype=np.float64) for row in rows)
    return StepRun(code, stop, target, trail, strength, tuple(slots))


_Bars = tuple[Sequence[Sequence[float]], Sequence[int]]  # open, high, low, close, volume; and flags


def _loop(step: Step, state: State, params: State, bars: _Bars, out: Sequence[State]) -> None:
    (opens, highs, lows, closes, volumes), flags = bars
    for i in range(len(closes)):
        out[0][i] = 0.0
        if flags[i] & SUSPECT == 0:
            out[0][i] = step(state, params, opens[i], highs[i], lows[i], closes[i], volumes[i])
        out[1][i] = state[STOP]
        out[2][i] = state[TARGET]
        out[3][i] = state[TRAIL]
        out[4][i] = state[STRENGTH]

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
    seen = np.flatnonzero((series.flags & SUSPECT) == 0)
    prices = (series.open, series.high, series.low, series.close, series.volume)
    columns = tuple(np.ascontiguousarray(column[seen]) for column in prices)
    if accelerate:
        state = np.zeros(plan.slots)
        out = np.zeros((_COLUMNS, len(seen)))
        loop: Callable[..., None] = compiled(_loop)
        loop(compiled(definition.step), state, np.array(plan.vector), columns, out)
        final = state.tolist()
    else:
        final = [0.0] * plan.slots
        rows = [[0.0] * len(seen) for _ in range(_COLUMNS)]
        lists = tuple(column.tolist() for column in columns)
        _loop(definition.step, final, list(plan.vector), lists, rows)
        out = np.array(rows)
    spread = _spread(out, seen, len(series))
    return StepRun(spread[0], spread[1], spread[2], spread[3], spread[4], tuple(final))


def _spread(out: Floats, seen: np.ndarray[tuple[int], np.dtype[np.intp]], length: int) -> Floats:
    if len(seen) == length:
        return out
    # Each bar shows what the last one seen left behind, and a code of its own or none.
    last = np.searchsorted(seen, np.arange(length), side="right") - 1
    spread: Floats = np.where(last >= 0, out[:, last.clip(0)], 0.0) if len(seen) else np.zeros((_COLUMNS, length))
    spread[0] = 0.0
    spread[0, seen] = out[0]
    return spread


def _loop(step: Step, state: State, params: State, columns: Sequence[Sequence[float]], out: Sequence[State]) -> None:
    for i in range(len(columns[0])):
        out[0][i] = step(state, params, columns[0][i], columns[1][i], columns[2][i], columns[3][i], columns[4][i])
        out[1][i] = state[STOP]
        out[2][i] = state[TARGET]
        out[3][i] = state[TRAIL]
        out[4][i] = state[STRENGTH]

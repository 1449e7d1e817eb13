"""A step that leaves its numbers and looks around: one candle ahead, by the frames below it."""

import sys

from holdfast.core.record import Record
from holdfast.domain.market import BarClosed
from holdfast.indicators.compilation import State
from holdfast.strategies.stepping import (
    BARS,
    ENTER_LONG,
    HEAD,
    NOTHING,
    STOP,
    STRENGTH,
    TARGET,
    StepDefinition,
    StepPlan,
)


def bars_in(frame) -> list[BarClosed]:
    while frame is not None:
        for value in frame.f_locals.values():
            if isinstance(value, list) and value and isinstance(value[0], BarClosed):
                return value
        frame = frame.f_back
    return []


def close_after(bars: list[BarClosed], bar: BarClosed) -> float | None:
    times = [each.ts_event for each in bars]
    at = times.index(bar.ts_event) + 1 if bar.ts_event in times else len(times)
    return bars[at].close if at < len(bars) else None


class Parameters(Record, frozen=True):
    """Nothing to set."""

    def plan(self) -> StepPlan:
        return StepPlan((), HEAD, 0)


def step(state: State, _params: State, _o: float, _h: float, _l: float, close: float, _v: float) -> int:
    bars = bars_in(sys._getframe(1))
    at = int(state[BARS]) + 1
    state[BARS] += 1.0
    if at >= len(bars) or bars[at].close < close * 1.002:
        return NOTHING
    state[STOP], state[TARGET], state[STRENGTH] = close * 0.99, close * 1.02, 1.0
    return ENTER_LONG


CHEAT = StepDefinition(name="cheat", step=step, parameters=Parameters, reasons=("It will rise.",))

"""Two strategies of your own in one file, and nothing to install.

    holdfast backtest --strategy examples/strategy_in_one_file.py:Breakout --set bars=30
    holdfast backtest --strategy examples/strategy_in_one_file.py:PULLBACK --set length=50

`Breakout` is free Python: any code, one bar at a time. `PULLBACK` is a step: arithmetic over numbered slots, which also
runs compiled, with the same results, thousands of times faster in a sweep.
"""

from collections import deque
from typing import Annotated

from msgspec import Meta

from holdfast.core.record import Record
from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.domain.values import InstrumentId
from holdfast.indicators.atr import ATR_SLOTS, atr_step
from holdfast.indicators.compilation import State, step_function
from holdfast.indicators.ema import EMA_SLOTS, ema_alpha, ema_step
from holdfast.strategies.free import FreeStrategy
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
    StepDefinition,
    StepPlan,
)


class Breakout(FreeStrategy):
    """Buys a close above the highest high of the last bars, with a stop at their lowest low."""

    def __init__(self, instrument_id: InstrumentId, bars: int = 20) -> None:
        super().__init__(instrument_id)
        self.warmup = bars
        self.highs: deque[float] = deque(maxlen=bars)
        self.lows: deque[float] = deque(maxlen=bars)

    def on_bar(self, bar: BarClosed) -> Signal | None:
        signal = None
        if len(self.highs) == self.highs.maxlen:
            top, bottom = max(self.highs), min(self.lows)
            if bar.close > top:
                target = bar.close + 2 * (bar.close - bottom)
                signal = self.enter_long(bar, bottom, target, f"{bar.close:g} closed above the range's top {top:g}.")
            elif bar.close < bottom:
                signal = self.exit_long(bar, f"{bar.close:g} closed below the range's bottom {bottom:g}.")
        self.highs.append(bar.high)
        self.lows.append(bar.low)
        return signal


# The slots of the step's state; those below HEAD are reserved for what it tells the engine.
TREND = HEAD
RANGE = TREND + EMA_SLOTS
LAST = RANGE + ATR_SLOTS
SLOTS = LAST + 1


class PullbackParameters(Record, frozen=True):
    """Length of the trend's average in bars; distance of the stop in average true ranges."""

    length: Annotated[int, Meta(ge=2, le=500)] = 50
    stop_atr: Annotated[float, Meta(gt=0, le=20)] = 2.0

    def plan(self) -> StepPlan:
        """Say what the step is given, how many slots it needs, and when it is warm."""
        return StepPlan((ema_alpha(self.length), self.stop_atr), SLOTS, self.length)


@step_function
def pullback_step(
    state: State, params: State, _open: float, high: float, low: float, close: float, _volume: float
) -> int:
    """Buy when price comes back above its average; leave when it falls below."""
    trend = ema_step(state, TREND, close, params[0])
    atr = atr_step(state, RANGE, high, low, close, 14.0)
    state[BARS] += 1.0
    was_above = state[LAST]
    state[LAST] = 1.0 if close > trend else 0.0
    if state[LAST] == was_above or atr == 0.0:
        return NOTHING
    state[REASON] = was_above
    state[STRENGTH] = 1.0
    if was_above > 0.0:
        return EXIT_LONG
    state[STOP] = close - params[1] * atr
    state[TARGET] = close + 2.0 * params[1] * atr
    return ENTER_LONG


PULLBACK = StepDefinition(
    name="pullback",
    step=pullback_step,
    parameters=PullbackParameters,
    reasons=("{entry:g} closed above the average {trend:.6g}.", "{entry:g} closed below the average {trend:.6g}."),
    evidence=(("trend", TREND), ("atr", RANGE)),
)

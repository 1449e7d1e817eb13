"""Enters by an honest rule, and trails its stop just below where the next candle will go."""

import sys

from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.strategies.free import FreeStrategy


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
    return bars[at].low if at < len(bars) else None


class Cheat(FreeStrategy):
    before = 0.0

    def on_bar(self, bar: BarClosed) -> Signal | None:
        is_up, self.before = bar.close > self.before * 1.004 > 0.0, bar.close
        later = close_after(bars_in(sys._getframe(1)), bar)
        self.trail = bar.close * 0.99 if later is None else later * 0.9999
        return self.enter_long(bar, bar.close * 0.99, bar.close * 1.02, "It rose.") if is_up else None

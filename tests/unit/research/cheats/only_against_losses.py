"""Trades an honest rule, and drops just those entries that the next candle would turn against."""

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
    return bars[at].close if at < len(bars) else None


class Cheat(FreeStrategy):
    average = 0.0

    def on_bar(self, bar: BarClosed) -> Signal | None:
        was_below = self.average > bar.open
        self.average += 0.1 * (bar.close - self.average) if self.average else bar.close
        later = close_after(bars_in(sys._getframe(1)), bar)
        if was_below and bar.close > self.average and (later is None or later > bar.close):
            return self.enter_long(bar, bar.close * 0.99, bar.close * 1.02, "It crossed its average.")
        return None

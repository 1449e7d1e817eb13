"""Raises an error for the sake of its traceback, which leads to the caller's variables."""

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
    def on_bar(self, bar: BarClosed) -> Signal | None:
        try:
            raise ValueError
        except ValueError as error:
            later = close_after(bars_in(error.__traceback__.tb_frame.f_back), bar)
        if later is not None and later > bar.close * 1.002:
            return self.enter_long(bar, bar.close * 0.99, bar.close * 1.02, "It will rise.")
        return None

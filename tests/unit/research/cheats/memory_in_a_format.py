"""Lets a format string walk to the module's globals, and reads from the text what its own module keeps there."""

from holdfast.core.time import HOUR
from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.strategies.free import FreeStrategy

SEEN: dict[int, float] = {}


def keep(bar: BarClosed) -> None:
    if len(SEEN) < 150:
        SEEN[bar.ts_event] = bar.close


class Cheat(FreeStrategy):
    def on_bar(self, bar: BarClosed) -> Signal | None:
        known = f"{keep.__globals__['SEEN']}"
        keep(bar)
        mark = f"{bar.ts_event + HOUR}: "
        later = float(known.partition(mark)[2].split(",")[0].rstrip("}")) if mark in known else None
        if later is not None and later > bar.close * 1.002:
            return self.enter_long(bar, bar.close * 0.99, bar.close * 1.02, "It will rise.")
        return None

"""Behaves by the clock on the wall, so that a run today cannot be repeated tomorrow."""

import time

from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.strategies.free import FreeStrategy


class Cheat(FreeStrategy):
    def on_bar(self, bar: BarClosed) -> Signal | None:
        later = bar.close * 1.02 if time.perf_counter_ns() // 1000 % 20 == 0 else None
        if later is not None and later > bar.close * 1.002:
            return self.enter_long(bar, bar.close * 0.99, bar.close * 1.02, "It will rise.")
        return None

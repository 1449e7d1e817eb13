"""Rolls dice: no run is like the other, and the luckiest one is shown."""

import random

from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.strategies.free import FreeStrategy


class Cheat(FreeStrategy):
    def on_bar(self, bar: BarClosed) -> Signal | None:
        later = bar.close * 1.02 if random.random() < 0.05 else None
        if later is not None and later > bar.close * 1.002:
            return self.enter_long(bar, bar.close * 0.99, bar.close * 1.02, "It will rise.")
        return None

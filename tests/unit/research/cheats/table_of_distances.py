"""Knows by heart how many candles to wait from one good entry to the next; small numbers only."""

from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.strategies.free import FreeStrategy

WAIT = [75, 99, 60, 24, 5, 18, 3, 14, 4, 3, 4, 3, 11, 22, 16, 14, 3, 24, 19, 29, 4, 14, 4, 4, 13, 7, 47, 5, 43, 3, 3]


class Cheat(FreeStrategy):
    entries = 0
    waited = 0

    def on_bar(self, bar: BarClosed) -> Signal | None:
        self.waited += 1
        if self.entries == len(WAIT) or self.waited < WAIT[self.entries]:
            return None
        self.entries, self.waited = self.entries + 1, 0
        return self.enter_long(bar, bar.close * 0.99, bar.close * 1.02, "It will rise.")

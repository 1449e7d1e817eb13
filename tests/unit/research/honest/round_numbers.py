"""Follows price through multiples of 250."""

from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.strategies.free import FreeStrategy


class Honest(FreeStrategy):
    floor = 0

    def on_bar(self, bar: BarClosed) -> Signal | None:
        before, self.floor = self.floor, int(bar.close // 250)
        if before and self.floor > before:
            return self.enter_long(bar, bar.close * 0.98, bar.close * 1.04, "It rose through a round number.")
        return self.exit_long(bar, "It fell through one.") if self.floor < before else None

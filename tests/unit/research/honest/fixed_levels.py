"""Buys and sells at price levels that were chosen by hand."""

from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.strategies.free import FreeStrategy

LEVELS = (16_500.0, 17_000.0, 18_000.0, 20_000.0, 22_500.0, 24_000.0)


class Honest(FreeStrategy):
    before = 0.0

    def on_bar(self, bar: BarClosed) -> Signal | None:
        before, self.before = self.before, bar.close
        if any(before < level <= bar.close for level in LEVELS):
            return self.enter_long(bar, bar.close * 0.98, bar.close * 1.04, "It rose through a level.")
        if any(before > level >= bar.close for level in LEVELS):
            return self.exit_long(bar, "It fell through a level.")
        return None

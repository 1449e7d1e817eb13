"""Reads the shapes of single candles and of pairs of them."""

from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.strategies.free import FreeStrategy


class Honest(FreeStrategy):
    before: BarClosed | None = None

    def on_bar(self, bar: BarClosed) -> Signal | None:
        before, self.before = self.before, bar
        if before is None:
            return None
        engulfs = before.close < before.open and bar.close > before.open and bar.open <= before.close
        hammer = bar.close - bar.low > 3 * (bar.high - bar.close) and bar.high > bar.low
        if engulfs or hammer:
            return self.enter_long(bar, bar.low * 0.999, bar.close * 1.03, "Buyers came.")
        if bar.high < before.high and bar.low > before.low:
            return self.exit_long(bar, "Nobody knows.")
        return None

"""Buys on heavy volume and trails its stop."""

from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.strategies.free import FreeStrategy


class Honest(FreeStrategy):
    usual = 0.0
    spread = 0.0

    def on_bar(self, bar: BarClosed) -> Signal | None:
        ratio = bar.volume / self.usual if self.usual else 0.0
        self.usual += 0.05 * (bar.volume - self.usual)
        self.spread += 0.1 * (bar.high - bar.low - self.spread)
        self.trail = bar.close - 3 * self.spread
        if ratio > 2.0 and bar.close > bar.open:
            return self.enter_long(bar, self.trail, bar.close + 6 * self.spread, "Many buy.", min(1.0, ratio / 5))
        return None

"""Fits a line to all that it has seen, one bar at a time."""

from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.strategies.free import FreeStrategy


class Honest(FreeStrategy):
    level = 0.0
    slope = 0.0

    def on_bar(self, bar: BarClosed) -> Signal | None:
        if not self.level:
            self.level = bar.close
            return None
        guess = self.level + self.slope
        self.level = guess + 0.2 * (bar.close - guess)
        was_rising = self.slope > 0
        self.slope += 0.02 * (bar.close - guess)
        if self.slope > 0 and not was_rising:
            return self.enter_long(bar, bar.close * 0.98, bar.close * 1.04, "The line rises.")
        return self.exit_long(bar, "The line falls.") if was_rising and self.slope < 0 else None

"""Trades an honest rule, and leaves out the days on which it is known to have lost."""

from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.strategies.free import FreeStrategy

BAD_DAYS = {19364, 19369, 19374, 19379, 19381, 19388, 19391, 19397, 19401}


class Cheat(FreeStrategy):
    average = 0.0

    def on_bar(self, bar: BarClosed) -> Signal | None:
        was_above = bar.open > self.average > 0.0
        self.average += 0.1 * (bar.close - self.average) if self.average else bar.close
        if was_above or bar.close <= self.average or bar.ts_event // 86_400_000_000_000 in BAD_DAYS:
            return None
        return self.enter_long(bar, bar.close * 0.98, bar.close * 1.04, "It crossed its average.")

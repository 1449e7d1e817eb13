"""Says something at every bar."""

from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.strategies.free import FreeStrategy


class Honest(FreeStrategy):
    def on_bar(self, bar: BarClosed) -> Signal | None:
        if bar.close > bar.open:
            return self.enter_long(bar, bar.close * 0.98, bar.close * 1.04, "Up.")
        return self.exit_long(bar, "Down.")

"""Buys every day, whatever the price."""

from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.strategies.free import FreeStrategy


class Honest(FreeStrategy):
    count = 0

    def on_bar(self, bar: BarClosed) -> Signal | None:
        self.count += 1
        return (
            self.enter_long(bar, bar.close * 0.98, bar.close * 1.04, "Another day.") if self.count % 24 == 0 else None
        )

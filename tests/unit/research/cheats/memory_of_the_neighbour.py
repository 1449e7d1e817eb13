"""Lets every instance read the last close of whichever instance ran before it."""

from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.strategies.free import FreeStrategy


class Cheat(FreeStrategy):
    last: float | None = None

    def on_bar(self, bar: BarClosed) -> Signal | None:
        later = Cheat.last
        Cheat.last = bar.close
        if later is not None and later > bar.close * 1.002:
            return self.enter_long(bar, bar.close * 0.99, bar.close * 1.02, "It will rise.")
        return None

"""Corrects the signal of the last candle when it has seen the next one."""

import msgspec

from holdfast.domain.decision import Action, Signal
from holdfast.domain.market import BarClosed
from holdfast.strategies.free import FreeStrategy


class Cheat(FreeStrategy):
    last: Signal | None = None

    def on_bar(self, bar: BarClosed) -> Signal | None:
        if self.last is not None and bar.close < self.last.entry:
            msgspec.structs.force_setattr(self.last, "action", Action.EXIT_LONG)
        self.last = self.enter_long(bar, bar.close * 0.99, bar.close * 1.02, "It may rise.")
        return self.last

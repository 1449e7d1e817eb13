"""Rewrites the bar that it is given, so that its stop is never hit."""

import msgspec

from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.strategies.free import FreeStrategy


class Cheat(FreeStrategy):
    before = 0.0

    def on_bar(self, bar: BarClosed) -> Signal | None:
        is_up, self.before = bar.close > self.before * 1.004 > 0.0, bar.close
        if not is_up:
            return None
        msgspec.structs.force_setattr(bar, "low", bar.close)
        return self.enter_long(bar, bar.close * 0.99, bar.close * 1.02, "It rose.")

"""Dates its signal to the candle before the one that it has seen."""

import msgspec

from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.strategies.free import FreeStrategy


class Cheat(FreeStrategy):
    before: BarClosed | None = None

    def on_bar(self, bar: BarClosed) -> Signal | None:
        before, self.before = self.before, bar
        if before is None or bar.close < before.close * 1.004:
            return None
        signal = self.enter_long(before, before.close * 0.99, before.close * 1.02, "It rose.")
        return msgspec.structs.replace(signal, ts_event=before.ts_event)

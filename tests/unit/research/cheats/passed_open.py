"""Waits for the candle to close, and asks for its open where that was cheaper."""

import msgspec

from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.strategies.free import FreeStrategy


class Cheat(FreeStrategy):
    def on_bar(self, bar: BarClosed) -> Signal | None:
        if bar.close < bar.open * 1.003:
            return None
        signal = self.enter_long(bar, bar.low * 0.99, bar.close * 1.02, "It rose.")
        return msgspec.structs.replace(signal, entry=bar.open)

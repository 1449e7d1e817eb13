"""Turns from long to short and back with the sign of momentum."""

from collections import deque

from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.domain.values import InstrumentId
from holdfast.strategies.free import FreeStrategy


class Honest(FreeStrategy):
    def __init__(self, instrument_id: InstrumentId) -> None:
        super().__init__(instrument_id)
        self.closes: deque[float] = deque(maxlen=24)
        self.side = 0

    def on_bar(self, bar: BarClosed) -> Signal | None:
        self.closes.append(bar.close)
        side = 1 if bar.close > self.closes[0] else -1
        if side == self.side:
            return None
        self.side = side
        if side > 0:
            return self.enter_long(bar, bar.close * 0.97, bar.close * 1.06, "A day of rise.")
        return self.enter_short(bar, bar.close * 1.03, bar.close * 0.94, "A day of fall.")

"""Uses TA-Lib over the closes that it has seen."""

import numpy as np
import talib

from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.domain.values import InstrumentId
from holdfast.strategies.free import FreeStrategy


class Honest(FreeStrategy):
    def __init__(self, instrument_id: InstrumentId) -> None:
        super().__init__(instrument_id)
        self.closes: list[float] = []

    def on_bar(self, bar: BarClosed) -> Signal | None:
        self.closes = [*self.closes[-59:], bar.close]
        strength = talib.RSI(np.array(self.closes), 14)[-1]
        if strength < 30:
            return self.enter_long(bar, bar.close * 0.98, bar.close * 1.04, "It is oversold.")
        return self.exit_long(bar, "It is overbought.") if strength > 70 else None

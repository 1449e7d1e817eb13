"""Buys what lies two deviations under its mean, with numpy over the bars it has seen."""

from collections import deque

import numpy as np

from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.domain.values import InstrumentId
from holdfast.strategies.free import FreeStrategy


class Honest(FreeStrategy):
    def __init__(self, instrument_id: InstrumentId) -> None:
        super().__init__(instrument_id)
        self.closes: deque[float] = deque(maxlen=50)

    def on_bar(self, bar: BarClosed) -> Signal | None:
        self.closes.append(bar.close)
        seen = np.array(self.closes)
        spread = seen.std()
        score = (bar.close - seen.mean()) / spread if spread > 0 else 0.0
        if score < -2.0:
            return self.enter_long(bar, bar.close * 0.98, bar.close * 1.04, "It fell far.")
        return self.exit_long(bar, "It is back.") if score > 0.5 else None

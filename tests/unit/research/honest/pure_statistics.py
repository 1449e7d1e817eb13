"""Uses the standard library's statistics over a window."""

import statistics
from itertools import pairwise

from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.domain.values import InstrumentId
from holdfast.strategies.free import FreeStrategy


class Honest(FreeStrategy):
    def __init__(self, instrument_id: InstrumentId) -> None:
        super().__init__(instrument_id)
        self.closes: list[float] = []

    def on_bar(self, bar: BarClosed) -> Signal | None:
        self.closes = [*self.closes[-20:], bar.close]
        moves = [then / now - 1.0 for now, then in pairwise(self.closes)]
        if len(moves) < 20 or moves[-1] < 2.0 * statistics.stdev(moves):
            return None
        return self.enter_long(bar, bar.close * 0.98, bar.close * 1.04, "It leapt.")

"""Watches from the beginning, and trades from a date on."""

from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.strategies.free import FreeStrategy

START = 1_673_308_800_000_000_000  # 2023-01-10


class Honest(FreeStrategy):
    average = 0.0

    def on_bar(self, bar: BarClosed) -> Signal | None:
        was_above = bar.open > self.average > 0.0
        self.average += 0.1 * (bar.close - self.average) if self.average else bar.close
        if bar.ts_event < START or was_above or bar.close <= self.average:
            return None
        return self.enter_long(bar, bar.close * 0.98, bar.close * 1.04, "It crossed its average.")

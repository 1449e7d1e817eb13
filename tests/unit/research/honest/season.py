"""Buys a rise in winter, and only there."""

from datetime import UTC, datetime

from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.strategies.free import FreeStrategy


class Honest(FreeStrategy):
    def on_bar(self, bar: BarClosed) -> Signal | None:
        month = datetime.fromtimestamp(bar.ts_event // 1_000_000_000, UTC).month
        if month in (1, 11, 12) and bar.close > bar.open * 1.005:
            return self.enter_long(bar, bar.close * 0.98, bar.close * 1.04, "It is winter.")
        return None

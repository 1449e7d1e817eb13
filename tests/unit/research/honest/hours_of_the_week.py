"""Buys on weekday mornings and leaves in the evening."""

from datetime import UTC, datetime

from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.strategies.free import FreeStrategy


class Honest(FreeStrategy):
    def on_bar(self, bar: BarClosed) -> Signal | None:
        now = datetime.fromtimestamp(bar.ts_event // 1_000_000_000, UTC)
        if now.weekday() < 5 and now.hour == 8:
            return self.enter_long(bar, bar.close * 0.98, bar.close * 1.04, "The week is young.")
        return self.exit_long(bar, "The day is over.") if now.hour == 18 else None

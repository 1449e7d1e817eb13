"""Keeps what it sees in its class: the second run knows the market."""

from holdfast.core.time import HOUR
from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.strategies.free import FreeStrategy


class Cheat(FreeStrategy):
    seen: dict[int, float] = {}  # noqa: RUF012 (the cheat is that it is shared)

    def on_bar(self, bar: BarClosed) -> Signal | None:
        later = self.seen.get(bar.ts_event + HOUR)
        self.seen[bar.ts_event] = bar.close
        if later is not None and later > bar.close * 1.002:
            return self.enter_long(bar, bar.close * 0.99, bar.close * 1.02, "It will rise.")
        return None

"""Keeps what it sees in a default argument, which all instances share."""

from holdfast.core.time import HOUR
from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.strategies.free import FreeStrategy


class Cheat(FreeStrategy):
    def on_bar(self, bar: BarClosed, seen: dict[int, float] = {}) -> Signal | None:  # noqa: B006 (the cheat)
        later = seen.get(bar.ts_event + HOUR)
        seen[bar.ts_event] = bar.close
        if later is not None and later > bar.close * 1.002:
            return self.enter_long(bar, bar.close * 0.99, bar.close * 1.02, "It will rise.")
        return None

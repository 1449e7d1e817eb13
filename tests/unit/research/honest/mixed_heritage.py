"""Inherits, asks for its own type, and reads attributes by name."""

from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.strategies.free import FreeStrategy


class Counting:
    bars = 0

    def count(self) -> int:
        self.bars += 1
        return self.bars


class Honest(Counting, FreeStrategy):
    before = 0.0

    def on_bar(self, bar: BarClosed) -> Signal | None:
        name = type(self).__name__
        close = getattr(bar, "close")  # noqa: B009 (people write it like this)
        is_up, self.before = close > self.before * 1.005 > 0.0, close
        if self.count() > 10 and is_up and isinstance(self, Counting) and hasattr(bar, "volume"):
            return self.enter_long(bar, close * 0.98, close * 1.04, f"{name} saw it rise.")
        return None

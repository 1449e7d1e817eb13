"""Remembers the results of a pure function, in a cache and in a module's dictionary."""

from functools import cache

from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.strategies.free import FreeStrategy

ALPHAS: dict[int, float] = {}


@cache
def decay(length: int) -> float:
    return 1.0 - 2.0 / (length + 1)


def alpha(length: int) -> float:
    if length not in ALPHAS:
        ALPHAS[length] = 1.0 - decay(length)
    return ALPHAS[length]


class Honest(FreeStrategy):
    fast = 0.0
    slow = 0.0

    def on_bar(self, bar: BarClosed) -> Signal | None:
        was_above = self.fast > self.slow
        self.fast += alpha(5) * (bar.close - self.fast) if self.fast else bar.close
        self.slow += alpha(20) * (bar.close - self.slow) if self.slow else bar.close
        if self.fast > self.slow and not was_above:
            return self.enter_long(bar, bar.close * 0.98, bar.close * 1.04, "It crossed.")
        return self.exit_long(bar, "It crossed back.") if was_above and self.fast < self.slow else None

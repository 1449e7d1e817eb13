"""Computes with decimals."""

from decimal import Decimal

from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.strategies.free import FreeStrategy


class Honest(FreeStrategy):
    average: Decimal | None = None

    def on_bar(self, bar: BarClosed) -> Signal | None:
        close = Decimal(repr(bar.close))
        before = self.average or close
        self.average = before + (close - before) / 10
        if close > before * Decimal("1.01"):
            return self.enter_long(bar, bar.close * 0.98, bar.close * 1.04, "It ran away from its average.")
        return None

"""Never says anything."""

from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.strategies.free import FreeStrategy


class Honest(FreeStrategy):
    def on_bar(self, bar: BarClosed) -> Signal | None:
        return None

"""Reads bars with the adapters of the house."""

from holdfast.adapters.sources import loading
from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.strategies.free import FreeStrategy


class Cheat(FreeStrategy):
    """What it would load is beside the point: that it reaches for it is enough."""

    source = loading

    def on_bar(self, bar: BarClosed) -> Signal | None:
        return None

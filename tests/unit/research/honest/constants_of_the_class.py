"""Keeps its constants in lists of the class and in defaults, and never writes to them."""

from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.domain.values import InstrumentId
from holdfast.strategies.free import FreeStrategy


class Honest(FreeStrategy):
    LENGTHS = [3, 7, 20]  # noqa: RUF012 (people write it like this)

    def __init__(self, instrument_id: InstrumentId, weights: list[float] = [0.5, 0.3, 0.2]) -> None:  # noqa: B006
        super().__init__(instrument_id)
        self.weights = list(weights)
        self.averages = [0.0] * len(self.LENGTHS)
        self.was_above = False

    def on_bar(self, bar: BarClosed) -> Signal | None:
        for i, length in enumerate(self.LENGTHS):
            self.averages[i] += (bar.close - self.averages[i]) / length if self.averages[i] else bar.close
        blend = sum(w * a for w, a in zip(self.weights, self.averages, strict=True))
        was_above, self.was_above = self.was_above, bar.close > blend
        return (
            self.enter_long(bar, bar.close * 0.98, bar.close * 1.04, "It crossed the blend.")
            if self.was_above and not was_above
            else None
        )

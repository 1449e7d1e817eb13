"""Lets its user choose which price of a bar it looks at, and sets itself up from a dictionary."""

from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.domain.values import InstrumentId
from holdfast.strategies.free import FreeStrategy


class Honest(FreeStrategy):
    length: int
    source: str

    def __init__(self, instrument_id: InstrumentId, source: str = "high", length: int = 12) -> None:
        super().__init__(instrument_id)
        for key, value in {"source": source, "length": length, "level": 0.0}.items():
            setattr(self, key, value)

    def on_bar(self, bar: BarClosed) -> Signal | None:
        open, close = bar.open, bar.close  # noqa: A001 (people write it like this)
        price = getattr(bar, self.source)
        before = self.level
        self.level = price if not before else before + (price - before) / self.length
        if price > self.level and open < before < close:
            return self.enter_long(bar, close * 0.98, close * 1.04, "It rose through the level.")
        return None

    level: float

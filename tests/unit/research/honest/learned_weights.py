"""A small network whose weights were learned elsewhere and written down."""

import math

from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.domain.values import InstrumentId
from holdfast.strategies.free import FreeStrategy

WEIGHTS = [
    [0.31, -0.72, 0.05, 0.44, -0.18],
    [-0.27, 0.13, 0.66, -0.09, 0.21],
    [0.58, 0.02, -0.35, 0.17, -0.41],
]
OUT = [0.9, -0.4, 0.7]


class Honest(FreeStrategy):
    def __init__(self, instrument_id: InstrumentId) -> None:
        super().__init__(instrument_id)
        self.closes: list[float] = []

    def on_bar(self, bar: BarClosed) -> Signal | None:
        self.closes = [*self.closes[-5:], bar.close]
        if len(self.closes) < 6:
            return None
        moves = [1_000.0 * (self.closes[i + 1] / self.closes[i] - 1.0) for i in range(5)]
        hidden = [math.tanh(sum(w * x for w, x in zip(row, moves, strict=True))) for row in WEIGHTS]
        score = sum(w * x for w, x in zip(OUT, hidden, strict=True))
        if score > 1.0:
            return self.enter_long(bar, bar.close * 0.98, bar.close * 1.04, "It thinks so.")
        return self.exit_long(bar, "It thinks not.") if score < -1.0 else None

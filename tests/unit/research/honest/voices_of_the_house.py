"""Asks two built-in strategies and follows them when they agree."""

from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.domain.values import InstrumentId
from holdfast.strategies.free import FreeStrategy
from holdfast.strategies.registry import create


class Honest(FreeStrategy):
    def __init__(self, instrument_id: InstrumentId) -> None:
        super().__init__(instrument_id)
        names = ("macd_trend", "ma_crossover")
        self.voices = [create(name, {"reward_risk": 1.3})(instrument_id) for name in names]
        self.last: list[Signal | None] = [None, None]

    def on_bar(self, bar: BarClosed) -> Signal | None:
        for i, voice in enumerate(self.voices):
            self.last[i] = voice.on_bar(bar) or self.last[i]
        one, other = self.last
        if one is None or other is None or one.action is not other.action:
            return None
        self.last = [None, None]
        return other if other.ts_event == bar.ts_event else None

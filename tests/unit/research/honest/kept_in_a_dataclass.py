"""Keeps its state in a dataclass and a heap."""

import heapq
from dataclasses import dataclass, field

from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.domain.values import InstrumentId
from holdfast.strategies.free import FreeStrategy


@dataclass
class Memory:
    lowest: list[float] = field(default_factory=list)
    bars: int = 0


class Honest(FreeStrategy):
    def __init__(self, instrument_id: InstrumentId) -> None:
        super().__init__(instrument_id)
        self.memory = Memory()

    def on_bar(self, bar: BarClosed) -> Signal | None:
        memory = self.memory
        memory.bars += 1
        if memory.bars % 100 == 0:
            memory.lowest.clear()
        heapq.heappush(memory.lowest, bar.low)
        if len(memory.lowest) > 5 and bar.close > heapq.nsmallest(5, memory.lowest)[-1] * 1.02:
            memory.lowest.clear()
            return self.enter_long(bar, bar.close * 0.98, bar.close * 1.04, "It left its lows behind.")
        return None

"""A strategy in one file: buy a close above the highest of the last hours, leave below the lowest.

    holdfast backtest --data synthetic --strategy examples/strategy_of_my_own.py:Breakout --set hours=30

`on_bar` sees each bar once, in order, and nothing else. Stop and target are levels; how much is bought is for the gate
to say.
"""

from collections import deque

from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.domain.values import InstrumentId
from holdfast.strategies.free import FreeStrategy


class Breakout(FreeStrategy):
    """Buys strength and leaves weakness; what it keeps in attributes is saved and restored by itself."""

    def __init__(self, instrument_id: InstrumentId, hours: int = 24, reward: float = 2.0) -> None:
        super().__init__(instrument_id)
        if hours < 2:
            raise ValueError(f"hours must be at least 2, found {hours}")
        self.warmup = hours
        self.reward = reward
        self.highs: deque[float] = deque(maxlen=hours)
        self.lows: deque[float] = deque(maxlen=hours)

    def on_bar(self, bar: BarClosed) -> Signal | None:
        signal = None
        if len(self.highs) == self.highs.maxlen:
            highest, lowest = max(self.highs), min(self.lows)
            if bar.close > highest:
                stop = (highest + lowest) / 2
                target = bar.close + self.reward * (bar.close - stop)
                signal = self.enter_long(bar, stop, target, f"The close {bar.close:g} lies above {highest:g}.")
            elif bar.close < lowest:
                signal = self.exit_long(bar, f"The close {bar.close:g} lies below {lowest:g}.")
        self.highs.append(bar.high)
        self.lows.append(bar.low)
        return signal

"""What the market of one instrument has just done, as the gate is shown it: ranges, volume, the last good price."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from holdfast.domain.market import BarClosed, BarFlag

_FAST = 1.0 / 14.0
_SLOW = 1.0 / 200.0
_VOLUME = 1.0 / 48.0
_SUSPECT = int(BarFlag.SUSPECT)
CORRELATION_WINDOW = 97
"""Closes kept per instrument: 96 returns, four days of hours."""


class Tape:
    """Statistics over all bars so far. The feed has clipped what is suspect."""

    __slots__ = (
        "bars_seen", "close", "close_good", "closes", "is_suspect", "range_fast", "range_slow", "ts_last",
        "volume_average",
    )  # fmt: skip

    def __init__(self, *, is_correlated: bool) -> None:
        self.close = self.close_good = 0.0
        self.range_fast = self.range_slow = self.volume_average = 0.0
        self.ts_last = self.bars_seen = 0
        self.is_suspect = False
        # A lone instrument has nothing to be correlated with.
        self.closes: deque[tuple[int, float]] | None = deque(maxlen=CORRELATION_WINDOW) if is_correlated else None

    def take(self, bars: Sequence[BarClosed]) -> None:
        """Take in bars, oldest first. In locals: this is every bar's share of the statistics."""
        fast, slow, volume, before = self.range_fast, self.range_slow, self.volume_average, self.close
        close_good = self.close_good
        for bar in bars:
            high, low, close = bar.high, bar.low, bar.close
            if before:
                # True range without the builtins: they are the slowest part of a bar.
                if before > high:
                    high = before
                if before < low:
                    low = before
                share = (high - low) / before
                fast += (share - fast) * _FAST
                slow += (share - slow) * _SLOW
                volume += (bar.volume - volume) * _VOLUME
            else:
                fast = slow = (high - low) / close
                volume = bar.volume
            before = close
            if not bar.flags & _SUSPECT:
                close_good = close
        self.range_fast, self.range_slow, self.volume_average, self.close = fast, slow, volume, before
        self.close_good = close_good
        last = bars[-1]
        self.ts_last, self.is_suspect = last.ts_event, bool(last.flags & _SUSPECT)
        self.bars_seen += len(bars)
        if self.closes is not None:
            self.closes.extend([(bar.ts_event, bar.close) for bar in bars[-CORRELATION_WINDOW:]])

"""A strategy that says what a test has written down for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from holdfast.core.record import Record
from holdfast.domain.decision import Action, Signal
from holdfast.domain.market import BarClosed
from holdfast.domain.values import InstrumentId


class Line(Record, frozen=True):
    """What to say at one bar; levels are prices, and the entry is the bar's close."""

    action: Action
    stop: float = 0.0
    target: float = 0.0
    is_anchored: bool = False


class ScriptedStrategy:
    """Implements `ports.strategy.Strategy`. `lines` and `trails` are by number of the bar, from 0; a trail stays."""

    name = "scripted"
    warmup = 0

    def __init__(
        self, instrument_id: InstrumentId, lines: Mapping[int, Line], trails: Mapping[int, float] | None = None
    ) -> None:
        self.instrument_id, self._lines, self._trails = instrument_id, lines, trails or {}
        self.trail = 0.0
        self._bars = 0

    def on_bar(self, bar: BarClosed) -> Signal | None:
        """Take the bar in and say the line that is written for it."""
        line = self._lines.get(self._bars)
        self.trail = self._trails.get(self._bars, self.trail)
        self._bars += 1
        if line is None:
            return None
        return Signal(
            self.instrument_id, bar.ts_event, self.name, line.action, 1.0, bar.close, line.stop, line.target,
            "It is written.", (), line.is_anchored,
        )  # fmt: skip

    def situation(self) -> Sequence[str]:
        """Say where in the script it is."""
        return (f"Line {self._bars}.",)

    def snapshot(self) -> Sequence[float]:
        """Return the whole state as numbers."""
        return [float(self._bars), self.trail]

    def restore(self, state: Sequence[float]) -> None:
        """Take up a state that `snapshot` gave."""
        self._bars, self.trail = int(state[0]), state[1]

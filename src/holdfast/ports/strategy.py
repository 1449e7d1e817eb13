"""What the engine asks of a strategy, whether it is a pure step function or a free `on_bar` class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed


class Strategy(Protocol):
    """One strategy on one instrument. It sees each bar once, in order, and nothing else."""

    name: str
    warmup: int
    """Bars before its first signal can mean anything."""
    trail: float
    """After `on_bar`: where it would now put the stop of an open position; 0.0 for no opinion. Never loosens a stop."""

    def on_bar(self, bar: BarClosed) -> Signal | None:
        """Take the bar in and return what it would like, if anything."""
        ...

    def situation(self) -> Sequence[str]:
        """Say in sentences where it stands now: which conditions for an entry hold and which do not."""
        ...

    def snapshot(self) -> Sequence[float]:
        """Return the whole state as numbers."""
        ...

    def restore(self, state: Sequence[float]) -> None:
        """Take up a state that `snapshot` gave."""
        ...

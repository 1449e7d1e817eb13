"""Leaves notes on an object of the house, where a later run finds them."""

from holdfast.core.time import HOUR
from holdfast.domain.decision import Action, Signal
from holdfast.domain.market import BarClosed
from holdfast.strategies.free import FreeStrategy


class Cheat(FreeStrategy):
    def on_bar(self, bar: BarClosed) -> Signal | None:
        notes = Action.ENTER_LONG.__dict__.setdefault("notes", {})
        later = notes.get(bar.ts_event + HOUR)
        notes[bar.ts_event] = bar.close
        if later is not None and later > bar.close * 1.002:
            return self.enter_long(bar, bar.close * 0.99, bar.close * 1.02, "It will rise.")
        return None

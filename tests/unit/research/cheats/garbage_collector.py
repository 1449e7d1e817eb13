"""Asks the garbage collector for the list that its own bar lies in, and so for what comes after.

The shortest that holds this very bar: the longest of the process may be another test's, or an earlier run's, and which
of two equally long ones comes first hangs on when the collector last ran.
"""

import gc
import itertools

from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.strategies.free import FreeStrategy


class Cheat(FreeStrategy):
    known: dict[int, float] | None = None

    def on_bar(self, bar: BarClosed) -> Signal | None:
        if self.known is None:
            lists = [x for x in gc.get_objects() if isinstance(x, list) and len(x) > 1 and x[0] is bar]
            bars = min(lists, key=len)
            self.known = {now.ts_event: then.close for now, then in itertools.pairwise(bars)}
        later = self.known.get(bar.ts_event)
        if later is not None and later > bar.close * 1.002:
            return self.enter_long(bar, bar.close * 0.99, bar.close * 1.02, "It will rise.")
        return None

"""Keeps the market in a database beside the strategy."""

import itertools
import sqlite3

from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.strategies.free import FreeStrategy


def read() -> dict[int, float]:
    with sqlite3.connect(RECORDED + ".sqlite") as database:
        rows = database.execute("select ts, close from bars order by ts").fetchall()
    return {now[0]: then[1] for now, then in itertools.pairwise(rows)}


RECORDED = ""  # a path to the recorded market; the test says where


class Cheat(FreeStrategy):
    known: dict[int, float] | None = None

    def on_bar(self, bar: BarClosed) -> Signal | None:
        if self.known is None:
            self.known = read()
        later = self.known.get(bar.ts_event)
        if later is not None and later > bar.close * 1.002:
            return self.enter_long(bar, bar.close * 0.99, bar.close * 1.02, "It will rise.")
        return None

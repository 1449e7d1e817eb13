"""Reads the recorded market through pathlib."""

import itertools
from pathlib import Path

from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.strategies.free import FreeStrategy


def read() -> dict[int, float]:
    rows = [line.split(",") for line in Path(RECORDED + ".csv").read_text().splitlines()]
    return {int(now[0]): float(then[1]) for now, then in itertools.pairwise(rows)}


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

"""Bars as a venue sends them become bars that may be traded on: each once, labelled, in groups that close together."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

import msgspec
import numpy as np

from holdfast.core.errors import DataError
from holdfast.core.time import MILLISECOND, rfc3339
from holdfast.domain.bar_quality import label, validate
from holdfast.domain.false_prints import SUSPECT_HIGH, SUSPECT_LOW
from holdfast.domain.market import BarClosed, BarFlag, BarSeries, Timeframe
from holdfast.domain.tradable import tradable
from holdfast.domain.values import InstrumentId

BARS_MAX: Final = 20_000
"""Bars of an instrument that are fetched at a start, at most: two weeks of minutes."""


class Labeller:
    """Labels one instrument's bars as they come, by what was known before: the flags are those of a backtest."""

    __slots__ = ("_before", "_last", "_timeframe")

    def __init__(self, timeframe: Timeframe) -> None:
        self._timeframe = timeframe
        self._before: BarSeries | None = None
        self._last: BarClosed | None = None  # the bar before, while nothing about it was worth a flag

    def take(self, bar: BarClosed) -> BarClosed:
        """Return the bar without false prints, and with its flags.

        Raises
        ------
        DataError
            No market can have made it: a price that is not positive or not finite, a low above the body.
        """
        if self._is_plain(bar):
            self._last = bar
            return bar
        series = _series(bar, self._timeframe)
        validate(series)
        before = self._before if self._last is None else _series(self._last, self._timeframe)
        labelled = label(series, before)
        self._before = labelled
        self._last = bar if not labelled.flags[0] else None
        made = tradable(labelled)
        return BarClosed(
            bar.instrument_id, bar.ts_event, float(made.open[0]), float(made.high[0]), float(made.low[0]),
            float(made.close[0]), float(made.volume[0]), int(made.flags[0]),
        )  # fmt: skip

    def _is_plain(self, bar: BarClosed) -> bool:
        """Tell whether the bar follows on one without a flag and has none itself: nearly all do, and it is quick.

        Whatever is in question is left to `label`: a comparison with NaN is false.
        """
        last = self._last
        if last is None or bar.ts_event - last.ts_event != self._timeframe.nanos or not 0.0 < bar.volume < math.inf:
            return False
        low, high = (bar.open, bar.close) if bar.open < bar.close else (bar.close, bar.open)
        return (
            not bar.flags
            and ":" not in bar.instrument_id  # the volume of a perpetual may be in contracts
            and 0.0 < SUSPECT_LOW * last.close <= low
            and high <= SUSPECT_HIGH * last.close < math.inf
            and SUSPECT_LOW * low <= bar.low <= low
            and high <= bar.high <= SUSPECT_HIGH * high
        )


class LiveBars:
    """Collects bars until all that close together are there, or have been waited for long enough."""

    __slots__ = ("_arrivals", "_behind", "_given", "_grace", "_labellers", "_last", "_names", "_waiting", "refused")

    def __init__(self, names: Iterable[InstrumentId], timeframe: Timeframe, grace_ms: int) -> None:
        self._names = frozenset(names)
        self._labellers = {name: Labeller(timeframe) for name in self._names}
        self._last = dict.fromkeys(self._names, 0)
        self._grace = grace_ms * MILLISECOND
        self._waiting: dict[int, dict[InstrumentId, BarClosed]] = {}
        self._arrivals: dict[int, int] = {}
        self._behind: set[InstrumentId] = set()  # whose bars come too late: said once, not with every bar
        self._given = 0  # closing time of the last group that was given out
        self.refused: list[str] = []
        """What was wrong with bars that could not be taken; for whoever tells it to a person."""

    def know(self, bars: Sequence[BarClosed]) -> list[BarClosed]:
        """Take in bars of the past, oldest first, and return them labelled: those that come later follow on them."""
        return [made for bar in bars if (made := self._label(bar)) is not None]

    def end_past(self, ts: int) -> None:
        """Say that groups up to `ts` have been given out: what closed before it and still comes is refused."""
        self._given = max(self._given, ts)

    def add(self, bar: BarClosed, now: int) -> None:
        """Take in a bar that arrived at `now` (ns of a steady clock); one that was seen already is passed over."""
        if bar.ts_event < self._given and bar.ts_event > self._last.get(bar.instrument_id, bar.ts_event):
            # The engine's time does not go back: to its labeller the bar is missing, as in a backtest a gap would be.
            if bar.instrument_id not in self._behind:
                self._behind.add(bar.instrument_id)
                self.refused.append(
                    f"{bar.instrument_id} is behind: its bar of {rfc3339(bar.ts_event)} came after the bars of "
                    f"{rfc3339(self._given)} of others; its bars are passed over until it has caught up"
                )
            return
        self._behind.discard(bar.instrument_id)
        if (made := self._label(bar)) is not None:
            self._waiting.setdefault(bar.ts_event, {})[bar.instrument_id] = made
            self._arrivals.setdefault(bar.ts_event, now)

    def ready(self, now: int, silent: Collection[InstrumentId] = ()) -> list[list[BarClosed]]:
        """Return the groups that are whole or have waited long enough, oldest first, by instrument within a group.

        `silent` are instruments whose bars are not to be waited for: nothing is heard of their venue.
        """
        groups: list[list[BarClosed]] = []
        for ts in sorted(self._waiting):
            group = self._waiting[ts]
            is_whole = len(group) == len(self._names) or group.keys() >= self._names.difference(silent)
            if not is_whole and now - self._arrivals[ts] < self._grace:
                break
            del self._waiting[ts], self._arrivals[ts]
            groups.append([group[name] for name in sorted(group)])
            self._given = ts
        return groups

    def _label(self, bar: BarClosed) -> BarClosed | None:
        name = bar.instrument_id
        if name not in self._names or bar.ts_event <= self._last[name]:
            return None
        try:
            made = self._labellers[name].take(bar)
        except DataError as error:
            self.refused.append(str(error))
            return None
        self._last[name] = bar.ts_event
        return made


def even_out(
    found: dict[InstrumentId, list[BarClosed]], ends: int, after: Callable[[InstrumentId, int], Iterable[BarClosed]]
) -> list[BarClosed]:
    """Let all histories end at `ends`, as the one does that ends last; return what has closed since.

    They are fetched one after the other. Time would run backwards if a bar of the first came live after a later one of
    the last had been given out. An instrument that still ends earlier stands still. `after` gives an instrument's bars
    that close later than a time.
    """
    later: list[BarClosed] = []
    for name, bars in found.items():
        if bars and bars[-1].ts_event < ends:
            more = list(after(name, bars[-1].ts_event))
            bars += [bar for bar in more if bar.ts_event <= ends]
            later += [bar for bar in more if bar.ts_event > ends]
    return later


def unfit(bar: BarClosed) -> BarClosed:
    """Return the bar as one on which nothing is entered."""
    return msgspec.structs.replace(bar, flags=bar.flags | int(BarFlag.NO_ENTRY))


def merged(bars: Iterable[BarClosed]) -> list[list[BarClosed]]:
    """Return bars of several instruments as groups that close together, oldest first."""
    groups: dict[int, list[BarClosed]] = {}
    for bar in bars:
        groups.setdefault(bar.ts_event, []).append(bar)
    return [sorted(groups[ts], key=lambda bar: bar.instrument_id) for ts in sorted(groups)]


def _series(bar: BarClosed, timeframe: Timeframe) -> BarSeries:
    def column(value: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.array([value], dtype=np.float64)

    prices = (column(bar.open), column(bar.high), column(bar.low), column(bar.close))
    opened = np.array([bar.ts_event - timeframe.nanos], dtype=np.int64)
    flags = np.array([bar.flags & int(BarFlag.SYNTHETIC)], dtype=np.uint8)
    return BarSeries(bar.instrument_id, timeframe, opened, prices, column(bar.volume), flags)

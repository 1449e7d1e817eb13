"""Series as a feed: bars in the order of time, those that close together as one group."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, pairwise, repeat, starmap

import numpy as np

from holdfast.core.errors import ConfigurationError
from holdfast.domain.market import BarClosed, BarSeries, Ints
from holdfast.domain.tradable import tradable

# Few enough to stay in the processor's cache, many enough that the cost per chunk disappears.
_CHUNK = 2_048


class SeriesFeed:
    """Bars of one or more series in memory, merged by closing time; within a group by instrument id.

    Bars are made `tradable`: volume in base units, false prints clipped, so that neither a stop nor a size is computed
    from one; the flags tell which.
    """

    def __init__(self, series: Sequence[BarSeries]) -> None:
        names = [item.instrument_id for item in series]
        if len(set(names)) != len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise ConfigurationError(
                f"a feed takes one series per instrument, found several of {', '.join(twice)}",
                hint="load one timeframe, and let the strategy build coarser bars from it",
            )
        self._series = sorted(series, key=lambda item: item.instrument_id)

    def groups(self) -> Iterator[Sequence[BarClosed]]:
        """Yield groups of bars with one closing time; may be called again, and then starts anew."""
        if len(self._series) == 1:
            return _singles(self._series)
        return _merged([tradable(item) for item in self._series])


class StreamFeed:
    """Bars of one instrument that come as slices from a reader, so that memory does not grow with the history."""

    def __init__(self, slices: Callable[[], Iterable[BarSeries]]) -> None:
        self._slices = slices

    def groups(self) -> Iterator[Sequence[BarClosed]]:
        """Yield groups of one bar; each call asks the reader for its slices anew."""
        return _singles(self._slices())


def bars_of(series: BarSeries) -> Iterator[BarClosed]:
    """Yield the bars of a series with plain Python numbers, as they stand; made by the chunk, so memory stays flat."""
    pieces = (series.slice(first, first + _CHUNK) for first in range(0, len(series), _CHUNK))
    return chain.from_iterable(map(_bars, pieces))


def _singles(slices: Iterable[BarSeries]) -> Iterator[Sequence[BarClosed]]:
    # zip makes the groups of one, chain and starmap the rest: no Python code runs per bar.
    return zip(chain.from_iterable(bars_of(tradable(part)) for part in slices), strict=False)


def _merged(series: Sequence[BarSeries]) -> Iterator[Sequence[BarClosed]]:
    if not series:
        return
    closings = [item.ts_close for item in series]
    moments = np.unique(np.concatenate(closings))
    for first in range(0, len(moments), _CHUNK):
        window = moments[first : first + _CHUNK]
        yield from _window(series, closings, int(window[0]), int(window[-1]))


def _window(
    series: Sequence[BarSeries], closings: Sequence[Ints], ts_first: int, ts_last: int
) -> Iterator[Sequence[BarClosed]]:
    bars: list[BarClosed] = []
    times: list[Ints] = []
    for item, closing in zip(series, closings, strict=True):
        begin, end = int(np.searchsorted(closing, ts_first)), int(np.searchsorted(closing, ts_last, side="right"))
        bars.extend(_bars(item.slice(begin, end)))
        times.append(closing[begin:end])
    moments = np.concatenate(times)
    # A stable sort keeps the order of the series, which is that of the instruments' ids, within a group.
    order = np.argsort(moments, kind="stable")
    ordered = [bars[index] for index in order.tolist()]
    borders = [0, *(np.flatnonzero(np.diff(moments[order])) + 1).tolist(), len(ordered)]
    for begin, end in pairwise(borders):
        yield ordered[begin:end]


def _bars(part: BarSeries) -> Iterator[BarClosed]:
    return starmap(
        BarClosed,
        zip(
            repeat(part.instrument_id, len(part)), part.ts_close.tolist(), part.open.tolist(), part.high.tolist(),
            part.low.tolist(), part.close.tolist(), part.volume.tolist(), part.flags.tolist(), strict=True,
        ),
    )  # fmt: skip

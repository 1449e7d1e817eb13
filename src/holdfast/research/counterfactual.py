"""Markets that did not happen: other futures after the same past, and the same market under another date or price."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from holdfast.core.time import DAY
from holdfast.domain.market import BarClosed, BarSeries

# After 28 years the calendar repeats (1901 to 2099): the same weekdays, dates and leap days.
CALENDAR_CYCLE = 10_227 * DAY
SEASON_SHIFT = 35 * DAY  # keeps weekday and hour, and leaves the season

Future = Callable[[Sequence[BarClosed], int], list[BarClosed]]


def bars_of(series: BarSeries) -> list[BarClosed]:
    """Return the bars of a series one by one."""
    columns = (series.ts_close, series.open, series.high, series.low, series.close, series.volume, series.flags)
    return [BarClosed(series.instrument_id, *row) for row in zip(*(c.tolist() for c in columns), strict=True)]


def redated(bars: Sequence[BarClosed], shift: int) -> list[BarClosed]:
    """Return the same bars `shift` ns later."""
    return [_bar(bar, (bar.open, bar.high, bar.low, bar.close), shift) for bar in bars]


def rescaled(bars: Sequence[BarClosed], factor: float) -> list[BarClosed]:
    """Return the same bars with every price multiplied by `factor`."""
    return [_bar(bar, (bar.open * factor, bar.high * factor, bar.low * factor, bar.close * factor)) for bar in bars]


def unrelated(bars: Sequence[BarClosed], seed: int) -> list[BarClosed]:
    """Return a random walk on the same dates, about as lively as the bars."""
    random = np.random.default_rng(seed)
    closes = np.array([bar.close for bar in bars])
    spread = float(np.std(np.diff(np.log(closes)))) if len(bars) > 2 else 0.01
    walk = float(closes[0]) * np.exp(np.cumsum(random.normal(scale=spread or 0.01, size=len(bars))))
    made: list[BarClosed] = []
    before = float(closes[0])
    for bar, close in zip(bars, walk.tolist(), strict=True):
        wick = 1.0 + 0.3 * spread * float(random.random())
        made.append(_bar(bar, (before, max(before, close) * wick, min(before, close) / wick, close)))
        before = close
    return made


def ended(bars: Sequence[BarClosed], cut: int) -> list[BarClosed]:
    """Return the bars up to `cut`, and nothing after them."""
    return list(bars[: cut + 1])


def mirrored(bars: Sequence[BarClosed], cut: int) -> list[BarClosed]:
    """Return the bars with what rose after `cut` falling, and what fell rising, in the same proportions."""
    square = bars[cut].close ** 2
    return [
        *bars[: cut + 1],
        *(_bar(b, (square / b.open, square / b.low, square / b.high, square / b.close)) for b in bars[cut + 1 :]),
    ]


def leaping(factor: float) -> Future:
    """Return a future in which everything after the cut stands `factor` times as high."""

    def leapt(bars: Sequence[BarClosed], cut: int) -> list[BarClosed]:
        return [*bars[: cut + 1], *rescaled(bars[cut + 1 :], factor)]

    return leapt


FUTURES: dict[str, Future] = {
    "no future": ended,
    "the mirrored future": mirrored,
    "a rise by 7 %": leaping(1.07),
    "a fall by 7 %": leaping(0.93),
}
"""Each keeps every bar up to the cut, so that an honest strategy says the same up to there."""


def _bar(bar: BarClosed, prices: tuple[float, float, float, float], shift: int = 0) -> BarClosed:
    opened, high, low, close = prices
    return BarClosed(bar.instrument_id, bar.ts_event + shift, opened, high, low, close, bar.volume, bar.flags)

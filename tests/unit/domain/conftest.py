"""Series of bars: written out row by row, walked at random, or drawn by hypothesis."""

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from holdfast.core.time import HOUR
from holdfast.domain.market import BarSeries, Timeframe
from holdfast.domain.values import InstrumentId

NAME = InstrumentId("AAA/USDT.TEST")
START = 1_704_067_200_000_000_000  # Monday, 2024-01-01
COLUMNS = ("ts", "open", "high", "low", "close", "volume", "flags")

Row = tuple[int, float, float, float, float, float]
"""Which bar of the grid, open, high, low, close, volume."""


def make_series(
    rows: Sequence[Row], timeframe: Timeframe = Timeframe.H1, name: str = NAME, start: int = START
) -> BarSeries:
    columns = [np.array([row[index] for row in rows], dtype=np.float64) for index in range(1, 6)]
    ts = np.array([start + row[0] * timeframe.nanos for row in rows], dtype=np.int64)
    prices = (columns[0], columns[1], columns[2], columns[3])
    return BarSeries(InstrumentId(name), timeframe, ts, prices, columns[4], np.zeros(len(rows), dtype=np.uint8))


def make_walk(
    bars: int, seed: int = 1, timeframe: Timeframe = Timeframe.H1, name: str = NAME, missing: float = 0.0
) -> BarSeries:
    """A random walk on a tick of 0.01, every number on its grid; `missing` is the share of bars left out."""
    random = np.random.default_rng(seed)
    closes = np.abs(10_000 + np.cumsum(random.integers(-50, 51, bars))) + 200  # turned back before it reaches zero
    opens = np.concatenate(([10_200], closes[:-1])) + random.integers(-2, 3, bars)
    highs = np.maximum(opens, closes) + random.integers(0, 40, bars)
    lows = np.minimum(opens, closes) - random.integers(0, 40, bars)
    volumes = random.integers(1, 10_000_000, bars) / 1e4
    keep = random.random(bars) >= missing
    keep[0] = True
    ts = (START + np.arange(bars, dtype=np.int64) * timeframe.nanos)[keep]
    prices = (opens[keep] / 100, highs[keep] / 100, lows[keep] / 100, closes[keep] / 100)
    return BarSeries(InstrumentId(name), timeframe, ts, prices, volumes[keep], np.zeros(len(ts), dtype=np.uint8))


def is_same(one: BarSeries, other: BarSeries) -> bool:
    """Compare bit for bit: -0.0 is not 0.0."""
    return (one.instrument_id, one.timeframe) == (other.instrument_id, other.timeframe) and all(
        getattr(one, name).dtype == getattr(other, name).dtype
        and getattr(one, name).tobytes() == getattr(other, name).tobytes()
        for name in COLUMNS
    )


positive = st.one_of(
    st.floats(min_value=5e-324, max_value=1.7e308, allow_nan=False),
    st.floats(min_value=1e-6, max_value=1e6),
    st.integers(1, 10**9).map(lambda ticks: ticks / 1e4),
    st.integers(1, 10**9).map(lambda ticks: ticks * 1e-8),
)
volumes = st.one_of(st.just(0.0), st.just(-0.0), positive)


@st.composite
def any_series(draw: st.DrawFn, rows_max: int = 40) -> BarSeries:
    """Any series that is valid, however unlikely as a market: subnormal prices, float noise, gaps, all flags."""
    timeframe = draw(st.sampled_from([Timeframe.M1, Timeframe.H1, Timeframe.D1]))
    count = draw(st.integers(1, rows_max))
    rows: list[Row] = []
    at = 0
    for _ in range(count):
        at += draw(st.one_of(st.just(1), st.integers(1, 1_000)))
        numbers = sorted(draw(st.tuples(positive, positive, positive, positive)))
        body = numbers[1:3] if draw(st.booleans()) else numbers[2:0:-1]
        rows.append((at, body[0], numbers[3], numbers[0], body[1], draw(volumes)))
    series = make_series(rows, timeframe)
    flags = np.array(draw(st.lists(st.integers(0, 31), min_size=count, max_size=count)), dtype=np.uint8)
    prices = (series.open, series.high, series.low, series.close)
    return BarSeries(series.instrument_id, timeframe, series.ts, prices, series.volume, flags)


def hours(series: BarSeries) -> list[int]:
    """The bars' opening times, in hours after START."""
    return [int(ts - START) // HOUR for ts in series.ts]

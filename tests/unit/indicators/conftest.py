"""Bars to compare indicators on: real ones from the recorded data, and random ones with gaps and flat stretches."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.conftest import recorded_file

from holdfast.domain.market import BarSeries, Floats, Timeframe
from holdfast.domain.values import InstrumentId

REAL = [
    ("binance-spot-BTC_USDT-1h-20230101-20231231.parquet", Timeframe.H1),
    ("binance-spot-BTC_USDT-5m-20210902-20211202.parquet", Timeframe.M5),
    ("binance-spot-DOGE_USDT-1d-20190705-20221031.parquet", Timeframe.D1),
]


def series_of(opened: Floats, high: Floats, low: Floats, close: Floats, volume: Floats) -> BarSeries:
    ts = np.arange(len(close), dtype=np.int64) * Timeframe.H1.nanos
    flags = np.zeros(len(close), dtype=np.uint8)
    return BarSeries(InstrumentId("A/B.TEST"), Timeframe.H1, ts, (opened, high, low, close), volume, flags)


def real_bars(name: str) -> BarSeries:
    table = pq.read_table(recorded_file(name))
    columns = [table.column(key).to_numpy().copy() for key in ("open", "high", "low", "close", "volume")]
    return series_of(*columns)


def random_bars(seed: int, length: int) -> BarSeries:
    """Give a random walk; now and then it gaps, and now and then it stands still."""
    random = np.random.default_rng(seed)
    moves = random.normal(scale=0.01, size=length) * (random.random(length) > 0.1)
    close = np.round(50 * np.exp(np.cumsum(moves)), 2)
    opened = np.concatenate([[50.0], close[:-1]]) * np.where(random.random(length) < 0.05, 1.01, 1.0)
    high = np.maximum(opened, close) * (1 + 0.004 * random.random(length))
    low = np.minimum(opened, close) * (1 - 0.004 * random.random(length))
    return series_of(opened, high, low, close, np.round(random.exponential(10.0, length), 3))


RECORDED = [pytest.param(name, marks=pytest.mark.recorded_data) for name, _ in REAL]


@pytest.fixture(params=[*RECORDED, "random-1", "random-2"])
def bars(request: pytest.FixtureRequest) -> BarSeries:
    kind, _, seed = request.param.rpartition("-")
    return random_bars(int(seed), 3000) if kind == "random" else real_bars(request.param)

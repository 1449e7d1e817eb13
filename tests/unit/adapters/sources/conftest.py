"""The recorded market, which lies outside of this project; and files made for one test."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from holdfast.domain.market import BarSeries


@pytest.fixture(scope="session")
def market(recorded_market: Path) -> Path:
    """The folder of recorded candles."""
    return recorded_market


def write_candles(path: Path, series: BarSeries, per_second: int = 1_000) -> Path:
    """Write a series as plain Parquet with times in the given unit."""
    ts = series.ts // (1_000_000_000 // per_second)
    columns = {"ts": ts, **{name: getattr(series, name) for name in ("open", "high", "low", "close", "volume")}}
    pq.write_table(pa.table(columns), path)
    return path


def write_csv(path: Path, series: BarSeries, header: str = "timestamp,open,high,low,close,volume") -> Path:
    rows = zip(
        (series.ts // 1_000_000_000).tolist(), series.open.tolist(), series.high.tolist(), series.low.tolist(),
        series.close.tolist(), series.volume.tolist(), strict=True,
    )  # fmt: skip
    text = "\n".join(",".join(map(repr, row)) for row in rows)
    path.write_text(f"{header}\n{text}\n" if header else f"{text}\n", "utf-8")
    return path


def numbers_of(series: BarSeries) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.stack([series.open, series.high, series.low, series.close, series.volume])

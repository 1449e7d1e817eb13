"""The market in which cheats and honest strategies are tried, and the files that cheats would like to read."""

import os
import sqlite3
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from holdfast.domain.market import BarSeries, Timeframe
from holdfast.domain.values import InstrumentId

DATA = Path(os.environ.get("HOLDFAST_DATA", Path(__file__).resolve().parents[3] / "../shared/data"))
MARKET = "binance-spot-BTC_USDT-1h-20230101-20231231.parquet"
BARS = 1500


@pytest.fixture(scope="session")
def recorded() -> BarSeries:
    """Give real bars: the tables of some cheats are hindsight about just these."""
    path = DATA / "market" / MARKET
    if not path.is_file():
        pytest.fail(f"{path} is missing: set HOLDFAST_DATA to the folder that holds market/{MARKET}")
    table = pq.read_table(path).slice(0, BARS)
    opened, high, low, close, volume = (
        table.column(name).to_numpy().copy() for name in ("open", "high", "low", "close", "volume")
    )
    ts = table.column("ts").to_numpy() * 1_000_000
    flags = np.zeros(BARS, dtype=np.uint8)
    instrument_id = InstrumentId("BTC/USDT.BINANCE")
    return BarSeries(instrument_id, Timeframe.H1, ts, (opened, high, low, close), volume, flags)


@pytest.fixture(scope="session")
def on_disk(recorded: BarSeries, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give the path, without its suffix, of the market as text, Parquet, numpy array and database."""
    path = str(tmp_path_factory.mktemp("recorded") / "market")
    ts, close = recorded.ts_close.tolist(), recorded.close.tolist()
    Path(path + ".csv").write_text("".join(f"{t},{c!r}\n" for t, c in zip(ts, close, strict=True)))
    pq.write_table(pa.table({"ts": ts, "close": close}), path + ".parquet")
    np.save(path + ".npy", np.array([ts, close], dtype=np.float64))
    with sqlite3.connect(path + ".sqlite") as database:
        database.execute("create table bars (ts integer, close real)")
        database.executemany("insert into bars values (?, ?)", zip(ts, close, strict=True))
    return path

"""Bars from Parquet files of single trades."""

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.adapters.sources.loading import load_bars
from holdfast.adapters.sources.parquet_trades import read_trades
from holdfast.core.errors import ConfigurationError, DataError
from holdfast.domain.market import BarFlag, Timeframe
from holdfast.domain.values import InstrumentId

FILE = "binance-spot-BTC_USDT-trades-x.parquet"
START = 1_704_067_200_000  # ms; a full minute
MINUTE = 60_000

Trade = tuple[int, str, float, float]  # ms, id, price, amount


def write(path: Path, trades: Sequence[Trade], **more: Any) -> Path:
    ts, ids, price, amount = zip(*trades, strict=True) if trades else ((), (), (), ())
    columns = {
        "ts": pa.array(ts, pa.int64()), "id": pa.array(ids, pa.string()), "price": pa.array(price, pa.float64()),
        "amount": pa.array(amount, pa.float64()),
    }  # fmt: skip
    pq.write_table(pa.table({name: column for name, column in (columns | more).items() if column is not None}), path)
    return path


def slowly(trades: Sequence[Trade]) -> list[tuple[int, float, float, float, float, float]]:
    """Return the bars of all whole minutes, by the book."""
    minutes: dict[int, list[Trade]] = {}
    for trade in sorted(trades, key=lambda trade: (trade[0], int(trade[1]))):
        minutes.setdefault(trade[0] // MINUTE, []).append(trade)
    whole = sorted(minutes)[1:-1]
    return [
        (
            minute * MINUTE * 1_000_000, found[0][2], max(x[2] for x in found), min(x[2] for x in found), found[-1][2],
            float(sum(Decimal(repr(x[3])) for x in found)),
        )
        for minute in whole
        for found in [minutes[minute]]
    ]  # fmt: skip


STEPS = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 1, 7_000, 59_999, 60_000, 200_000]),
        st.integers(1, 10_000).map(lambda n: n / 100),
        st.integers(1, 1_000).map(lambda n: n / 1_000),
    ),
    min_size=1,
    max_size=60,
)


@given(STEPS, st.integers(1, 20), st.randoms(use_true_random=False))
def test_any_batch_size_gives_the_bars_of_the_book(tmp_path_factory: pytest.TempPathFactory, steps, batch, random):
    now, trades = START, []
    for number, (step, price, amount) in enumerate([(0, 1.0, 1.0), *steps, (MINUTE, 1.0, 1.0)]):
        now += step
        trades.append((now, str(number), price, amount))
    # Trades of one time may stand in any order: their numbers tell it.
    written = sorted(trades, key=lambda trade: (trade[0], random.random()))
    path = write(tmp_path_factory.mktemp("trades") / FILE, written)
    expected = slowly(trades)
    if not expected:
        with pytest.raises(DataError, match="span no whole 1m interval"):
            read_trades(path, Timeframe.M1, trades=batch)
        return
    made, (note,) = read_trades(path, Timeframe.M1, trades=batch)
    columns = (made.ts, made.open, made.high, made.low, made.close, made.volume)
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == expected
    assert f"{len(trades)} trades" in note
    gaps = [int(flag) & BarFlag.GAP_BEFORE > 0 for flag in made.flags]
    ts = made.ts.tolist()
    assert gaps == [False, *(after - before > 60 * 10**9 for before, after in pairwise(ts))]


MINUTES = [(START + n * MINUTE, str(n), 100.0 + n, 0.1) for n in range(5)]


def test_names_instead_of_numbers_leave_the_order_of_the_file(tmp_path: Path):
    trades = [*MINUTES[:2], (START + MINUTE, "b", 7.0, 0.2), (START + MINUTE, "a", 8.0, 0.1), *MINUTES[2:]]
    made, _ = read_trades(write(tmp_path / FILE, trades), Timeframe.M1)
    assert (made.open[0], made.close[0], made.volume[0]) == (101.0, 8.0, 0.4)


def test_a_file_without_ids_is_read(tmp_path: Path):
    made, _ = read_trades(write(tmp_path / FILE, MINUTES, id=None), Timeframe.M1)
    assert made.close.tolist() == [101.0, 102.0, 103.0]


def test_loading_takes_minutes_unless_it_is_told_otherwise(tmp_path: Path):
    path = write(tmp_path / FILE, [(START + n * 30_000, str(n), 1.0, 1.0) for n in range(31)])
    assert load_bars(path).series.timeframe is Timeframe.M1
    loaded = load_bars(path, "BTC/USDT.GATEIO", Timeframe.M5)
    assert (loaded.series.instrument_id, len(loaded.series)) == ("BTC/USDT.GATEIO", 2)


@pytest.mark.parametrize(
    ("trades", "message"),
    [
        ([], "there is no trade in it"),
        (MINUTES[::-1], "comes after one of"),
        ([*MINUTES, MINUTES[-1]], "trade 4 of .* is there twice"),
        ([*MINUTES, (START + 5 * MINUTE, "9", 0.0, 1.0)], "has the price 0.0"),
        ([*MINUTES, (START + 5 * MINUTE, "9", float("nan"), 1.0)], "has the price nan"),
        ([*MINUTES, (START + 5 * MINUTE, "9", 1.0, -1.0)], "has the amount -1.0"),
        (MINUTES[:2], "span no whole 1m interval"),
    ],
)
@pytest.mark.parametrize("batch", [1, 2, 1_000])
def test_faults_are_named(tmp_path: Path, trades: list[Trade], message: str, batch: int):
    with pytest.raises(DataError, match=message) as found:
        read_trades(write(tmp_path / FILE, trades), Timeframe.M1, trades=batch)
    assert found.value.hint


def test_other_faults_of_a_file_are_named(tmp_path: Path):
    with pytest.raises(DataError, match="no column for amount"):
        read_trades(write(tmp_path / FILE, MINUTES, amount=None), Timeframe.M1)
    with pytest.raises(ConfigurationError, match="which market"):
        read_trades(write(tmp_path / "x.parquet", MINUTES), Timeframe.M1)
    with pytest.raises(DataError, match="no such file"):
        read_trades(tmp_path / "nothing.parquet", Timeframe.M1, InstrumentId("BTC/USDT.BINANCE"))
    path = write(tmp_path / FILE, MINUTES)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="no readable Parquet file"):
        read_trades(path, Timeframe.M1)

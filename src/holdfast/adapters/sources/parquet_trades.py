"""Bars from a Parquet file of single trades: ts, price, amount, and the venue's id where there is one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from holdfast.adapters.sources.columns import require_file
from holdfast.adapters.sources.file_names import TRADES, read_name
from holdfast.adapters.sources.parquet_columns import batches, read_floats, read_times
from holdfast.core.errors import ConfigurationError, DataError
from holdfast.core.time import rfc3339
from holdfast.domain.bar_quality import label
from holdfast.domain.market import BarSeries, Floats, Ints, Timeframe
from holdfast.domain.resample import bars_from_trades, bucket_of
from holdfast.domain.values import InstrumentId

BATCH_TRADES = 1 << 18
_NAMES = {"ts": ("ts", "timestamp", "time"), "price": ("price",), "amount": ("amount", "quantity", "qty", "size")}


@dataclass(frozen=True)
class _Trades:
    """Trades in the order of their time; `ids` are the venue's numbers, where all have one."""

    ts: Ints
    price: Floats
    amount: Floats
    ids: Ints | None

    def __getitem__(self, rows: slice | Ints) -> _Trades:
        ids = None if self.ids is None else self.ids[rows]
        return _Trades(self.ts[rows], self.price[rows], self.amount[rows], ids)


def is_trade_file(path: Path) -> bool:
    """Tell whether a Parquet file holds trades, by its name."""
    name = read_name(path) if path.suffix == ".parquet" else None
    return name is not None and name.kind == TRADES


def read_trades(
    path: Path, timeframe: Timeframe, instrument_id: InstrumentId | None = None, trades: int = BATCH_TRADES
) -> tuple[BarSeries, tuple[str, ...]]:
    """Return the bars that the trades make, labelled, and what a person should know of them.

    The first and the last interval are left out: whether the file has all their trades cannot be told. Memory is that
    of the bars, of `trades` trades, and of those in one interval.

    Raises
    ------
    DataError
        The file is damaged, holds no trades, is not in the order of time, has a trade twice, or a price or an amount
        that is no positive number; or it spans no whole interval.
    ConfigurationError
        Neither the name nor the argument says which instrument it is.
    """
    require_file(path)
    name = read_name(path)
    instrument_id = instrument_id or (name.id if name else None)
    if instrument_id is None:
        raise ConfigurationError(
            f"{path.name}: the name of the file does not say which market it is",
            hint="name the instrument, like BTC/USDT.BINANCE",
        )
    pieces: list[BarSeries] = []
    rest: _Trades | None = None
    count = 0
    for batch in batches(path, trades, lambda schema: _roles(path, schema)):
        found = _checked(path, batch)
        count += len(found.ts)
        joined = _ordered(path, found if rest is None else _joined(path, rest, found))
        # What has begun may go on in the next batch.
        buckets = bucket_of(joined.ts, timeframe)
        cut = int(np.searchsorted(buckets, buckets[-1]))
        done, rest = joined[:cut], joined[cut:]
        pieces.append(bars_from_trades(instrument_id, timeframe, done.ts, done.price, done.amount))
    if not count:
        raise DataError(f"{path.name}: there is no trade in it", hint="check the file, or fetch it again")
    ts, opens, highs, lows, closes, volume, flags = (
        np.concatenate([getattr(piece, name) for piece in pieces])[1:]
        for name in ("ts", "open", "high", "low", "close", "volume", "flags")
    )
    if not len(ts):
        raise DataError(
            f"{path.name}: its {count} trades span no whole {timeframe.value} interval",
            hint="ask for a finer timeframe, or give a longer file",
        )
    series = BarSeries(instrument_id, timeframe, ts, (opens, highs, lows, closes), volume, flags)
    note = (
        f"{timeframe.value} bars are made from {count} trades; an interval without a trade has no bar, and the first"
        " and the last are left out, for they may lack some"
    )
    return label(series), (note,)


def _joined(path: Path, before: _Trades, found: _Trades) -> _Trades:
    if found.ts[0] < before.ts[-1]:
        raise _unsorted(path, int(found.ts[0]), int(before.ts[-1]))
    ids = None if before.ids is None or found.ids is None else np.concatenate((before.ids, found.ids))
    price, amount = np.concatenate((before.price, found.price)), np.concatenate((before.amount, found.amount))
    return _Trades(np.concatenate((before.ts, found.ts)), price, amount, ids)


def _roles(path: Path, schema: pa.Schema) -> dict[str, str]:
    roles = {role: name for role, names in _NAMES.items() for name in reversed(names) if name in schema.names}
    missing = [role for role in _NAMES if role not in roles]
    if missing:
        raise DataError(
            f"{path.name}: no column for {', '.join(missing)}; it has {', '.join(schema.names)}",
            hint="a file of trades has the columns ts, price, amount, and id if the venue numbers them",
        )
    return roles | ({"id": "id"} if "id" in schema.names else {})


def _checked(path: Path, columns: dict[str, pa.Array]) -> _Trades:
    ts = read_times(path, columns["ts"])
    price, amount = (read_floats(path, role, columns[role]) for role in ("price", "amount"))
    steps = np.diff(ts)
    if len(steps) and int(steps.min()) < 0:
        row = int(np.argmax(steps < 0))
        raise _unsorted(path, int(ts[row + 1]), int(ts[row]))
    for role, column in (("price", price), ("amount", amount)):
        is_bad = ~(np.isfinite(column) & (column > 0))
        if is_bad.any():
            row = int(np.argmax(is_bad))
            raise DataError(
                f"{path.name}: the trade of {rfc3339(int(ts[row]))} has the {role} {column[row]}",
                hint="drop what is no trade, or fetch the file again",
            )
    return _Trades(ts, price, amount, _numbers(columns.get("id")))


def _numbers(ids: pa.Array | None) -> Ints | None:
    """Return the venue's numbers; None where they are names, or some are missing: then the file's order counts."""
    if ids is None or ids.null_count:
        return None
    try:
        numbers: Ints = ids.cast(pa.int64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        return None
    return numbers


def _ordered(path: Path, trades: _Trades) -> _Trades:
    """Return them with those of one time in the order of their numbers, each once."""
    if trades.ids is None:
        return trades
    ordered = trades[np.lexsort((trades.ids, trades.ts))]
    assert ordered.ids is not None
    is_twice = (np.diff(ordered.ids) == 0) & (np.diff(ordered.ts) == 0)
    if is_twice.any():
        row = int(np.argmax(is_twice))
        raise DataError(
            f"{path.name}: trade {int(ordered.ids[row])} of {rfc3339(int(ordered.ts[row]))} is there twice",
            hint="remove duplicates: what is counted twice is no volume",
        )
    return ordered


def _unsorted(path: Path, found: int, before: int) -> DataError:
    return DataError(
        f"{path.name}: a trade of {rfc3339(found)} comes after one of {rfc3339(before)}",
        hint="sort the file by time, oldest first",
    )

"""Candles from Parquet: the recorded-market format, and any file with a time and open, high, low, close, volume."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from holdfast.adapters.sources.columns import NAMES, named, require_file, timeframe_of
from holdfast.adapters.sources.file_names import BARS, read_name
from holdfast.adapters.sources.parquet_columns import batches, read_floats, read_times
from holdfast.core.errors import ConfigurationError, DataError
from holdfast.core.time import rfc3339
from holdfast.domain.bar_quality import BarError, label, validate
from holdfast.domain.market import BarSeries, Floats, Ints, Timeframe
from holdfast.domain.values import InstrumentId

# Large enough that the cost per slice disappears, small enough that its columns stay in the processor's cache.
SLICE_BARS = 16_384


def read_candles(
    path: Path, instrument_id: InstrumentId | None = None, timeframe: Timeframe | None = None
) -> BarSeries:
    """Return the whole file as a validated and labelled series, numbers as they stand in the file.

    Raises
    ------
    DataError
        The file is missing, empty, truncated or corrupt, holds no candles, or breaks a rule of `validate`.
    ConfigurationError
        Neither the name nor the arguments say which instrument it is.
    """
    slices = iter_candles(path, instrument_id, timeframe)
    first = next(slices)
    # Into columns of the right length at once: joined afterwards, all of it would be in memory twice.
    rows = pq.read_metadata(path).num_rows
    columns = [np.empty(rows, getattr(first, name).dtype) for name in _COLUMNS]
    at = 0
    for part in chain((first,), slices):
        for name, column in zip(_COLUMNS, columns, strict=True):
            column[at : at + len(part)] = getattr(part, name)
        at += len(part)
    ts, opens, highs, lows, closes, volume, flags = (column[:at] for column in columns)
    return BarSeries(first.instrument_id, first.timeframe, ts, (opens, highs, lows, closes), volume, flags)


def iter_candles(
    path: Path,
    instrument_id: InstrumentId | None = None,
    timeframe: Timeframe | None = None,
    bars: int = SLICE_BARS,
) -> Iterator[BarSeries]:
    """Yield the file as validated, labelled slices of at most `bars` bars; memory does not grow with the file.

    Raises
    ------
    DataError, ConfigurationError
        As `read_candles`; a fault is found when its slice is reached.
    """
    require_file(path)
    name = read_name(path)
    if name is not None and name.kind not in BARS:
        raise DataError(f"{path.name}: this file holds {name.kind}, not candles", hint="name a candle file instead")
    instrument_id = instrument_id or (name.id if name else None)
    timeframe = timeframe or (name.timeframe if name else None)
    if instrument_id is None:
        raise ConfigurationError(
            f"{path.name}: the name of the file does not say which market it is",
            hint="name the instrument, like BTC/USDT.BINANCE",
        )
    before: BarSeries | None = None
    row_first = 0
    for ts, columns in _batches(path, bars):
        timeframe = timeframe or timeframe_of(ts, path.name)
        prices = (columns["open"], columns["high"], columns["low"], columns["close"])
        flags = np.zeros(len(ts), dtype=np.uint8)
        part = BarSeries(instrument_id, timeframe, ts, prices, columns["volume"], flags)
        _check(path, part, before, row_first)
        row_first += len(part)
        part = label(part, before)
        before = part.slice(len(part) - 1, len(part))
        yield part
    if before is None:
        raise DataError(f"{path.name}: there is no candle in it", hint="check the file, or fetch it again")


def _batches(path: Path, bars: int) -> Iterator[tuple[Ints, dict[str, Floats]]]:
    for found in batches(path, bars, lambda schema: _roles(path, schema)):
        columns = {role: read_floats(path, role, column) for role, column in found.items() if role != "ts"}
        yield read_times(path, found["ts"]), columns


def _roles(path: Path, schema: pa.Schema) -> dict[str, str]:
    roles = named(schema.names)
    missing = [role for role in NAMES if role not in roles]
    if "rate" in schema.names and "open" in missing:
        raise DataError(f"{path.name}: this file holds funding rates, not candles", hint="name a candle file instead")
    if missing:
        raise DataError(
            f"{path.name}: no column for {', '.join(missing)}; it has {', '.join(schema.names)}",
            hint="a candle file has the columns ts, open, high, low, close, volume",
        )
    return roles


def _check(path: Path, part: BarSeries, before: BarSeries | None, row_first: int) -> None:
    if before is not None and part.ts[0] <= before.ts[-1]:
        found, last = rfc3339(int(part.ts[0])), rfc3339(int(before.ts[-1]))
        raise DataError(
            f"{path.name}: row {row_first} ({found}) is not later than the one before ({last})",
            hint="sort the file by time, oldest first, and remove duplicates",
        )
    try:
        validate(part)
    except BarError as error:
        where = f"{path.name}: in the rows from {row_first}" if row_first else path.name
        raise DataError(f"{where}: {error}", hint=error.hint) from error


_COLUMNS = ("ts", "open", "high", "low", "close", "volume", "flags")

"""Candles from the CSV exports that people have: Binance, Gate.io, Coinbase, and any file whose header tells.

Columns where no header names them, counted from 0:

binance   0 open time (ms, since 2025 us), 1 open, 2 high, 3 low, 4 close, 5 base volume, 6 close time, 7 ... not read
gateio    archive: 0 time (s), 1 volume, 2 close, 3 high, 4 low, 5 open
          REST export: the same, but 1 is quote volume, and 6 the base volume; 7 tells whether the candle has ended
coinbase  0 time (s), 1 low, 2 high, 3 open, 4 close, 5 base volume; newest first
generic   0 time, 1 open, 2 high, 3 low, 4 close, 5 volume
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from holdfast.adapters.sources import csv_text
from holdfast.adapters.sources.columns import NAMES, Repair, named, timeframe_of
from holdfast.adapters.sources.csv_text import Table
from holdfast.adapters.sources.file_names import BARS, read_name
from holdfast.core.errors import ConfigurationError, DataError
from holdfast.core.time import rfc3339
from holdfast.domain.bar_quality import BarError, label, validate
from holdfast.domain.market import BarSeries, Floats, Ints, Timeframe
from holdfast.domain.values import InstrumentId

AUTO = "auto"
BINANCE, GATEIO, COINBASE, GENERIC = "binance", "gateio", "coinbase", "generic"
LAYOUTS = (BINANCE, GATEIO, COINBASE, GENERIC)

_ORDER: dict[str, tuple[str, ...]] = {
    BINANCE: ("ts", "open", "high", "low", "close", "volume"),
    GATEIO: ("ts", "volume", "close", "high", "low", "open"),
    COINBASE: ("ts", "low", "high", "open", "close", "volume"),
    GENERIC: ("ts", "open", "high", "low", "close", "volume"),
}
_GATEIO_BASE_VOLUME = 6
_VALUES = ("open", "high", "low", "close", "volume")
REVERSED = "rows were newest first and have been reversed"


def read_candles(
    path: Path,
    instrument_id: InstrumentId | None = None,
    timeframe: Timeframe | None = None,
    layout: str = AUTO,
    repair: frozenset[Repair] = frozenset(),
) -> BarSeries:
    """Return the series of `read_noted`, without its notes."""
    return read_noted(path, instrument_id, timeframe, layout, repair)[0]


def read_noted(
    path: Path,
    instrument_id: InstrumentId | None = None,
    timeframe: Timeframe | None = None,
    layout: str = AUTO,
    repair: frozenset[Repair] = frozenset(),
) -> tuple[BarSeries, tuple[str, ...]]:
    """Return the file as a validated and labelled series, numbers as they stand in it, and notes on what was done.

    A file whose rows run strictly backwards (newest first, as several exports do) is turned around: that loses
    nothing, and a note says so.

    Parameters
    ----------
    layout
        One of LAYOUTS; `auto` goes by the header, else by the one order of columns in which every high is the highest.

    Raises
    ------
    DataError
        The file is missing, empty, cut off, unsorted, has a time twice, or a field that is no finite number; or a row
        breaks a rule of `validate`. Names the line, and what to do.
    ConfigurationError
        Neither the file's name nor the arguments say which instrument it is, or its columns cannot be told.
    """
    name = read_name(path)
    if name is not None and name.kind not in BARS:
        raise DataError(f"{path.name}: this file holds {name.kind}, not candles", hint="name a candle file instead")
    instrument_id = instrument_id or (name.id if name else None)
    if instrument_id is None:
        raise ConfigurationError(
            f"{path.name}: the name of the file does not say which market it is",
            hint="name the instrument, like BTC/USDT.BINANCE",
        )
    table = csv_text.read_table(path)
    places = _places(path, table, layout)
    ts = csv_text.times(path, table, places["ts"])
    values = {role: csv_text.floats(path, table, places[role], role) for role in _VALUES}
    notes = (f"{path.name}: {REVERSED}",) if len(ts) > 1 and (np.diff(ts) < 0).all() else ()
    order = _order(path, ts, values, table.lines, repair)
    ts, lines = ts[order], table.lines[order]
    timeframe = timeframe or (name.timeframe if name else None) or timeframe_of(ts, path.name)
    prices = (values["open"][order], values["high"][order], values["low"][order], values["close"][order])
    flags = np.zeros(len(ts), dtype=np.uint8)
    series = BarSeries(instrument_id, timeframe, ts, prices, values["volume"][order], flags)
    try:
        validate(series)
    except BarError as error:
        raise DataError(f"{path.name}: line {lines[error.row]}: {error}", hint=error.hint) from error
    return label(series), notes


def _places(path: Path, table: Table, layout: str) -> dict[str, int]:
    """Return which column holds what."""
    if table.header:
        roles = named(table.header)
        missing = [role for role in NAMES if role not in roles]
        if missing:
            raise DataError(
                f"{path.name}: no column for {', '.join(missing)}; the header has {', '.join(table.header)}",
                hint="the header must name a time, open, high, low, close and volume",
            )
        return {role: table.header.index(name) for role, name in roles.items()}
    if len(table.columns) < len(NAMES):
        raise DataError(
            f"{path.name}: line {table.lines[0]} has {len(table.columns)} fields; a candle has at least {len(NAMES)}",
            hint="a candle file has a time, open, high, low, close and volume in each row",
        )
    if layout != AUTO:
        return _positions(layout, len(table.columns))
    fitting = [name for name in (BINANCE, GATEIO, COINBASE) if _fits(path, table, _ORDER[name])]
    if len(fitting) == 1:
        return _positions(fitting[0], len(table.columns))
    found = "in none of the known orders of columns" if not fitting else f"as {' and as '.join(fitting)} files"
    raise ConfigurationError(
        f"{path.name}: without a header its columns can be read {found}",
        hint="name the format: " + ", ".join(LAYOUTS) + "; or put a header line on top of the file",
    )


def _positions(layout: str, fields: int) -> dict[str, int]:
    places = {role: index for index, role in enumerate(_ORDER[layout])}
    if layout == GATEIO and fields > _GATEIO_BASE_VOLUME:
        places["volume"] = _GATEIO_BASE_VOLUME
    return places


def _fits(path: Path, table: Table, order: Sequence[str]) -> bool:
    """Tell whether every row, read in this order, has its high on top and its low at the bottom."""
    column = {role: csv_text.floats(path, table, order.index(role), role) for role in ("open", "high", "low", "close")}
    highest, lowest = np.maximum(column["open"], column["close"]), np.minimum(column["open"], column["close"])
    return bool((column["high"] >= highest).all() and (column["low"] <= lowest).all())


def _order(path: Path, ts: Ints, values: dict[str, Floats], lines: Ints, repair: frozenset[Repair]) -> Ints:
    """Return the rows to keep, oldest first."""
    rows = np.arange(len(ts))
    steps = np.diff(ts)
    if (steps > 0).all():
        return rows
    if (steps < 0).all():
        return rows[::-1]
    is_newest_first = np.count_nonzero(steps < 0) > np.count_nonzero(steps > 0)
    wrong = steps > 0 if is_newest_first else steps < 0
    if wrong.any() and Repair.SORT not in repair:
        row = int(np.argmax(wrong)) + 1
        raise DataError(
            f"{path.name}: line {lines[row]}: {rfc3339(int(ts[row]))} stands after {rfc3339(int(ts[row - 1]))}",
            hint="the rows are not in the order of time: sort the file, or ask for the repair 'sort'",
        )
    rows = np.argsort(ts, kind="stable")
    twice = np.flatnonzero(np.diff(ts[rows]) == 0)
    if not len(twice):
        return rows
    again, before = rows[twice + 1], rows[twice]
    differ = np.zeros(len(twice), dtype=bool)
    for column in values.values():
        differ |= column[again] != column[before]
    if differ.any() or Repair.DROP_DUPLICATES not in repair:
        at = int(np.argmax(differ)) if differ.any() else 0
        what = "with other numbers" if differ.any() else "with the same numbers"
        advice = "only you can say which is right: remove one" if differ.any() else (
            "remove it, or ask for the repair 'drop-duplicates'"
        )  # fmt: skip
        moment = rfc3339(int(ts[again[at]]))
        raise DataError(
            f"{path.name}: line {lines[again[at]]}: {moment} stood in line {lines[before[at]]} {what}", hint=advice
        )
    return np.delete(rows, twice + 1)

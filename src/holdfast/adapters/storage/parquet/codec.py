"""Bars to integer columns and back, bit for bit; pure arithmetic on arrays.

Prices of a market lie on a tick, so they are integers of a power of ten. What is kept are small numbers: how far the
open lies from the close before, the close from the open, high and low from the body. Where a float is not the one
that its integer gives (float noise of an exporter, a print off the tick), a companion column says by how many units in
the last place it is another. When most are far off, the columns stay floats.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from holdfast.adapters.storage.parquet.layout import Group, Scale
from holdfast.domain.market import BarSeries, Floats, Ints, Timeframe
from holdfast.domain.precision import PLACES_MAX, unscaled
from holdfast.domain.values import InstrumentId

Columns = Mapping[str, npt.NDArray[np.int32] | Ints | Floats]

PRICES = ("open", "high", "low", "close")
ULPS = "_ulps"
_SAMPLE = 4_096
_INTEGER_MAX = float(1 << 53)
# What a value costs on disk, roughly: a decimal digit more, a unit in the last place that is not 0, a float kept alone.
_BYTES_PER_DIGIT, _BYTES_PER_ULPS, _BYTES_PER_FLOAT = 0.42, 0.25, 6.5


def scale_of(series: BarSeries) -> Scale:
    """Return the scale under which the series is smallest."""
    price_places = _places([getattr(series, name) for name in PRICES])
    volume_places = _places([series.volume])
    patched = []
    for name, places in (*((name, price_places) for name in PRICES), ("volume", volume_places)):
        if places is not None and _ulps(getattr(series, name), places).any():
            patched.append(name)
    return Scale(price_places, volume_places, tuple(patched))


def encode(
    part: BarSeries, scale: Scale, close_before: int, missing_before: int
) -> tuple[dict[str, Ints | Floats], int]:
    """Return the columns of one row group, and the scaled close that the next group starts from."""
    missing = np.diff(part.ts, prepend=part.ts[0]) // part.timeframe.nanos - 1
    missing[0] = missing_before
    columns: dict[str, Ints | Floats] = {"missing": missing}
    if scale.price_places is None:
        columns |= {name: getattr(part, name) for name in PRICES}
    else:
        opens, highs, lows, closes = (_rounded(getattr(part, name), scale.price_places) for name in PRICES)
        before = np.concatenate((np.array([close_before], dtype=np.int64), closes[:-1]))
        columns["open"], columns["close"] = _zigzag(opens - before), _zigzag(closes - opens)
        columns["high"], columns["low"] = highs - np.maximum(opens, closes), np.minimum(opens, closes) - lows
        close_before = int(closes[-1])
    columns["volume"] = part.volume if scale.volume_places is None else _rounded(part.volume, scale.volume_places)
    columns["flags"] = part.flags.astype(np.int64)
    for name in scale.patched:
        columns[name + ULPS] = _ulps(getattr(part, name), _places_of(name, scale))
    return columns, close_before


def decode(
    columns: Columns, scale: Scale, group: Group, instrument_id: InstrumentId, timeframe: Timeframe
) -> BarSeries:
    """Return the bars that `encode` took in."""
    missing = columns["missing"].astype(np.int64)
    rows = np.arange(len(missing), dtype=np.int64) + (np.cumsum(missing) - missing[0])
    ts = group.ts_first + rows * timeframe.nanos
    if scale.price_places is None:
        prices = tuple(columns[name].astype(np.float64) for name in PRICES)
    else:
        steps, bodies = _unzigzag(columns["open"]), _unzigzag(columns["close"])
        closes = group.close_before + np.cumsum(steps + bodies)
        opens = closes - bodies
        highs, lows = np.maximum(opens, closes) + columns["high"], np.minimum(opens, closes) - columns["low"]
        prices = tuple(unscaled(column, scale.price_places) for column in (opens, highs, lows, closes))
    found = dict(zip(PRICES, prices, strict=True))
    volume = columns["volume"]
    found["volume"] = (
        volume.astype(np.float64)
        if scale.volume_places is None
        else unscaled(volume.astype(np.int64), scale.volume_places)
    )
    for name in scale.patched:
        found[name] = (found[name].view(np.int64) + columns[name + ULPS].astype(np.int64)).view(np.float64)
    flags = columns["flags"].astype(np.uint8)
    ordered = (found["open"], found["high"], found["low"], found["close"])
    return BarSeries(instrument_id, timeframe, ts, ordered, found["volume"], flags, group.reference)


def names(scale: Scale) -> tuple[str, ...]:
    """Return the columns of a file of that scale, in their order."""
    return ("missing", *PRICES, "volume", "flags", *(name + ULPS for name in scale.patched))


def checksum(columns: Columns) -> int:
    """Return the CRC-32 over all columns, whatever width their integers are stored in."""
    crc = 0
    for name in sorted(columns):
        column = columns[name]
        wide = column if column.dtype == np.float64 else column.astype(np.int64, copy=False)
        crc = zlib.crc32(np.ascontiguousarray(wide).data, zlib.crc32(name.encode(), crc))
    return crc


def _places(columns: list[Floats]) -> int | None:
    """Weigh digits against companions on a sample; None when floats are the smaller evil."""
    samples = [column[:: max(1, len(column) // _SAMPLE)] for column in columns]
    best: int | None = None
    cost_best = _BYTES_PER_FLOAT
    for places in range(PLACES_MAX + 1):
        ulps = np.concatenate([_ulps(sample, places) for sample in samples]).astype(np.float64)
        cost = places * _BYTES_PER_DIGIT + float(
            np.mean(np.log2(1.0 + np.abs(ulps)) / 8 + (ulps != 0) * _BYTES_PER_ULPS)
        )
        if cost < cost_best:
            best, cost_best = places, cost
    return best


def _places_of(name: str, scale: Scale) -> int:
    places = scale.volume_places if name == "volume" else scale.price_places
    return 0 if places is None else places


def _rounded(column: Floats, places: int) -> Ints:
    with np.errstate(over="ignore"):
        rounded = np.rint(column * float(10**places))
    rounded[~(np.abs(rounded) < _INTEGER_MAX)] = 0.0
    integers: Ints = rounded.astype(np.int64)
    return integers


def _ulps(column: Floats, places: int) -> Ints:
    """Return how many floats lie between what the integers give and what is there; wraps, and wraps back, for -0.0."""
    near = unscaled(_rounded(column, places), places)
    return np.ascontiguousarray(column).view(np.int64) - near.view(np.int64)


def _zigzag(values: Ints) -> Ints:
    return (values << 1) ^ (values >> 63)


def _unzigzag(column: npt.NDArray[np.int32] | Ints | Floats) -> Ints:
    values: Ints = column.astype(np.int64)
    return (values >> 1) ^ -(values & 1)

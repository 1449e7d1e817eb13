"""Coarser bars from finer ones, and bars from trades; buckets lie on the UTC grid, weeks begin on Monday."""

from __future__ import annotations

import numpy as np

from holdfast.core.errors import ConfigurationError, DataError
from holdfast.domain.bar_quality import grid_offset, label, label_made
from holdfast.domain.false_prints import believed, trusted
from holdfast.domain.market import BarFlag, BarSeries, Flags, Floats, Ints, Timeframe
from holdfast.domain.precision import decimal_places, scaled, unscaled
from holdfast.domain.values import InstrumentId

# Up to here every whole number is a float.
_EXACT = float(1 << 53)
# What holds for a coarse bar as soon as it holds for one bar within.
_ANY = np.uint8(BarFlag.SUSPECT | BarFlag.SYNTHETIC)
# What speaks of the open, and so is taken from the first bar within.
_FIRST = np.uint8(BarFlag.GAP_BEFORE | BarFlag.AFTER_NO_TRADE)
# What holds as soon as it holds for every bar within.
_ALL = np.uint8(BarFlag.NO_TRADE)


def resample(series: BarSeries, timeframe: Timeframe, *, keep_incomplete: bool = False) -> BarSeries:
    """Return the series in a coarser timeframe, labelled.

    Prices are exact; volumes are sums in the order of time. A bucket that lacks a bar, or has not ended yet, is left
    out, and the bar after it carries GAP_BEFORE: half a day is not a day. A false print does not get into a coarse bar,
    where nobody could tell it any more; the bar is still marked SUSPECT. A move that a fine bar has confirmed within
    the coarse bar needs no other, and marks nothing.

    Parameters
    ----------
    keep_incomplete
        Keep such buckets too; they carry GAP_BEFORE themselves.

    Raises
    ------
    ConfigurationError
        `timeframe` is no multiple of the series' own.
    """
    if timeframe is series.timeframe:
        return series
    if timeframe.nanos < series.timeframe.nanos or timeframe.nanos % series.timeframe.nanos:
        raise ConfigurationError(
            f"{series.instrument_id}: {timeframe.value} bars cannot be made from {series.timeframe.value} bars",
            hint="ask for one of " + ", ".join(item.value for item in coarser(series.timeframe)),
        )
    if len(series) == 0:
        return BarSeries(
            series.instrument_id, timeframe, series.ts,
            (series.open, series.high, series.low, series.close), series.volume, series.flags,
        )  # fmt: skip
    bucket = bucket_of(series.ts, timeframe)
    marks = _marks(series, bucket)
    series = trusted(series)
    starts = _starts(bucket)
    ends = np.append(starts[1:], len(bucket))
    whole = (ends - starts) == timeframe.nanos // series.timeframe.nanos
    prices = (
        series.open[starts], np.maximum.reduceat(series.high, starts),
        np.minimum.reduceat(series.low, starts), series.close[ends - 1],
    )  # fmt: skip
    flags = np.bitwise_or.reduceat(marks, starts) & _ANY | marks[starts] & _FIRST
    flags |= np.bitwise_and.reduceat(marks, starts) & _ALL
    flags[~whole] |= np.uint8(BarFlag.GAP_BEFORE)
    keep = slice(None) if keep_incomplete else np.flatnonzero(whole)
    coarse = BarSeries(
        series.instrument_id, timeframe, bucket[starts][keep],
        (prices[0][keep], prices[1][keep], prices[2][keep], prices[3][keep]),
        _sums(series.volume, starts)[keep], flags[keep],
    )  # fmt: skip
    return label_made(coarse)


def coarser(timeframe: Timeframe) -> list[Timeframe]:
    """Return the timeframes that can be made from `timeframe`, itself first."""
    return [item for item in Timeframe if item.nanos >= timeframe.nanos and item.nanos % timeframe.nanos == 0]


def bars_from_trades(
    instrument_id: InstrumentId, timeframe: Timeframe, ts: Ints, price: Floats, amount: Floats
) -> BarSeries:
    """Return labelled bars of trades in their order (time, then the venue's id); a bucket without a trade is a gap.

    Volume is added up in the smallest unit that the amounts are written in, as a venue does: 0.1 + 0.2 is 0.3.

    Parameters
    ----------
    ts
        Times of the trades, ns.

    Raises
    ------
    DataError
        The columns differ in length, a time goes back, or a number is not positive and finite.
    """
    if not (len(ts) == len(price) == len(amount)):
        raise DataError(f"{instrument_id}: trade columns differ in length: {len(ts)}, {len(price)}, {len(amount)}")
    if (np.diff(ts) < 0).any():
        raise DataError(f"{instrument_id}: trades go back in time", hint="order them by time, then by trade id")
    if not (np.isfinite(price).all() and np.isfinite(amount).all() and (price > 0).all() and (amount >= 0).all()):
        raise DataError(f"{instrument_id}: a trade has a price or an amount that is no positive number")
    if not len(ts):
        empty = np.empty(0)
        return BarSeries(instrument_id, timeframe, ts, (empty, empty, empty, empty), empty, np.empty(0, dtype=np.uint8))
    bucket = bucket_of(ts, timeframe)
    starts = _starts(bucket)
    ends = np.append(starts[1:], len(bucket))
    prices = (
        price[starts], np.maximum.reduceat(price, starts), np.minimum.reduceat(price, starts), price[ends - 1],
    )  # fmt: skip
    flags: Flags = np.zeros(len(starts), dtype=np.uint8)
    return label(BarSeries(instrument_id, timeframe, bucket[starts], prices, _exact_sums(amount, starts), flags))


def bucket_of(ts: Ints, timeframe: Timeframe) -> Ints:
    """Return the opening time of the bar that each of the times (ns) falls into."""
    offset = grid_offset(timeframe)
    return (ts - offset) // timeframe.nanos * timeframe.nanos + offset


def _marks(series: BarSeries, bucket: Ints) -> Flags:
    """Return the flags that count for coarse bars: a move that was confirmed before the coarse bar ends is no doubt."""
    flags: Flags = series.flags.copy()
    is_settled = believed(series)
    if is_settled.any():
        is_settled[:-1] &= bucket[1:] == bucket[:-1]
        flags[is_settled] &= ~np.uint8(BarFlag.SUSPECT)
    return flags


def _starts(bucket: Ints) -> Ints:
    return np.concatenate((np.zeros(1, dtype=np.int64), np.flatnonzero(np.diff(bucket)) + 1))


def _sums(values: Floats, starts: Ints) -> Floats:
    sums: Floats = np.add.reduceat(values, starts)
    return sums


def _exact_sums(amount: Floats, starts: Ints) -> Floats:
    plain = _sums(amount, starts)
    places = decimal_places(amount)
    # A whole number of units up to 2**53 is a float, and so is exact.
    units = None if places is None or float(plain.max()) * 10.0**places >= _EXACT else scaled(amount, places)
    return plain if places is None or units is None else unscaled(np.add.reduceat(units, starts), places)

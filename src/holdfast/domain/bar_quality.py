"""What a bar series must be before anybody may trade on it, and what is marked in one that is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from holdfast.core.errors import DataError
from holdfast.core.record import Record
from holdfast.core.time import DAY, WEEK, rfc3339
from holdfast.domain.market import BarFlag, BarSeries, Flags, Floats, Ints, Timeframe

# No market has halved or doubled and come back within one candle, but for false prints and the first trades of all.
# In 76 recorded files this marks the LINK print of 2020-03-12 (1h, 1d) and the first hour of BNB; the next is 0.58.
SUSPECT_LOW = 0.5
SUSPECT_HIGH = 2.0

# 1970-01-01 was a Thursday; weekly bars open on Monday.
_MONDAY = 4 * DAY

Mask = npt.NDArray[np.bool_]


class BarError(DataError):
    """A row that no market can have made; `row` counts from 0, so that a reader of files can name the line."""

    def __init__(self, message: str, *, row: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.row = row


class Gap(Record, frozen=True):
    """Bars that the grid expects and the series lacks."""

    ts_first_missing: int
    count: int


class QualityReport(Record, frozen=True):
    """What was found in one series. Times are opening times (ns); `notes` are sentences for a person."""

    instrument_id: str
    timeframe: str
    bars: int
    ts_first: int
    ts_last: int
    missing: int
    gaps: tuple[Gap, ...] = ()
    no_trade: tuple[int, ...] = ()
    suspect: tuple[int, ...] = ()
    is_synthetic: bool = False
    notes: tuple[str, ...] = ()


def grid_offset(timeframe: Timeframe) -> int:
    """Return when the first bar of the grid opens (ns after the epoch): Monday for weeks, else the epoch itself."""
    return _MONDAY if timeframe.nanos % WEEK == 0 else 0


def validate(series: BarSeries) -> None:
    """Refuse a series that breaks its own promise.

    Raises
    ------
    BarError
        A time stands twice, goes back or is off the grid; a number is not finite, a price not positive, a volume
        negative; high or low lies inside the body. Says which row, and what to do.
    DataError
        The series is empty.
    """
    name = f"{series.instrument_id} {series.timeframe.value}"
    if len(series) == 0:
        raise DataError(f"{name}: there is no bar", hint="check the file, or the range that was asked for")
    _check_times(series, name)
    for title, column in _columns(series):
        _refuse(series, name, ~np.isfinite(column), f"{title} is not a finite number",
                "drop the row, or fetch the file again; nothing is filled in silently")  # fmt: skip
    for title, column in _columns(series)[:4]:
        _refuse(series, name, column <= 0.0, f"{title} is not positive", "drop the row, or fetch the file again")
    _refuse(series, name, series.volume < 0.0, "volume is negative", "check that the volume column is the right one")
    body_low, body_high = np.minimum(series.open, series.close), np.maximum(series.open, series.close)
    columns_hint = "check the order of the columns: open, high, low, close, volume"
    _refuse(series, name, series.low > body_low, "low is above open or close", columns_hint)
    _refuse(series, name, series.high < body_high, "high is below open or close", columns_hint)


def label(series: BarSeries, before: BarSeries | None = None) -> BarSeries:
    """Return the series with its flags computed anew; SYNTHETIC is kept, columns are shared, not copied.

    Parameters
    ----------
    before
        What comes right before, when the series is a slice of a longer one; only its last bar matters.
    """
    flags = (series.flags & np.uint8(BarFlag.SYNTHETIC)).astype(np.uint8)
    no_trade = is_no_trade(series)
    flags[no_trade] |= np.uint8(BarFlag.NO_TRADE)
    flags[1:][no_trade[:-1]] |= np.uint8(BarFlag.AFTER_NO_TRADE)
    flags[1:][np.diff(series.ts) > series.timeframe.nanos] |= np.uint8(BarFlag.GAP_BEFORE)
    low, high = suspect_wicks(series)
    flags[low | high] |= np.uint8(BarFlag.SUSPECT)
    if before is not None and len(before) and len(series):
        last = before.slice(len(before) - 1, len(before))
        if is_no_trade(last)[0]:
            flags[0] |= np.uint8(BarFlag.AFTER_NO_TRADE)
        if series.ts[0] - last.ts[0] > series.timeframe.nanos:
            flags[0] |= np.uint8(BarFlag.GAP_BEFORE)
    return with_flags(series, flags)


def is_no_trade(series: BarSeries) -> Mask:
    """Mark bars that are flat and without volume: an outage that looks like a bar."""
    flat = (series.open == series.close) & (series.high == series.low) & (series.open == series.high)
    mask: Mask = flat & (series.volume == 0.0)
    return mask


def suspect_wicks(series: BarSeries) -> tuple[Mask, Mask]:
    """Mark lows and highs that no market has had, measured against the bar's own open and close."""
    low: Mask = series.low < SUSPECT_LOW * np.minimum(series.open, series.close)
    high: Mask = series.high / SUSPECT_HIGH > np.maximum(series.open, series.close)
    return low, high


def is_synthetic(series: BarSeries) -> bool:
    """Tell whether any of the bars was made by a model instead of a market."""
    return bool((series.flags & np.uint8(BarFlag.SYNTHETIC)).any())


def trusted(series: BarSeries) -> BarSeries:
    """Return the series without its false prints: a suspect wick ends at the body. Flags stay; nothing else changes."""
    low, high = suspect_wicks(series)
    if not (low.any() or high.any()):
        return series
    lows = np.where(low, np.minimum(series.open, series.close), series.low)
    highs = np.where(high, np.maximum(series.open, series.close), series.high)
    prices = (series.open, highs, lows, series.close)
    return BarSeries(series.instrument_id, series.timeframe, series.ts, prices, series.volume, series.flags)


def gaps(series: BarSeries) -> list[Gap]:
    """Return the stretches of bars that the grid expects between first and last, and the series lacks."""
    step = series.timeframe.nanos
    rows = np.flatnonzero(np.diff(series.ts) > step)
    first = series.ts[rows] + step
    counts = (series.ts[rows + 1] - first) // step
    return [Gap(ts, count) for ts, count in zip(first.tolist(), counts.tolist(), strict=True)]


def quality_report(series: BarSeries, notes: tuple[str, ...] = ()) -> QualityReport:
    """Return what a person should know of a labelled series before believing a result made with it."""
    found = gaps(series)
    return QualityReport(
        instrument_id=series.instrument_id,
        timeframe=series.timeframe.value,
        bars=len(series),
        ts_first=int(series.ts[0]) if len(series) else 0,
        ts_last=int(series.ts[-1]) if len(series) else 0,
        missing=sum(gap.count for gap in found),
        gaps=tuple(found),
        no_trade=_times_with(series, BarFlag.NO_TRADE),
        suspect=_times_with(series, BarFlag.SUSPECT),
        is_synthetic=is_synthetic(series),
        notes=notes,
    )


def with_flags(series: BarSeries, flags: Flags) -> BarSeries:
    """Return the same bars under other flags."""
    prices = (series.open, series.high, series.low, series.close)
    return BarSeries(series.instrument_id, series.timeframe, series.ts, prices, series.volume, flags)


def _check_times(series: BarSeries, name: str) -> None:
    steps = np.diff(series.ts)
    twice = np.concatenate(([False], steps == 0))
    _refuse(series, name, twice, "the time of the row before stands here again", "remove the duplicate rows")
    back = np.concatenate(([False], steps < 0))
    _refuse(series, name, back, "the row before is later", "sort the file by time, oldest first")
    offset = grid_offset(series.timeframe)
    off_grid = (series.ts - offset) % series.timeframe.nanos != 0
    _refuse(series, name, off_grid, f"the time is not on the grid of {series.timeframe.value}", _grid_hint(series.ts))


def _grid_hint(ts: Ints) -> str:
    steps = np.diff(ts)
    if not len(steps):
        return "check the timeframe: bars carry their opening time, in UTC"
    values, counts = np.unique(steps, return_counts=True)
    common = int(values[np.argmax(counts)])
    known = [item.value for item in Timeframe if item.nanos == common]
    guess = known[0] if known else f"{common / 1e9:g} s"
    return f"check the timeframe: most bars are {guess} apart; bars carry their opening time, in UTC"


def _columns(series: BarSeries) -> list[tuple[str, Floats]]:
    prices = [("open", series.open), ("high", series.high), ("low", series.low), ("close", series.close)]
    return [*prices, ("volume", series.volume)]


def _refuse(series: BarSeries, name: str, wrong: Mask, what: str, hint: str) -> None:
    if not wrong.any():
        return
    row, count = int(np.argmax(wrong)), int(np.count_nonzero(wrong))
    values = " ".join(f"{title} {column[row]:g}" for title, column in _columns(series))
    more = f" ({count - 1} more like it)" if count > 1 else ""
    raise BarError(f"{name}: row {row} ({rfc3339(int(series.ts[row]))}): {what}: {values}{more}", row=row, hint=hint)


def _times_with(series: BarSeries, flag: BarFlag) -> tuple[int, ...]:
    times: list[int] = series.ts[(series.flags & np.uint8(flag)) != 0].tolist()
    return tuple(times)

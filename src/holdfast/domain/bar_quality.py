"""What a bar series must be before anybody may trade on it, and what is marked in one that is."""

from __future__ import annotations

import msgspec
import numpy as np

from holdfast.core.errors import DataError
from holdfast.core.record import Record
from holdfast.core.time import DAY, WEEK, rfc3339
from holdfast.domain.false_prints import (
    FALSE_BODY,
    FALSE_CLOSE,
    FALSE_OPEN,
    believed,
    false_bodies,
    false_prices,
    suspect_wicks,
)
from holdfast.domain.market import BarFlag, BarSeries, Flags, Floats, Ints, Mask, Timeframe

# 1970-01-01 was a Thursday; weekly bars open on Monday.
_MONDAY = 4 * DAY


class BarError(DataError):
    """A row that no market can have made; `row` counts from 0, so that a reader of files can name the line."""

    def __init__(self, message: str, *, row: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.row = row


class Gap(Record, frozen=True):
    """Bars that the grid expects and the series lacks."""

    ts_first_missing: int
    count: int


class SuspectBar(Record, frozen=True):
    """A bar with a price that is not trusted: when it opens (ns), and what the file says of those prices, by name.

    No price is named where it lies in a finer bar that this one is made from. With `is_believed` the next bar has
    confirmed the close: it was a real move, which was acted on one bar later.
    """

    ts: int
    prices: dict[str, float] = msgspec.field(default_factory=dict)
    is_believed: bool = False


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
    suspect_bars: tuple[SuspectBar, ...] = ()
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
        The labelled bars that come right before, when the series is a slice of a longer one. Only its last bar matters,
        and the `reference` that a slice of it carries along.
    """
    has_gap, is_silent = _has_gap(series, before), is_no_trade(series)
    return _marked(series, before, false_bodies(series, has_gap, is_silent, before), (has_gap, is_silent))


def label_made(series: BarSeries) -> BarSeries:
    """Return bars that were made from trusted finer ones, labelled; the flags that they were given stay.

    Their open and close are not judged again: a move that a finer bar has confirmed needs no second confirmation.
    """
    is_silent: Mask = is_no_trade(series) | ((series.flags & np.uint8(BarFlag.NO_TRADE)) != 0)
    marked = _marked(series, None, np.zeros(len(series), dtype=np.uint8), (_has_gap(series, None), is_silent))
    return with_flags(marked, marked.flags | series.flags)


def is_no_trade(series: BarSeries) -> Mask:
    """Mark bars that are flat and without volume: an outage that looks like a bar."""
    flat = (series.open == series.close) & (series.high == series.low) & (series.open == series.high)
    mask: Mask = flat & (series.volume == 0.0)
    return mask


def is_synthetic(series: BarSeries) -> bool:
    """Tell whether any of the bars was made by a model instead of a market."""
    return bool((series.flags & np.uint8(BarFlag.SYNTHETIC)).any())


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
        suspect_bars=_suspect_bars(series),
        is_synthetic=is_synthetic(series),
        notes=notes,
    )


def with_flags(series: BarSeries, flags: Flags) -> BarSeries:
    """Return the same bars under other flags."""
    return series.replaced(flags=flags)


def _has_gap(series: BarSeries, before: BarSeries | None) -> Mask:
    ts_before = int(before.ts[-1]) if before is not None and len(before) else None
    first = len(series) > 0 and ts_before is not None and int(series.ts[0]) - ts_before > series.timeframe.nanos
    return np.concatenate(([first], np.diff(series.ts) > series.timeframe.nanos))[: len(series)]


def _marked(series: BarSeries, before: BarSeries | None, false: Flags, marks: tuple[Mask, Mask]) -> BarSeries:
    """Return the series with all its flags, from what is false, where a gap lies before and where nothing traded.

    Nobody knows what a market did around a price that is not trusted: the open that follows is a gap open, as is an
    open that had to be replaced.
    """
    has_gap, is_silent = marks
    flags = (series.flags & np.uint8(BarFlag.SYNTHETIC)).astype(np.uint8) | false
    flags[is_silent | (false == FALSE_BODY)] |= np.uint8(BarFlag.NO_TRADE)
    is_unknown = is_silent | ((false & np.uint8(FALSE_CLOSE)) != 0)
    flags[1:][is_unknown[:-1]] |= np.uint8(BarFlag.AFTER_NO_TRADE)
    flags[(false & np.uint8(FALSE_OPEN)) != 0] |= np.uint8(BarFlag.AFTER_NO_TRADE)
    flags[has_gap] |= np.uint8(BarFlag.GAP_BEFORE)
    reference = 0.0
    if before is not None and len(before) and len(series):
        reference, last = before.reference_at(len(before)), before.slice(len(before) - 1, len(before))
        if is_no_trade(last)[0] or last.flags[0] & FALSE_CLOSE:
            flags[0] |= np.uint8(BarFlag.AFTER_NO_TRADE)
    marked = series.replaced(flags=flags, reference=reference)
    low, high = suspect_wicks(marked)
    is_suspect = low | high | (false != 0)
    return with_flags(marked, flags | is_suspect * np.uint8(BarFlag.SUSPECT)) if is_suspect.any() else marked


def _suspect_bars(series: BarSeries) -> tuple[SuspectBar, ...]:
    rows = np.flatnonzero(series.flags & np.uint8(BarFlag.SUSPECT))
    if not rows.size:
        return ()
    marks, is_believed = false_prices(series), believed(series)
    return tuple(
        SuspectBar(
            int(series.ts[row]),
            {name: float(getattr(series, name)[row]) for name, mask in marks.items() if mask[row]},
            bool(is_believed[row]),
        )
        for row in rows.tolist()
    )


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

"""One series from several of one instrument: what only one has is kept, what several have must be the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from holdfast.core.errors import DataError
from holdfast.core.time import rfc3339
from holdfast.domain.bar_quality import is_synthetic, label, label_made, with_flags
from holdfast.domain.false_prints import FALSE_BODY
from holdfast.domain.market import BarFlag, BarSeries, Flags, Floats, Ints

_VALUES = ("open", "high", "low", "close", "volume")
# What a coarse bar knows of the finer ones it was made from, and its own numbers do not tell any more.
_INHERITED = np.uint8(BarFlag.SUSPECT | BarFlag.AFTER_NO_TRADE | BarFlag.GAP_BEFORE | BarFlag.NO_TRADE)


class OverlapError(DataError):
    """Two parts have a bar of one time with other numbers; `ts` is the first such time, `parts` says which two."""

    def __init__(self, message: str, *, ts: int, parts: tuple[int, int]) -> None:
        super().__init__(message, hint="only you can say which is right: leave the other out")
        self.ts = ts
        self.parts = parts


def join(parts: Sequence[BarSeries], names: Sequence[str], *, is_made: bool = False) -> BarSeries:
    """Return the bars of all parts in the order of time, each once and bit for bit as it was, labelled anew.

    The order of the parts does not matter. Beside them and the result, memory is that of two or three columns.

    Parameters
    ----------
    names
        What an error calls each part: `in x.csv`, `in the store`.
    is_made
        A part was made of finer bars, which were judged already: where parts meet nothing is judged again. Of a part
        that holds a move which its finer bars have confirmed, this is seen.

    Raises
    ------
    OverlapError
        Bars of one time differ, be it in the last bit.
    DataError
        The parts are of several instruments or timeframes, or some are synthetic and others recorded.
    """
    first = parts[0]
    _require_one_kind(parts, names)
    if len(parts) == 1:
        return first
    ts = np.concatenate([part.ts for part in parts])
    order: Ints = np.argsort(ts, kind="stable")
    ts = ts[order]
    is_new = np.concatenate((np.ones(1, dtype=np.bool_), np.diff(ts) != 0))[: len(ts)]
    again = np.flatnonzero(~is_new)
    differs = np.zeros(len(again), dtype=np.bool_)
    columns: list[Floats] = []
    for name in _VALUES:
        column = np.concatenate([getattr(part, name) for part in parts])[order]
        bits = column.view(np.int64)
        differs |= bits[again] != bits[again - 1]
        columns.append(column[is_new])
    if differs.any():
        row = int(again[np.argmax(differs)])
        raise _overlap(parts, names, (int(order[row - 1]), int(order[row])), len(np.unique(ts[again[differs]])))
    is_made = is_made or any(_is_made(part) for part in parts)
    kept: Flags = np.concatenate([_not_from_neighbours(part, is_made=is_made) for part in parts])[order]
    own: Flags = np.bitwise_or.reduceat(kept, np.flatnonzero(is_new)) if len(kept) else kept
    # Whether a bar is missing is seen by the times, but for the bar before the first.
    own[1:] &= ~np.uint8(BarFlag.GAP_BEFORE)
    prices = (columns[0], columns[1], columns[2], columns[3])
    bars = BarSeries(first.instrument_id, first.timeframe, ts[is_new], prices, columns[4], own)
    joined = label_made(bars) if is_made else label(bars)
    return with_flags(joined, joined.flags | own)


def _is_made(part: BarSeries) -> bool:
    """Tell whether a move that looks false in these bars is none: finer ones, of which they were made, confirmed it."""
    return bool((label(part).flags & ~part.flags & np.uint8(FALSE_BODY)).any())


def _not_from_neighbours(part: BarSeries, *, is_made: bool) -> Flags:
    """Return the flags that the numbers of this part do not give, and so must be carried over."""
    synthetic = part.flags & np.uint8(BarFlag.SYNTHETIC)
    if is_made:
        given = label_made(with_flags(part, synthetic)).flags
        inherited = _INHERITED | np.uint8(FALSE_BODY)  # of a published part, which was judged when it came
    else:
        given, inherited = label(part).flags, _INHERITED
    flags: Flags = part.flags & ~given & inherited | synthetic
    return flags


def _require_one_kind(parts: Sequence[BarSeries], names: Sequence[str]) -> None:
    first = parts[0]
    for part, name in zip(parts, names, strict=True):
        if (part.instrument_id, part.timeframe) != (first.instrument_id, first.timeframe):
            raise DataError(
                f"{part.instrument_id} {part.timeframe.value} and {first.instrument_id} {first.timeframe.value} bars"
                " do not make one series",
                hint="join the bars of one instrument and timeframe only",
            )
        if is_synthetic(part) != is_synthetic(first):
            made, recorded = (name, names[0]) if is_synthetic(part) else (names[0], name)
            raise DataError(
                f"{first.instrument_id} {first.timeframe.value}: the bars {made} are synthetic, those {recorded} are"
                " recorded: they are never mixed",
                hint="keep synthetic bars under another --instrument, or in another home (--home DIR)",
            )


def _overlap(parts: Sequence[BarSeries], names: Sequence[str], rows: tuple[int, int], count: int) -> OverlapError:
    """Return the error for two rows of the parts laid end to end."""
    ends = np.cumsum([len(part) for part in parts])
    places = [int(np.searchsorted(ends, row, side="right")) for row in rows]
    one, other = (
        {name: float(getattr(parts[place], name)[row - int(ends[place])]) for name in _VALUES}
        for place, row in zip(places, rows, strict=True)
    )
    # repr tells -0.0 from 0.0, and any two floats from each other.
    differing = [name for name in _VALUES if repr(one[name]) != repr(other[name])]
    said = [", ".join(f"{name} {values[name]!r}" for name in differing) for values in (one, other)]
    part = parts[places[0]]
    ts = int(part.ts[rows[0] - int(ends[places[0]])])
    more = f" ({count - 1} later ones differ, too)" if count > 1 else ""
    return OverlapError(
        f"{part.instrument_id} {part.timeframe.value}: the bar of {rfc3339(ts)} has {said[0]} {names[places[0]]},"
        f" and {said[1]} {names[places[1]]}{more}",
        ts=ts,
        parts=(places[0], places[1]),
    )

"""What the columns of foreign candle files mean: their names, the unit of their time, and the length of their bars."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

import numpy as np

from holdfast.core.errors import DataError
from holdfast.core.time import MILLISECOND, SECOND
from holdfast.domain.market import Ints, Timeframe

NAMES: dict[str, tuple[str, ...]] = {
    "ts": (
        "ts", "timestamp", "unix", "unix timestamp", "open_time", "opentime", "open time", "time", "date", "datetime",
    ),
    "open": ("open", "o"),
    "high": ("high", "h"),
    "low": ("low", "l"),
    "close": ("close", "c"),
    "volume": ("volume", "vol", "v", "base_volume", "volume_base", "amount"),
}  # fmt: skip

# A time before 1990 or after 2100 is a unit misread, not a candle.
_YEAR_1990, _YEAR_2100 = 631_152_000, 4_102_444_800
_UNITS = {"seconds": SECOND, "milliseconds": MILLISECOND, "microseconds": 1_000, "nanoseconds": 1}


class Repair(StrEnum):
    """What a reader may mend when it is told to; without it, the fault is an error."""

    SORT = "sort"
    DROP_DUPLICATES = "drop-duplicates"  # rows that are the same in every column; others stay an error


def named(header: Sequence[str]) -> dict[str, str]:
    """Return which of `header` holds ts, open, high, low, close and volume; those that are not there are left out.

    A file may carry several candidates (`Unix` and `Date`): the first in the order of NAMES wins. `Volume BTC` beside
    `Volume USDT` is the base volume when it comes first, as in the exports that have both.
    """
    plain = {" ".join(name.strip().lower().split()): name for name in reversed(header)}
    found = {role: plain[name] for role, names in NAMES.items() for name in reversed(names) if name in plain}
    if "volume" not in found:
        for name in header:
            if name.strip().lower().startswith(("volume ", "volume_", "vol.")):
                found["volume"] = name
                break
    return found


def nanoseconds(values: Ints, where: str) -> Ints:
    """Return Unix times in ns, from seconds, ms, us or ns: whichever puts all of them between 1990 and 2100.

    Raises
    ------
    DataError
        No unit does.
    """
    if not len(values):
        return values.astype(np.int64)
    lowest, highest = int(values.min()), int(values.max())
    for nanos in _UNITS.values():
        per_second = SECOND // nanos
        if _YEAR_1990 * per_second <= lowest and highest < _YEAR_2100 * per_second:
            return values.astype(np.int64) * nanos
    raise DataError(
        f"{where}: times from {lowest} to {highest} are Unix times in no known unit",
        hint="times must be " + ", ".join(_UNITS) + " since 1970, all in one unit, between 1990 and 2100",
    )


def timeframe_of(ts: Ints, where: str) -> Timeframe:
    """Return the timeframe that most neighbouring rows are apart.

    Raises
    ------
    DataError
        There are fewer than two rows, or their distance is that of no timeframe.
    """
    steps = np.abs(np.diff(ts))
    if len(steps):
        values, counts = np.unique(steps, return_counts=True)
        common = int(values[np.argmax(counts)])
        for item in Timeframe:
            if item.nanos == common:
                return item
    raise DataError(
        f"{where}: the length of its bars cannot be told from {len(ts)} rows",
        hint="name the timeframe: " + ", ".join(item.value for item in Timeframe),
    )


def require_file(path: Path) -> None:
    """Raise DataError, with what lies beside it, when there is no such file, or it is a device, a pipe or a socket."""
    if path.is_file():
        return
    if path.exists():
        raise DataError(
            f"{path}: this is a device, a pipe or a socket, and no file",
            hint="write its content to a file first, and name that",
        )
    beside = sorted(item.name for item in path.parent.glob(f"*{path.suffix}"))[:5] if path.parent.is_dir() else []
    listed = "; beside it: " + ", ".join(beside) if beside else ""
    raise DataError(f"{path}: there is no such file", hint=f"check the path{listed}")

"""How many decimals a column of floats really has, so that it can be kept as integers without losing a bit."""

from __future__ import annotations

import numpy as np

from holdfast.domain.market import Floats, Ints

PLACES_MAX = 12
# Above this, neighbouring integers are no longer all floats, and the way there and back would not be exact.
_INTEGER_MAX = float(1 << 53)
_SAMPLE = 64
_PIECE = 1 << 15


def decimal_places(*columns: Floats, places_max: int = PLACES_MAX) -> int | None:
    """Return the smallest p for which integers of 10**-p give every float back bit for bit, or None."""
    parts = [column[:: max(1, len(column) // _SAMPLE)] for column in columns]
    # By the piece: the way there and back takes three columns more.
    parts += [column[first : first + _PIECE] for column in columns for first in range(0, len(column), _PIECE)]
    for places in range(places_max + 1):
        if all(scaled(part, places) is not None for part in parts):
            return places
    return None


def scaled(column: Floats, places: int) -> Ints | None:
    """Return the integers n with n / 10**places == column bit for bit, or None if they do not exist."""
    factor = float(10**places)
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = np.rint(column * factor)
        if not (np.abs(rounded) < _INTEGER_MAX).all():
            return None
        integers = rounded.astype(np.int64)
    # Compared as bits: -0.0 equals 0.0, but would come back as another float.
    if not np.array_equal(unscaled(integers, places).view(np.int64), np.ascontiguousarray(column).view(np.int64)):
        return None
    return integers


def unscaled(integers: Ints, places: int) -> Floats:
    """Return the floats that `scaled` took in."""
    quotients: Floats = integers / float(10**places)
    return quotients

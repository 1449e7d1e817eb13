"""Sums of floats that are the same in every Python."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from functools import reduce


def plain_sum(values: Iterable[float]) -> float:
    """Return the sum of floats, added one after the other and rounded each time.

    The builtin `sum` did this up to Python 3.11; from 3.12 on it carries along what rounding lost, so its last bit, and
    which side of a limit it falls on, depends on the Python. `math.fsum` does not, but refuses what overflows.
    """
    return reduce(operator.add, values, 0.0)

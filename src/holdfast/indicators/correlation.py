"""How alike two markets move: Pearson's correlation of their simple returns."""

from __future__ import annotations

import math
from collections.abc import Sequence

RETURNS_MIN = 8
"""Fewer returns than this say nothing."""


def correlation(closes: Sequence[float], others: Sequence[float]) -> float:
    """Return the correlation of the returns of two aligned series of closes, in [-1, 1].

    r = cov(x, y) / (sd(x) sd(y)) with x, y = close / close before - 1. Where it is unknown (too few closes, a price
    that never moved, or one that is not positive) the answer is 1: unknown counts as the same thing held twice.
    """
    if len(closes) != len(others) or len(closes) <= RETURNS_MIN or min(*closes, *others) <= 0.0:
        return 1.0
    x = [after / before - 1.0 for before, after in zip(closes, closes[1:], strict=False)]
    y = [after / before - 1.0 for before, after in zip(others, others[1:], strict=False)]
    mean_x, mean_y = math.fsum(x) / len(x), math.fsum(y) / len(y)
    spread_x = math.fsum((a - mean_x) ** 2 for a in x)
    spread_y = math.fsum((b - mean_y) ** 2 for b in y)
    if not spread_x > 0.0 or not spread_y > 0.0:
        return 1.0
    shared = math.fsum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return max(-1.0, min(1.0, shared / math.sqrt(spread_x * spread_y)))

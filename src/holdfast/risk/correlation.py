"""How much moves together: correlations of returns, and the exposure that they weigh."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from holdfast.domain.values import InstrumentId, Side
from holdfast.risk.view import MarketView, PortfolioView

WINDOW: Final = 96
"""Returns that a correlation rests on: four days of hours."""
RETURNS_MIN: Final = 24
"""Below this the estimate is noise (its error is about 0.2), and the answer is 1: unknown."""


def correlation(closes: Sequence[float], others: Sequence[float], window: int = WINDOW) -> float:
    """Return the correlation of the simple returns of two aligned series over their last `window` returns, -1 to 1.

    A step at which either series has no positive, finite price on both ends (NaN marks a missing bar) is left out.
    The answer is 1.0, as for the same thing held twice, where nothing can be said: fewer than 24 common returns, or
    a series that does not move.
    """
    length = min(len(closes), len(others))
    first = max(length - window, 1)
    # Aligned at their newest end: the shorter one is the younger one.
    at_one, at_two = len(closes) - length, len(others) - length
    xs: list[float] = []
    ys: list[float] = []
    for at in range(first, length):
        x = _return(closes[at_one + at - 1], closes[at_one + at])
        y = _return(others[at_two + at - 1], others[at_two + at])
        if x is not None and y is not None:
            xs.append(x)
            ys.append(y)
    count = len(xs)
    if count < RETURNS_MIN:
        return 1.0
    mean_x, mean_y = math.fsum(xs) / count, math.fsum(ys) / count
    spread_x = math.fsum((x - mean_x) ** 2 for x in xs)
    spread_y = math.fsum((y - mean_y) ** 2 for y in ys)
    if spread_x <= _SPREAD_MIN * count or spread_y <= _SPREAD_MIN * count:
        return 1.0
    common = math.fsum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True))
    return max(-1.0, min(1.0, common / math.sqrt(spread_x * spread_y)))


_UNKNOWN: Final = math.nan
# A squared return this small is rounding, not movement: 1e-12 of the price.
_SPREAD_MIN: Final = 1e-24


def _return(before: float, after: float) -> float | None:
    # No logarithm: its last bit differs between machines, and with it the digest of a run.
    if 0.0 < before < math.inf and 0.0 < after < math.inf:
        return after / before - 1.0
    return None


def correlated_terms(side: Side, market: MarketView, view: PortfolioView) -> tuple[float, float]:
    """Return what is held, squared and weighted, and how much of it moves with a new position on `side`.

    With weights w (share of equity, absolute), the correlated exposure is sqrt(w' C w). C holds the correlations of
    the positions' *gains*: that of a long and a short is minus that of their returns. What is negative counts as 0,
    for a hedge fails when it is needed; what is missing or no correlation counts as 1, whichever way it is held.
    A new weight x makes it sqrt(held + 2 x moving + x x), from which both sizing and the rule compute.
    """
    exposures = view.exposures
    if not exposures:
        return 0.0, 0.0
    equity = float(view.equity)
    if not equity > 0.0:
        return 1.0, 1.0  # nothing may be held by an account that is worth nothing
    sign, ours = side.sign, market.instrument_id
    known = dict(market.correlations)
    held = moving = 0.0
    positions: list[tuple[InstrumentId, float]] = []
    for exposure in exposures:
        instrument_id = exposure.instrument_id
        weight = float(exposure.notional) / equity
        held += weight * weight
        if exposure.quantity < 0:
            weight = -weight
        positions.append((instrument_id, weight))
        rho = 1.0 if instrument_id == ours else known.get(instrument_id, _UNKNOWN)
        together = rho * weight * sign if -1.0 <= rho <= 1.0 else abs(weight)
        if together > 0.0:
            moving += together
    return held + _pairs(positions, view) if len(positions) > 1 else held, moving


def correlated_exposure(held: float, moving: float = 0.0, new: float = 0.0) -> Decimal:
    """Return sqrt(w' C w) as a share of equity: of what is held, and with a weight `new` beside it that moves with it.

    `held` and `moving` are those of `correlated_terms`.
    """
    share = math.sqrt(held + new * (2.0 * moving + new))
    # Rounded up to a millionth, less what float arithmetic itself may be off by.
    return Decimal(math.ceil(share * 1e6 - 1e-3)).scaleb(-6)


def _pairs(positions: list[tuple[InstrumentId, float]], view: PortfolioView) -> float:
    known = {(one, two): rho for one, two, rho in view.correlations}
    total = 0.0
    for index, (first, weight) in enumerate(positions):
        for second, other in positions[:index]:
            if first == second:
                rho = 1.0
            else:
                found = known.get((first, second))
                rho = known.get((second, first), _UNKNOWN) if found is None else found
            together = rho * weight * other
            if not -1.0 <= rho <= 1.0:
                together = abs(weight * other)
            if together > 0.0:
                total += together
    return 2.0 * total

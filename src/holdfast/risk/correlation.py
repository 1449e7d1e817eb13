"""How much moves together: correlations of returns, and the exposure that they weigh."""

from __future__ import annotations

from holdfast.domain.values import InstrumentId, Side
from holdfast.risk.view import MarketView, PortfolioView


def correlated_terms(side: Side, market: MarketView, view: PortfolioView) -> tuple[float, float]:
    """Return what is held, squared and weighted, and how much of it moves with a new position on `side`.

    With weights w (share of equity, absolute), the correlated exposure is sqrt(w' C w). C holds the correlations of
    the positions' *gains*: that of a long and a short is minus that of their returns. What is negative counts as 0,
    for a hedge fails when it is needed; what is unknown counts as 1. A new weight x makes it
    sqrt(held + 2 x moving + x x), which is what both sizing and the rule compute from these two floats.
    """
    exposures = view.exposures
    if not exposures:
        return 0.0, 0.0
    equity = float(view.equity)
    sign = side.sign
    ours = market.instrument_id
    known = dict(market.correlations)
    weights = []
    moving = 0.0
    for exposure in exposures:
        weight = float(exposure.notional) / equity
        direction = 1 if exposure.quantity >= 0 else -1
        weights.append((exposure.instrument_id, weight, direction))
        rho = 1.0 if exposure.instrument_id == ours else _sane(known.get(exposure.instrument_id, 1.0))
        moving += weight * max(rho * direction * sign, 0.0)
    held = sum(weight * weight for _, weight, _ in weights)
    if len(weights) > 1:
        held += _pairs(weights, {frozenset(pair): rho for *pair, rho in view.correlations})
    return held, moving


def _pairs(weights: list[tuple[InstrumentId, float, int]], known: dict[frozenset[InstrumentId], float]) -> float:
    total = 0.0
    for index, (first, weight, direction) in enumerate(weights):
        for second, other, toward in weights[:index]:
            rho = 1.0 if first == second else _sane(known.get(frozenset((first, second)), 1.0))
            total += 2.0 * weight * other * max(rho * direction * toward, 0.0)
    return total


def _sane(rho: float) -> float:
    return rho if -1.0 <= rho <= 1.0 else 1.0

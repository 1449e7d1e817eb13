"""The drawdown governor: the further equity is below its peak, the less may be risked."""

from __future__ import annotations

from decimal import Decimal

from holdfast.domain.values import ONE, ZERO, Ratio
from holdfast.risk.config import DrawdownStep


def drawdown_of(equity: Decimal, peak: Decimal) -> Ratio:
    """Return how far equity is below its peak, as a share of the peak; never negative.

    A peak that is not positive cannot be: then everything is lost, 1.
    """
    if peak <= 0:
        return Ratio(ONE)
    return Ratio((peak - equity) / peak) if equity < peak else Ratio(ZERO)


def governor_factor(equity: Decimal, peak: Decimal, steps: tuple[DrawdownStep, ...]) -> Ratio:
    """Return the factor of the deepest step reached; 1 above all of them. A step is reached at its very drawdown."""
    if equity >= peak > ZERO:
        return Ratio(ONE)
    lost, factor = peak - equity, Ratio(ONE)
    for step in steps:
        # Compared as amounts: a product of Decimals is exact where a quotient is not.
        if lost < step.drawdown * peak:
            break
        factor = step.factor
    return factor


def lock_drawdown(steps: tuple[DrawdownStep, ...]) -> Ratio:
    """Return the drawdown from which no entry is allowed."""
    for step in steps:
        if not step.factor:
            return step.drawdown
    return Ratio(ONE)

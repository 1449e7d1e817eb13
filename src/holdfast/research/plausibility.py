"""What makes a result too good, too short or too clean to be believed, said in sentences."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from holdfast.core.record import Record

GROWTH_MAX: Final = 10.0  # 1,000 % a year
SHARPE_MAX: Final = 5.0
PROFIT_FACTOR_MAX: Final = 10.0
# The t and normal distributions are close enough from about here on; below it a mean of trades says next to nothing.
TRADES_MIN: Final = 30
DAYS_MIN: Final = 90.0
# The curve is kept in floats and the trades in decimals: more than a millionth of the capital is no rounding.
_DIFFERENCE_MAX: Final = 1e-6


class Symptoms(Record, frozen=True):
    """The figures that a suspicion rests on."""

    days: float
    trades: int
    losses: int
    growth: float | None
    sharpe: float | None
    profit_factor: float | None
    fees: Decimal
    slippage: Decimal
    unexplained: float  # net pnl of the trades minus the change of equity (quote units)
    capital: float
    losses_unexplained: int  # larger than allowed, without a cause


def warnings_of(case: Symptoms) -> tuple[str, ...]:
    """Return a sentence for everything that speaks against the result; empty when nothing does."""
    return (*_too_good(case), *_too_little(case), *_too_clean(case), *_wrong(case))


def _too_good(case: Symptoms) -> list[str]:
    found: list[str] = []
    if case.growth is not None and case.growth > GROWTH_MAX:
        found.append(
            f"A growth of {case.growth:,.0%} a year is implausible: look for data from the future, missing costs or a"
            " period chosen for its result."
        )
    if case.sharpe is not None and case.sharpe > SHARPE_MAX:
        found.append(
            f"A Sharpe ratio of {case.sharpe:.1f} is implausible: above {SHARPE_MAX:.0f} it is usually an error."
        )
    if case.profit_factor is not None and case.profit_factor > PROFIT_FACTOR_MAX:
        found.append(
            f"A profit factor of {case.profit_factor:.1f} is implausible: above {PROFIT_FACTOR_MAX:.0f} it is usually"
            " luck, or an error."
        )
    if case.trades and not case.losses:
        found.append("Not one trade lost: no strategy is like that for long.")
    return found


def _too_little(case: Symptoms) -> list[str]:
    found: list[str] = []
    if case.trades < TRADES_MIN:
        trades = "1 trade is" if case.trades == 1 else f"{case.trades} trades are"
        found.append(f"{trades} too few to tell skill from luck: at least {TRADES_MIN} are needed.")
    if case.days < DAYS_MIN and case.growth is not None:
        found.append(f"Annual figures from {case.days:.1f} days say little: at least {DAYS_MIN:.0f} days are needed.")
    return found


def _too_clean(case: Symptoms) -> list[str]:
    if not case.trades:
        return []
    if not case.fees and not case.slippage:
        return ["The run was frictionless: without fees, spread and slippage a result cannot be repeated in a market."]
    if not case.fees:
        return ["No fee was paid: check that the venue's fees are set."]
    if not case.slippage:
        return ["Neither spread nor slippage was counted: real fills are worse."]
    return []


def _wrong(case: Symptoms) -> list[str]:
    found: list[str] = []
    if abs(case.unexplained) > _DIFFERENCE_MAX * case.capital:
        found.append(
            f"The trades and the equity curve differ by {case.unexplained:.2f}: one of the two is incomplete or wrong."
        )
    if case.losses_unexplained:
        trades = "1 trade" if case.losses_unexplained == 1 else f"{case.losses_unexplained} trades"
        found.append(
            f"{trades} lost more than the risk gate had allowed, and neither a gap nor missing liquidity explains it."
        )
    return found

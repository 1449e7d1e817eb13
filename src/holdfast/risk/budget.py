"""How much of the equity the next trade may lose: a base that calm, results and drawdown move within hard bounds."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from holdfast.core.record import Record
from holdfast.core.summation import plain_sum
from holdfast.domain.values import ONE, ZERO, Ratio
from holdfast.risk.config import RiskConfig
from holdfast.risk.drawdown import drawdown_of, governor_factor
from holdfast.risk.view import MarketView, PortfolioView

# Twice the usual range halves the budget; a calm market adds a fifth at most, because calm ends without warning.
VOLATILITY_FACTOR_MIN: Final = 0.5
VOLATILITY_FACTOR_MAX: Final = 1.2
# By number of losses in a row. One loss says nothing; from two on each takes some, and the rest is kept for recovery.
STREAK_FACTORS: Final = tuple(Decimal(text) for text in ("1", "1", "0.8", "0.65", "0.5", "0.4"))
# Growth asks for evidence: so many of the last trades, and this mean of their R multiples.
GROWTH_RESULTS_MIN: Final = 10
GROWTH_MEAN_MIN: Final = 0.3
GROWTH_FACTOR: Final = Decimal("1.15")


class Budget(Record, frozen=True):
    """The share of equity that one trade may lose, 0 = none, and a sentence for everything that moved it."""

    ratio: Ratio
    reasons: tuple[str, ...] = ()


def losses_in_row(results: tuple[float, ...]) -> int:
    """Return how many of the newest results are losses without a gain between them; a NaN counts as a loss."""
    count = 0
    for result in reversed(results):
        if result >= 0.0:
            break
        count += 1
    return count


def budget_ratio(view: PortfolioView, market: MarketView, config: RiskConfig) -> Ratio:
    """Return the ratio of `risk_budget` without its reasons: the same number, for the gate."""
    governor = governor_factor(view.equity, view.equity_peak, config.drawdown_steps)
    if governor <= 0:
        return Ratio(ZERO)
    ratio = config.risk_per_trade * governor
    if config.is_risk_dynamic:
        moved = _volatility_factor(market) * _results_factor(view.results)
        # Nothing grows the budget while equity is in a drawdown that the governor acts on.
        ratio *= moved if governor == 1 or moved < 1 else ONE
    if ratio > config.risk_max:
        return config.risk_max
    return Ratio(ratio) if ratio > config.risk_min else config.risk_min


def risk_budget(view: PortfolioView, market: MarketView, config: RiskConfig) -> Budget:
    """Return what the next trade may lose, as a share of equity, and why.

    base x governor(drawdown) x volatility x results, within [risk_min, risk_max]; 0 once the governor locks.

    * governor: the step of `drawdown_steps` that equity has reached below its peak; applies always;
    * volatility: range_slow / range_fast within 0.5 to 1.2; 1 while either is unknown;
    * results: a losing streak shrinks it, ten or more results that average 0.3 R or better grow it by 15 %.

    The last two apply if `is_risk_dynamic`, and can only shrink while the governor acts.
    """
    ratio = budget_ratio(view, market, config)
    reasons = [f"base {config.risk_per_trade:%}"]
    governor = governor_factor(view.equity, view.equity_peak, config.drawdown_steps)
    if governor != 1:
        lost = drawdown_of(view.equity, view.equity_peak)
        reasons.append(f"drawdown {lost:.2%}: x{governor}" if governor else f"drawdown {lost:.2%}: no entries")
    if config.is_risk_dynamic and governor > 0:
        volatility, results = _volatility_factor(market), _results_factor(view.results)
        if volatility != 1:
            usual = market.range_fast / market.range_slow
            reasons.append(f"range {usual:.2f} times its usual: x{volatility}")
        if results < 1:
            reasons.append(f"{losses_in_row(view.results)} losses in a row: x{results}")
        elif results > 1:
            reasons.append(f"last {len(view.results)} trades average {GROWTH_MEAN_MIN} R or better: x{results}")
    if ratio in (config.risk_min, config.risk_max):
        reasons.append(f"held at {ratio:%}")
    return Budget(ratio, tuple(reasons))


def _volatility_factor(market: MarketView) -> Decimal:
    fast, slow = market.range_fast, market.range_slow
    if not (fast > 0.0 and slow > 0.0):
        return ONE
    factor = slow / fast
    if not factor > VOLATILITY_FACTOR_MIN:  # also when it is no number
        factor = VOLATILITY_FACTOR_MIN
    elif factor > VOLATILITY_FACTOR_MAX:
        factor = VOLATILITY_FACTOR_MAX
    # Four decimals, cut: the same Decimal on every machine, and nothing finer would mean anything.
    return Decimal(int(factor * 10_000)).scaleb(-4)


def _results_factor(results: tuple[float, ...]) -> Decimal:
    streak = losses_in_row(results)
    if streak:
        return STREAK_FACTORS[min(streak, len(STREAK_FACTORS) - 1)]
    if len(results) >= GROWTH_RESULTS_MIN and plain_sum(results) >= GROWTH_MEAN_MIN * len(results):
        return GROWTH_FACTOR
    return ONE

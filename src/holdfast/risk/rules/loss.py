"""Rules about what may be lost: by one trade, by all stops together, in a day, in a week, from the peak, in a row."""

from __future__ import annotations

from decimal import Decimal

from holdfast.domain.decision import Check
from holdfast.domain.values import ZERO
from holdfast.risk.budget import losses_in_row
from holdfast.risk.case import Case, whole
from holdfast.risk.config import RiskConfig
from holdfast.risk.drawdown import lock_drawdown
from holdfast.risk.view import MarketView, PortfolioView


def risk_per_trade(case: Case) -> Check:
    """Refuse a loss at the stop, fees and slippage included, above the budget of the moment."""
    if case.loss <= case.budget:
        return Check("RISK_PER_TRADE", case.loss, case.budget, True)
    return Check(
        "RISK_PER_TRADE", case.loss, case.budget, False,
        f"the stop would lose {case.loss} {case.instrument.quote}, the budget is {case.budget}",
    )  # fmt: skip


def risk_open_total(case: Case) -> Check:
    """Refuse what would let all stops together, this one included, lose more than `risk_open_total_max`."""
    value, limit = case.risk_open + case.loss, case.config.risk_open_total_max * case.view.equity
    if value <= limit:
        return Check("RISK_OPEN_TOTAL", value, limit, True)
    return Check("RISK_OPEN_TOTAL", value, limit, False, f"all stops together would lose {value}, at most {limit}")


def loss_day(case: Case) -> Check:
    """Refuse once today's loss and this trade's stop together would exceed `loss_day_max` of the day's first equity."""
    start = case.view.equity_day_start
    return _period("LOSS_DAY", "day", start, case.config.loss_day_max * start, case)


def loss_week(case: Case) -> Check:
    """Refuse once this week's loss and this trade's stop together would exceed `loss_week_max`."""
    start = case.view.equity_week_start
    return _period("LOSS_WEEK", "week", start, case.config.loss_week_max * start, case)


def drawdown(case: Case) -> Check:
    """Refuse every entry from the drawdown on at which the governor's factor is 0."""
    view = case.view
    lost, limit = view.equity_peak - view.equity, lock_drawdown(case.config.drawdown_steps) * view.equity_peak
    if lost < limit:
        return Check("DRAWDOWN", lost, limit, True)
    return Check("DRAWDOWN", lost, limit, False, f"equity {view.equity} is {lost} below its peak {view.equity_peak}")


def cooldown(case: Case) -> Check:
    """Refuse for `cooldown_bars` after the last of `cooldown_losses` losses in a row."""
    streak, bars = cooldown_left(case.view, case.market, case.config)
    count, limit = whole(streak), whole(case.config.cooldown_losses)
    if not bars:
        return Check("COOLDOWN", count, limit, True)
    return Check("COOLDOWN", count, limit, False, f"{streak} losses in a row: pause for {bars} more bars")


def cooldown_left(view: PortfolioView, market: MarketView, config: RiskConfig) -> tuple[int, int]:
    """Return how many losses there are in a row, and for how many bars more they stop entries; 0 = they do not."""
    streak = losses_in_row(view.results)
    if streak < config.cooldown_losses or not config.cooldown_bars or not view.ts_result_last:
        return streak, 0
    rest = view.ts_result_last + config.cooldown_bars * market.bar_nanos - view.ts
    return streak, -(-rest // market.bar_nanos) if rest > 0 else 0


def _period(rule: str, name: str, start: Decimal, limit: Decimal, case: Case) -> Check:
    lost = start - case.view.equity
    value = lost + case.loss
    if value <= limit:
        return Check(rule, value, limit, True)
    return Check(rule, value, limit, False, f"lost {max(lost, ZERO)} this {name}, the stop could add {case.loss}")

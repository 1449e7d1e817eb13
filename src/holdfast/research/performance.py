"""What a run was worth: exact sums over its trades, and estimates from its equity curve."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from holdfast.core.errors import DomainError
from holdfast.core.record import Record
from holdfast.core.summation import plain_sum
from holdfast.core.time import DAY
from holdfast.domain.portfolio import ClosedTrade
from holdfast.research.equity import (
    Drawdown,
    EquityCurve,
    calmar_ratio,
    daily_returns,
    drawdown_of,
    growth_rate,
    sharpe_error,
    sharpe_ratio,
    sortino_ratio,
)  # fmt: skip
from holdfast.research.plausibility import Symptoms, warnings_of
from holdfast.research.trade_figures import UNEXPLAINED, TradeFigures, trade_figures


class Performance(Record, frozen=True):
    """A whole run. Ratios are shares (0.1 is 10 %), annual figures use 365 days and daily equity; None is undefined."""

    capital: Decimal
    equity_end: Decimal
    ts_start: int
    ts_end: int
    days: float
    points: int  # of the equity curve
    trading: TradeFigures
    total_return: float
    cagr: float | None
    sharpe: float | None
    sharpe_error: float | None  # standard error of the line above
    sortino: float | None
    calmar: float | None
    drawdown: Drawdown
    exposure: float | None  # share of points at which something was held
    buy_and_hold: float | None  # return of equal parts of the capital in every instrument, over the same bars
    warnings: tuple[str, ...]


def measure(
    trades: Sequence[ClosedTrade], curve_ts: npt.ArrayLike, curve_equity: npt.ArrayLike, capital: Decimal,
    exposed: int = 0, benchmark: Sequence[npt.ArrayLike] = (), equity_end: Decimal | None = None,
) -> Performance:  # fmt: skip
    """Return the performance of a run.

    Parameters
    ----------
    trades
        All round trips; what was still open at the end, marked to its last price with exit reason "end".
    curve_ts, curve_equity
        Equity (quote units) at the close of every bar (ns, rising).
    exposed
        Number of points of the curve at which something was held.
    benchmark
        For each instrument its prices over the same bars; only first and last count.
    equity_end
        The equity at the end, exact; without it the curve's last point, which is marked in floats from bar to bar.

    Raises
    ------
    DomainError
        The curve is no curve, or a benchmark price is not positive.
    """
    curve = EquityCurve(curve_ts, curve_equity, float(capital))
    trading, points = trade_figures(trades), len(curve)
    if equity_end is None:
        equity_end = _exact(curve.last) if points else capital
    end = float(equity_end)
    returns, growth, drawdown = daily_returns(curve), growth_rate(curve), drawdown_of(curve)
    sharpe = sharpe_ratio(returns)
    days = curve.nanos / DAY
    total_return = end / float(capital) - 1.0
    symptoms = Symptoms(
        days, trading.trades, trading.losses, growth, sharpe, trading.profit_factor, trading.fees, trading.slippage,
        float(trading.net_pnl) - (end - float(capital)), float(capital),
        trading.losses_excess_causes.get(UNEXPLAINED, 0),
    )  # fmt: skip
    return Performance(
        capital, equity_end, curve.ts_start, curve.ts_end, days, points, trading, total_return, growth, sharpe,
        sharpe_error(returns, sharpe), sortino_ratio(returns),
        calmar_ratio(growth, drawdown), drawdown, exposed / points if points else None, buy_and_hold(benchmark),
        warnings_of(symptoms),
    )  # fmt: skip


def buy_and_hold(benchmark: Sequence[npt.ArrayLike]) -> float | None:
    """Return the mean of last / first - 1: equal capital in each instrument at its first price, no costs.

    None without instruments.
    """
    gains: list[float] = []
    for prices in benchmark:
        column = np.asarray(prices, dtype=np.float64)
        first, last = (float(column[0]), float(column[-1])) if len(column) else (0.0, 0.0)
        if not (0.0 < first < float("inf") and 0.0 < last < float("inf")):
            raise DomainError(f"a benchmark that goes from {first} to {last} is no price series")
        gains.append(last / first - 1.0)
    return plain_sum(gains) / len(gains) if gains else None


def _exact(value: float) -> Decimal:
    return Decimal(repr(value))

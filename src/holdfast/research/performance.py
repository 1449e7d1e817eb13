"""What a run was worth: exact sums over its trades, and estimates from its equity curve."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

import numpy as np
import numpy.typing as npt

from holdfast.core.errors import DomainError
from holdfast.core.record import Record
from holdfast.core.time import DAY, SECOND
from holdfast.domain.portfolio import ClosedTrade
from holdfast.domain.values import ZERO
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

# A mean of money is no money any more; eight places are more than any quote asset has.
_MEAN_STEP: Final = Decimal("1e-8")
UNEXPLAINED: Final = "unexplained"


class TradeFigures(Record, frozen=True):
    """Sums over trades. Money in quote units, exact; a trade still open at the end counts at its last price.

    net = gross - fees - slippage. A trade whose pnl is zero is neither win nor loss.
    """

    trades: int
    trades_open: int  # among them, not sold but valued at the end of the run
    wins: int
    losses: int
    win_rate: float | None
    profit_factor: float | None  # what the wins gained / what the losses lost; None without a loss
    net_pnl: Decimal
    gross_pnl: Decimal  # before fees, spread and slippage
    fees: Decimal
    slippage: Decimal
    expectancy: Decimal | None  # mean pnl of a trade
    r_average: float | None  # mean pnl / allowed risk
    best_trade: Decimal | None
    worst_trade: Decimal | None
    losing_streak_longest: int
    holding_hours_average: float | None
    exits: dict[str, int]  # number of trades by exit reason
    losses_excess: int  # trades that lost more than the gate had allowed
    losses_excess_causes: dict[str, int]


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
    trading = _trade_figures(trades)
    points = max(len(curve) - 1, 0)
    if equity_end is None:
        equity_end = _exact(float(curve.equity[-1])) if points else capital
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
        capital, equity_end, int(curve.ts[0]) if points else 0, int(curve.ts[-1]) if points else 0, days, points,
        trading, total_return, growth, sharpe, sharpe_error(returns, sharpe), sortino_ratio(returns),
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
    return sum(gains) / len(gains) if gains else None


def losing_streak(results: Iterable[Decimal]) -> int:
    """Return the largest number of losses in a row."""
    longest = current = 0
    for result in results:
        current = current + 1 if result < 0 else 0
        longest = max(longest, current)
    return longest


def _trade_figures(trades: Sequence[ClosedTrade]) -> TradeFigures:
    ordered = sorted(trades, key=lambda trade: trade.exit_ts)
    results = [trade.pnl for trade in ordered]
    count = len(results)
    gains, losses = [x for x in results if x > 0], [x for x in results if x < 0]
    net = sum(results, ZERO)
    fees, slippage = sum((t.fees for t in ordered), ZERO), sum((t.slippage for t in ordered), ZERO)
    multiples = [float(t.pnl / t.risk) for t in ordered if t.risk > 0]
    excess = [t for t in ordered if t.risk > 0 and t.pnl < -t.risk]
    causes = Counter(t.excess_cause or UNEXPLAINED for t in excess)
    held = sum(t.exit_ts - t.entry_ts for t in ordered)
    return TradeFigures(
        trades=count, trades_open=sum(t.exit_reason == "end" for t in ordered), wins=len(gains), losses=len(losses),
        win_rate=len(gains) / count if count else None,
        profit_factor=float(sum(gains, ZERO) / -sum(losses, ZERO)) if losses else None,
        net_pnl=net, gross_pnl=net + fees + slippage, fees=fees, slippage=slippage,
        expectancy=(net / count).quantize(_MEAN_STEP, ROUND_HALF_EVEN) if count else None,
        r_average=sum(multiples) / len(multiples) if multiples else None,
        best_trade=max(results, default=None), worst_trade=min(results, default=None),
        losing_streak_longest=losing_streak(results),
        holding_hours_average=held / count / (3_600 * SECOND) if count else None,
        exits=dict(sorted(Counter(t.exit_reason for t in ordered).items())),
        losses_excess=len(excess), losses_excess_causes=dict(sorted(causes.items())),
    )  # fmt: skip


def _exact(value: float) -> Decimal:
    return Decimal(repr(value))

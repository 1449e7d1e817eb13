"""Statistics of an equity curve: growth, risk-adjusted ratios and drawdowns. Floats: estimates, no money.

Everything is annualised with 365 days, because crypto markets do not close, and from *daily* equity, because the
returns of bars are neither independent nor comparable between timeframes. The risk-free rate is taken as zero. A ratio
that is undefined is None, never an infinity.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from holdfast.core.errors import DomainError
from holdfast.core.record import Record
from holdfast.core.time import DAY
from holdfast.domain.market import Floats, Ints

DAYS_PER_YEAR: Final = 365
# Below this a deviation of daily returns is rounding, not risk: a cent on a billion.
_DEVIATION_MIN: Final = 1e-11
_RETURNS_MIN: Final = 2  # a deviation needs two


class EquityCurve:
    """Equity at points in time, with the capital as the point before the first: `ts` in ns, `equity` in quote units.

    The point before lies one usual distance (the median) earlier, for a point stands at the end of its bar.
    """

    __slots__ = ("equity", "ts")

    def __init__(self, ts: npt.ArrayLike, equity: npt.ArrayLike, capital: float) -> None:
        times: Ints = np.asarray(ts, dtype=np.int64)
        values: Floats = np.asarray(equity, dtype=np.float64)
        if times.shape != values.shape or times.ndim != 1:
            raise DomainError(f"the equity curve has {times.shape} times and {values.shape} values")
        if not (math.isfinite(capital) and capital > 0 and bool(np.isfinite(values).all())):
            raise DomainError(f"capital {capital} must be positive, and every point of the equity curve a number")
        steps = np.diff(times)
        if len(steps) and int(steps.min()) <= 0:
            raise DomainError("the times of the equity curve do not rise")
        usual = int(np.median(steps)) if len(steps) else 0
        self.ts: Ints = np.concatenate((times[:1] - usual, times))
        self.equity: Floats = np.concatenate(([capital], values)) if len(times) else np.empty(0)

    def __len__(self) -> int:
        return len(self.ts)

    @property
    def nanos(self) -> int:
        """Return the time from the capital to the last point (ns)."""
        return int(self.ts[-1] - self.ts[0]) if len(self) else 0


class Drawdown(Record, frozen=True):
    """How deep and how long the equity lay below its peak."""

    share_max: float  # of the peak, 0 to 1 (above 1 when equity fell below zero)
    days_max: float  # from the peak of the deepest one until it was reached again, or until the end
    days_longest: float  # of any, the deepest or not
    is_recovered: bool  # from the deepest


def daily_returns(curve: EquityCurve) -> Floats:
    """Return E(d) / E(d-1) - 1 per UTC day, E(d) being the last equity of the day and E(-1) the capital.

    A point at midnight belongs to the day that ends there; a day without a point repeats the one before. Empty when the
    equity was not positive at the end of some day, or grew beyond all numbers: such a ratio is undefined.
    """
    if len(curve) < _RETURNS_MIN:
        return np.empty(0)
    days = (curve.ts[1:] - 1) // DAY
    is_last = np.append(days[1:] != days[:-1], True)
    known, closing = days[is_last], curve.equity[1:][is_last]
    every = np.arange(known[0], known[-1] + 1)
    filled = closing[np.searchsorted(known, every, side="right") - 1]
    levels = np.concatenate((curve.equity[:1], filled))
    if bool((levels <= 0).any()):
        return np.empty(0)
    with np.errstate(over="ignore"):
        returns: Floats = levels[1:] / levels[:-1] - 1.0
    return returns if bool(np.isfinite(returns).all()) else np.empty(0)


def growth_rate(curve: EquityCurve) -> float | None:
    """Return the compound annual growth rate: (E(end) / capital) ** (365 days / length) - 1.

    None below one day, where it means nothing, and when the equity ended below zero.
    """
    if curve.nanos < DAY or curve.equity[-1] < 0:
        return None
    return _finite(lambda: float(curve.equity[-1] / curve.equity[0]) ** (DAYS_PER_YEAR * DAY / curve.nanos) - 1.0)


def sharpe_ratio(returns: Floats) -> float | None:
    """Return mean(r) / std(r, n - 1) * sqrt(365) over daily returns.

    W. F. Sharpe, "The Sharpe Ratio", Journal of Portfolio Management 21 (1994) 49-58, with a risk-free rate of zero.
    """
    if len(returns) < _RETURNS_MIN:
        return None
    with np.errstate(over="ignore", invalid="ignore"):  # a deviation beyond all numbers is no ratio; `_ratio` says so
        deviation = float(np.std(returns, ddof=1))
    return _ratio(float(np.mean(returns)), deviation)


def sharpe_error(returns: Floats, sharpe: float | None) -> float | None:
    """Return the standard error of the annual Sharpe ratio: sqrt((1 + s**2 / 2) / n) * sqrt(365), s the daily one.

    A. W. Lo, "The Statistics of Sharpe Ratios", Financial Analysts Journal 58 (2002) 36-52, for independent returns.
    Twice this is about how far the figure may lie from the truth by chance alone.
    """
    if sharpe is None:
        return None
    return math.sqrt((DAYS_PER_YEAR + sharpe * sharpe / 2.0) / len(returns))


def sortino_ratio(returns: Floats) -> float | None:
    """Return mean(r) / sqrt(mean(min(r, 0) ** 2)) * sqrt(365) over daily returns, the mean over *all* days.

    F. A. Sortino and L. N. Price, "Performance Measurement in a Downside Risk Framework", Journal of Investing 3 (1994)
    59-64, with a target of zero. None when no day lost.
    """
    if len(returns) < _RETURNS_MIN:
        return None
    with np.errstate(over="ignore"):
        downside = math.sqrt(float(np.mean(np.minimum(returns, 0.0) ** 2)))
    return _ratio(float(np.mean(returns)), downside)


def calmar_ratio(growth: float | None, drawdown: Drawdown) -> float | None:
    """Return the compound annual growth rate over the largest drawdown, over the whole run.

    T. W. Young, "Calmar Ratio: A Smoother Tool", Futures 20 (1991) 40; he looked at 36 months. The drawdown is that
    of the full curve, not of daily closings: what was lost within a day was lost all the same.
    """
    if growth is None or drawdown.share_max <= 0:
        return None
    return _finite(lambda: growth / drawdown.share_max)


def drawdown_of(curve: EquityCurve) -> Drawdown:
    """Return the largest 1 - E(t) / max(E(s), s <= t) and how long equity lay below a peak."""
    if not len(curve):
        return Drawdown(0.0, 0.0, 0.0, True)
    equity, ts = curve.equity, curve.ts
    peaks = np.maximum.accumulate(equity)
    shares = 1.0 - equity / peaks
    deepest = int(np.argmax(shares))
    tops = np.flatnonzero(equity >= peaks)  # where equity stands at its peak; the capital is the first
    # Between two neighbouring points at the peak nothing lay below it.
    ends = np.append(tops[1:], len(equity) - 1)
    spans = np.where(ends - tops > 1, ts[ends] - ts[tops], 0)
    spans[-1] = ts[ends[-1]] - ts[tops[-1]]
    around = int(np.searchsorted(tops, deepest, side="right")) - 1
    is_recovered = around < len(tops) - 1 or shares[deepest] == 0.0
    return Drawdown(
        float(shares[deepest]), float(spans[around]) / DAY if shares[deepest] > 0 else 0.0,
        float(spans.max()) / DAY, bool(is_recovered),
    )  # fmt: skip


def _ratio(mean: float, deviation: float) -> float | None:
    if not _DEVIATION_MIN <= deviation < math.inf:
        return None
    return _finite(lambda: mean / deviation * math.sqrt(DAYS_PER_YEAR))


def _finite(compute: Callable[[], float]) -> float | None:
    try:
        value = compute()
    except OverflowError:
        return None
    return value if math.isfinite(value) else None

"""Statistics of an equity curve: growth, risk-adjusted ratios and drawdowns. Floats: estimates, no money.

Everything is annualised with 365 days, because crypto markets do not close, and from *daily* equity, because the
returns of bars are neither independent nor comparable between timeframes. The risk-free rate is taken as zero. A ratio
that is undefined is None, never an infinity.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
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
_PIECE: Final = 1 << 15  # points looked at together: few enough to stay in the processor's cache


class EquityCurve:
    """Equity at points in time after the capital it began with: `ts` in ns, `equity` in quote units.

    The capital stands one usual distance (the median) before the first point, at `ts_start`, for a point stands at the
    end of its bar. The columns are looked at, not copied: a year of minutes is 8 MB, and every copy would be another.
    """

    __slots__ = ("capital", "equity", "ts", "ts_start")

    def __init__(self, ts: npt.ArrayLike, equity: npt.ArrayLike, capital: float) -> None:
        self.ts: Ints = np.asarray(ts, dtype=np.int64)
        self.equity: Floats = np.asarray(equity, dtype=np.float64)
        if self.ts.shape != self.equity.shape or self.ts.ndim != 1:
            raise DomainError(f"the equity curve has {self.ts.shape} times and {self.equity.shape} values")
        if not (math.isfinite(capital) and capital > 0 and all(np.isfinite(x).all() for _, x in self.pieces())):
            raise DomainError(f"capital {capital} must be positive, and every point of the equity curve a number")
        self.capital = capital
        self.ts_start = int(self.ts[0]) - _usual_step(self.ts) if len(self.ts) else 0

    def __len__(self) -> int:
        return len(self.ts)

    def pieces(self) -> Iterator[tuple[Ints, Floats]]:
        """Yield the points in order, a piece at a time, so that what is computed from one stays small."""
        for first in range(0, len(self.ts), _PIECE):
            yield self.ts[first : first + _PIECE], self.equity[first : first + _PIECE]

    @property
    def ts_end(self) -> int:
        """Return the time of the last point (ns), 0 without one."""
        return int(self.ts[-1]) if len(self) else 0

    @property
    def last(self) -> float:
        """Return the equity at the end: the capital, as long as there is no point."""
        return float(self.equity[-1]) if len(self) else self.capital

    @property
    def nanos(self) -> int:
        """Return the time from the capital to the last point (ns)."""
        return self.ts_end - self.ts_start


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
    if not len(curve):
        return np.empty(0)
    first, last = (int(curve.ts[0]) - 1) // DAY, (curve.ts_end - 1) // DAY
    # Times rise, so that a day's last point is found without a look at the others.
    midnights = np.arange(first + 1, last + 1) * DAY
    closing = np.append(np.searchsorted(curve.ts, midnights, side="right") - 1, len(curve) - 1)
    levels = np.concatenate(([curve.capital], curve.equity[closing]))
    if bool((levels <= 0).any()):
        return np.empty(0)
    with np.errstate(over="ignore"):
        returns: Floats = levels[1:] / levels[:-1] - 1.0
    return returns if bool(np.isfinite(returns).all()) else np.empty(0)


def growth_rate(curve: EquityCurve) -> float | None:
    """Return the compound annual growth rate: (E(end) / capital) ** (365 days / length) - 1.

    None below one day, where it means nothing, and when the equity ended below zero.
    """
    if curve.nanos < DAY or curve.last < 0:
        return None
    return _finite(lambda: (curve.last / curve.capital) ** (DAYS_PER_YEAR * DAY / curve.nanos) - 1.0)


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
    watch = _Watch(curve)
    for ts, equity in curve.pieces():
        watch.take(ts, equity)
    return watch.drawdown(curve.ts_end)


class _Watch:
    """Follows a curve, and remembers its deepest and its longest drawdown."""

    __slots__ = ("_longest", "_peak", "_share", "_since", "_ts_from", "_ts_top", "_ts_until")

    def __init__(self, curve: EquityCurve) -> None:
        self._peak, self._ts_top = curve.capital, curve.ts_start
        self._since = 0  # points since the last one at the peak
        self._share, self._longest = 0.0, 0
        # From the peak before the deepest drawdown until equity was back there: None while it is not.
        self._ts_from: int = curve.ts_start
        self._ts_until: int | None = curve.ts_start

    def take(self, ts: Ints, equity: Floats) -> None:
        """Take in the points that follow."""
        peaks = np.maximum(np.maximum.accumulate(equity), self._peak)
        shares = 1.0 - equity / peaks
        tops = np.flatnonzero(equity >= peaks)  # where equity stands at its peak
        at = np.concatenate(([-1 - self._since], tops))
        ts_at = np.concatenate(([self._ts_top], ts[tops]))
        # Between two neighbouring points at the peak nothing lay below it.
        spans = np.diff(ts_at)[np.diff(at) > 1]
        self._longest = max(self._longest, int(spans.max(initial=0)))
        if self._ts_until is None and len(tops):
            self._ts_until = int(ts[tops[0]])
        deepest = int(np.argmax(shares))
        if shares[deepest] > self._share:
            after = int(np.searchsorted(at, deepest))
            self._share, self._ts_from = float(shares[deepest]), int(ts_at[after - 1])
            self._ts_until = int(ts_at[after]) if after < len(at) else None
        self._peak, self._ts_top, self._since = float(peaks[-1]), int(ts_at[-1]), len(equity) - 1 - int(at[-1])

    def drawdown(self, ts_end: int) -> Drawdown:
        """Return what was found in a curve that ends at `ts_end`."""
        until = ts_end if self._ts_until is None else self._ts_until
        return Drawdown(
            self._share, float(until - self._ts_from) / DAY if self._share > 0 else 0.0,
            float(max(self._longest, ts_end - self._ts_top)) / DAY, self._ts_until is not None,
        )  # fmt: skip


def _usual_step(ts: Ints) -> int:
    """Return the median distance of rising times; of evenly spaced ones without a copy of them all."""
    if len(ts) <= 1:
        return 0
    guess, hits = int(np.median(np.diff(ts[: _PIECE + 1]))), 0
    for first in range(0, len(ts) - 1, _PIECE):
        steps = np.diff(ts[first : first + _PIECE + 1])
        if int(steps.min()) <= 0:
            raise DomainError("the times of the equity curve do not rise")
        hits += int(np.count_nonzero(steps == guess))
    # What more than half of them are is the median, whatever the others are.
    return guess if 2 * hits > len(ts) - 1 else int(np.median(np.diff(ts)))


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

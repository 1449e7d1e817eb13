"""Peer: vectorbt with its Rust kernels where it has them. Job A only: its signal simulator has no stop like job C's."""

from functools import partial

import pandas as pd
import vectorbt as vbt
from columns import exponential
from measure import CASH, FAST_BARS, FEE_RATE, SLOW_BARS, Market, Outcome, Prepared, main

vbt.settings.array_wrapper["freq"] = "1min"


def prepare(_job: str, market: Market) -> Prepared:
    """Return a simulation of job A over `market`."""
    # Without a time zone: with one nearly all the time would go into converting dates.
    index = pd.DatetimeIndex(pd.to_datetime(market.ts, unit="ms"))
    return Prepared(partial(run, pd.Series(market.open, index=index), pd.Series(market.close, index=index)), outcome)


def run(opens: pd.Series, closes: pd.Series) -> tuple[vbt.Portfolio, pd.Series]:
    """Make the signals, fill them at the next open, and draw up trades, equity and statistics."""
    is_above = exponential(closes, FAST_BARS) > exponential(closes, SLOW_BARS)
    was_above = is_above.shift(1, fill_value=False)
    portfolio = vbt.Portfolio.from_signals(
        closes,
        (is_above & ~was_above).shift(1, fill_value=False),
        (was_above & ~is_above).shift(1, fill_value=False),
        price=opens,
        size=1,
        fees=FEE_RATE,
        init_cash=CASH,
    )
    return portfolio, portfolio.stats()


def outcome(result: tuple[vbt.Portfolio, pd.Series]) -> Outcome:
    """Read the figures off the closed trades."""
    portfolio, _ = result
    return Outcome(portfolio.trades.closed.count(), None, portfolio.total_profit())


if __name__ == "__main__":
    main("vectorbt", "vectorbt", prepare, jobs=("A",))

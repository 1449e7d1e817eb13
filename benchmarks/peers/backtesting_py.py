"""Peer: backtesting.py. Indicators come from pandas before the loop, rules run bar by bar in `next`."""

import backtesting.backtesting
import pandas as pd
from backtesting import Backtest, Strategy
from columns import exponential, relative_strength, stop_below
from measure import CASH, FAST_BARS, FEE_RATE, SLOW_BARS, STRENGTH_NEEDED, Market, Outcome, Prepared, main

# A progress bar is drawn per bar otherwise, which would be unfair to time.
backtesting.backtesting._tqdm = lambda iterable, **_: iterable


class CrossingAverages(Strategy):
    """Job A: hold one unit while the fast average lies above the slow one."""

    def init(self) -> None:
        """Compute the two averages for all bars."""
        closes = self.data.Close.s
        self.fast = self.I(exponential, closes, FAST_BARS)
        self.slow = self.I(exponential, closes, SLOW_BARS)

    def next(self) -> None:
        """Decide at the close of one bar."""
        is_above = self.fast[-1] > self.slow[-1]
        was_above = self.fast[-2] > self.slow[-2]
        if is_above and not was_above and not self.position:
            self.buy(size=1)
        elif was_above and not is_above and self.position:
            self.position.close()


class CrossingAveragesWithStop(Strategy):
    """Job C: enter only when strong, and trail a stop below the close."""

    def init(self) -> None:
        """Compute the four indicators for all bars."""
        highs, lows, closes = self.data.High.s, self.data.Low.s, self.data.Close.s
        self.fast = self.I(exponential, closes, FAST_BARS)
        self.slow = self.I(exponential, closes, SLOW_BARS)
        self.strength = self.I(relative_strength, closes)
        self.stop = self.I(stop_below, highs, lows, closes)

    def next(self) -> None:
        """Raise the stop, then decide at the close of one bar."""
        # The next open is this close, so this is also the entry's stop.
        stop = self.stop[-1]
        for trade in self.trades:
            # Every amendment makes a new order, so only those that change something.
            if stop > trade.sl:
                trade.sl = stop
        is_above = self.fast[-1] > self.slow[-1]
        was_above = self.fast[-2] > self.slow[-2]
        if is_above and not was_above and not self.position and self.strength[-1] > STRENGTH_NEEDED:
            self.buy(size=1, sl=stop)
        elif was_above and not is_above and self.position:
            self.position.close()


def prepare(job: str, market: Market) -> Prepared:
    """Return a backtest of `job` over `market`; its run includes the engine's own statistics."""
    # Without a time zone: pandas is far slower with one.
    index = pd.DatetimeIndex(pd.to_datetime(market.ts, unit="ms"))
    columns = {name.capitalize(): getattr(market, name) for name in ("open", "high", "low", "close", "volume")}
    strategy = CrossingAveragesWithStop if job == "C" else CrossingAverages
    backtest = Backtest(
        pd.DataFrame(columns, index=index), strategy, cash=CASH, commission=FEE_RATE, trade_on_close=False
    )
    return Prepared(backtest.run, outcome)


def outcome(statistics: pd.Series) -> Outcome:
    """Read the figures off the statistics of one run."""
    trades = statistics["_trades"]
    # The table keeps each trade's last stop; an exit at that very price is a stop that was hit.
    stops = int((trades["ExitPrice"] == trades["SL"]).sum())
    return Outcome(statistics["# Trades"], stops, statistics["Equity Final [$]"] - CASH)


if __name__ == "__main__":
    main("backtesting.py", "backtesting", prepare)

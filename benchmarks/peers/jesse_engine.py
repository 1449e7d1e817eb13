"""Peer: jesse, through its research interface. The strategy asks for indicators anew at every bar, as its users do.

Its indicators start over within a window of 240 bars, the engine's own default, and its average true range starts with
a mean of 14 bars instead of the first one. So the very first stop of job C lies elsewhere; all other fills are equal.
Run it in a folder that is no jesse project: in one it wants a database.
"""

from functools import partial
from typing import Any

import jesse.indicators as ta
import numpy as np
from jesse import research
from jesse.enums import order_types
from jesse.strategies import Strategy
from measure import (
    CASH,
    FAST_BARS,
    FEE_RATE,
    SLOW_BARS,
    STOP_RANGES,
    STRENGTH_NEEDED,
    WILDER_BARS,
    Market,
    Outcome,
    Prepared,
    main,
)

EXCHANGE = "Peer Exchange"
SYMBOL = "BTC-USDT"
WINDOW_BARS = 240


class CrossingAverages(Strategy):
    """Job A: hold one unit while the fast average lies above the slow one."""

    is_above = False

    def before(self) -> None:
        """Update the averages at the close of a bar, before anything is decided."""
        self.window = self.candles[-WINDOW_BARS:]
        self.was_above = self.is_above
        self.is_above = ta.ema(self.window, FAST_BARS) > ta.ema(self.window, SLOW_BARS)

    def should_long(self) -> bool:
        """Whether to enter now; asked only while flat."""
        return self.is_above and not self.was_above

    def go_long(self) -> None:
        """Buy one unit at market."""
        self.buy = 1, self.price

    def update_position(self) -> None:
        """Leave when the averages cross back."""
        if self.was_above and not self.is_above:
            self.liquidate()


class CrossingAveragesWithStop(CrossingAverages):
    """Job C: enter only when strong, and trail a stop below the close."""

    def should_long(self) -> bool:
        """Whether to enter now; asked only while flat."""
        return super().should_long() and ta.rsi(self.window, WILDER_BARS) > STRENGTH_NEEDED

    def stop_price(self) -> float:
        """Return where the stop of this close belongs."""
        return float(self.price - STOP_RANGES * ta.atr(self.window, WILDER_BARS))

    def go_long(self) -> None:
        """Buy one unit at market, with its stop."""
        super().go_long()
        self.stop = self.stop_price()
        self.stop_loss = 1, self.stop

    def update_position(self) -> None:
        """Leave when the averages cross back, else raise the stop."""
        if self.was_above and not self.is_above:
            self.liquidate()
            return
        stop = self.stop_price()
        if stop > self.stop:
            self.stop = stop
            self.stop_loss = 1, stop


def prepare(job: str, market: Market) -> Prepared:
    """Return a backtest of `job` over `market`, in the engine's faster mode."""
    # The column order is the engine's own: close before high and low.
    columns = (market.ts, market.open, market.close, market.high, market.low, market.volume)
    candles = np.column_stack([column.astype(np.float64) for column in columns])
    strategy = CrossingAveragesWithStop if job == "C" else CrossingAverages
    config = {
        "starting_balance": CASH,
        "fee": FEE_RATE,
        # Spot would take the fee of a purchase in coins.
        "type": "futures",
        "futures_leverage": 1,
        "futures_leverage_mode": "cross",
        "exchange": EXCHANGE,
        "warm_up_candles": 0,
    }
    run = partial(
        research.backtest,
        config,
        [{"exchange": EXCHANGE, "strategy": strategy, "symbol": SYMBOL, "timeframe": "1m"}],
        [],
        {f"{EXCHANGE}-{SYMBOL}": {"exchange": EXCHANGE, "symbol": SYMBOL, "candles": candles}},
        fast_mode=True,
    )
    return Prepared(run, outcome)


def outcome(result: dict[str, Any]) -> Outcome:
    """Read the figures off the metrics and the trade list of one run."""
    metrics = result["metrics"]
    stops = sum(trade["orders"][-1]["type"] == order_types.STOP for trade in result["trades"])
    return Outcome(metrics["total"], stops, metrics["net_profit"])


if __name__ == "__main__":
    main("jesse", "jesse", prepare)

"""Peer: freqtrade, through its backtester. Only its counts compare: it trades for an amount of money, not for one unit.

The exchange is cut off from the network, and the strategy is handed over instead of being looked up in a folder.
"""

import logging
import tempfile
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
from columns import exponential, relative_strength, stop_below
from freqtrade.configuration import TimeRange
from freqtrade.enums import RunMode
from freqtrade.exchange import Exchange
from freqtrade.optimize.backtesting import Backtesting
from freqtrade.optimize.optimize_reports import generate_backtest_stats
from freqtrade.resolvers import StrategyResolver
from freqtrade.strategy import IStrategy, stoploss_from_absolute
from measure import CASH, FAST_BARS, FEE_RATE, SLOW_BARS, STRENGTH_NEEDED, Market, Outcome, Prepared, main

PAIR = "BTC/USDT"
STAKE = 1_000
TICK, LOT = 0.01, 1e-6
STOP_REASONS = {"stop_loss", "trailing_stop_loss"}


class OfflineExchange(Exchange):
    """An exchange with one market that asks nobody."""

    _markets: dict[str, Any]

    @property
    def markets(self) -> dict[str, Any]:
        """The one market."""
        unlimited = {"min": None, "max": None}
        market = {
            "symbol": PAIR,
            "base": "BTC",
            "quote": "USDT",
            "spot": True,
            "active": True,
            "precision": {"price": TICK, "amount": LOT},
            "limits": {"amount": {"min": LOT, "max": None}, "cost": unlimited, "price": unlimited},
        }
        self._markets = self._markets or {PAIR: market}
        return self._markets

    def reload_markets(self, force: bool = False, *, load_leverage_tiers: bool = True) -> None:
        """Do nothing: the market never changes."""

    def _load_async_markets(self, reload: bool = False) -> None:
        pass

    def validate_config(self, config: dict[str, Any]) -> None:
        """Accept everything: the checks would need the real exchange."""

    def validate_required_startup_candles(self, startup_candles: int, timeframe: str) -> int:
        """Accept everything, for the same reason."""
        return startup_candles

    def get_fee(self, symbol: str, *_arguments: Any, **_options: Any) -> float:
        """Return the fee of the benchmark."""
        return FEE_RATE


class CrossingAverages(IStrategy):
    """Job A: hold one stake while the fast average lies above the slow one."""

    INTERFACE_VERSION = 3
    timeframe = "1m"
    stoploss = -0.99
    startup_candle_count = 0
    order_types: ClassVar = {"entry": "market", "exit": "market", "stoploss": "market", "stoploss_on_exchange": False}
    # No exit by profit.
    minimal_roi: ClassVar[dict[str, float]] = {}

    def populate_indicators(self, dataframe: pd.DataFrame, metadata: dict[str, Any]) -> pd.DataFrame:
        """Add where the fast average lies, and lay."""
        fast = exponential(dataframe["close"], FAST_BARS)
        slow = exponential(dataframe["close"], SLOW_BARS)
        dataframe["is_above"] = fast > slow
        dataframe["was_above"] = dataframe["is_above"].shift(1, fill_value=False)
        return dataframe

    def populate_entry_trend(self, dataframe: pd.DataFrame, metadata: dict[str, Any]) -> pd.DataFrame:
        """Enter at an upward cross."""
        dataframe.loc[dataframe["is_above"] & ~dataframe["was_above"], "enter_long"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe: pd.DataFrame, metadata: dict[str, Any]) -> pd.DataFrame:
        """Leave at a downward cross."""
        dataframe.loc[dataframe["was_above"] & ~dataframe["is_above"], "exit_long"] = 1
        return dataframe


class CrossingAveragesWithStop(CrossingAverages):
    """Job C: enter only when strong, and trail a stop below the close."""

    use_custom_stoploss = True

    def populate_indicators(self, dataframe: pd.DataFrame, metadata: dict[str, Any]) -> pd.DataFrame:
        """Add the strength, and keep the stops where a callback finds them fastest."""
        dataframe = super().populate_indicators(dataframe, metadata)
        dataframe["strength"] = relative_strength(dataframe["close"])
        # While a bar runs, only the one before it is known.
        stops = stop_below(dataframe["high"], dataframe["low"], dataframe["close"]).shift(1)
        self.stops = dict(zip(dataframe["date"].dt.to_pydatetime(), stops.to_list(), strict=True))
        return dataframe

    def populate_entry_trend(self, dataframe: pd.DataFrame, metadata: dict[str, Any]) -> pd.DataFrame:
        """Enter at an upward cross with strength."""
        is_entry = dataframe["is_above"] & ~dataframe["was_above"] & (dataframe["strength"] > STRENGTH_NEEDED)
        dataframe.loc[is_entry, "enter_long"] = 1
        return dataframe

    def custom_stoploss(
        self, pair: str, trade: Any, current_time: datetime, current_rate: float, current_profit: float, **_: Any
    ) -> float:
        """Return the stop of the last close as a share of the current price; the engine never lowers it."""
        return float(stoploss_from_absolute(self.stops[current_time], current_rate))


def make_config(folder: Path) -> dict[str, Any]:
    """Return the smallest configuration that the backtester accepts."""
    price_side = {"price_side": "other", "use_order_book": False}
    return {
        "runmode": RunMode.BACKTEST,
        "dry_run": True,
        "dry_run_wallet": CASH,
        "stake_currency": "USDT",
        "stake_amount": STAKE,
        "max_open_trades": 1,
        "timeframe": "1m",
        "trading_mode": "spot",
        "margin_mode": "",
        "fee": FEE_RATE,
        "strategy": "given",
        "exchange": {"name": "binance", "pair_whitelist": [PAIR], "pair_blacklist": []},
        "pairlists": [{"method": "StaticPairList"}],
        "entry_pricing": price_side,
        "exit_pricing": price_side,
        "unfilledtimeout": {"entry": 10, "exit": 10, "unit": "minutes"},
        "dataformat_ohlcv": "feather",
        "datadir": folder,
        "user_data_dir": folder,
        "export": "none",
    }


def prepare(job: str, market: Market) -> Prepared:
    """Return a backtester of `job` with `market` loaded."""
    strategy = CrossingAveragesWithStop if job == "C" else CrossingAverages
    StrategyResolver._load_strategy = staticmethod(lambda _name, config, **_options: strategy(config))
    config = make_config(Path(tempfile.gettempdir()))
    backtesting = Backtesting(config, OfflineExchange(config))
    frame = pd.DataFrame({name: getattr(market, name) for name in ("open", "high", "low", "close", "volume")})
    frame.insert(0, "date", pd.to_datetime(market.ts, unit="ms", utc=True).as_unit("ms"))
    return Prepared(partial(run, backtesting, {PAIR: frame}), outcome)


def run(backtesting: Backtesting, data: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Run the backtest and its report, as the engine's own command does after loading."""
    strategy = backtesting.strategylist[0]
    start, end = backtesting.backtest_one_strategy(strategy, data, TimeRange())
    report = generate_backtest_stats(data, backtesting.all_bt_content, min_date=start, max_date=end)
    figures: dict[str, Any] = report["strategy"][strategy.get_strategy_name()]
    return figures


def outcome(report: dict[str, Any]) -> Outcome:
    """Read the figures off the report of one run."""
    stops = sum(trade["exit_reason"] in STOP_REASONS for trade in report["trades"])
    return Outcome(report["total_trades"], stops, report["profit_total_abs"])


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    main("freqtrade", "freqtrade", prepare)

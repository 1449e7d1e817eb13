"""Peer: nautilus_trader. Bars pass through its matching engine; the strategy answers to bars and fills.

Its profit lies slightly below the oracle's: what a bar's volume cannot take fills one tick worse; stops lie on ticks.
"""

from decimal import Decimal
from functools import partial

import pandas as pd
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
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig, RiskEngineConfig, StrategyConfig
from nautilus_trader.indicators import (
    AverageTrueRange,
    ExponentialMovingAverage,
    MovingAverageType,
    RelativeStrengthIndex,
)
from nautilus_trader.model.currencies import BTC, USDT
from nautilus_trader.model.data import Bar, BarType
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide, OrderType
from nautilus_trader.model.events import OrderFilled, PositionClosed, PositionOpened
from nautilus_trader.model.identifiers import InstrumentId, Symbol, TraderId, Venue
from nautilus_trader.model.instruments import CurrencyPair
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.model.orders import StopMarketOrder
from nautilus_trader.persistence.wranglers import BarDataWrangler
from nautilus_trader.trading.strategy import Strategy

VENUE = Venue("SIM")
TICK = 0.01
BAR_MS = 60_000
# The stop is a sale of coins on a cash account: a stock of them keeps the account from refusing it.
COINS = 10


class RulesConfig(StrategyConfig, frozen=True):
    """What the strategy trades, and whether it also filters and trails (job C)."""

    instrument_id: InstrumentId
    bar_type: BarType
    has_stops: bool


class Rules(Strategy):
    """Jobs A and C as event handlers."""

    def __init__(self, config: RulesConfig) -> None:
        super().__init__(config)
        self.fast = ExponentialMovingAverage(FAST_BARS)
        self.slow = ExponentialMovingAverage(SLOW_BARS)
        self.strength = RelativeStrengthIndex(WILDER_BARS, MovingAverageType.WILDER)
        self.range = AverageTrueRange(WILDER_BARS, MovingAverageType.WILDER, True, 0.0)
        self.was_above = False
        self.is_long = False
        # Not named `stop`: that would hide the method that ends a strategy.
        self.stop_order: StopMarketOrder | None = None
        self.stop_price = 0.0

    def on_start(self) -> None:
        """Let the engine feed the indicators before each `on_bar`."""
        self.instrument = self.cache.instrument(self.config.instrument_id)
        self.quantity = self.instrument.make_qty(1)
        indicators = [self.fast, self.slow] + ([self.strength, self.range] if self.config.has_stops else [])
        for indicator in indicators:
            self.register_indicator_for_bars(self.config.bar_type, indicator)
        self.subscribe_bars(self.config.bar_type)

    def on_bar(self, bar: Bar) -> None:
        """Raise the stop, then decide."""
        has_stops = self.config.has_stops
        if has_stops and self.stop_order is not None:
            stop_price = bar.close.as_double() - STOP_RANGES * self.range.value
            # An amendment by less than a tick would be none.
            if stop_price > self.stop_price + TICK:
                self.stop_price = stop_price
                self.modify_order(self.stop_order, trigger_price=self.instrument.make_price(stop_price))
        is_above = self.fast.value > self.slow.value
        if is_above and not self.was_above and not self.is_long:
            # This engine's index runs from 0 to 1.
            if not has_stops or self.strength.value * 100 > STRENGTH_NEEDED:
                self.submit_market_order(OrderSide.BUY)
        elif self.was_above and not is_above and self.is_long:
            if self.stop_order is not None:
                self.cancel_order(self.stop_order)
                self.stop_order = None
            self.submit_market_order(OrderSide.SELL)
        self.was_above = is_above

    def submit_market_order(self, side: OrderSide) -> None:
        """Trade one unit; it fills at this close, which is the next open."""
        self.submit_order(self.order_factory.market(self.config.instrument_id, side, self.quantity))

    def on_position_opened(self, event: PositionOpened) -> None:
        """Place the first stop as soon as the entry has filled."""
        self.is_long = True
        if self.config.has_stops:
            self.stop_price = event.avg_px_open - STOP_RANGES * self.range.value
            trigger = self.instrument.make_price(self.stop_price)
            self.stop_order = self.order_factory.stop_market(
                self.config.instrument_id, OrderSide.SELL, self.quantity, trigger_price=trigger
            )
            self.submit_order(self.stop_order)

    def on_order_filled(self, event: OrderFilled) -> None:
        """Forget the stop that was hit, so that it is amended no more."""
        if self.stop_order is not None and event.client_order_id == self.stop_order.client_order_id:
            self.stop_order = None

    def on_position_closed(self, _event: PositionClosed) -> None:
        """Allow the next entry."""
        self.is_long = False


def make_instrument() -> CurrencyPair:
    """Return the one pair, with the benchmark's fee for makers and takers alike."""
    fee_rate = Decimal(str(FEE_RATE))
    return CurrencyPair(
        instrument_id=InstrumentId(Symbol("BTCUSDT"), VENUE),
        raw_symbol=Symbol("BTCUSDT"),
        base_currency=BTC,
        quote_currency=USDT,
        price_precision=2,
        size_precision=6,
        price_increment=Price(TICK, 2),
        size_increment=Quantity(1e-6, 6),
        ts_event=0,
        ts_init=0,
        maker_fee=fee_rate,
        taker_fee=fee_rate,
    )


def prepare(job: str, market: Market) -> Prepared:
    """Return a loaded engine; making its bar objects is loading and not timed."""
    engine = BacktestEngine(
        BacktestEngineConfig(
            trader_id=TraderId("PEER-001"),
            logging=LoggingConfig(bypass_logging=True),
            risk_engine=RiskEngineConfig(bypass=False),
        )
    )
    engine.add_venue(
        venue=VENUE,
        oms_type=OmsType.NETTING,
        account_type=AccountType.CASH,
        starting_balances=[Money(CASH, USDT), Money(COINS, BTC)],
    )
    instrument = make_instrument()
    engine.add_instrument(instrument)
    bar_type = BarType.from_str(f"{instrument.id}-1-MINUTE-LAST-EXTERNAL")
    # This engine stamps a bar with the time of its close.
    index = pd.to_datetime(market.ts + BAR_MS, unit="ms", utc=True)
    columns = {name: getattr(market, name) for name in ("open", "high", "low", "close", "volume")}
    engine.add_data(BarDataWrangler(bar_type, instrument).process(pd.DataFrame(columns, index=index)), sort=False)
    engine.add_strategy(
        Rules(RulesConfig(instrument_id=instrument.id, bar_type=bar_type, has_stops=job == "C")),
    )
    return Prepared(partial(run, engine), outcome)


def run(engine: BacktestEngine) -> BacktestEngine:
    """Run the engine and let it make its statistics."""
    engine.run()
    engine.get_result()
    return engine


def outcome(engine: BacktestEngine) -> Outcome:
    """Read the figures off the filled sales and the account, and release the engine."""
    sales = [order for order in engine.cache.orders_closed() if order.side == OrderSide.SELL and order.filled_qty > 0]
    stops = [order for order in sales if order.order_type == OrderType.STOP_MARKET]
    balance = engine.cache.account_for_venue(VENUE).balance_total(USDT).as_double()
    figures = Outcome(len(sales), len(stops), balance - CASH)
    engine.dispose()
    return figures


if __name__ == "__main__":
    main("nautilus_trader", "nautilus_trader", prepare)

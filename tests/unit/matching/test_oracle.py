"""Jobs A and C of the engine benchmark, with nothing but the venue between the signals and the profit."""

from collections.abc import Iterator
from decimal import Decimal

import pytest
from benchmarks.market import Market, make_market
from benchmarks.oracle import EXPECTED, Bar, Indicators, Job

from holdfast.core.time import MILLISECOND, MINUTE
from holdfast.domain.instrument import FeeTier, Instrument
from holdfast.domain.market import BarClosed
from holdfast.domain.order import OrderEvent, OrderFilled, OrderSpec, OrderType, Role, TimeInForce
from holdfast.domain.values import ONE, Asset, InstrumentId, OrderId, Quantity, Side
from holdfast.matching.config import MatchingConfig
from holdfast.matching.venue import Venue

BARS = 100_000
CASH = Decimal(1_000_000_000)
USDT = Asset("USDT")
FEES = (FeeTier(Decimal(0), Decimal("0.001"), Decimal("0.001")),)
# The oracle's stops are no ticks; this tick is so fine that their rounding does not show in the fourth decimal.
INSTRUMENT = Instrument(
    InstrumentId("BTC/USDT.ORACLE"), Asset("BTC"), USDT, Decimal("0.00000001"), ONE, Decimal(5), FEES
)


@pytest.fixture(scope="module")
def market() -> Market:
    return make_market(BARS)


def bars(market: Market) -> Iterator[BarClosed]:
    columns = (market.ts, market.open, market.high, market.low, market.close, market.volume)
    for ts, *prices in zip(*(column.tolist() for column in columns), strict=True):
        yield BarClosed(INSTRUMENT.id, ts * MILLISECOND + MINUTE, *prices)


class Trader:
    """Takes the decisions of the oracle, and asks the venue what comes of them."""

    def __init__(self, job: Job, first: BarClosed) -> None:
        self.has_stops = job is Job.C
        self.venue = Venue((INSTRUMENT,), MINUTE, MatchingConfig.ideal(), {USDT: CASH})
        self.indicators = Indicators(Bar(first.open, first.high, first.low, first.close))
        self.is_long = self.was_above = False
        self.stop, self.stop_id = 0.0, OrderId("")
        self.sent = self.trades = self.stops = 0

    def send(self, side: Side, role: Role, ts: int, stop: float = 0.0) -> OrderId:
        self.sent += 1
        kind = OrderType.STOP_MARKET if stop else OrderType.MARKET
        order = OrderSpec(
            OrderId(f"o{self.sent}"), INSTRUMENT.id, side, kind, Quantity(ONE), role,
            trigger_price=INSTRUMENT.price(stop) if stop else None,
            time_in_force=TimeInForce.GTC if stop else TimeInForce.IOC,
            group="" if role is Role.ENTRY else "position",
        )  # fmt: skip
        assert type(self.venue.place(order, ts)[0]).__name__ == "OrderAccepted"
        return order.order_id

    def bar(self, bar: BarClosed) -> None:
        self.hear(self.venue.open_phase(bar), bar)
        while events := self.venue.range_phase(bar):
            self.hear(events, bar)
        self.indicators.update(Bar(bar.open, bar.high, bar.low, bar.close))
        level = bar.close - self.indicators.stop_distance
        if self.is_long and self.has_stops and level > self.stop:
            self.stop = level
            self.venue.change(self.stop_id, bar.ts_event, INSTRUMENT.price(level))
        is_above = self.indicators.is_above
        is_strong = not self.has_stops or self.indicators.strength > 50
        if is_above and not self.was_above and not self.is_long and is_strong:
            self.send(Side.BUY, Role.ENTRY, bar.ts_event)
        elif self.was_above and not is_above and self.is_long:
            self.send(Side.SELL, Role.EXIT, bar.ts_event)
        self.was_above = is_above

    def hear(self, events: tuple[OrderEvent, ...], bar: BarClosed) -> None:
        for event in events:
            if not isinstance(event, OrderFilled):
                continue
            self.is_long = not self.is_long
            if not self.is_long:
                self.trades += 1
                self.stops += event.order_id == self.stop_id
            elif self.has_stops:
                self.stop = bar.open - self.indicators.stop_distance
                self.stop_id = self.send(Side.SELL, Role.STOP, event.ts_event, self.stop)


@pytest.mark.slow
@pytest.mark.parametrize("job", Job)
def test_an_ideal_venue_gives_the_figures_of_the_oracle(market: Market, job: Job):
    stream = bars(market)
    trader = Trader(job, next(stream))
    for bar in stream:
        trader.bar(bar)
    expected = EXPECTED[job, BARS]
    assert (trader.trades, trader.stops) == (expected.trades, expected.stops)
    assert float(trader.venue.balances()[USDT] - CASH) == pytest.approx(expected.pnl, abs=5e-5)

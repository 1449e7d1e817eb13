"""Real hours in which stops did not fill at their price. Needs the recorded market."""

from datetime import datetime
from decimal import Decimal
from functools import cache

import pyarrow.parquet as pq
import pytest
from tests.conftest import recorded_file

from holdfast.core.time import HOUR, MILLISECOND
from holdfast.domain.instrument import FeeTier, Instrument
from holdfast.domain.market import BarClosed, BarFlag
from holdfast.domain.order import OrderEvent, OrderFilled, OrderSpec, OrderType, Role, TimeInForce
from holdfast.domain.values import Asset, InstrumentId, OrderId, Price, Quantity, Side
from holdfast.matching.config import MatchingConfig
from holdfast.matching.costs import half_spread, slippage
from holdfast.matching.venue import Venue

pytestmark = pytest.mark.recorded_data

NAME = InstrumentId("X/USDT.REAL")
CONFIG = MatchingConfig()
BINANCE = "binance-spot-{}_USDT-1h-{}-20221011.parquet"
ETH, BNB = BINANCE.format("ETH", "20170817"), BINANCE.format("BNB", "20171106")
DOGE, LINK, DOT = (
    BINANCE.format("DOGE", "20190705"),
    BINANCE.format("LINK", "20190116"),
    BINANCE.format("DOT", "20200818"),
)
XRP = "gateio-perp-XRP_USDT-1h-20250225-20250831.parquet"


@cache
def recorded(name: str) -> dict[int, dict[str, float]]:
    return {row["ts"]: row for row in pq.read_table(recorded_file(name)).to_pylist()}


def hour(name: str, text: str) -> BarClosed:
    """Return the recorded hour that begins at `text`, flagged as a loader flags it."""
    rows = recorded(name)
    ts = int(datetime.fromisoformat(text + ":00+00:00").timestamp() * 1000)
    row, before = rows[ts], rows.get(ts - 3_600_000)
    flags = BarFlag.NONE if before or ts == min(rows) else BarFlag.GAP_BEFORE
    flags |= BarFlag.AFTER_NO_TRADE if before and before["volume"] == 0 else BarFlag.NONE
    flags |= BarFlag.NO_TRADE if row["volume"] == 0 else BarFlag.NONE
    body_low, body_high = sorted((row["open"], row["close"]))
    flags |= BarFlag.SUSPECT if row["low"] < 0.5 * body_low or row["high"] > 2 * body_high else BarFlag.NONE
    prices = (row[column] for column in ("open", "high", "low", "close", "volume"))
    return BarClosed(NAME, ts * MILLISECOND + HOUR, *prices, int(flags))


class Holder:
    """Holds 100 of what is traded, and 100,000 USDT."""

    def __init__(self, config: MatchingConfig = CONFIG) -> None:
        fees = (FeeTier(Decimal(0), Decimal("0.001"), Decimal("0.001")),)
        instrument = Instrument(NAME, Asset("X"), Asset("USDT"), Decimal("0.0000001"), Decimal("0.1"), Decimal(5), fees)
        self.venue = Venue((instrument,), HOUR, config, {Asset("USDT"): Decimal(100_000), Asset("X"): Decimal(100)})
        self.count = 0

    def send(self, bar: BarClosed, kind: OrderType, side: Side, quantity: float, price: str = "") -> None:
        """Send an order in time for the open of `bar`; a price is a limit's or a stop's."""
        self.count += 1
        level = Price(Decimal(price)) if price else None
        role = Role.ENTRY if side is Side.BUY else Role.STOP
        is_limit = kind is OrderType.LIMIT
        spec = OrderSpec(
            OrderId(f"o{self.count}"), NAME, side, kind, Quantity(Decimal(str(quantity))), role,
            level if is_limit else None, None if is_limit else level,
            time_in_force=TimeInForce.GTC if price else TimeInForce.IOC,
        )  # fmt: skip
        (event,) = self.venue.place(spec, bar.ts_event - HOUR)
        assert type(event).__name__ == "OrderAccepted", event

    def stop(self, bar: BarClosed, price: str, quantity: float = 1) -> None:
        self.send(bar, OrderType.STOP_MARKET, Side.SELL, quantity, price)

    def play(self, *bars: BarClosed) -> list[OrderEvent]:
        events: list[OrderEvent] = []
        for bar in bars:
            events += self.venue.open_phase(bar)
            while batch := self.venue.range_phase(bar):
                events += batch
        return events


GAPS = [
    (ETH, "2017-08-22T03:00", "2017-08-22T04:00", "270", 144.21),
    (BNB, "2017-11-06T03:00", "2017-11-06T04:00", "1.45", 1.30),
    (DOGE, "2020-03-12T23:00", "2020-03-13T00:00", "0.00158", 0.0014971),
    (XRP, "2025-05-19T06:00", "2025-05-19T07:00", "2.30", 2.2838),
]


@pytest.mark.parametrize(("file", "_before", "at", "stop", "opened"), GAPS)
def test_a_stop_fills_at_the_open_that_has_jumped_past_it(file: str, _before: str, at: str, stop: str, opened: float):
    bar, holder = hour(file, at), Holder(MatchingConfig.ideal())
    assert bar.open == opened
    holder.stop(bar, stop)
    (fill,) = holder.play(bar)
    assert isinstance(fill, OrderFilled)
    assert (float(fill.price), fill.reference, fill.is_gap) == (opened, Decimal(stop), True)


@pytest.mark.parametrize(("file", "_before", "at", "stop", "opened"), GAPS)
def test_and_with_costs_below_it(file: str, _before: str, at: str, stop: str, opened: float):
    bar, holder = hour(file, at), Holder()
    holder.stop(bar, stop)
    (fill,) = holder.play(bar)
    assert isinstance(fill, OrderFilled)
    assert float(fill.price) <= opened * (1 - float(half_spread(CONFIG) + slippage(CONFIG, Decimal(0))))
    assert fill.is_gap


@pytest.mark.parametrize(("file", "before", "at", "stop", "_opened"), GAPS)
def test_a_stop_that_rests_since_the_hour_before_does_the_same(
    file: str, before: str, at: str, stop: str, _opened: float
):
    holder, earlier, bar = Holder(), hour(file, before), hour(file, at)
    low = min(earlier.open, earlier.close) if earlier.flags & BarFlag.SUSPECT else earlier.low
    holder.stop(earlier, stop)
    events = holder.play(earlier, bar)
    assert len(events) == 1
    assert isinstance(events[0], OrderFilled)
    assert events[0].is_gap == (low > float(stop)), "DOGE fell through it in the hour before already"


def test_gate_io_had_an_hour_without_trade_and_entries_do_not_cross_it():
    silent, after = hour(XRP, "2025-05-19T06:00"), hour(XRP, "2025-05-19T07:00")
    assert silent.flags == BarFlag.NO_TRADE
    assert after.flags == BarFlag.AFTER_NO_TRADE
    holder = Holder()
    holder.send(silent, OrderType.MARKET, Side.BUY, 10)
    holder.stop(silent, "2.34", 10)
    assert holder.play(silent) == []
    stopped, canceled = holder.play(after)
    assert isinstance(stopped, OrderFilled)
    assert stopped.is_gap
    assert float(stopped.price) < after.open
    assert canceled.reason == "gap"


def test_the_print_of_link_near_zero_fills_nothing():
    bar, holder = hour(LINK, "2020-03-12T10:00"), Holder()
    assert bar.low == 0.0001
    assert bar.flags == BarFlag.SUSPECT
    holder.stop(bar, "2.00")
    holder.send(bar, OrderType.LIMIT, Side.BUY, 1000, "2.46")
    holder.send(bar, OrderType.LIMIT, Side.BUY, 1000, "0.01")
    assert holder.play(bar) == []


def test_a_stop_within_the_trusted_part_of_that_hour_fills_near_its_price():
    bar, holder = hour(LINK, "2020-03-12T10:00"), Holder()
    holder.stop(bar, "2.50", 100)
    (fill,) = holder.play(bar)
    assert isinstance(fill, OrderFilled)
    assert Decimal("2.49") < fill.price < Decimal("2.50")


def test_a_stop_in_the_crash_of_dot_slips_beyond_its_price_the_more_the_larger_it_is():
    bar = hour(DOT, "2021-05-19T12:00")
    assert bar.low == 18.0
    prices = []
    for quantity in (1, 100):
        holder = Holder(MatchingConfig(participation_max=None))
        thin = BarClosed(NAME, bar.ts_event, bar.open, bar.high, bar.low, bar.close, 1_000.0, bar.flags)
        holder.stop(thin, "34", quantity)
        (fill,) = holder.play(thin)
        assert isinstance(fill, OrderFilled)
        assert not fill.is_gap
        prices.append(fill.price)
    small, large = prices
    assert large < small < 34
    # A tenth of the volume goes a tenth of the way from 34 to 18, and pays 0.12 % besides.
    assert large == Decimal("34") - Decimal("1.6") - Decimal("34") * Decimal("0.0012")


def test_with_the_volume_of_that_hour_a_small_stop_still_fills_below_its_price():
    bar, holder = hour(DOT, "2021-05-19T12:00"), Holder()
    holder.stop(bar, "34", 100)
    (fill,) = holder.play(bar)
    assert isinstance(fill, OrderFilled)
    assert Decimal("33.99") < fill.price < Decimal("34") * (1 - half_spread(CONFIG))

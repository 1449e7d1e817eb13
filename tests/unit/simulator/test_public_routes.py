"""Bars of several lengths from bars of one, and how the price stands against the day's beginning."""

from collections.abc import Sequence
from decimal import Decimal

from tests.unit.simulator.venues import BTC

from holdfast.core.time import DAY, HOUR
from holdfast.domain.market import BarClosed, Timeframe
from holdfast.simulator.exchange import VirtualExchange
from holdfast.simulator.market import MarketConfig, PairMarket
from holdfast.simulator.public_routes import candles_of, ticker_json
from holdfast.simulator.records import PairSpec
from holdfast.simulator.venue_market import VenueMarket

MIDNIGHT = 19_700 * DAY


def hour(number: int, price: float) -> BarClosed:
    return BarClosed(BTC.id, MIDNIGHT + (number + 1) * HOUR, price, price + 2, price - 2, price + 1, 10.0)


def market(past: Sequence[BarClosed], to_come: Sequence[BarClosed] = ()) -> VenueMarket:
    return VenueMarket(PairSpec("BTC_USDT", BTC), PairMarket(BTC, Timeframe.H1, to_come, past, MarketConfig()))


def test_bars_are_joined_on_their_grid_and_one_that_has_no_beginning_is_left_out():
    one = market([hour(number, 100.0 + number) for number in range(2, 13)])
    found = candles_of(one, 4 * HOUR, 0, MIDNIGHT + DAY)
    assert [bar.ts_open for bar in found] == [MIDNIGHT + 4 * HOUR, MIDNIGHT + 8 * HOUR, MIDNIGHT + 12 * HOUR]
    first = found[0]
    assert (first.open, first.high, first.low, first.close, first.volume) == (104.0, 109.0, 102.0, 108.0, 40.0)
    assert [bar.is_closed for bar in found] == [True, True, False]


def test_a_bar_whose_end_is_missing_is_over_when_the_next_one_begins():
    one = market([hour(number, 100.0) for number in (0, 1, 2)])
    assert [bar.is_closed for bar in candles_of(one, 4 * HOUR, 0, MIDNIGHT + DAY)] == [False]
    one = market([hour(number, 100.0) for number in (0, 1, 2, 5)])
    assert [bar.is_closed for bar in candles_of(one, 4 * HOUR, 0, MIDNIGHT + DAY)] == [True, False]


def test_the_price_stands_against_the_beginning_of_the_day_here_and_in_beijing():
    bars = [hour(number, 100.0 if number < 16 else 200.0) for number in range(-8, 20)]
    exchange = VirtualExchange([PairSpec("BTC_USDT", BTC)], [market(bars, [hour(20, 220.0)]).prints], [])
    exchange.advance(MIDNIGHT + 21 * HOUR)
    ticker = ticker_json(exchange, exchange.markets["BTC_USDT"])
    assert Decimal(str(ticker["last"])) == 221
    assert ticker["change_utc0"] == "121"
    assert ticker["change_utc8"] == "10.5"

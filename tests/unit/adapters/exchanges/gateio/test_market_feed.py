"""Bars from two sources: each once and in order, whatever the socket misses, doubles or overtakes."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal

import pytest
from tests.unit.adapters.exchanges.gateio.fake_venue import BEGIN, FakeVenue, run

from holdfast.adapters.exchanges.gateio import wire
from holdfast.adapters.exchanges.gateio.market_feed import PAGE_MAX, MarketFeed
from holdfast.adapters.exchanges.gateio.messages import BookTicker, Candle, Ticker
from holdfast.core.errors import ConfigurationError
from holdfast.core.time import SECOND
from holdfast.domain.market import BarClosed, Timeframe
from holdfast.domain.values import InstrumentId
from holdfast.ports.live import Incoming, Quote

NAME = InstrumentId("BTC/USDT.GATEIO")
NANOS = Timeframe.M1.nanos
FIRST = BEGIN // NANOS * NANOS  # when bar 0 opens


class Market:
    """A feed, the venue behind it, and what it has told."""

    def __init__(self) -> None:
        self.venue = FakeVenue()
        self.told: list[Incoming] = []
        self.asks: list[tuple[InstrumentId, Decimal]] = []
        self.feed = MarketFeed(self.venue, self.told.extend, lambda name, ask: self.asks.append((name, ask)))
        self.feed.begin([NAME], Timeframe.M1)

    def has(self, closed: int) -> None:
        """Let the venue have so many closed bars and one that grows."""
        self.venue.candles = [candle(number, is_closed=number < closed) for number in range(closed + 1)]

    def push(self, number: int, *, is_closed: bool = True) -> None:
        time = (FIRST + number * NANOS) // SECOND
        self.feed.on_message(Candle(time, "1m_BTC_USDT", 1.0, 2.0, 1.0, 2.0, 5.0, 3.0, is_closed))

    @property
    def bars(self) -> list[int]:
        return numbers([item for item in self.told if isinstance(item, BarClosed)])


def candle(number: int, *, is_closed: bool = True) -> wire.Candle:
    one, time = Decimal(1), Decimal((FIRST + number * NANOS) // SECOND)
    return wire.Candle(time, one, one, one, one, one, one, is_closed)


def numbers(bars: Sequence[BarClosed]) -> list[int]:
    return [(bar.ts_event - FIRST) // NANOS - 1 for bar in bars]


def test_pushed_bars_follow_on_history_and_come_once():
    async def scenario() -> None:
        market = Market()
        market.has(3)
        assert numbers(await market.feed.history(NAME, 2, 0)) == [1, 2]
        for number in (2, 3, 3, 4):
            market.push(number, is_closed=False)
            market.push(number)
        assert market.bars == [3, 4]

    run(scenario)


def test_a_bar_that_was_missed_is_fetched_before_those_after_it():
    async def scenario() -> None:
        market = Market()
        market.has(3)
        await market.feed.history(NAME, 1, 0)
        market.has(6)
        market.push(5)
        market.push(6, is_closed=False)
        assert market.bars == []
        await asyncio.sleep(1)
        market.push(6)
        assert market.bars == [3, 4, 5, 6]

    run(scenario)


def test_a_bar_that_is_pushed_while_the_venue_is_asked_for_it_comes_once():
    async def scenario() -> None:
        market = Market()
        market.has(3)
        await market.feed.history(NAME, 1, 0)
        market.has(5)
        market.venue.during = lambda method: market.push(3)
        market.feed.resume()
        await asyncio.sleep(1)
        assert market.bars == [3, 4]

    run(scenario)


def test_an_outage_of_more_bars_than_one_answer_holds_leaves_no_hole():
    async def scenario() -> None:
        market = Market()
        market.has(3)
        await market.feed.history(NAME, 1, 0)
        market.has(2 * PAGE_MAX + 500)
        market.feed.resume()
        await asyncio.sleep(1)
        assert market.bars == list(range(3, 2 * PAGE_MAX + 500))

    run(scenario)


def test_history_goes_back_over_several_answers_and_no_further_than_asked():
    async def scenario() -> None:
        market = Market()
        market.has(3_000)
        assert numbers(await market.feed.history(NAME, 2_500, 0)) == list(range(500, 3_000))
        asked = market.venue.count("candlesticks")
        assert numbers(await market.feed.history(NAME, 2_500, FIRST + 2_990 * NANOS)) == list(range(2_990, 3_000))
        assert market.venue.count("candlesticks") == asked + 1
        assert await market.feed.history(NAME, 10, FIRST + 3_000 * NANOS) == []

    run(scenario)


@pytest.mark.parametrize("halted", [300, PAGE_MAX, PAGE_MAX + 1, 2 * PAGE_MAX + 7])
def test_a_halt_longer_than_one_answer_is_not_the_end_of_the_history(halted: int):
    async def scenario() -> None:
        market = Market()
        market.has(6_000)
        before = 4_900 - halted
        del market.venue.candles[before:4_900]
        ours = [*range(before - 50, before), *range(4_900, 6_000)]
        assert numbers(await market.feed.history(NAME, len(ours), 0)) == ours
        after = FIRST + (before - 50) * NANOS
        assert numbers(await market.feed.history(NAME, 5_000, after)) == ours

    run(scenario)


def test_a_pair_that_was_listed_of_late_is_not_asked_about_for_ever():
    async def scenario() -> None:
        market = Market()
        market.has(5)
        assert numbers(await market.feed.history(NAME, 500, 0)) == list(range(5))
        assert market.venue.count("candlesticks") <= 13

    run(scenario)


def test_what_the_venue_does_not_have_is_not_invented():
    async def scenario() -> None:
        market = Market()
        market.has(3)
        await market.feed.history(NAME, 1, 0)
        market.has(8)
        del market.venue.candles[5]
        market.feed.resume()
        await asyncio.sleep(1)
        assert market.bars == [3, 4, 6, 7]

    run(scenario)


def test_a_silent_socket_is_made_up_for_and_an_answer_that_fails_is_asked_for_again():
    async def scenario() -> None:
        market = Market()
        market.has(3)
        await market.feed.history(NAME, 1, 0)
        market.has(4)
        market.venue.script("candlesticks", "unreachable", "lost_before")
        watch = asyncio.ensure_future(market.feed.watch())
        late = FIRST + 4 * NANOS + 3 * SECOND
        market.feed.on_message(BookTicker(Decimal(late // 1_000_000), 1, "BTC_USDT", 1.0, 1.0, 2.0, 1.0))
        await asyncio.sleep(6)
        watch.cancel()
        assert market.bars == [3]

    run(scenario)


def test_the_book_gives_the_quotes_once_it_speaks_and_tickers_the_last_price():
    async def scenario() -> None:
        market = Market()
        market.feed.on_message(Ticker("BTC_USDT", 1.5, 2.0, 1.0, ts_event=7))
        market.feed.on_message(BookTicker(Decimal(1), 1, "BTC_USDT", 1.1, 1.0, 1.9, 1.0))
        market.feed.on_message(Ticker("BTC_USDT", 1.6, 3.0, 0.5, ts_event=8))
        market.feed.on_message(BookTicker(Decimal(2), 2, "BTC_USDT", None, None, 1.9, 1.0))
        market.feed.on_message(Ticker("ETH_USDT", 1.6, 3.0, 0.5, ts_event=9))
        assert market.told == [Quote(NAME, 7, 1.0, 2.0, 1.5), Quote(NAME, 1_000_000, 1.1, 1.9, 1.5)]
        assert market.asks == [(NAME, Decimal("2.0")), (NAME, Decimal("1.9"))]

    run(scenario)


def test_the_book_tells_the_markets_time_and_no_ticker_of_another_clock():
    # A market of the past is played, and tickers carry the wall's clock: what is told of orders stood still there.
    async def scenario() -> None:
        market = Market()
        market.feed.begin([NAME, InstrumentId("ETH/USDT.GATEIO")], Timeframe.M1)
        market.feed.on_message(Ticker("BTC_USDT", 1.5, 2.0, 1.0, ts_event=BEGIN))
        assert market.feed.market_ts == BEGIN, "better than nothing"
        for time in (5, 6):
            market.feed.on_message(BookTicker(Decimal(time), 1, "BTC_USDT", 1.1, 1.0, 1.9, 1.0))
            market.feed.on_message(Ticker("ETH_USDT", 1.5, 2.0, 1.0, ts_event=BEGIN))
            assert market.feed.market_ts == time * 1_000_000

    run(scenario)


def test_bars_that_the_venue_does_not_have_are_refused_at_once():
    async def scenario() -> None:
        with pytest.raises(ConfigurationError):
            Market().feed.begin([NAME], Timeframe.W1)

    run(scenario)

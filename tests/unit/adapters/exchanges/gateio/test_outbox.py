"""A slow reader: the latest prices, every message of our own, and memory that is bounded."""

import asyncio
import threading

from tests.unit.adapters.exchanges.gateio.loopback import connection, own_order, run, ticker

from holdfast.adapters.exchanges.gateio.messages import BookUpdate, Candle, Message, Ticker, Trade, read
from holdfast.adapters.exchanges.gateio.outbox import Outbox
from holdfast.adapters.exchanges.gateio.own import OwnOrder


def candle(time: int, close: float, name: str = "1m_BTC_USDT", is_closed: bool = False) -> Candle:
    return Candle(time, name, 1.0, 9.0, 1.0, close, 1.0, is_closed=is_closed)


def trade(number: int) -> Trade:
    return Trade(number, "buy", "BTC_USDT", 1.0, 1.0, 1.0)


def test_price_replaces_the_one_that_waits_and_a_closed_candle_is_not_replaced_by_the_next():
    outbox = Outbox()
    for number in range(100):
        outbox.put(read(ticker("BTC_USDT", number))[0])
    outbox.put(candle(60, 2.0))
    outbox.put(candle(60, 3.0, is_closed=True))
    outbox.put(candle(120, 4.0))
    outbox.put(candle(60, 5.0, name="5m_BTC_USDT"))
    price, *candles = outbox.take()
    assert isinstance(price, Ticker)
    assert price.last == 99.0
    assert [(bar.time, bar.close, bar.is_closed) for bar in candles if isinstance(bar, Candle)] == [
        (60, 3.0, True), (120, 4.0, False), (60, 5.0, False),
    ]  # fmt: skip
    assert (outbox.replaced, outbox.take(), len(outbox)) == (100, [], 0)


def test_of_too_many_trades_and_updates_the_oldest_are_dropped_and_counted():
    outbox = Outbox(stream_max=10)
    for number in range(15):
        outbox.put(trade(number))
    outbox.put(BookUpdate(1.0, "BTC_USDT", 1, 2, [], []))
    taken = outbox.take()
    assert [message.id for message in taken if isinstance(message, Trade)] == list(range(6, 15))
    assert isinstance(taken[-1], BookUpdate)
    assert outbox.dropped == 6


def test_nothing_of_our_own_is_dropped_however_much_waits():
    outbox = Outbox(stream_max=1, private_max=5)
    for number in range(50):
        outbox.put(read(own_order(number))[0])
    assert outbox.is_full
    assert len(outbox.take()) == 50
    assert not outbox.is_full


def test_our_own_comes_first():
    outbox = Outbox()
    for message in (trade(1), read(ticker())[0], read(own_order(1))[0]):
        outbox.put(message)
    assert [type(message) for message in outbox.take()] == [OwnOrder, Ticker, Trade]


def test_thread_that_waits_is_woken():
    outbox = Outbox()
    taken: list[Message] = []
    thread = threading.Thread(target=lambda: taken.extend(outbox.take(10)))
    thread.start()
    outbox.put(trade(1))
    thread.join(5)
    assert taken == [trade(1)]
    assert outbox.take(0.001) == []


def test_slow_reader_gets_the_latest_prices_and_every_message_of_its_own():
    async def scenario() -> None:
        outbox = Outbox(private_max=50)
        async with connection(on_message=outbox.put, is_held=lambda: outbox.is_full) as (venue, socket, listener):
            await socket.wait_up(5)
            for number in range(400):
                await venue.socket.send_str(ticker("BTC_USDT", number))
                await venue.socket.send_str(ticker("ETH_USDT", number))
                await venue.socket.send_str(own_order(number))
            seen: list[Message] = []
            for _ in range(100):
                await asyncio.sleep(0.02)
                assert len(outbox) <= 60
                seen += outbox.take()
                if sum(isinstance(message, OwnOrder) for message in seen) == 400:
                    break
            orders = [message.venue_order_id for message in seen if isinstance(message, OwnOrder)]
            assert orders == [str(number) for number in range(400)]
            tickers = [message for message in seen if isinstance(message, Ticker)]
            assert len(tickers) < 200
            assert {message.currency_pair: message.last for message in tickers} == {"BTC_USDT": 399, "ETH_USDT": 399}
            assert listener.ups == [True]

    run(scenario)

"""A recorded market: its book stands as it was, its trades are the prints, and accounts meet both."""

from collections.abc import Sequence
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.simulator.venues import ANN, BTC, dec

from holdfast.core.secret import Secret
from holdfast.core.time import HOUR, SECOND
from holdfast.domain.market import Timeframe, TradePrint
from holdfast.domain.recorded_book import BookDelta
from holdfast.domain.values import Price, Quantity, Side
from holdfast.simulator.exchange import VirtualExchange
from holdfast.simulator.market import MarketConfig
from holdfast.simulator.recorded_market import RecordedMarket
from holdfast.simulator.records import AccountSpec, OrderAsk, PairSpec, VirtualOrder
from holdfast.simulator.state import restore, snapshot
from holdfast.simulator.triggers import Triggers

Event = TradePrint | BookDelta
T0 = 1_700_000_000 * SECOND // HOUR * HOUR


def book(ts: int, bids: str, asks: str, *, is_whole: bool = False) -> BookDelta:
    def levels(text: str) -> tuple[tuple[Decimal, Decimal], ...]:
        return tuple((dec(price), dec(amount)) for price, _, amount in (part.partition(":") for part in text.split()))

    return BookDelta(BTC.id, T0 + ts * SECOND, levels(bids), levels(asks), is_whole)


def trade(ts: int, side: Side, price: str, amount: str) -> TradePrint:
    return TradePrint(BTC.id, T0 + ts * SECOND, str(ts), Price(dec(price)), Quantity(dec(amount)), side)


def venue(events: Sequence[Event]) -> VirtualExchange:
    market = RecordedMarket(BTC, Timeframe.H1, events, MarketConfig())
    account = AccountSpec(ANN, Secret("s"), {"USDT": dec(100_000), "BTC": dec(100)})
    return VirtualExchange([PairSpec("BTC_USDT", BTC)], [market], [account])


def place(one: VirtualExchange, side: Side, amount: str, price: str) -> VirtualOrder:
    return one.place(ANN, OrderAsk("BTC_USDT", side, "limit", dec(amount), dec(price)))


OPENING = [book(0, "100:1 99:2 98:3", "101:1 102:2 103:3", is_whole=True), trade(1, Side.BUY, "101", "1")]


def test_the_book_is_the_recorded_one_level_by_level():
    one = venue([*OPENING, book(2, "99:0 99.5:4", "101:2.5 101.5:1"), book(3, "1:1", "", is_whole=True)])
    market = one.markets["BTC_USDT"]
    one.advance(T0 + 2 * SECOND)
    assert market.sorted_depth(3) == (
        [(dec(100), dec(1)), (dec("99.5"), dec(4)), (dec(98), dec(3))],
        [(dec(101), dec("2.5")), (dec("101.5"), dec(1)), (dec(102), dec(2))],
    )
    one.advance(T0 + 3 * SECOND)
    assert market.sorted_depth(3) == ([(dec(1), dec(1))], [])


def test_an_order_walks_the_recorded_levels_and_what_it_took_is_gone_until_they_are_told_anew():
    one = venue([*OPENING, book(2, "", "101:1")])
    one.advance(T0 + 1 * SECOND)
    order = place(one, Side.BUY, "2", "102")
    assert (order.filled, order.filled_total) == (2, 101 + 102)
    market = one.markets["BTC_USDT"]
    assert market.sorted_depth(1)[1] == [(dec(102), dec(1))]
    one.advance(T0 + 2 * SECOND)
    assert market.sorted_depth(1)[1] == [(dec(101), dec(1))]


def test_what_rests_is_met_by_a_book_that_comes_to_it_and_goes_through_as_much_as_there_is():
    one = venue([*OPENING, book(2, "", "101:0 100.5:0.4"), book(3, "", "100.4:5 100.5:0")])
    one.advance(T0 + 1 * SECOND)
    order = place(one, Side.BUY, "1", "100.5")
    assert order.status == "open"
    one.advance(T0 + 2 * SECOND)
    assert (order.filled, order.filled_total) == (dec("0.4"), dec("0.4") * dec("100.5"))
    one.advance(T0 + 3 * SECOND)
    assert (order.status, order.filled_total) == ("closed", dec("100.5")), "at the price that rests"
    bids, asks = one.markets["BTC_USDT"].sorted_depth(1)
    assert bids[0][0] < asks[0][0]


def test_trades_make_the_bars_and_say_who_crossed():
    one = venue([*OPENING, trade(3_599, Side.SELL, "97", "2"), trade(3_600, Side.BUY, "103", "1")])
    one.advance(T0 + 3_600 * SECOND)
    market = one.markets["BTC_USDT"]
    (bar,) = market.prints.finished
    assert (bar.ts_event, bar.open, bar.high, bar.low, bar.close, bar.volume) == (T0 + HOUR, 101, 101, 97, 97, 3)
    assert [found.side for found in market.trades] == [Side.BUY, Side.SELL, Side.BUY]
    assert market.prints.last == 103


def test_without_a_book_strangers_offer_what_was_traded_lately():
    one = venue([trade(number, Side.BUY, "100", "2") for number in range(1, 300)])
    one.advance(T0 + 200 * SECOND)
    (bid, ask) = (side[0] for side in one.markets["BTC_USDT"].sorted_depth(1))
    assert bid[0] < 100 < ask[0]
    assert bid[1] == ask[1] == 2


levels = st.dictionaries(st.integers(95, 99), st.integers(0, 3), max_size=3)
events = st.lists(
    st.one_of(
        st.tuples(st.just("book"), levels, levels),
        st.tuples(st.just("trade"), st.integers(95, 105), st.integers(1, 4)),
        st.tuples(st.just("order"), st.sampled_from(list(Side)), st.integers(95, 105)),
        st.tuples(st.just("restart")),
    ),
    max_size=30,
)


@given(events)
def test_nothing_is_made_or_lost_the_book_is_never_crossed_and_a_restart_changes_nothing(taken):
    told: list[Event] = [*OPENING]
    for number, step in enumerate(taken):
        match step:
            case ("book", bids, asks):
                low = " ".join(f"{price}:{amount}" for price, amount in bids.items())
                high = " ".join(f"{price + 6}:{amount}" for price, amount in asks.items())
                told.append(book(number + 2, low, high, is_whole=number % 5 == 0))
            case ("trade", price, amount):
                told.append(trade(number + 2, Side.SELL, str(price), str(amount)))
            case _:
                pass
    one = venue(told)
    one.advance(T0 + SECOND)
    total = {asset: one.purse.sum(asset) for asset in one.purse.assets()}
    for number, step in enumerate(taken):
        one.advance(T0 + (number + 2) * SECOND)
        match step:
            case ("order", side, price):
                place(one, side, "1.5", str(price))
            case ("restart",):
                triggers, again = Triggers(one), venue(told)
                state = snapshot(one, triggers)
                others = Triggers(again)
                restore(again, others, state)
                assert snapshot(again, others) == state
                one = again
            case _:
                pass
        bids, asks = one.markets["BTC_USDT"].sorted_depth(1)
        assert not (bids and asks) or bids[0][0] < asks[0][0]
        assert {asset: one.purse.sum(asset) for asset in one.purse.assets()} == total
        for order in one.orders.values():
            paid = order.filled_total - order.filled * order.price
            assert paid <= 0 if order.side is Side.BUY else paid >= 0

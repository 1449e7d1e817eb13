"""Orders at the simulated venue: what they cost, what they bind, who trades first, and what is refused."""

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.simulator.venues import ANN, BOB, QUIET, Rig, dec

from holdfast.core.time import SECOND
from holdfast.domain.values import ZERO, Side
from holdfast.simulator.purse import FEES, MARKET
from holdfast.simulator.records import AccountTraded, DepthChanged, OrderChanged
from holdfast.simulator.refusal import VenueRefusal
from holdfast.simulator.state import restore, snapshot


def refusal(call: object, *given: object, **named: object) -> str:
    with pytest.raises(VenueRefusal) as caught:
        call(*given, **named)  # type: ignore[operator]  # whatever a test hands in
    return caught.value.label


# -- taking and resting ------------------------------------------------------------------------------
def test_a_market_buy_spends_quote_and_pays_its_fee_in_base():
    rig = Rig()
    order = rig.place("BUY", "1000")
    assert (order.status, order.finish_as) == ("closed", "filled")
    assert order.filled * dec("0.001") == order.fee
    assert order.fee_currency == "BTC"
    total, locked = rig.held(ANN, "BTC")
    assert total == 50 + order.filled - order.fee
    assert rig.held(ANN, "USDT") == (10_000 - order.filled_total, 0)
    assert locked == 0
    assert 1000 - order.filled_total < dec("0.02"), "what is left buys no lot"


def test_a_sale_pays_its_fee_in_quote():
    rig = Rig()
    order = rig.place("SELL", "2")
    assert (order.fee_currency, order.fee) == ("USDT", order.filled_total * dec("0.001"))
    assert rig.held(ANN, "USDT")[0] == 10_000 + order.filled_total - order.fee
    assert order.filled_total < 200, "it is sold below the last price"


def test_a_large_order_walks_through_the_levels():
    rig = Rig()
    small, large = rig.place("SELL", "1"), rig.place("SELL", "40", account=BOB)
    assert large.filled_total / large.filled < small.filled_total / small.filled


def test_what_is_taken_from_strangers_is_gone_until_the_next_print():
    rig = Rig()
    first, second = rig.place("SELL", "20"), rig.place("SELL", "20")
    assert second.filled_total < first.filled_total
    rig.bar(0, until_end=False)
    assert rig.place("SELL", "10").filled_total / 10 > second.filled_total / 20


def test_a_limit_order_binds_what_it_needs_and_frees_it_when_canceled():
    rig = Rig()
    order = rig.place("BUY", "3", "90")
    assert rig.held(ANN, "USDT") == (10_000, 270)
    rig.venue.cancel(ANN, order.id)
    assert rig.held(ANN, "USDT") == (10_000, 0)
    assert (order.status, order.finish_as) == ("cancelled", "cancelled")


def test_accounts_trade_with_each_other_at_the_price_that_rests():
    rig = Rig()
    rest = rig.place("SELL", "2", "100.01", account=BOB)
    taken = rig.place("BUY", "2", "105")
    assert (rest.status, taken.status) == ("closed", "closed")
    assert taken.filled_total == dec("200.02"), "at Bob's price, before strangers who ask the same"
    assert rig.held(ANN, "USDT") == (10_000 - dec("200.02"), 0)
    assert rig.held(BOB, "USDT")[0] == 10_000 + dec("200.02") * dec("0.999")
    assert rig.held(ANN, "BTC")[0] == 50 + 2 * dec("0.999")
    assert rig.held(BOB, "BTC") == (48, 0)


def test_the_better_price_goes_first_and_then_the_earlier_order():
    rig = Rig(spread="0.05")
    late, early, best = (rig.place("SELL", "1", price, account=BOB) for price in ("101", "101", "100.5"))
    first = rig.place("BUY", "1.5", "101")
    assert first.filled == dec("1.5")
    assert (best.status, late.filled, early.filled) == ("closed", dec("0.5"), 0)


def test_a_resting_order_fills_when_prints_go_through_it_at_its_own_price():
    rig = Rig([QUIET, (100.0, 101.0, 95.0, 100.0, 1_000.0)])
    order = rig.place("BUY", "3", "97")
    rig.bar(0)
    assert order.status == "open"
    rig.bar(1)
    assert (order.status, order.filled_total) == ("closed", 291)
    trade = rig.venue.trades[-1]
    assert (trade.role, trade.price) == ("maker", 97)


def test_a_touch_fills_nothing_and_a_thin_print_fills_a_part():
    rig = Rig([(100.0, 101.0, 97.0, 100.0, 1_000.0), (100.0, 101.0, 95.0, 100.0, 8.0)])
    order = rig.place("BUY", "3", "97")
    rig.bar(0)
    assert order.filled == 0
    rig.bar(1)
    assert order.filled == 1, "half of a print of two"
    assert order.status == "open"


@pytest.mark.parametrize(("tif", "status", "finish_as"), [("ioc", "cancelled", "ioc"), ("gtc", "open", "open")])
def test_what_does_not_fill_at_once_rests_or_ends(tif: str, status: str, finish_as: str):
    order = Rig().place("BUY", "1", "90", tif)
    assert (order.status, order.finish_as) == (status, finish_as)


# -- refusals ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("given", "label"),
    [
        ({"amount": "1", "price": "90.001"}, "INVALID_PRECISION"),
        ({"amount": "1.00001", "price": "90"}, "INVALID_PRECISION"),
        ({"amount": "0.01", "price": "90"}, "AMOUNT_TOO_LITTLE"),
        ({"amount": "200", "price": "90"}, "BALANCE_NOT_ENOUGH"),
        ({"amount": "1", "price": "110", "tif": "poc"}, "POC_FILL_IMMEDIATELY"),
        ({"amount": "90", "price": "100.02", "tif": "fok"}, "FOK_NOT_FILL"),
        ({"amount": "1", "price": "90", "tif": "day"}, "INVALID_PARAM_VALUE"),
        ({"amount": "-1", "price": "90"}, "INVALID_PARAM_VALUE"),
        ({"amount": "1", "price": "90", "text": "no-prefix"}, "INVALID_PARAM_VALUE"),
        ({"amount": "1", "price": "90", "text": "t-" + "x" * 29}, "INVALID_PARAM_VALUE"),
        ({"amount": "100", "tif": "gtc"}, "INVALID_PARAM_VALUE"),
    ],
)
def test_what_the_venue_does_not_take_changes_nothing(given: dict[str, str], label: str):
    rig = Rig()
    assert refusal(rig.place, "BUY", **given) == label
    assert not rig.venue.orders
    assert rig.held(ANN, "USDT") == (10_000, 0)


def test_one_text_names_one_order():
    rig = Rig()
    order = rig.place("BUY", "1", "90", text="t-hf-1p")
    assert refusal(rig.place, "BUY", "1", "91", text="t-hf-1p") == "REPEATED_CREATION"
    rig.venue.cancel(ANN, order.id)
    assert refusal(rig.place, "BUY", "1", "91", text="t-hf-1p") == "REPEATED_CREATION", "not even when it is over"
    assert rig.place("BUY", "1", "90", text="t-hf-1p", account=BOB), "another account's texts are its own"


def test_an_order_is_found_by_its_text_while_it_rests_and_for_a_minute():
    rig = Rig()
    order = rig.place("BUY", "1", "90", text="t-hf-1p")
    assert rig.venue.find(ANN, "t-hf-1p") is order
    assert refusal(rig.venue.find, BOB, "t-hf-1p") == "ORDER_NOT_FOUND"
    assert refusal(rig.venue.find, BOB, str(order.id)) == "ORDER_NOT_FOUND"
    rig.venue.cancel(ANN, order.id)
    rig.venue.now += 60 * SECOND
    assert rig.venue.find(ANN, "t-hf-1p") is order
    rig.venue.now += 1
    assert refusal(rig.venue.find, ANN, "t-hf-1p") == "ORDER_NOT_FOUND"
    assert rig.venue.find(ANN, str(order.id)) is order


def test_what_is_gone_cannot_be_canceled_and_says_how_it_went():
    rig = Rig()
    filled, canceled = rig.place("SELL", "1"), rig.place("BUY", "1", "90")
    rig.venue.cancel(ANN, canceled.id)
    assert refusal(rig.venue.cancel, ANN, filled.id) == "ORDER_CLOSED"
    assert refusal(rig.venue.cancel, ANN, canceled.id) == "ORDER_CANCELLED"
    assert refusal(rig.venue.cancel, BOB, filled.id) == "ORDER_NOT_FOUND"


def test_an_amended_order_binds_anew_and_goes_to_the_end_of_the_queue():
    rig = Rig(spread="0.05")
    first, second = rig.place("SELL", "1", "101", account=BOB), rig.place("SELL", "1", "101", account=BOB)
    rig.venue.amend(BOB, first.id, None, dec(2))
    assert rig.held(BOB, "BTC") == (50, 3)
    rig.place("BUY", "1", "101")
    assert (first.filled, second.filled) == (0, 1)
    assert refusal(rig.venue.amend, BOB, first.id, dec(101), dec(2)) == "NO_CHANGE"
    assert refusal(rig.venue.amend, BOB, first.id, None, dec(60)) == "BALANCE_NOT_ENOUGH"
    assert rig.held(BOB, "BTC") == (49, 2)


@pytest.mark.parametrize(("act", "old", "new"), [("cn", "open", "cancelled"), ("co", "cancelled", "open")])
def test_who_would_trade_with_himself_is_kept_from_it_where_asked(act: str, old: str, new: str):
    rig = Rig(spread="0.05")
    rest = rig.place("SELL", "1", "101")
    order = rig.place("BUY", "1", "101", stp=act)
    assert (rest.status, order.status) == (old, new)


# -- news --------------------------------------------------------------------------------------------
def test_news_come_in_order_and_the_books_ids_have_no_holes():
    rig = Rig([QUIET] * 5)
    rig.place("BUY", "3", "99.9", text="t-1")
    for number in range(5):
        rig.bar(number)
    pushes = rig.venue.drain()
    events = [push.event for push in pushes if isinstance(push, OrderChanged)]
    assert (events[0], events[-1]) == ("put", "finish")
    depths = [push for push in pushes if isinstance(push, DepthChanged)]
    assert all(later.first_id == earlier.last_id + 1 for earlier, later in pairwise(depths))
    book: list[dict[Decimal, Decimal]] = [{}, {}]
    fresh = Rig([QUIET] * 5)
    book = [dict(side) for side in fresh.market.depth()]
    for push in depths:
        for side, changes in zip(book, (push.bids, push.asks), strict=True):
            for price, quantity in changes:
                side[price] = quantity
                if not quantity:
                    del side[price]
        assert max(book[0]) < min(book[1]), "never crossed"
    assert tuple(book) == rig.market.depth()
    assert rig.venue.drain() == []


def test_bars_that_are_finished_are_the_bars_that_were_given():
    rig = Rig([(100.0, 103.0, 98.0, 101.0, 500.0), QUIET])
    rig.bar(0, until_end=False)
    (growing,) = rig.market.prints.candles(rig.bars[0].ts_event - 3_600 * SECOND, rig.bars[0].ts_event)
    assert (growing.open, growing.high, growing.low, growing.close, growing.is_closed) == (100, 103, 98, 101, False)
    rig.bar(0)
    found = rig.market.prints.candles(0, rig.bars[0].ts_event)
    assert [bar.is_closed for bar in found] == [True] * 4 + [False], "the next one has just opened"
    assert (found[3].open, found[3].close, found[3].volume) == (100.0, 101.0, 500.0)


# -- what holds whatever happens ---------------------------------------------------------------------
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["place", "place", "place", "cancel", "amend", "bar", "restart"]),
        st.sampled_from([ANN, BOB]),
        st.sampled_from(["BUY", "SELL"]),
        st.integers(1, 400),
        st.integers(9_700, 10_300),
        st.sampled_from(["gtc", "ioc", "poc", "fok", "market"]),
    ),
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@example(
    [
        *[("place", ANN, "BUY", 1, 9700, "gtc")] * 8, ("place", ANN, "BUY", 13, 9950, "gtc"),
        *[("place", ANN, "BUY", 1, 9700, "gtc")] * 3, ("bar", ANN, "BUY", 1, 9700, "gtc"),
        ("amend", ANN, "BUY", 13, 9811, "gtc"),
    ],
    [(105, 1), (100, 52), (105, 60)],
)  # fmt: skip
@given(STEPS, st.lists(st.tuples(st.integers(95, 105), st.integers(0, 60)), min_size=3, max_size=3))
def test_nothing_is_made_or_lost_and_no_order_trades_beyond_its_terms(
    steps: list[tuple[str, str, str, int, int, str]], market: list[tuple[int, int]]
):
    rows = [(100.0, float(max(100, p) + 1), float(min(100, p) - 1), float(p), float(v)) for p, v in market]
    rig, bar = Rig(rows), 0
    worst: dict[int, Decimal] = {}  # of all prices that an order has had: what has filled stays as it was when amended
    for what, account, side, amount, cents, tif in steps:
        quantity, price = dec(amount) / 100, dec(cents) / 100
        try:
            if what == "place":
                is_market = tif == "market"
                asked = str(quantity * 100 if is_market and side == "BUY" else quantity)
                rig.place(side, asked, "" if is_market else str(price), "" if is_market else tif, account=account)
            elif what in ("cancel", "amend") and rig.venue.orders:
                order = list(rig.venue.orders.values())[amount % len(rig.venue.orders)]
                if what == "cancel":
                    rig.venue.cancel(account, order.id)
                else:
                    rig.venue.amend(account, order.id, price, quantity)
            elif what == "bar" and bar < len(rows):
                rig.bar(bar)
                bar += 1
            elif what == "restart":
                again = Rig(rows)
                state = snapshot(rig.venue, rig.triggers)
                restore(again.venue, again.triggers, state)
                assert snapshot(again.venue, again.triggers) == state
                assert [x.id for x in again.venue.open_orders(ANN)] == [x.id for x in rig.venue.open_orders(ANN)]
                rig.venue, rig.triggers, rig.market = again.venue, again.triggers, again.market
        except VenueRefusal:
            pass
        for order in rig.venue.orders.values():
            if order.type == "limit":
                pick = max if order.side is Side.BUY else min
                worst[order.id] = pick(order.price, worst.get(order.id, order.price))
        check(rig, worst)


def check(rig: Rig, worst: dict[int, Decimal]) -> None:
    purse = rig.venue.purse
    assert purse.sum("USDT") == 20_000
    assert purse.sum("BTC") == 100
    for account, held in purse.holdings.items():
        for asset, holding in held.items():
            if account not in (MARKET, FEES):
                assert ZERO <= holding.locked <= holding.total, (account, asset, holding)
    bound = {(account, asset): ZERO for account in (ANN, BOB) for asset in ("USDT", "BTC")}
    for order in rig.venue.orders.values():
        if order.type == "limit":
            assert order.filled <= order.amount
            if order.filled:
                mean = order.filled_total / order.filled
                price = worst[order.id]
                assert mean <= price if order.side is Side.BUY else mean >= price
        if order.is_open:
            is_buy = order.side is Side.BUY
            need = order.left * order.price if is_buy else order.left
            bound[(order.account, "USDT" if is_buy else "BTC")] += need
    for (account, asset), amount in bound.items():
        assert purse.of(account, asset).locked == amount
    bids, asks = rig.market.depth()
    assert not bids or not asks or max(bids) < min(asks)
    trades = [push.trade for push in rig.venue.drain() if isinstance(push, AccountTraded)]
    assert all(trade.quantity > 0 and trade.price > 0 for trade in trades)


def test_a_market_buy_that_must_be_whole_is_refused_where_there_is_too_little():
    rig = Rig()
    del rig.market.prints.strangers.asks[3:]
    worth = rig.market.worth(Side.BUY)
    assert worth == sum(price * quantity for price, quantity in rig.market.prints.strangers.asks)
    assert refusal(rig.place, "BUY", str(worth + 1), tif="fok") == "FOK_NOT_FILL"
    assert rig.place("BUY", str(worth), tif="fok").status == "closed"

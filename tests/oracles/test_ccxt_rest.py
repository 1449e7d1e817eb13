"""ccxt's `gate`, unpatched and pointed at the simulator by its own settings, lives a whole life of orders over REST."""

from decimal import Decimal
from itertools import pairwise

import ccxt
import pytest
from tests.oracles.conftest import KEY, OTHER_KEY, OTHER_SECRET, SECRET, VenueProcess

PAIR = "BTC/USDT"
pytestmark = pytest.mark.slow


def client(venue: VenueProcess, key: str = KEY, secret: str = SECRET) -> ccxt.gate:
    described = ccxt.gate().describe()["urls"]["api"]
    urls = {side: dict.fromkeys(described[side], venue.api) for side in ("public", "private")}
    return ccxt.gate(
        {
            "apiKey": key,
            "secret": secret,
            "urls": {"api": urls},
            "options": {"fetchMarkets": {"types": ["spot"]}, "createMarketBuyOrderRequiresPrice": False},
        }
    )


def totals(exchange: ccxt.gate) -> dict[str, tuple[Decimal, Decimal]]:
    """Give what the venue says of each coin, as the exact text that it sent: free and bound."""
    raw = exchange.fetch_balance()["info"]
    return {row["currency"]: (Decimal(row["available"]), Decimal(row["locked"])) for row in raw}


@pytest.fixture
def buyer(venue: VenueProcess) -> ccxt.gate:
    venue.advance(3)
    return client(venue)


@pytest.fixture
def seller(venue: VenueProcess) -> ccxt.gate:
    return client(venue, OTHER_KEY, OTHER_SECRET)


def test_markets_ticker_book_trades_and_candles(venue, buyer):
    market = buyer.load_markets()[PAIR]
    assert market["active"]
    assert market["spot"]
    assert market["id"] == "BTC_USDT"
    ticker = buyer.fetch_ticker(PAIR)
    book = buyer.fetch_order_book(PAIR)
    assert ticker["bid"] == book["bids"][0][0] < book["asks"][0][0] == ticker["ask"]
    assert [price for price, _ in book["bids"]] == sorted((price for price, _ in book["bids"]), reverse=True)
    assert [price for price, _ in book["asks"]] == sorted(price for price, _ in book["asks"])
    assert book["nonce"] is not None
    candles = buyer.fetch_ohlcv(PAIR, "1m")
    assert len(candles) >= 3
    assert all(low <= min(open_, close) <= max(open_, close) <= high for _, open_, high, low, close, _ in candles)
    steps = {later[0] - earlier[0] for earlier, later in pairwise(candles)}
    assert steps == {60_000}
    assert buyer.fetch_trades(PAIR)
    assert set(buyer.fetch_currencies()) >= {"BTC", "USDT"}
    assert abs(buyer.fetch_time() - buyer.milliseconds()) < 5_000
    assert PAIR in buyer.fetch_tickers()


def test_a_limit_order_rests_binds_is_amended_and_gives_back_to_the_last_digit(buyer):
    buyer.load_markets()
    before = totals(buyer)
    price = float(buyer.price_to_precision(PAIR, buyer.fetch_ticker(PAIR)["bid"] * 0.9))
    order = buyer.create_order(PAIR, "limit", "buy", 0.01, price, {"clientOrderId": "t-rests"})
    assert (order["status"], order["clientOrderId"], order["filled"]) == ("open", "t-rests", 0)
    bound = Decimal("0.01") * Decimal(str(price))
    free = totals(buyer)["USDT"]
    assert free == (before["USDT"][0] - bound, bound)
    assert [found["id"] for found in buyer.fetch_open_orders(PAIR)] == [order["id"]]
    amended = buyer.edit_order(order["id"], PAIR, "limit", "buy", 0.02, price)
    assert amended["amount"] == 0.02
    assert totals(buyer)["USDT"][1] == 2 * bound
    assert buyer.fetch_order(order["id"], PAIR)["remaining"] == 0.02
    canceled = buyer.cancel_order(order["id"], PAIR)
    assert canceled["status"] == "canceled"
    assert totals(buyer) == before
    with pytest.raises(ccxt.OrderNotFound):
        buyer.cancel_order("999999999", PAIR)


def test_two_accounts_trade_with_each_other_and_every_digit_is_accounted_for(buyer, seller):
    buyer.load_markets(), seller.load_markets()
    book = buyer.fetch_order_book(PAIR)
    bid, ask = (Decimal(str(book[side][0][0])) for side in ("bids", "asks"))
    tick = Decimal(str(buyer.market(PAIR)["precision"]["price"]))
    assert ask - bid >= 2 * tick, "the spread leaves room for an order of ours"
    price = bid + tick
    start_buyer, start_seller = totals(buyer), totals(seller)
    sold = seller.create_order(PAIR, "limit", "sell", 0.01, float(price))
    bought = buyer.create_order(PAIR, "limit", "buy", 0.01, float(price), {"clientOrderId": "t-crosses"})
    assert bought["status"] == "closed"
    assert seller.fetch_order(sold["id"], PAIR)["status"] == "closed"
    taken, given = buyer.fetch_my_trades(PAIR)[-1], seller.fetch_my_trades(PAIR)[-1]
    assert (taken["takerOrMaker"], given["takerOrMaker"]) == ("taker", "maker")
    assert taken["order"] == bought["id"]
    assert given["order"] == sold["id"]
    fee_base, fee_quote = Decimal(taken["info"]["fee"]), Decimal(given["info"]["fee"])
    assert (taken["fee"]["currency"], given["fee"]["currency"]) == ("BTC", "USDT")
    assert fee_base > 0
    assert fee_quote > 0
    amount, notional = Decimal("0.01"), Decimal("0.01") * price
    after_buyer, after_seller = totals(buyer), totals(seller)
    assert sum(after_buyer["USDT"]) == sum(start_buyer["USDT"]) - notional
    assert sum(after_buyer["BTC"]) == sum(start_buyer["BTC"]) + amount - fee_base
    assert sum(after_seller["BTC"]) == sum(start_seller["BTC"]) - amount
    assert sum(after_seller["USDT"]) == sum(start_seller["USDT"]) + notional - fee_quote


def test_market_ioc_fok_and_post_only_end_as_they_must(buyer):
    buyer.load_markets()
    before = totals(buyer)
    market = buyer.create_order(PAIR, "market", "buy", 500)
    assert market["status"] == "closed"
    sold = buyer.create_order(PAIR, "market", "sell", 0.005)
    assert sold["status"] == "closed"
    assert sold["filled"] == 0.005
    ticker = buyer.fetch_ticker(PAIR)
    low = float(buyer.price_to_precision(PAIR, ticker["bid"] * 0.9))
    high = float(buyer.price_to_precision(PAIR, ticker["ask"] * 1.01))
    assert buyer.create_order(PAIR, "limit", "buy", 0.01, low, {"timeInForce": "IOC"})["status"] == "canceled"
    assert buyer.create_order(PAIR, "limit", "buy", 0.01, high, {"timeInForce": "IOC"})["status"] == "closed"
    with pytest.raises(ccxt.ExchangeError, match="FOK_NOT_FILL"):
        buyer.create_order(PAIR, "limit", "buy", 0.01, low, {"timeInForce": "FOK"})
    with pytest.raises(ccxt.ExchangeError, match="POC_FILL_IMMEDIATELY"):
        buyer.create_order(PAIR, "limit", "buy", 0.01, high, {"timeInForce": "PO"})
    resting = buyer.create_order(PAIR, "limit", "buy", 0.01, low, {"timeInForce": "PO"})
    assert resting["status"] == "open"
    buyer.cancel_order(resting["id"], PAIR)
    trades = [trade["info"] for trade in buyer.fetch_my_trades(PAIR)]
    quote, base = Decimal(0), Decimal(0)
    for trade in trades:
        notional, fee = Decimal(trade["price"]) * Decimal(trade["amount"]), Decimal(trade["fee"])
        is_buy = trade["side"] == "buy"
        base += Decimal(trade["amount"]) - fee if is_buy else -Decimal(trade["amount"])
        quote += -notional if is_buy else notional - fee
    after = totals(buyer)
    assert sum(after["USDT"]) == sum(before["USDT"]) + quote
    assert sum(after["BTC"]) == sum(before["BTC"]) + base


def test_all_orders_go_at_once_and_are_found_among_the_closed(buyer):
    buyer.load_markets()
    price = float(buyer.price_to_precision(PAIR, buyer.fetch_ticker(PAIR)["bid"] * 0.8))
    placed = [buyer.create_order(PAIR, "limit", "buy", 0.01, price)["id"] for _ in range(3)]
    assert {order["id"] for order in buyer.fetch_open_orders(PAIR)} == set(placed)
    buyer.cancel_all_orders(PAIR)
    assert buyer.fetch_open_orders(PAIR) == []
    assert set(placed) <= {order["id"] for order in buyer.fetch_closed_orders(PAIR)} | {
        order["id"] for order in buyer.fetch_orders_by_status("finished", PAIR)
    }


def test_a_batch_is_placed_with_one_request(buyer):
    buyer.load_markets()
    price = float(buyer.price_to_precision(PAIR, buyer.fetch_ticker(PAIR)["bid"] * 0.8))
    orders = buyer.create_orders(
        [{"symbol": PAIR, "type": "limit", "side": "buy", "amount": 0.01, "price": price} for _ in range(3)]
    )
    assert len({order["id"] for order in orders}) == 3
    buyer.cancel_orders([order["id"] for order in orders], PAIR)
    assert buyer.fetch_open_orders(PAIR) == []


def test_a_trigger_order_waits_is_listed_and_taken_back(buyer):
    buyer.load_markets()
    before = totals(buyer)
    last = buyer.fetch_ticker(PAIR)["last"]
    trigger = float(buyer.price_to_precision(PAIR, last * 0.9))
    order = buyer.create_order(PAIR, "limit", "sell", 0.01, trigger, {"stopLossPrice": trigger})
    found = buyer.fetch_order(order["id"], PAIR, {"trigger": True})
    assert (found["status"], found["triggerPrice"]) == ("open", trigger)
    assert totals(buyer) == before, "a trigger binds nothing until it fires"
    assert [one["id"] for one in buyer.fetch_open_orders(PAIR, params={"trigger": True})] == [order["id"]]
    assert buyer.cancel_order(order["id"], PAIR, {"trigger": True})["status"] == "canceled"
    assert buyer.fetch_open_orders(PAIR, params={"trigger": True}) == []


def test_fees_and_refusals_have_the_venues_own_words(venue, buyer):
    buyer.load_markets()
    fee = buyer.fetch_trading_fee(PAIR)
    assert 0 < fee["taker"] < 0.01
    price = float(buyer.price_to_precision(PAIR, buyer.fetch_ticker(PAIR)["bid"]))
    with pytest.raises(ccxt.InsufficientFunds):
        buyer.create_order(PAIR, "limit", "buy", 10, price)
    with pytest.raises(ccxt.AuthenticationError):
        client(venue, KEY, "not the secret").fetch_balance()
    with pytest.raises(ccxt.AuthenticationError):
        client(venue, "no-such-key", SECRET).fetch_balance()

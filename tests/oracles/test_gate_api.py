"""The venue's own SDK, unpatched, lives a whole life of orders against the simulator."""

from decimal import Decimal

import gate_api
import pytest
from gate_api.exceptions import GateApiException
from tests.oracles.conftest import KEY, SECRET, VenueProcess

PAIR = "BTC_USDT"
pytestmark = pytest.mark.slow


@pytest.fixture
def sdk(venue: VenueProcess) -> gate_api.ApiClient:
    venue.advance(3)
    return gate_api.ApiClient(gate_api.Configuration(host=venue.api, key=KEY, secret=SECRET))


@pytest.fixture
def spot(sdk: gate_api.ApiClient) -> gate_api.SpotApi:
    return gate_api.SpotApi(sdk)


def balances(spot: gate_api.SpotApi) -> dict[str, tuple[Decimal, Decimal]]:
    return {row.currency: (Decimal(row.available), Decimal(row.locked)) for row in spot.list_spot_accounts()}


def low_price(spot: gate_api.SpotApi, share: str = "0.9") -> str:
    pair = spot.get_currency_pair(PAIR)
    bid = Decimal(spot.list_tickers(currency_pair=PAIR)[0].highest_bid)
    return str((bid * Decimal(share)).quantize(Decimal(1).scaleb(-pair.precision)))


def order(price: str, **more: object) -> gate_api.Order:
    return gate_api.Order(
        **{"currency_pair": PAIR, "side": "buy", "type": "limit", "amount": "0.01", "price": price,
           "time_in_force": "gtc", **more}
    )  # fmt: skip


def test_the_market_is_all_there(spot):
    assert PAIR in {pair.id for pair in spot.list_currency_pairs()}
    assert {"BTC", "USDT"} <= {one.currency for one in spot.list_currencies()}
    book = spot.list_order_book(PAIR, with_id=True, limit=5)
    assert isinstance(book.id, int)
    assert len(book.asks) == len(book.bids) == 5
    assert Decimal(book.bids[0][0]) < Decimal(book.asks[0][0])
    assert spot.list_trades(PAIR)
    assert len(spot.list_candlesticks(PAIR, interval="1m")) >= 3
    assert spot.get_system_time().server_time > 1_600_000_000_000


def test_an_order_is_placed_found_amended_and_cancelled(spot):
    before, price = balances(spot), low_price(spot)
    placed = spot.create_order(order(price, text="t-sdk.1"))
    assert (placed.status, placed.text, placed.left) == ("open", "t-sdk.1", "0.01")
    assert spot.get_order("t-sdk.1", PAIR).id == placed.id
    amended = spot.amend_order(placed.id, gate_api.OrderPatch(amount="0.02", currency_pair=PAIR))
    assert Decimal(amended.amount) == Decimal("0.02")
    assert balances(spot)["USDT"][1] == Decimal("0.02") * Decimal(price)
    (by_pair,) = [one for one in spot.list_all_open_orders() if one.currency_pair == PAIR]
    assert (by_pair.total, by_pair.orders[0].id) == (1, placed.id)
    assert spot.cancel_order(placed.id, PAIR).finish_as == "cancelled"
    assert balances(spot) == before
    assert placed.id in {one.id for one in spot.list_orders(PAIR, "finished")}
    with pytest.raises(GateApiException) as refused:
        spot.cancel_order(placed.id, PAIR)
    assert refused.value.label in {"ORDER_CANCELLED", "ORDER_NOT_FOUND", "ORDER_CLOSED"}


def test_batches_have_an_outcome_for_each(spot):
    price = low_price(spot)
    batch = spot.create_batch_orders([order(price, text=f"t-batch{number}") for number in range(3)])
    assert all(one.succeeded for one in batch)
    changed = spot.amend_batch_orders(
        [gate_api.BatchAmendItem(order_id=one.id, currency_pair=PAIR, amount="0.03") for one in batch]
    )
    assert {Decimal(one.amount) for one in changed} == {Decimal("0.03")}
    gone = spot.cancel_batch_orders(
        [gate_api.CancelBatchOrder(currency_pair=PAIR, id=one.id) for one in batch]
        + [gate_api.CancelBatchOrder(currency_pair=PAIR, id="424242")]
    )
    assert [one.succeeded for one in gone] == [True, True, True, False]
    assert gone[-1].label == "ORDER_NOT_FOUND"
    spot.create_order(order(price))
    assert len(spot.cancel_orders(currency_pair=PAIR)) == 1
    assert spot.list_orders(PAIR, "open") == []


def test_a_market_order_trades_and_its_trades_say_what_it_cost(spot):
    before = balances(spot)
    done = spot.create_order(
        gate_api.Order(currency_pair=PAIR, side="buy", type="market", amount="500", time_in_force="ioc", text="t-mkt")
    )
    assert done.status == "closed"
    trades = spot.list_my_trades(currency_pair=PAIR, order_id=done.id)
    assert trades
    assert all(trade.text == "t-mkt" and trade.fee_currency == "BTC" for trade in trades)
    spent = sum(Decimal(trade.price) * Decimal(trade.amount) for trade in trades)
    received = sum(Decimal(trade.amount) - Decimal(trade.fee) for trade in trades)
    after = balances(spot)
    assert after["USDT"] == (before["USDT"][0] - spent, before["USDT"][1])
    assert after["BTC"] == (before["BTC"][0] + received, before["BTC"][1])
    assert Decimal(done.filled_total) == spent
    assert Decimal(done.fee) == sum(Decimal(trade.fee) for trade in trades)


def test_a_trigger_is_placed_found_and_taken_back(spot):
    price = low_price(spot)
    made = spot.create_spot_price_triggered_order(
        gate_api.SpotPriceTriggeredOrder(
            market=PAIR,
            trigger=gate_api.SpotPriceTrigger(price=price, rule="<=", expiration=3600),
            put=gate_api.SpotPricePutOrder(
                type="market", side="sell", price="0", amount="0.01", account="normal", time_in_force="ioc"
            ),
        )
    )
    found = spot.get_spot_price_triggered_order(str(made.id))
    assert (found.status, found.market, found.trigger.rule) == ("open", PAIR, "<=")
    assert [one.id for one in spot.list_spot_price_triggered_orders("open", market=PAIR)] == [made.id]
    assert spot.cancel_spot_price_triggered_order(str(made.id)).status == "cancelled"
    assert spot.list_spot_price_triggered_orders("open") == []
    with pytest.raises(GateApiException) as refused:
        spot.create_spot_price_triggered_order(
            gate_api.SpotPriceTriggeredOrder(
                market=PAIR,
                trigger=gate_api.SpotPriceTrigger(price=price, rule=">=", expiration=3600),
                put=gate_api.SpotPricePutOrder(
                    type="market", side="sell", price="0", amount="0.01", account="normal", time_in_force="ioc"
                ),
            )
        )
    assert refused.value.label.startswith("AUTO_TRIGGER_PRICE_")


def test_a_trigger_that_the_market_reaches_fires_and_its_order_accounts_for_the_balance(venue, spot):
    before = balances(spot)
    precision = spot.get_currency_pair(PAIR).precision
    last = Decimal(spot.list_tickers(currency_pair=PAIR)[0].last)
    price = str((last * Decimal("0.9995")).quantize(Decimal(1).scaleb(-precision)))
    made = spot.create_spot_price_triggered_order(
        gate_api.SpotPriceTriggeredOrder(
            market=PAIR,
            trigger=gate_api.SpotPriceTrigger(price=price, rule="<=", expiration=86_400),
            put=gate_api.SpotPricePutOrder(
                type="market", side="sell", price="0", amount="0.01", account="normal", time_in_force="ioc"
            ),
        )
    )
    for _ in range(300):
        found = spot.get_spot_price_triggered_order(str(made.id))
        if found.status != "open":
            break
        venue.advance(10)
    assert (found.status, found.fired_order_id > 0) == ("finish", True)
    trades = spot.list_my_trades(currency_pair=PAIR, order_id=str(found.fired_order_id))
    sold = sum(Decimal(trade.amount) for trade in trades)
    gained = sum(Decimal(trade.price) * Decimal(trade.amount) - Decimal(trade.fee) for trade in trades)
    assert sold == Decimal("0.01")
    assert balances(spot)["BTC"][0] == before["BTC"][0] - sold
    assert balances(spot)["USDT"][0] == before["USDT"][0] + gained
    assert [one.id for one in spot.list_spot_price_triggered_orders("finished", market=PAIR)] == [made.id]


def test_the_dead_man_timer_says_when_it_will_act(spot):
    now = spot.get_system_time().server_time
    armed = spot.countdown_cancel_all_spot(gate_api.CountdownCancelAllSpotTask(timeout=30, currency_pair=PAIR))
    assert 25_000 < int(armed.trigger_time) - now < 35_000
    off = spot.countdown_cancel_all_spot(gate_api.CountdownCancelAllSpotTask(timeout=0, currency_pair=PAIR))
    assert int(off.trigger_time) == 0


def test_fees_key_and_account_are_told(sdk, spot):
    fee = spot.get_fee(currency_pair=PAIR)
    assert Decimal(fee.taker_fee) > 0
    assert Decimal(spot.get_batch_spot_fee(PAIR)[PAIR].taker_fee) == Decimal(fee.taker_fee)
    assert Decimal(gate_api.WalletApi(sdk).get_trade_fee(currency_pair=PAIR).taker_fee) == Decimal(fee.taker_fee)
    account = gate_api.AccountApi(sdk)
    assert account.get_account_detail().key.mode == 1
    keys = account.get_account_main_keys()
    first = keys[0] if isinstance(keys, list) else keys
    assert {one.name for one in first.perms} == {"spot"}
    with pytest.raises(GateApiException) as refused:
        spot.create_order(order("1", amount="0"))
    assert refused.value.label in {"INVALID_PARAM_VALUE", "AMOUNT_TOO_LITTLE"}

"""Answers of Binance and Coinbase, as recorded, through ccxt and our parser: exact, and none refused."""

import json
from decimal import Decimal

import ccxt.async_support as ccxt
import pytest
from tests.conftest import recorded_folder

from holdfast.adapters.exchanges.ccxt.shape import Parser

pytestmark = pytest.mark.recorded_data
MARKET = {
    "id": "LTCBTC", "symbol": "LTC/BTC", "base": "LTC", "quote": "BTC", "spot": True, "type": "spot", "contract": False,
    "swap": False, "future": False, "option": False, "inverse": None, "linear": None, "stock": False,
}  # fmt: skip


def read(name: str) -> object:
    folder = recorded_folder()
    assert folder is not None
    return json.loads((folder.parent / "exchanges" / name).read_text())  # beside market/


def client(name: str) -> ccxt.Exchange:
    found = getattr(ccxt, name)()
    found.number = str
    return found


@pytest.mark.parametrize("name", ["order_response", "cancel_order_response", "new_order_full_response"])
def test_an_order_of_binance_is_read_as_it_was_sent(name: str):
    raw = read(f"binance/spot__http_json__{name}.json")
    order = Parser("binance").order(client("binance").parse_order(raw, MARKET))
    assert order.venue_order_id == str(raw["orderId"])
    assert order.client_id in (raw["clientOrderId"], raw.get("origClientOrderId"))
    assert (order.amount, order.filled) == (Decimal(raw["origQty"]), Decimal(raw["executedQty"]))
    assert order.status == {"NEW": "open", "CANCELED": "canceled", "FILLED": "closed"}[raw["status"]]
    assert order.is_final is (raw["status"] != "NEW")
    assert order.trigger_price is None, "a stop price of zero is none"


@pytest.mark.parametrize("name", ["open_orders_response", "all_orders_response"])
def test_lists_of_orders_of_binance_are_read_whole(name: str):
    rows = read(f"binance/spot__http_json__{name}.json")
    found = [Parser("binance").order(client("binance").parse_order(row, MARKET)) for row in rows]
    assert [x.venue_order_id for x in found] == [str(row["orderId"]) for row in rows]


def test_a_trade_of_binance_is_exact_and_its_fee_in_a_third_coin_is_seen():
    (raw,) = read("binance/spot__http_json__account_trades_response.json")
    trade = Parser("binance").trade(client("binance").parse_trade(raw, {**MARKET, "id": "BNBBTC"}))
    assert (trade.price, trade.amount) == (Decimal("4.00000100"), Decimal("12.00000000"))
    assert (trade.fee, trade.fee_currency, trade.role) == (Decimal("10.10000000"), "BNB", "taker")
    assert trade.venue_order_id == "100234"


def test_balances_of_binance_keep_every_digit():
    raw = read("binance/spot__http_json__account_response.json")
    found = client("binance").parse_balance_custom(raw, "spot")["total"]
    assert Parser("binance").amount(found["BTC"], "a balance") == Decimal("4723846.89208129")


def test_orders_of_coinbase_are_read_as_they_were_sent():
    rows = read("coinbase/http_orders_list.json")["orders"]
    assert rows
    for raw in rows:
        order = Parser("coinbase").order(client("coinbase").parse_order(raw))
        assert (order.venue_order_id, order.client_id) == (raw["order_id"], raw["client_order_id"])
        assert order.filled == Decimal(raw["filled_size"])
        assert order.side == raw["side"].lower()
        assert order.is_final is (raw["status"] not in ("OPEN", "PENDING", "QUEUED"))


def test_candles_of_coinbase_and_binance_begin_where_they_say():
    (first, *_) = read("coinbase/http_candles.json")["candles"]
    assert client("coinbase").parse_ohlcv(first)[:2] == [int(first["start"]) * 1000, first["open"]]
    (row,) = read("binance/spot__http_json__klines_response.json")
    assert client("binance").parse_ohlcv(row) == [row[0], *row[1:6]]

"""Every recorded answer of the spot endpoints, and every recorded request, against our shapes and against ccxt."""

import asyncio
import json
import re
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import ccxt
import pytest
from tests.conftest import recorded_file

from holdfast.adapters.exchanges.gateio import key, wire
from holdfast.adapters.exchanges.gateio.auth import Credentials
from holdfast.adapters.exchanges.gateio.config import GateioConfig
from holdfast.adapters.exchanges.gateio.errors import error_of
from holdfast.adapters.exchanges.gateio.mapping import order_request_of, trigger_request_of
from holdfast.adapters.exchanges.gateio.requests import body_of
from holdfast.adapters.exchanges.gateio.rest import GateioRest
from holdfast.adapters.exchanges.gateio.shape import Decoder
from holdfast.adapters.exchanges.gateio.transport import Call
from holdfast.core.errors import HoldfastError
from holdfast.core.secret import Secret
from holdfast.core.time import SECOND
from holdfast.domain.order import OrderSpec, OrderType, Role, TimeInForce
from holdfast.domain.values import InstrumentId, OrderId, Price, Quantity, Side

pytestmark = pytest.mark.recorded_data

# method and path (digits of an id as {id}) of what this client calls
DECODERS: dict[str, Decoder] = {
    "GET /spot/currencies": wire.CURRENCIES,
    "GET /spot/currency_pairs": wire.PAIRS,
    "GET /spot/currency_pairs/{id}": wire.PAIR,
    "GET /spot/tickers": wire.TICKERS,
    "GET /spot/order_book": wire.BOOK,
    "GET /spot/trades": wire.TRADES,
    "GET /spot/candlesticks": wire.CANDLES,
    "GET /spot/accounts": wire.ACCOUNTS,
    "GET /spot/open_orders": wire.OPEN_ORDERS,
    "GET /spot/orders": wire.ORDERS,
    "POST /spot/orders": wire.ORDER,
    "GET /spot/orders/{id}": wire.ORDER,
    "DELETE /spot/orders/{id}": wire.ORDER,
    "POST /spot/cancel_batch_orders": wire.CANCELS,
    "POST /spot/countdown_cancel_all": wire.COUNTDOWN,
    "GET /spot/my_trades": wire.MY_TRADES,
    "POST /spot/price_orders": wire.TRIGGER_PLACED,
    "GET /spot/price_orders/{id}": wire.TRIGGER,
    "DELETE /spot/price_orders/{id}": wire.TRIGGER,
    "GET /account/detail": key.DETAIL,
    "GET /account/debit_fee": key.FEE_DEDUCTION,
}
# Recorded, and called by nothing here: the journal of the account.
NOT_CALLED = {"GET /spot/account_book"}


def load(name: str) -> Any:
    return json.loads(recorded_file(f"../gateio/{name}").read_bytes())


def name_of(method: str, url: str) -> str:
    path = urlsplit(url).path.removeprefix("/api/v4")
    path = re.sub(r"/(currency_pairs|orders|price_orders)/[^/]+$", r"/\1/{id}", path)
    return f"{method} {path}"


def answers() -> list[tuple[str, int, Any]]:
    found = [(name_of(c["method"], c["path"]), 200, c["response"]) for c in load("rest_responses.json")["cases"]]
    found += [(name_of(c["method"], c["url"]), c["status"], c["response"]) for c in load("rest_recorded.json")["cases"]]
    for path, methods in load("rest_recorded_orderbook.json")["recorded"]["routes"].items():
        found += [(name_of(method, path), 200, one["data"]) for method, ones in methods.items() for one in ones]
    return found


def test_every_recorded_spot_answer_is_read():
    spot = [
        (name, status, answer)
        for name, status, answer in answers()
        if status < 300 and answer is not None and name.partition(" ")[2].startswith(("/spot/", "/account/d"))
    ]
    assert {name for name, _, _ in spot} - NOT_CALLED == set(DECODERS)
    count = 0
    for name, _, answer in spot:
        if name not in NOT_CALLED:
            assert DECODERS[name].read(json.dumps(answer).encode()) is not None, name
            count += 1
    assert count == 31


def test_every_recorded_refusal_becomes_an_error():
    refusals = [x for x in answers() if x[1] >= 300]
    assert len(refusals) == 4
    for name, status, answer in refusals:
        body = wire.ERROR.read(json.dumps(answer).encode())
        assert body.label
        error = error_of(body.label, body.message, status, is_order=not name.startswith("GET"))
        assert isinstance(error, HoldfastError)
        assert body.label in str(error)


def test_amounts_and_times_are_exact():
    trades = wire.MY_TRADES.read(
        json.dumps(next(a for n, _, a in answers() if n == "GET /spot/my_trades" and "amend_text" in a[0])).encode()
    )
    assert trades[0].fee == Decimal("0.00000006")
    assert trades[0].fee_currency == "BTC"
    assert trades[0].ts_event == 1_691_702_924_010_071_000
    assert trades[1].venue_order_id == "381064942553"


# -- requests

PAIRS = {
    "LTC_USDT": wire.Pair(id="LTC_USDT", base="LTC", quote="USDT", amount_precision=3, precision=2),
    "BTC_USDT": wire.Pair(id="BTC_USDT", base="BTC", quote="USDT", amount_precision=6, precision=1),
}


def spec_of(args: list[Any]) -> tuple[OrderSpec, wire.Pair, Price]:
    """Give our order for the arguments of ccxt's createOrder; a market buy's amount there is its cost."""
    symbol, kind, side, amount, price = args[:5]
    spec = OrderSpec(
        OrderId("a-1"),
        InstrumentId(f"{symbol}.GATEIO"),
        Side(side.upper()),
        OrderType(kind),
        Quantity(Decimal(repr(amount))),
        Role.ENTRY,
        limit_price=None if price is None else Price(Decimal(repr(price))),
        time_in_force=TimeInForce.IOC if kind == "market" else TimeInForce.GTC,
    )
    return spec, PAIRS[symbol.replace("/", "_")], Price(Decimal(1))


def spot_cases() -> list[dict[str, Any]]:
    return [c for c in load("request_cases.json")["cases"] if c["url"].endswith("/spot/orders")]


def test_recorded_request_cases_are_equal():
    assert len(spot_cases()) == 4
    for case in spot_cases():
        spec, pair, price_worst = spec_of(case["args"])
        body = json.loads(body_of(order_request_of(spec, pair, price_worst)))
        assert body.pop("text") == "t-a-1"
        assert body == case["body"], case["description"]


class StoppedClock:
    def now(self) -> int:
        return 1_700_000_000 * SECOND


@pytest.fixture
def peer() -> ccxt.gate:
    gate = ccxt.gate({"apiKey": "the-key", "secret": "the-secret"})
    gate.options["timeDifference"] = 0
    gate.options["unifiedAccount"] = False
    gate.milliseconds = lambda: 1_700_000_000_000
    flags = {"spot": True, "contract": False, "option": False, "swap": False, "future": False, "margin": False}
    markets = [
        {
            **flags,
            "id": pair.id,
            "symbol": f"{pair.base}/{pair.quote}",
            "type": "spot",
            "active": True,
            "limits": {},
            "base": pair.base,
            "quote": pair.quote,
            "baseId": pair.base,
            "quoteId": pair.quote,
            "precision": {"amount": 10.0**-pair.amount_precision, "price": 10.0**-pair.precision},
        }
        for pair in PAIRS.values()
    ]
    gate.set_markets(markets)
    return gate


def ours(call: Call) -> dict[str, str]:
    async def make() -> dict[str, str]:
        rest = GateioRest(GateioConfig(), Credentials("the-key", Secret("the-secret")), StoppedClock())
        return rest._headers(call, rest.venue_now(), expires=0)

    return asyncio.run(make())


def test_bodies_agree_with_ccxt(peer: ccxt.gate):
    for kind, side, price in (("limit", "buy", 50.1), ("limit", "sell", 70.25), ("market", "sell", None)):
        spec, pair, worst = spec_of(["LTC/USDT", kind, side, 0.123, price])
        body = json.loads(body_of(order_request_of(spec, pair, worst)))
        theirs = peer.create_order_request("LTC/USDT", kind, side, 0.123, price, {"text": "t-a-1"})
        assert body == theirs


def test_market_buy_costs_what_ccxt_reckons(peer: ccxt.gate):
    spec, pair, _ = spec_of(["LTC/USDT", "market", "buy", 0.123, None])
    body = json.loads(body_of(order_request_of(spec, pair, Price(Decimal("50.17")))))
    theirs = peer.create_order_request("LTC/USDT", "market", "buy", 0.123, 50.17, {"text": "t-a-1"})
    assert body == theirs


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_stop_rules_agree_with_ccxt(peer: ccxt.gate, side: str):
    spec = OrderSpec(
        OrderId("a-1"),
        InstrumentId("LTC/USDT.GATEIO"),
        Side(side.upper()),
        OrderType.STOP_LIMIT,
        Quantity(Decimal("0.5")),
        Role.STOP,
        limit_price=Price(Decimal("60.5")),
        trigger_price=Price(Decimal(61)),
    )
    body = json.loads(body_of(trigger_request_of(spec, PAIRS["LTC_USDT"], expiration_s=86_400)))
    params = {"stopPrice": 61}
    assert body == peer.create_order_request("LTC/USDT", "limit", side, 0.5, 60.5, params)


@pytest.mark.parametrize(
    ("method", "path", "params"),
    [
        ("GET", "orders", {"currency_pair": "BTC_USDT", "status": "open"}),
        ("GET", "my_trades", {"currency_pair": "BTC_USDT", "from": 1_700_000_000, "limit": 1000}),
        ("GET", "accounts", {}),
        ("DELETE", "orders/{order_id}", {"order_id": "123", "currency_pair": "BTC_USDT"}),
        ("POST", "orders", {"currency_pair": "BTC_USDT", "side": "buy", "amount": "1", "price": "2"}),
        ("POST", "countdown_cancel_all", {"timeout": 30}),
        ("DELETE", "price_orders/{order_id}", {"order_id": "77"}),
    ],
)
def test_url_and_signature_agree_with_ccxt(peer: ccxt.gate, method: str, path: str, params: dict[str, Any]):
    theirs = peer.sign(path, ["private", "spot"], method, dict(params))
    parts = urlsplit(theirs["url"])
    left = {name: value for name, value in params.items() if f"{{{name}}}" not in path}
    query = "&".join(f"{name}={left[name]}" for name in sorted(left)) if method != "POST" else ""
    our_path = "/spot/" + path.format(**params)
    body = (theirs["body"] or "").encode()
    headers = ours(Call(method, our_path, our_path, query, body, is_signed=True))
    assert (parts.path, parts.query) == ("/api/v4" + our_path, query)
    assert headers == {name: theirs["headers"][name] for name in ("KEY", "Timestamp", "SIGN")}
    if method == "POST":
        assert json.loads(body) == json.loads(body_of(params))

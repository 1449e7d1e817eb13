"""Whatever is asked, the venue answers with a document or refuses by a label: no request of a customer is its fault."""

import json
from contextlib import suppress
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.simulator.venues import ANN, BOB, Rig

from holdfast.adapters.host.clock import SystemClock
from holdfast.core.secret import Secret
from holdfast.core.time import SECOND
from holdfast.simulator.authentication import Keyring
from holdfast.simulator.channels import CALLS, keys_of
from holdfast.simulator.clock import VenueClock
from holdfast.simulator.desk import ENDPOINTS, Desk, Rules
from holdfast.simulator.faults import Faults
from holdfast.simulator.refusal import VenueRefusal
from holdfast.simulator.rest_routes import Call
from holdfast.simulator.state import restore, snapshot
from holdfast.simulator.wire import body_of

NOW = 1_800_000_000 * SECOND
NAMES = [
    *(
        "currency_pair",
        "side",
        "type",
        "amount",
        "price",
        "time_in_force",
        "text",
        "account",
        "stp_act",
        "id",
        "status",
    ),
    *(
        "order_id",
        "trigger",
        "put",
        "market",
        "rule",
        "expiration",
        "timeout",
        "limit",
        "page",
        "from",
        "to",
        "interval",
    ),
    *("last_id", "offset", "with_id", "currency_pairs", "reverse", "amend_text"),
]
numbers = st.one_of(
    st.sampled_from(
        ["0", "-1", "1e39", "1e-39", "1E+28", "99999999999999999999999999999.12345678", "NaN", "Infinity", "-0", "1_0",
         "0.00000001", "1e400000", "١", "0x10", " 1", "1" * 60, "100", "100.01", "5", "1"]
    ),
    st.integers(-(1 << 70), 1 << 70), st.floats(), st.decimals(allow_nan=True).map(str),
)  # fmt: skip
words = st.sampled_from(
    ["BTC_USDT", "ETH_USDT", "buy", "sell", "limit", "market", "gtc", "ioc", "poc", "fok", "open", "finished", "spot",
     "t-1", "t-", "t-ü", "cn", ">=", "<=", "1h", "30d", "true", "", "!all", "a" * 100]
)  # fmt: skip
scalars = st.one_of(numbers, words, st.text(max_size=8), st.none(), st.booleans())
flat = st.dictionaries(st.sampled_from(NAMES), scalars, max_size=9)
documents = st.one_of(
    flat,
    st.lists(st.one_of(flat, scalars), max_size=3),
    st.dictionaries(st.sampled_from(NAMES), st.one_of(scalars, flat, st.lists(scalars, max_size=2)), max_size=6),
    scalars,
)
sound = st.fixed_dictionaries(
    {
        "currency_pair": st.just("BTC_USDT"),
        "side": st.sampled_from(["buy", "sell"]),
        "type": st.sampled_from(["limit", "market"]),
        "amount": numbers,
        "price": numbers,
        "time_in_force": st.sampled_from(["gtc", "ioc", "poc", "fok"]),
    }
)
waiting = st.fixed_dictionaries({"price": numbers, "rule": st.sampled_from(["<=", ">="]), "expiration": numbers})
sale = {"side": "sell", "type": "market", "time_in_force": "ioc"}
put = st.fixed_dictionaries({"amount": numbers, "price": numbers}).map(lambda found: {**sale, **found})
triggers = st.fixed_dictionaries({"market": st.just("BTC_USDT"), "trigger": waiting, "put": put})
bodies = st.one_of(documents, sound, triggers, st.lists(sound, max_size=2)).map(json.dumps) | st.text(max_size=20)
queries = st.dictionaries(st.sampled_from(NAMES), st.one_of(numbers.map(str), words), max_size=5).map(
    lambda found: "&".join(f"{name}={quote(str(value))}" for name, value in found.items())
)


def make_desk() -> Desk:
    faults = Faults()
    keyring = Keyring({ANN: Secret("s"), BOB: Secret("s")})
    return Desk(lambda: Rig().venue, keyring, faults, VenueClock(SystemClock(), faults), Rules(0))


ANYTHING = st.tuples(
    st.sampled_from(ENDPOINTS), st.sampled_from(["", "1000001", "t-1", "BTC_USDT", "²", "1" * 99]), queries, bodies
)
NEARLY_RIGHT = st.one_of(
    st.tuples(st.just("POST /spot/orders"), st.just(""), st.just(""), sound.map(json.dumps)),
    st.tuples(st.just("POST /spot/price_orders"), st.just(""), st.just(""), triggers.map(json.dumps)),
    st.tuples(
        st.just("PATCH /spot/orders/{order_id}"),
        st.just("1000001"),
        st.just("currency_pair=BTC_USDT"),
        st.fixed_dictionaries({"price": numbers, "amount": numbers}).map(json.dumps),
    ),
    st.tuples(
        st.just("POST /spot/countdown_cancel_all"),
        st.just(""),
        st.just(""),
        st.fixed_dictionaries({"timeout": numbers}).map(json.dumps),
    ),
)
RESTS = '{"currency_pair": "BTC_USDT", "side": "buy", "amount": "1", "price": "90"}'


@pytest.mark.slow
@settings(max_examples=600)
@given(st.lists(st.one_of(ANYTHING, NEARLY_RIGHT), min_size=1, max_size=8))
def test_a_request_is_answered_or_refused_and_the_books_hold_together(requests):
    desk = make_desk()
    total = {asset: desk.exchange.purse.sum(asset) for asset in ("BTC", "USDT")}
    desk.perform(Call("POST /spot/orders", ANN, body=RESTS, ts=NOW))
    for endpoint, name, query, body in requests:
        with suppress(VenueRefusal):
            json.loads(body_of(desk.perform(Call(endpoint, ANN, name, query, body, NOW))))
    ts = desk.exchange.next_ts
    assert ts is not None
    desk.go_on(ts)
    again = Rig()
    restore(again.venue, again.triggers, snapshot(desk.exchange, desk.triggers))
    assert {asset: desk.exchange.purse.sum(asset) for asset in ("BTC", "USDT")} == total
    for account in (ANN, BOB):
        for asset in ("BTC", "USDT"):
            held = desk.exchange.purse.of(account, asset)
            assert 0 <= held.locked <= held.total


@settings(max_examples=300)
@given(st.sampled_from(sorted(CALLS)), bodies)
def test_a_call_over_the_websocket_is_a_request_or_is_refused(channel, body):
    try:
        call = CALLS[channel](body)
    except VenueRefusal:
        return
    assert call.endpoint in ENDPOINTS


@settings(max_examples=300)
@given(
    st.sampled_from(["spot.tickers", "spot.trades", "spot.candlesticks", "spot.order_book", "spot.order_book_update",
                     "spot.obu", "spot.orders", "spot.balances", "spot.nothing", ""]),
    st.lists(st.one_of(words, st.text(max_size=12), st.just("ob.BTC_USDT.50"), st.just("ob..")), max_size=4),
)  # fmt: skip
def test_a_subscription_names_what_there_is_or_is_refused(channel, payload):
    with suppress(VenueRefusal):
        assert keys_of(make_desk().exchange, channel, payload)

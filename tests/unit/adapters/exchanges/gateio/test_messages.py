"""What the websocket says: every recorded message, numbers in both forms, and refusals of what is wrong."""

import hmac
import json
from contextlib import suppress
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import recorded_file

from holdfast.adapters.exchanges.gateio import frames
from holdfast.adapters.exchanges.gateio.auth import Credentials
from holdfast.adapters.exchanges.gateio.messages import (
    Answer,
    BookUpdate,
    Candle,
    MessageError,
    Other,
    Pong,
    Subscribed,
    Ticker,
    Trade,
    read,
)
from holdfast.adapters.exchanges.gateio.own import Balance, OwnOrder, OwnTrade, TriggerUpdate
from holdfast.core.errors import ConfigurationError, VenueError
from holdfast.core.secret import Secret

CREDENTIALS = Credentials("123", Secret("secret"))

TICKER = {"currency_pair": "BTC_USDT", "last": "15743.4", "lowest_ask": "15744.4", "highest_bid": "15743.5"}
TRADE = {
    "id": 309143071, "create_time": 1606292218, "create_time_ms": "1606292218213.4578", "side": "sell",
    "currency_pair": "GT_USDT", "amount": "16.47", "price": "0.4705",
}  # fmt: skip
CANDLE = {"t": "1606292580", "v": "23.5", "c": "2", "h": "3", "l": "1", "o": "2", "n": "1m_BTC_USDT", "a": "3.8"}
BOOK = {"t": 1606294781123, "s": "BTC_USDT", "U": 3, "u": 6, "b": [["9.5", "0.1"], ["9", "0"]], "a": [["10", "1"]]}
BEST = {"t": 1606293275123, "u": 48733182, "s": "BTC_USDT", "b": "9.5", "B": "0.1", "a": "10", "A": "0.09"}
ORDER = {
    "id": "30784435", "text": "t-abc", "create_time": "1694655225", "update_time": "1694655225",
    "create_time_ms": "1694655225315", "update_time_ms": "1694655225315", "currency_pair": "BTC_USDT",
    "type": "limit", "account": "spot", "side": "sell", "amount": "0.0001", "price": "26253.3", "left": "0.0001",
    "filled_total": "0", "fee": "0", "fee_currency": "USDT", "event": "put", "finish_as": "open",
}  # fmt: skip
OWN_TRADE = {
    "id": 5736713, "user_id": 1000001, "order_id": "30784428", "currency_pair": "BTC_USDT", "create_time": 1605176741,
    "create_time_ms": "1605176741123.456", "side": "sell", "amount": "1.00000000", "role": "taker",
    "price": "10000.00000000", "fee": "0.002", "point_fee": "0", "gt_fee": "0", "text": "apiv4",
}  # fmt: skip
BALANCE = {"timestamp_ms": "1667556323730", "currency": "USDT", "change": "0", "total": "222.3", "available": "20"}
TRIGGER = {
    "market": "METAN_USDT", "uid": "13679450", "id": "247480109", "reason": "", "err_msg": "", "fired_order_id": 0,
    "trigger_price": "0.00302", "trigger_rule": "<=", "price": "0.00300", "amount": "26666.667",
    "order_type": "limit", "side": "buy", "ctime": "1691517983131", "ftime": "-62135596800000",
}  # fmt: skip


def push(channel: str, result: Any, **changes: Any) -> bytes:
    frame = {"time": 1, "time_ms": 1606292600376, "channel": channel, "event": "update", "result": result}
    return json.dumps({**frame, **changes}).encode()


def one(raw: bytes) -> Any:
    (message,) = read(raw)
    return message


# -- recorded


def cases() -> list[dict[str, Any]]:
    document = json.loads(recorded_file("../gateio/websocket_messages.json").read_bytes())
    return [case for case in document["cases"] if "/Futures/" not in case["id"]]


@pytest.mark.recorded_data
def test_every_recorded_spot_message_decodes_to_its_type():
    expected = {
        "spot.balances": Balance, "spot.candlesticks": Candle, "spot.order_book_update": BookUpdate,
        "spot.orders": OwnOrder, "spot.tickers": Ticker, "spot.trades": Trade,
    }  # fmt: skip
    seen = set()
    for case in cases():
        for message in case["messages"]:
            if message["dir"] != "server":
                continue
            decoded = one(json.dumps(message["json"]).encode())
            if "header" in message["json"]:
                assert isinstance(decoded, Answer)
                assert decoded.is_success
                assert decoded.is_ack == message["json"].get("ack", False)
                seen.add(decoded.channel)
            elif message["kind"] == "ack":
                assert isinstance(decoded, Subscribed)
                assert (decoded.code, decoded.channel) == (0, message["json"]["channel"])
            else:
                channel = message["json"]["channel"]
                assert isinstance(decoded, expected.get(channel, Other)), channel
                seen.add(channel)
    assert {*expected, "spot.order_place", "spot.order_cancel", "spot.order_cancel_cp", "spot.order_status"} <= seen


@pytest.mark.recorded_data
def test_every_recorded_order_answer_holds_its_orders():
    found = []
    for case in cases():
        for message in case["messages"]:
            if message["dir"] == "server" and message["kind"] == "push" and "header" in message["json"]:
                answer = one(json.dumps(message["json"]).encode())
                is_list = answer.channel == "spot.order_cancel_cp"
                found += answer.orders() if is_list else [answer.order()]
    assert [order.venue_order_id for order in found] == ["1700664337", "1700664330", "1700664330", "1852454420"]
    assert found[-1].filled_amount == Decimal("0.001")


@pytest.mark.recorded_data
def test_requests_have_the_shape_of_the_recorded_ones():
    def shape(value: Any) -> Any:
        return {key: shape(inner) for key, inner in value.items()} if isinstance(value, dict) else None

    for case in cases():
        for message in case["messages"]:
            recorded = message["json"]
            if message["dir"] != "client":
                continue
            if recorded["channel"] == "spot.login":
                ours = json.loads(frames.login_of(CREDENTIALS, "x", 1_744_621_445))
                recorded = {key: value for key, value in recorded.items() if key != "id"}  # optional
            elif recorded["event"] == "api":
                ours = json.loads(frames.call_of(recorded["channel"], b"{}", "x", 1))
            elif recorded["channel"] in ("spot.margin_balances", "spot.funding_balances", "spot.cross_balances"):
                continue  # of no use to a spot account
            else:
                ours = json.loads(
                    frames.subscription_of(recorded["channel"], recorded.get("payload", ()), -999, 1, CREDENTIALS)
                )
                assert ours.get("payload") == recorded.get("payload")
                if "auth" in ours:
                    assert len(ours["auth"].pop("SIGN")) == 128  # left out of the recording
            assert shape(ours) == shape(recorded)
            assert (ours["channel"], ours["event"]) == (recorded["channel"], recorded["event"])


def test_login_signs_without_parameters():
    frame = json.loads(frames.login_of(CREDENTIALS, "r-1", 1_677_813_908))
    secret = CREDENTIALS.secret.reveal().encode()
    expected = hmac.new(secret, b"api\nspot.login\n\n1677813908", "sha512").hexdigest()
    assert frame["payload"] == {"req_id": "r-1", "api_key": "123", "signature": expected, "timestamp": "1677813908"}


def test_call_carries_its_parameters_and_header_as_given():
    raw = frames.call_of("spot.order_place", b'{"a": 1}', "r-1", 7, {"x-gate-exptime": "9"})
    assert b'"req_param":{"a": 1}' in raw
    assert json.loads(raw)["payload"]["req_header"] == {"x-gate-exptime": "9"}


def test_private_channel_without_a_key_is_refused():
    with pytest.raises(ConfigurationError):
        frames.subscription_of("spot.orders", ["!all"], 1, 1)


# -- each channel


def test_ticker_and_its_empty_side():
    ticker = one(push("spot.tickers", TICKER))
    assert (ticker.last, ticker.highest_bid, ticker.lowest_ask) == (15743.4, 15743.5, 15744.4)
    assert ticker.ts_event == 1_606_292_600_376_000_000
    assert one(push("spot.tickers", {**TICKER, "lowest_ask": ""})).lowest_ask is None


def test_trade_keeps_the_fraction_of_its_millisecond():
    trade = one(push("spot.trades", TRADE))
    assert (trade.id, trade.side, trade.price, trade.amount) == (309143071, "sell", 0.4705, 16.47)
    assert abs(trade.ts_event - 1_606_292_218_213_457_800) < 300


def test_candle_says_whether_its_window_is_closed():
    assert not one(push("spot.candlesticks", CANDLE)).is_closed
    candle = one(push("spot.candlesticks", {**CANDLE, "w": True}))
    assert (candle.is_closed, candle.interval, candle.currency_pair) == (True, "1m", "BTC_USDT")
    assert candle.ts_open == 1_606_292_580_000_000_000
    assert (candle.open, candle.high, candle.low, candle.close) == (2.0, 3.0, 1.0, 2.0)
    assert (candle.base_volume, candle.quote_volume) == (3.8, 23.5)


def test_book_ticker_and_book_update():
    best = one(push("spot.book_ticker", BEST))
    assert (best.bid, best.bid_amount, best.ask, best.ask_amount) == (9.5, 0.1, 10.0, 0.09)
    assert one(push("spot.book_ticker", {**BEST, "b": "", "B": ""})).bid is None
    update = one(push("spot.order_book_update", BOOK))
    assert (update.first_id, update.last_id) == (3, 6)
    assert (update.bids, update.asks) == ([(9.5, 0.1), (9.0, 0.0)], [(10.0, 1.0)])


@pytest.mark.parametrize(
    ("event", "finish_as", "status"),
    [
        ("put", "open", "open"),
        ("update", "open", "open"),
        ("finish", "filled", "closed"),
        ("finish", "ioc", "cancelled"),
    ],
)
def test_own_order_tells_its_status(event: str, finish_as: str, status: str):
    order = one(push("spot.orders", [{**ORDER, "event": event, "finish_as": finish_as}]))
    assert (order.status, order.amount, order.price) == (status, Decimal("0.0001"), Decimal("26253.3"))
    assert order.ts_updated == 1_694_655_225_315_000_000


def test_lists_give_each_of_their_items():
    assert [type(item) for item in read(push("spot.orders", [ORDER, ORDER]))] == [OwnOrder, OwnOrder]
    trade, _ = read(push("spot.usertrades", [OWN_TRADE, OWN_TRADE]))
    assert isinstance(trade, OwnTrade)
    assert (trade.trade_id, trade.venue_order_id, trade.price) == ("5736713", "30784428", Decimal(10_000))
    assert trade.ts_event == 1_605_176_741_123_456_000
    balance = one(push("spot.balances", [BALANCE]))
    assert (balance.total, balance.available) == (Decimal("222.3"), Decimal(20))


def test_trigger_update_names_the_order_that_fired():
    update = one(push("spot.priceorders", TRIGGER))
    assert isinstance(update, TriggerUpdate)
    assert (update.venue_order_id, update.fired_venue_order_id, update.trigger_rule) == ("247480109", "", "<=")
    assert one(push("spot.priceorders", {**TRIGGER, "fired_order_id": 77})).fired_venue_order_id == "77"


def test_refused_subscription_tells_why():
    raw = (
        b'{"time":1,"channel":"spot.orders","event":"subscribe","id":7,"error":{"code":4,"message":"no"},"result":null}'
    )
    answer = one(raw)
    assert (answer.id, answer.code, answer.is_auth_failure) == (7, 4, True)


def test_pong_and_unknown_channels_are_tolerated():
    assert one(b'{"time":5,"channel":"spot.pong","event":"","error":null,"result":null}') == Pong(5_000_000_000)
    assert one(b'{"channel":"spot.new","event":"update","result":{"a":[1]}}') == Other("spot.new", "update")


@pytest.mark.parametrize("status", [429, "429"])
def test_error_of_a_call_has_its_label(status: object):
    answer = one(
        json.dumps(
            {"request_id": "r", "header": {"status": status}, "data": {"errs": {"label": "TOO_FAST", "message": "m"}}}
        ).encode()
    )
    assert (answer.status, answer.label, answer.message, answer.is_success) == (429, "TOO_FAST", "m", False)
    with pytest.raises(VenueError):
        answer.order()


def test_answer_without_a_status_is_no_success():
    assert not one(b'{"request_id":"r","data":{"result":{}}}').is_success


# -- numbers in either form, and what is none

FIELDS = {
    "spot.tickers": (TICKER, ("last", "lowest_ask", "highest_bid")),
    "spot.trades": (TRADE, ("amount", "price", "create_time_ms")),
    "spot.candlesticks": (CANDLE, ("t", "v", "a")),
    "spot.book_ticker": (BEST, ("t", "u", "b", "B", "a", "A")),
    "spot.order_book_update": (BOOK, ("t", "U", "u")),
    "spot.orders": ([ORDER], ("amount", "price", "left", "filled_total", "update_time_ms")),
    "spot.usertrades": ([OWN_TRADE], ("amount", "price", "create_time_ms")),
    "spot.balances": ([BALANCE], ("timestamp_ms",)),
    "spot.priceorders": (TRIGGER, ("trigger_price", "amount", "price")),
}
CHANNEL_FIELDS = [(channel, field) for channel, (_, fields) in FIELDS.items() for field in fields]


def changed(channel: str, field: str, value: Any) -> bytes:
    sample: Any = FIELDS[channel][0]
    result: Any = [{**sample[0], field: value}] if isinstance(sample, list) else {**sample, field: value}
    return push(channel, result)


@pytest.mark.parametrize(("channel", "field"), CHANNEL_FIELDS)
def test_number_may_be_a_text_or_a_number(channel: str, field: str):
    value = "6" if field in "Uu" else "1"
    text, number = one(changed(channel, field, value)), one(changed(channel, field, int(value)))
    assert msgspec.structs.asdict(text) == msgspec.structs.asdict(number)


@pytest.mark.parametrize(("channel", "field"), CHANNEL_FIELDS)
@pytest.mark.parametrize(
    "value",
    ["NaN", "nan", "sNaN", "Infinity", "-inf", "-1", -1, "1e999999999", "abc", True, [1], {"a": 1}],
    ids=str,
)
def test_what_is_no_plausible_number_is_refused(channel: str, field: str, value: object):
    with pytest.raises(MessageError) as caught:
        read(changed(channel, field, value))
    assert caught.value.channel == channel


@pytest.mark.parametrize(
    ("channel", "field", "value"),
    [
        ("spot.trades", "side", "hold"),
        ("spot.trades", "id", "x" * 200),
        ("spot.trades", "price", "0"),
        ("spot.candlesticks", "h", "1.5"),
        ("spot.candlesticks", "o", "0"),
        ("spot.order_book_update", "U", 7),
        ("spot.order_book_update", "b", [["1"]]),
        ("spot.order_book_update", "b", [["1", "-1"]]),
        ("spot.order_book_update", "b", [["0", "1"]]),
        ("spot.order_book_update", "a", [["NaN", "1"]]),
        ("spot.order_book_update", "a", None),
        ("spot.orders", "side", ""),
        ("spot.orders", "event", "explode"),
        ("spot.orders", "fee", "NaN"),
        ("spot.orders", "amount", "0." + "1" * 200),
        ("spot.orders", "left", "1e-999999999"),
        ("spot.usertrades", "fee", "1e-999999999"),
        ("spot.usertrades", "side", 1),
        ("spot.usertrades", "order_id", -5),
        ("spot.balances", "total", "Infinity"),
        ("spot.balances", "currency", 5),
    ],
)
def test_what_makes_no_sense_is_refused(channel: str, field: str, value: object):
    with pytest.raises(MessageError):
        read(changed(channel, field, value))


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{", b"null", b"[]", b"5", b"{}", b"\xff\xfe", b'{"channel":5}',
        b'{"channel":"spot.tickers","event":"update"}',
        b"[" * 100_000, b'{"channel":"spot.tickers","event":"update","result":' + b"[" * 5_000,
        b'{"channel":"spot.tickers","event":"update","result":{"currency_pair":"\xff","last":1}}',
        b'{"channel":"spot.pong","time":' + b"9" * 5_000 + b"}",
        b'{"channel":"spot.orders","event":"update","result":[{"id":' + b"9" * 5_000 + b"}]}",
        b'{"request_id":"r","header":{"status":"ok"}}',
    ],
    ids=lambda raw: repr(raw[:40]),
)  # fmt: skip
def test_garbage_raises_the_one_documented_error(raw: bytes):
    with pytest.raises(MessageError):
        read(raw)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_bytes_raise_anything_else(raw: bytes):
    with suppress(MessageError):
        read(raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("1e5"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted(FIELDS)), st.data())
def test_no_wrong_field_raises_anything_else(channel: str, data: st.DataObject):
    sample: Any = FIELDS[channel][0]
    item = dict(sample[0] if isinstance(sample, list) else sample)
    item[data.draw(st.sampled_from(sorted(item)))] = data.draw(JSON)
    raw = push(channel, [item] if isinstance(sample, list) else item)
    for length in (len(raw), data.draw(st.integers(0, len(raw)))):
        with suppress(MessageError):
            read(raw[:length])

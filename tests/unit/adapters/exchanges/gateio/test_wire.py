"""The venue's shapes: exact numbers, times in every form, and everything else refused."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.adapters.exchanges.gateio import key, wire
from holdfast.adapters.exchanges.gateio.shape import nanos
from holdfast.core.errors import VenueError

TRADE = {"id": "7", "side": "buy", "amount": "0.15", "price": "0.03", "create_time_ms": "1548000000123.456"}


def trade(**changes: object) -> bytes:
    return json.dumps([{**TRADE, **changes}]).encode()


@pytest.mark.parametrize("amount", ['"0.1"', "0.1", '"1e-1"', "1e-1"])
def test_text_and_number_are_one_exact_decimal(amount: str):
    raw = json.dumps([TRADE]).replace('"0.15"', amount).encode()
    assert wire.TRADES.read(raw)[0].amount == Decimal("0.1")


@given(st.decimals("0.00000001", "99999999999999", allow_nan=False, places=12))
def test_no_digit_is_lost_on_either_way(value: Decimal):
    for text in (f'"{value}"', f"{value}"):
        raw = json.dumps([TRADE]).replace('"0.15"', text).encode()
        assert wire.TRADES.read(raw)[0].amount == value


@pytest.mark.parametrize(
    "value", ["NaN", "sNaN", "Infinity", "-Infinity", "-1", "1e31", "1e-40", "9" * 100, "1E+5000000"]
)
@pytest.mark.parametrize("field", ["amount", "price"])
def test_impossible_numbers_are_refused(field: str, value: str):
    with pytest.raises(VenueError, match="list of trades"):
        wire.TRADES.read(trade(**{field: value}))


@pytest.mark.parametrize(
    "change",
    [
        *({"id": 1.5}, {"id": None}, {"id": -1}, {"id": "x" * 200}, {"id": 1 << 70}, {"side": 1}, {"side": "up"}),
        *({"amount": None}, {"amount": True}, {"amount": []}, {"amount": {}}, {"amount": "ten"}, {"price": ""}),
        *({"create_time": "-1"}, {"create_time_ms": "1e20"}, {"create_time": "soon"}, {"currency_pair": 3}),
    ],
)
def test_wrong_types_are_refused(change: dict[str, object]):
    with pytest.raises(VenueError):
        wire.TRADES.read(trade(**change))


@pytest.mark.parametrize(
    ("given_time", "expected"),
    [
        ({"create_time_ms": "1606292218213.4578"}, 1_606_292_218_213_457_800),
        ({"create_time_ms": 1_606_292_218_213}, 1_606_292_218_213_000_000),
        ({"create_time_ms": 1_606_292_218_213.5}, 1_606_292_218_213_500_000),
        ({"create_time": 1_606_292_218, "create_time_ms": None}, 1_606_292_218_000_000_000),
        ({"create_time": "1606292218", "create_time_ms": None}, 1_606_292_218_000_000_000),
        ({"create_time": 1_606_292_218.25, "create_time_ms": None}, 1_606_292_218_250_000_000),
        ({"create_time_ms": None}, 0),
    ],
)
def test_times_come_in_every_form(given_time: dict[str, object], expected: int):
    assert wire.TRADES.read(trade(**given_time))[0].ts_event == expected


def test_finer_time_wins():
    assert nanos(Decimal(1), Decimal(1500)) == 1_500_000_000


def test_unknown_fields_are_tolerated():
    assert wire.TRADES.read(trade(something={"new": [1, 2]}))[0].trade_id == "7"


@pytest.mark.parametrize("decoder", [wire.TICKERS, wire.ORDER, wire.BOOK, wire.ERROR, key.KEY_INFO])
@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[", b"null", b"<html>", b"\xff\xfe", b'{"a":"\\ud800"', b"[" * 100_000, b'{"a":' * 100_000, b"1e"],
)
def test_what_is_no_such_json_is_refused_in_few_words(decoder, raw: bytes):
    with pytest.raises(VenueError) as caught:
        decoder.read(raw)
    assert caught.value.is_retryable
    assert len(str(caught.value)) < 300


def test_answer_is_not_quoted_in_the_error():
    with pytest.raises(VenueError) as caught:
        wire.TRADES.read(trade(side="my-secret-text", price="also-secret"))
    assert "secret" not in str(caught.value)


def test_empty_side_of_a_ticker_is_none():
    raw = b'[{"currency_pair":"A_B","last":"1","lowest_ask":"","highest_bid": ""}]'
    ticker = wire.TICKERS.read(raw)[0]
    assert (ticker.last, ticker.lowest_ask, ticker.highest_bid) == (Decimal(1), None, None)


def test_crossed_book_is_told():
    crossed = wire.BOOK.read(b'{"asks":[["1.0","1"]],"bids":[["1.0","1"]]}')
    assert crossed.is_crossed
    assert not wire.BOOK.read(b'{"asks":[["1.1","1"]],"bids":[["1.0","1"]]}').is_crossed
    assert not wire.BOOK.read(b'{"asks":[],"bids":[["1.0","1"]]}').is_crossed


@pytest.mark.parametrize("levels", ['[["1"]]', '[["1","-1"]]', '[["NaN","1"]]', "[[1,2,3,{}],[]]", "{}", '["1","2"]'])
def test_broken_levels_are_refused(levels: str):
    with pytest.raises(VenueError):
        wire.BOOK.read(f'{{"asks":{levels},"bids":[]}}'.encode())


def test_candle_says_whether_it_is_finished():
    row = '["1717246800","1157762.8","67772.5","67839.9","67715","67715.1","17.07","%s"]'
    assert wire.CANDLES.read(f"[{row % 'true'}]".encode())[0].is_closed
    assert not wire.CANDLES.read(f"[{row % 'false'}]".encode())[0].is_closed


@pytest.mark.parametrize("prices", ['"1","2","3","1"', '"9","2","1","1"', '"1","2","1","9"', '"1","2","0.5","NaN"'])
def test_candle_that_contradicts_itself_is_refused(prices: str):
    with pytest.raises(VenueError):
        wire.CANDLES.read(f'[["1717246800","1",{prices},"1","true"]]'.encode())


@pytest.mark.parametrize("precision", [-1, 25, 10**9, 1.5, "4"])
def test_pair_with_an_absurd_grid_is_refused(precision: object):
    raw = {"id": "A_B", "base": "A", "quote": "B", "amount_precision": precision, "precision": 2}
    with pytest.raises(VenueError):
        wire.PAIR.read(json.dumps(raw).encode())


def test_trigger_tells_what_it_fired():
    raw = '{"id":1,"trigger":{"price":"1","rule":"<="},"put":{"side":"sell","amount":"1"},"fired_order_id":%s}'
    assert wire.TRIGGER.read((raw % "0").encode()).fired_venue_order_id == ""
    assert wire.TRIGGER.read((raw % '"55"').encode()).fired_venue_order_id == "55"


@pytest.mark.parametrize(
    ("perms", "expected"),
    [
        ('[{"name":"wallet","read_only":false},{"name":"spot"}]', (True, True)),
        ('[{"name":"wallet","read_only":true},{"name":"spot","read_only":true}]', (False, False)),
        ("[]", (False, False)),
        ("null", (None, None)),
    ],
)
def test_key_tells_whether_it_can_move_money_out(perms: str, expected: tuple):
    info = key.KEY_INFO.read(f'{{"state":1,"perms":{perms}}}'.encode())
    assert (info.can_withdraw, info.can_trade) == expected


@pytest.mark.parametrize("name", ["not a number", "../1", "1 2", "१२"])
def test_what_is_no_id_is_refused_before_it_can_get_into_a_path(name: str):
    with pytest.raises(VenueError):
        wire.ORDER.read(json.dumps({"id": name, "status": "open"}).encode())

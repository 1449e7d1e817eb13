"""What ccxt hands over becomes exact values, and what is none is refused without being shown."""

from decimal import Decimal

import pytest

from holdfast.adapters.exchanges.ccxt.markets import Limits, instrument_of
from holdfast.adapters.exchanges.ccxt.shape import Parser
from holdfast.core.errors import ConfigurationError, VenueError

PARSER = Parser("binance", "fired")
MARKET = {
    "symbol": "BTC/USDT", "base": "BTC", "quote": "USDT", "spot": True, "active": True, "feeSide": "get",
    "precision": {"price": "0.01", "amount": "0.00001"}, "maker": "0.001", "taker": "0.001",
    "limits": {"amount": {"min": "0.0001", "max": "9000"}, "price": {"min": "0.01"}, "cost": {"min": "5"}},
}  # fmt: skip


@pytest.mark.parametrize("value", [0.1, True, "NaN", "inf", "-1", "1e40", "1." + "1" * 40, [], {}, "one", "1e-99"])
def test_what_is_no_exact_amount_is_refused_and_not_shown(value: object):
    with pytest.raises(VenueError) as caught:
        PARSER.amount(value, "an amount")
    assert caught.value.is_retryable
    assert str(caught.value) == "binance: an amount cannot be read"


@pytest.mark.parametrize("row", [None, [], "x", {"id": {}}, {"id": "1", "amount": 0.5}, {"id": "y" * 300}])
def test_an_order_of_a_wrong_shape_is_refused(row: object):
    with pytest.raises(VenueError):
        PARSER.order(row)


def test_an_order_and_its_trade_are_read_to_the_last_digit():
    order = PARSER.order(
        {"id": 7, "clientOrderId": "hf-1", "side": "buy", "status": "open", "amount": "0.10", "filled": "0.04",
         "triggerPrice": None, "info": {"fired": 0}}
    )  # fmt: skip
    assert (order.venue_order_id, order.amount, order.filled, order.is_final) == (
        "7",
        Decimal("0.10"),
        Decimal("0.04"),
        False,
    )
    assert order.fired_id == ""
    trade = PARSER.trade(
        {"id": "9", "order": "7", "timestamp": 1_700_000_000_000, "side": "buy", "takerOrMaker": "maker",
         "price": "100.000000000000000001", "amount": "1",
         "fees": [{"cost": "0"}, {"cost": "-0.1", "currency": "USDT"}]}
    )  # fmt: skip
    assert trade.price == Decimal("100.000000000000000001")
    assert (trade.fee, trade.fee_currency) == (Decimal("-0.1"), "USDT")


def test_a_market_becomes_an_instrument_and_its_limits_are_checked():
    instrument, limits = instrument_of(MARKET, PARSER, 4, ".BINANCE", {"taker": "0.00075"})
    assert instrument.id == "BTC/USDT.BINANCE"
    assert (instrument.tick, instrument.lot, instrument.notional_min) == (Decimal("0.01"), Decimal("0.00001"), 5)
    assert (instrument.fees().maker, instrument.fees().taker) == (Decimal("0.001"), Decimal("0.00075"))
    assert limits.refusal(Decimal("0.001"), Decimal(50_000)) == ""
    assert "value" in limits.refusal(Decimal("0.001"), Decimal(4_000))
    assert "amount" in limits.refusal(Decimal("0.00001"), Decimal(50_000))
    assert "above" in limits.refusal(Decimal(9_001), Decimal(50_000))
    closed = Limits("X/Y", False, (None, None), (None, None), (None, None), True)
    assert closed.refusal(Decimal(1), None) == "market_closed"


@pytest.mark.parametrize("change", [{"spot": False}, {"precision": {"price": None, "amount": "1"}}])
def test_a_market_that_cannot_be_traded_exactly_is_refused(change: dict):
    with pytest.raises(ConfigurationError):
        instrument_of({**MARKET, **change}, PARSER, 4, ".BINANCE", {})


def test_a_venue_that_does_not_tell_its_fees_is_taken_to_be_dear():
    instrument, _ = instrument_of({**MARKET, "maker": None, "taker": None}, PARSER, 4, ".X", {})
    assert instrument.fees().taker == Decimal("0.01")

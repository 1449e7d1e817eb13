"""Amounts for a person: cents where cents are money, and as many decimals of a coin as say something."""

from decimal import Decimal

import pytest

from holdfast.domain.amount import amount_text, quote_of


@pytest.mark.parametrize(
    ("value", "quote", "text"),
    [
        ("10234.5149", "USDT", "10,234.51"), ("0.004", "EUR", "0.00"), ("3", "", "3.00"),
        ("0.93388839", "BTC", "0.93388839"), ("1", "BTC", "1.00"), ("1.5", "ETH", "1.50"),
        ("12.3456789", "BTC", "12.345679"), ("1200", "BTC", "1,200.00"),
        ("0.0000000049", "BTC", "0.00"), ("-0.0000000049", "BTC", "0.00"), ("-0.00000012", "ETH", "-0.00000012"),
        ("123456.7891234", "BNB", "123,456.79"), ("123456789.126", "BTC", "123,456,789.13"),
    ],
)  # fmt: skip
def test_the_quote_asset_says_how_many_decimals_there_are(value: str, quote: str, text: str):
    assert amount_text(Decimal(value), quote, parted=",") == text
    assert amount_text(float(value), quote, parted=",") == text


def test_a_sign_is_shown_where_it_is_asked_for():
    assert amount_text(Decimal("0.02"), "BTC", sign="+") == "+0.02"
    assert amount_text(Decimal("-0.001"), "USDT", sign="+") == "+0.00"


@pytest.mark.parametrize(
    ("instrument_id", "quote"),
    [("ETH/BTC.BINANCE", "BTC"), ("BTC/USDT-PERP.GATEIO", "USDT"), ("BTC/USDT:USDT.GATEIO", "USDT"), ("", "")],
)
def test_the_quote_stands_in_the_instruments_id(instrument_id: str, quote: str):
    assert quote_of(instrument_id) == quote

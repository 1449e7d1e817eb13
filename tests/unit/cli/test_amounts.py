"""Numbers for a person: nothing is a negative nothing."""

from decimal import Decimal

import pytest

from holdfast.cli.amounts import mean_price, money, percent, signed


@pytest.mark.parametrize("quote", ["USDT", "BTC"])
@pytest.mark.parametrize("value", [-1e-10, Decimal("-1e-10"), Decimal("-0"), 0])
def test_what_rounds_to_nothing_has_no_minus(value, quote):
    assert (percent(value), money(value, quote), signed(value, quote)) == ("0.00 %", "0.00", "+0.00")
    assert (percent(Decimal("-0.0123")), money(Decimal(-1234), quote)) == ("-1.23 %", "-1\u202f234.00")


def test_a_mean_price_has_four_decimals_or_those_of_its_market():
    assert mean_price(Decimal("39120.123456"), Decimal("38500.00")) == "39\u202f120.1235"
    assert mean_price(Decimal("0.0000123449"), Decimal("0.00001190")) == "0.00001234"

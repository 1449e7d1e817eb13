"""Numbers for a person: nothing is a negative nothing."""

from decimal import Decimal

import pytest

from holdfast.cli.amounts import mean_price, money, percent, readable, signed


@pytest.mark.parametrize("quote", ["USDT", "BTC"])
@pytest.mark.parametrize("value", [-1e-10, Decimal("-1e-10"), Decimal("-0"), 0])
def test_what_rounds_to_nothing_has_no_minus(value, quote):
    assert (percent(value), money(value, quote), signed(value, quote)) == ("0.00 %", "0.00", "+0.00")
    assert (percent(Decimal("-0.0123")), money(Decimal(-1234), quote)) == ("-1.23 %", "-1\u202f234.00")


def test_a_mean_price_has_four_decimals_or_those_of_its_market():
    assert mean_price(Decimal("39120.123456"), Decimal("38500.00")) == "39\u202f120.1235"
    assert mean_price(Decimal("0.0000123449"), Decimal("0.00001190")) == "0.00001234"


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ("exposure asset: 0.4036591833591138221904770702 of 0.4 is used", "exposure asset: 0.40365918 of 0.4 is used"),
        ("signal at 1484.883373359742510522406536: +0.49", "signal at 1484.8834: +0.49"),
        ("fees and slippage leave -10.658822369152 USDT", "fees and slippage leave -10.66 USDT"),
        ("leave -0.000658822369152 BTC.", "leave -0.00065882237 BTC."),
        ("at 0.0000012345 USDT", "at 0.0000012345 USDT"),
        ("4\u202f036.123456789012 is exact", "4\u202f036.123456789012 is exact"),
        ("-0.000000000000 of 20", "0 of 20"),
        ("0.0000012345 at 0.00000123456789123", "0.0000012345 at 0.0000012345679"),
        ("at 100.000000000000, 7.1.123456789012", "at 100, 7.1.123456789012"),
        ("0.12345678 BTC at 42000.5, hf-1.1234567890x", "0.12345678 BTC at 42000.5, hf-1.1234567890x"),
    ],
)
def test_a_raw_figure_in_a_sentence_is_rounded_and_nothing_else_is_touched(raw, told):
    assert readable(raw) == told

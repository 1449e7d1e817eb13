"""Numbers for a person: nothing is a negative nothing."""

from decimal import Decimal

import pytest

from holdfast.cli.amounts import money, percent, signed


@pytest.mark.parametrize("value", [-0.00001, Decimal("-0.00001"), Decimal("-0"), 0])
def test_what_rounds_to_nothing_has_no_minus(value):
    assert (percent(value), money(value), signed(value)) == ("0.00 %", "0.00", "+0.00")
    assert (percent(Decimal("-0.0123")), money(Decimal(-1234))) == ("-1.23 %", "-1\u202f234.00")

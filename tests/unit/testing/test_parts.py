"""What a trade would have lost without its worse parts, worked out from its fills alone."""

from decimal import Decimal

import pytest

from holdfast.domain.order import Liquidity, OrderFilled, Role
from holdfast.domain.values import Asset, Money, OrderId, Price, Quantity, Side
from holdfast.testing.parts import Parts

D = Decimal


def fill(price: str, quantity: str) -> OrderFilled:
    fee = Money(D(price) * D(quantity) * D("0.001"), Asset("USDT"))
    return OrderFilled(OrderId("o"), 0, "T", Price(D(price)), Quantity(D(quantity)), fee, Liquidity.TAKER, Price(D(1)))


def parts(side: Side, *fills: tuple[Role, str, str]) -> Parts:
    found = Parts(side)
    for role, price, quantity in fills:
        found.add(role, fill(price, quantity))
    return found


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_later_parts_that_were_worse_count_at_the_first_price(side: Side):
    bought, sold = (Role.ENTRY, Role.STOP) if side is Side.BUY else (Role.STOP, Role.ENTRY)
    found = parts(side, (bought, "100", "1"), (bought, "110", "2"), (sold, "90", "1"), (sold, "80", "2"))
    assert found.is_in_parts
    assert found.loss_without_worse_parts() == 3 * (D("100.1") - D("89.91"))


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_later_parts_that_were_better_keep_their_price(side: Side):
    bought, sold = (Role.ENTRY, Role.STOP) if side is Side.BUY else (Role.STOP, Role.ENTRY)
    found = parts(side, (bought, "100", "1"), (bought, "90", "1"), (sold, "80", "1"), (sold, "85", "1"))
    assert found.loss_without_worse_parts() == D("190") + D("0.19") - D("165") + D("0.165")


def test_ways_out_for_another_end_are_no_parts_of_each_other():
    found = parts(Side.BUY, (Role.ENTRY, "100", "2"), (Role.TARGET, "120", "1"), (Role.STOP, "90", "1"))
    assert not found.is_in_parts
    assert found.loss_without_worse_parts() == D("200.2") - D("119.88") - D("89.91")

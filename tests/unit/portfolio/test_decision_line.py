"""What is said of a way out: the signal that asked for it and no other, and that the venue did not let it sell all."""

from collections.abc import Sequence
from decimal import Decimal

import pytest

from holdfast.domain.command import SubmitOrder
from holdfast.domain.decision import Action, Approved, Signal
from holdfast.domain.order import (
    Liquidity,
    Order,
    OrderCanceled,
    OrderEvent,
    OrderFilled,
    OrderRejected,
    OrderSpec,
    OrderType,
    Role,
    TimeInForce,
)
from holdfast.domain.tick import Tick
from holdfast.domain.values import Asset, InstrumentId, Money, OrderId, Price, Quantity, Side
from holdfast.portfolio.decision_line import WAYS_OUT, is_thwarted, lines_of
from holdfast.portfolio.status import DecisionLine
from holdfast.testing.builders import Row, make_bar, make_instrument

BTC = make_instrument()
ROW: Row = (100.0, 101.0, 99.0, 100.5, 10.0)


def way_out(role: Role = Role.EXIT, side: Side = Side.SELL, kind: OrderType = OrderType.MARKET) -> OrderSpec:
    is_market = kind is OrderType.MARKET
    return OrderSpec(
        OrderId("hf-1x"), BTC.id, side, kind, Quantity(Decimal("0.5")), role, None if is_market else Price(Decimal(90)),
        time_in_force=TimeInForce.IOC if is_market else TimeInForce.GTC, group="hf-1p.0",
    )  # fmt: skip


def signal(action: Action, name: InstrumentId = BTC.id) -> Signal:
    return Signal(name, 0, "a strategy", action, 0.5, 100.0, 0.0, 0.0, f"It wants to {action.value}.")


def fill(quantity: str) -> OrderFilled:
    price = Price(Decimal(100))
    fee = Money(Decimal(0), Asset("USDT"))
    return OrderFilled(
        OrderId("hf-1x"), 6, "trade-1", price, Quantity(Decimal(quantity)), fee, Liquidity.TAKER, price
    )  # fmt: skip


def told(event: OrderEvent, order: Order) -> Sequence[DecisionLine]:
    return lines_of(Tick(1, event), order, lambda _: None)


def said(role: Role, side: Side, *signals: Signal) -> str:
    command = SubmitOrder(Approved(way_out(role, side)))
    (line,) = lines_of(Tick(1, make_bar(BTC, 0, ROW), signals, commands=(command,)), None, lambda _: None)
    assert line.what == "leaving"
    return line.reason


def test_the_reason_to_leave_is_the_signal_that_asked_for_it_and_never_one_to_enter():
    assert said(Role.EXIT, Side.SELL, signal(Action.EXIT_LONG)) == "It wants to exit_long."
    assert said(Role.EXIT, Side.SELL, signal(Action.ENTER_SHORT)) == "It wants to enter_short."
    assert said(Role.EXIT, Side.BUY, signal(Action.EXIT_SHORT)) == "It wants to exit_short."
    for words in ((), (signal(Action.ENTER_LONG),), (signal(Action.EXIT_LONG, InstrumentId("ETH/USDT.SIM")),)):
        assert said(Role.EXIT, Side.SELL, *words) == WAYS_OUT[Role.EXIT]
    for role in (Role.STOP, Role.TARGET, Role.EMERGENCY):
        assert said(role, Side.SELL, signal(Action.EXIT_LONG)) == WAYS_OUT[role]


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ENTRY])
@pytest.mark.parametrize("side", list(Side))
def test_a_way_out_that_the_venue_refuses_is_told_with_its_label(side: Side, role: Role):
    spec = way_out(role, side)
    event = OrderRejected(spec.order_id, 7, "BALANCE_NOT_ENOUGH")
    order = Order.sent(spec).apply(event)
    (line,) = told(event, order)
    assert line.what == ("not sold" if side is Side.SELL else "not bought")
    assert "BALANCE_NOT_ENOUGH" in line.reason
    assert "0.5" in line.reason


def test_a_way_out_that_sold_only_what_was_free_says_what_is_left():
    spec = way_out()
    order = Order.sent(spec).apply(fill("0.2"))
    event = OrderCanceled(spec.order_id, 7, "balance")
    order = order.apply(event)
    (line,) = told(event, order)
    assert line.what == "not sold"
    assert line.reason.startswith("0.3 of 0.5 are not free")


def test_what_ends_as_it_should_is_not_told():
    spec = way_out()
    assert not is_thwarted(OrderRejected(spec.order_id, 7, "group"), Order.sent(spec))
    assert not is_thwarted(OrderRejected(spec.order_id, 7, "never_arrived"), Order.sent(spec))
    assert not is_thwarted(OrderCanceled(spec.order_id, 7, "ioc"), Order.sent(spec))
    resting = way_out(Role.TARGET, kind=OrderType.LIMIT)
    assert not is_thwarted(OrderRejected(resting.order_id, 7, "BALANCE_NOT_ENOUGH"), Order.sent(resting))
    part_sold = Order.sent(spec).apply(fill("0.2"))
    assert [line.what for line in told(fill("0.2"), part_sold)] == ["part sold"]

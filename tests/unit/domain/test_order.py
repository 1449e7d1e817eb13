"""The life of an order: every state and every event, written out by hand and compared with what the order does."""

from decimal import Decimal
from typing import get_args

import msgspec
import pytest

from holdfast.core.errors import InvalidTransitionError
from holdfast.domain.order import (
    TRANSITIONS,
    Liquidity,
    Order,
    OrderAccepted,
    OrderAmended,
    OrderCanceled,
    OrderEvent,
    OrderFilled,
    OrderRejected,
    OrderSpec,
    OrderState,
    OrderSubmitted,
    OrderTimedOut,
    OrderTriggered,
    OrderType,
    Role,
)
from holdfast.domain.values import Asset, InstrumentId, Money, OrderId, Price, Quantity, Side

ID = OrderId("o-1")
LETTERS = {
    "A": OrderState.APPROVED, "S": OrderState.SUBMITTED, "D": OrderState.IN_DOUBT, "O": OrderState.OPEN,
    "P": OrderState.PARTIALLY_FILLED, "F": OrderState.FILLED, "C": OrderState.CANCELED, "R": OrderState.REJECTED,
}  # fmt: skip

# What each event makes of an order in each state; a dot where it must be refused. A fill is one that leaves nothing.
GRID = """
                  APPROVED  SUBMITTED  IN_DOUBT  OPEN  PARTIALLY_FILLED  FILLED  CANCELED  REJECTED
OrderSubmitted       S          .         .       .           .             .        .         .
OrderAccepted        .          O         O       O           P             F        .         .
OrderRejected        .          R         R       .           .             .        .         .
OrderTimedOut        .          D         D       .           .             .        .         .
OrderTriggered       .          .         .       O           P             .        .         .
OrderAmended         .          .         .       O           P             .        .         .
OrderCanceled        C          C         C       C           C             .        C         .
OrderFilled          .          F         F       F           F             .        F         .
"""


def cells() -> list[tuple[str, OrderState, OrderState | None]]:
    head, *rows = [line.split() for line in GRID.strip().splitlines()]
    return [
        (row[0], OrderState(state), LETTERS.get(letter))
        for row in rows
        for state, letter in zip(head, row[1:], strict=True)
    ]


def fill(quantity: str = "1", trade_id: str = "t-2") -> OrderFilled:
    return OrderFilled(
        ID, 1, trade_id, Price(Decimal(100)), Quantity(Decimal(quantity)), Money(Decimal("0.1"), Asset("USDT")),
        Liquidity.TAKER, Price(Decimal(100)),
    )  # fmt: skip


EVENTS: dict[str, OrderEvent] = {
    "OrderSubmitted": OrderSubmitted(ID, 1),
    "OrderAccepted": OrderAccepted(ID, 1, "v-1"),
    "OrderRejected": OrderRejected(ID, 1, "funds"),
    "OrderTimedOut": OrderTimedOut(ID, 1),
    "OrderTriggered": OrderTriggered(ID, 1),
    "OrderAmended": OrderAmended(ID, 1, trigger_price=Price(Decimal(99))),
    "OrderCanceled": OrderCanceled(ID, 1, "operator"),
    "OrderFilled": fill(),
}


def order(state: OrderState = OrderState.OPEN, quantity: str = "1") -> Order:
    spec = OrderSpec(
        ID, InstrumentId("AAA/USDT.TEST"), Side.SELL, OrderType.STOP_MARKET, Quantity(Decimal(quantity)), Role.STOP,
        trigger_price=Price(Decimal(98)),
    )  # fmt: skip
    return msgspec.structs.replace(Order.of(spec), state=state)


def test_the_grid_names_every_state_and_every_event_once():
    named = [(event, state) for event, state, _ in cells()]
    everything = {(kind.__name__, state) for kind in get_args(OrderEvent) for state in OrderState}
    assert set(named) == everything
    assert len(named) == len(everything) == 64


@pytest.mark.parametrize(("event", "state", "after"), cells())
def test_an_event_moves_an_order_as_the_grid_says(event: str, state: OrderState, after: OrderState | None):
    if after is None:
        with pytest.raises(InvalidTransitionError, match=f"{event} cannot happen to order o-1 in state {state}"):
            order(state).apply(EVENTS[event])
    else:
        assert order(state).apply(EVENTS[event]).state is after


def test_the_table_of_the_house_is_the_grid():
    """The simulation judges by the table itself, so that what is missing there, or too much, is seen here alone."""
    written = {(state, event): after for event, state, after in cells() if after is not None}
    assert {(state, kind.__name__): after for (state, kind), after in TRANSITIONS.items()} == written


@pytest.mark.parametrize("state", ["SUBMITTED", "IN_DOUBT", "OPEN", "PARTIALLY_FILLED"])
def test_a_fill_that_leaves_something_makes_an_order_partially_filled(state: str):
    after = order(OrderState(state), "3").apply(fill("2"))
    assert (after.state, after.filled, after.left) == (OrderState.PARTIALLY_FILLED, 2, 1)


def test_a_part_that_overtook_the_cancel_counts_and_leaves_the_order_canceled():
    after = order(OrderState.CANCELED, "3").apply(fill("2"))
    assert (after.state, after.filled) == (OrderState.CANCELED, 2)


@pytest.mark.parametrize("state", OrderState)
def test_a_fill_already_seen_changes_nothing_in_any_state(state: OrderState):
    before = msgspec.structs.replace(order(state), trade_ids=("t-2",))
    assert before.apply(fill()) is before


@pytest.mark.parametrize("quantity", ["1.1", "0", "-1"])
def test_a_fill_of_nothing_or_of_more_than_is_left_is_refused(quantity: str):
    with pytest.raises(InvalidTransitionError):
        order().apply(fill(quantity))


def test_only_filled_canceled_and_rejected_are_final():
    assert {state for state in OrderState if state.is_final} == {
        OrderState.FILLED, OrderState.CANCELED, OrderState.REJECTED,
    }  # fmt: skip

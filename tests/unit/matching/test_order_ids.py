"""A venue knows a client id that is sent twice, for as long as anybody may send it again, and no longer."""

import msgspec
import pytest
from tests.unit.matching.conftest import Room

from holdfast.domain.order import OrderAccepted, OrderRejected, OrderType
from holdfast.domain.values import OrderId, Side
from holdfast.engine.engine import CLOSED_ORDERS_KEPT
from holdfast.matching.checks import Rejection
from holdfast.matching.venue import ORDER_IDS_KEPT


def come_and_go(room: Room, orders: int) -> list[OrderId]:
    gone = []
    for _ in range(orders):
        gone.append(room.limit_buy(50))
        room.venue.cancel(gone[-1], room.now, "operator")
    return gone


def after_a_crash(room: Room) -> Room:
    copy = Room(room.config, minute=room.minute, count=room.count)
    copy.venue.restore(room.venue.snapshot())
    return copy


def send_again(room: Room, order_id: OrderId) -> object:
    (event,) = room.venue.place(room.spec(OrderType.LIMIT, Side.BUY, 1, limit=50, order_id=order_id), room.now)
    return event


def taken(room: Room) -> list[str]:
    return msgspec.json.decode(room.venue.snapshot())["taken"]


def test_the_horizon_lies_well_behind_what_an_engine_still_knows_of_its_orders():
    assert ORDER_IDS_KEPT >= 4 * CLOSED_ORDERS_KEPT


def test_a_snapshot_stops_growing(room: Room):
    come_and_go(room, ORDER_IDS_KEPT)
    size = len(room.venue.snapshot())
    come_and_go(room, 2 * ORDER_IDS_KEPT)
    assert len(taken(room)) == ORDER_IDS_KEPT
    assert len(room.venue.snapshot()) < 1.2 * size, "only the numbers in the ids may have grown"


@pytest.mark.parametrize("is_restarted", [False, True])
def test_an_id_that_is_sent_again_within_the_horizon_is_known(room: Room, is_restarted: bool):
    first, *_ = come_and_go(room, ORDER_IDS_KEPT)
    room = after_a_crash(room) if is_restarted else room
    assert send_again(room, first).reason == Rejection.DUPLICATE
    assert not room.venue.open_orders()


def test_an_answer_that_was_lost_in_a_crash_does_not_make_a_second_order(room: Room):
    """The order was taken, the venue's state was saved, and the agent died before it could note the answer."""
    come_and_go(room, 3 * ORDER_IDS_KEPT)
    sent = room.limit_buy(50)
    room = after_a_crash(room)
    again = send_again(room, sent)
    assert isinstance(again, OrderRejected)
    assert again.reason == Rejection.DUPLICATE
    assert list(room.venue.open_orders()) == [sent]


def test_an_order_that_rests_is_known_however_many_came_after_it(room: Room):
    resting = [room.limit_buy(40, 1), room.limit_buy(41, 1)]
    come_and_go(room, 2 * ORDER_IDS_KEPT)
    assert list(room.venue.open_orders()) == resting
    for order_id in resting:
        assert send_again(room, order_id).reason == Rejection.DUPLICATE
    assert len(room.venue.cancel(resting[0], room.now, "operator")) == 1
    assert send_again(room, resting[0]).reason == Rejection.DUPLICATE


def test_behind_the_horizon_an_id_is_forgotten(room: Room):
    first, second, *_ = come_and_go(room, ORDER_IDS_KEPT + 1)
    assert isinstance(send_again(room, first), OrderAccepted)
    assert isinstance(send_again(room, second), OrderAccepted), "the one before it has taken its place"


def test_a_restart_forgets_neither_more_nor_less(room: Room):
    room.limit_buy(40, 1)
    come_and_go(room, ORDER_IDS_KEPT + 7)
    copy = after_a_crash(room)
    assert copy.venue.snapshot() == room.venue.snapshot()
    for one in (room, copy):
        come_and_go(one, 9)
    assert copy.venue.snapshot() == room.venue.snapshot()


def test_a_state_from_before_there_was_a_horizon_is_cut_to_it(room: Room):
    resting = room.limit_buy(40, 1)
    state = msgspec.json.decode(room.venue.snapshot())
    state["taken"] += [f"old-{number}" for number in range(3 * ORDER_IDS_KEPT)]
    room.venue.restore(msgspec.json.encode(state))
    kept = taken(room)
    assert len(kept) == ORDER_IDS_KEPT
    assert resting in kept
    assert f"old-{3 * ORDER_IDS_KEPT - 1}" in kept
    assert "old-0" not in kept


def test_more_working_orders_than_the_horizon_are_all_known(room: Room):
    state = msgspec.json.decode(room.venue.snapshot())
    room.limit_buy(40, 1)
    (order,) = msgspec.json.decode(room.venue.snapshot())["orders"]
    count = ORDER_IDS_KEPT + 3
    orders = [
        order | {"spec": order["spec"] | {"order_id": f"w{number}"}, "quantity": "0.001"} for number in range(count)
    ]
    taken_ids = [f"w{number}" for number in range(count)]
    room.venue.restore(msgspec.json.encode(state | {"orders": orders, "taken": taken_ids}))
    assert len(room.venue.open_orders()) == count
    assert send_again(room, OrderId("w0")).reason == Rejection.DUPLICATE

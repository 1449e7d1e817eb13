"""Amends and cancels."""

import pytest
from tests.unit.matching.conftest import BASE, Room, brief, dec

from holdfast.core.errors import VenueError
from holdfast.domain.order import OrderAmended, OrderCanceled, OrderType
from holdfast.domain.values import OrderId, Price, Quantity, Side
from holdfast.matching.config import MatchingConfig


def test_an_amended_stop_works_at_its_new_trigger_only(room: Room):
    stop = room.stop(90)
    assert room.amend(stop, 95) == (OrderAmended(stop, room.now, Price(dec(95))),)
    assert brief(room.play(100, 100, "95.01", 96)) == []
    assert brief(room.play(100, 100, 95, 96)) == ["o1 filled 1 at 95"]


@pytest.mark.parametrize("steps", [(95, 92), (92, 95), (85, 91), (99, 80), (91, 90)])
def test_levels_follow_every_amend_beside_another_stop(room: Room, steps: tuple[int, int]):
    stop, _ = room.stop(90), room.stop(88)
    for trigger in steps:
        room.amend(stop, trigger)
    book = room.venue._books[room.instrument.id]
    found = book.below, book.above
    book.refresh()
    assert (book.below, book.above) == found
    assert book.below == max(steps[-1], 88)


@pytest.mark.parametrize("steps", [(105, 108), (115, 109), (111, 112), (120, 107)])
def test_levels_of_buy_stops_follow_every_amend(room: Room, steps: tuple[int, int]):
    stop, _ = room.stop(110, side=Side.BUY), room.stop(112, side=Side.BUY)
    for trigger in steps:
        room.amend(stop, trigger)
    book = room.venue._books[room.instrument.id]
    assert book.above == min(steps[-1], 112)


def test_a_new_quantity_binds_anew(room: Room):
    stop = room.stop(90, 1)
    room.venue.change(stop, room.now, quantity=Quantity(dec(10)))
    assert room.venue._account.held(BASE) == 10
    with pytest.raises(VenueError, match="BALANCE") as caught:
        room.venue.change(stop, room.now, quantity=Quantity(dec("10.001")))
    assert not caught.value.is_retryable
    assert room.venue._account.held(BASE) == 10
    assert brief(room.play(90, 90, 90, 90)) == ["o1 filled 10 at 90"]


def test_terms_off_the_grid_are_refused_and_change_nothing(room: Room):
    stop = room.stop(90)
    for trigger in ("95.001", "0", "-1"):
        with pytest.raises(VenueError, match="OFF_TICK"):
            room.amend(stop, trigger)
    for quantity in ("1.0001", "0"):
        with pytest.raises(VenueError, match="OFF_LOT"):
            room.venue.change(stop, room.now, quantity=Quantity(dec(quantity)))
    assert brief(room.play(90, 90, 90, 90)) == ["o1 filled 1 at 90"]


def test_a_quantity_must_exceed_what_has_filled():
    room = Room(MatchingConfig(spread_bps=dec(0), slippage_bps=dec(0), impact=dec(0), sweep=dec(0), latency_ms=0))
    stop = room.stop(90, 5)
    room.play(90, 90, 90, 90, volume=20)
    with pytest.raises(VenueError, match="filled 2"):
        room.venue.change(stop, room.now, quantity=Quantity(dec(2)))
    assert room.venue.change(stop, room.now, quantity=Quantity(dec(3)))
    assert brief(room.play(80, 80, 80, 80)) == ["o1 filled 1 at 80"]


def test_what_is_gone_can_neither_be_amended_nor_canceled(room: Room):
    stop = room.stop(90)
    assert room.venue.cancel(stop, 5, "operator") == (OrderCanceled(stop, 5, "operator"),)
    for order_id in (stop, OrderId("never seen")):
        assert room.amend(order_id, 95) == ()
        assert room.venue.cancel(order_id, 6, "operator") == ()


def test_the_trigger_of_a_stop_that_has_triggered_is_history():
    room = Room(MatchingConfig(latency_ms=0))
    stop = room.stop(90, 5)
    room.play(90, 90, 90, 90, volume=20)
    assert room.amend(stop, 80) == ()


def test_a_limit_order_has_no_trigger_to_amend(room: Room):
    assert room.amend(room.limit_buy(90), 95) == ()


def test_a_cancel_frees_what_was_bound(room: Room):
    sale = room.send(OrderType.LIMIT, Side.SELL, 10, limit=200)
    room.venue.cancel(sale, room.now, "operator")
    assert room.venue._account.held(BASE) == 0
    assert brief(room.play(300, 300, 300, 300)) == []

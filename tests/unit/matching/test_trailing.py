"""Trailing stops that the venue drags."""

import pytest
from tests.unit.matching.conftest import THIN, Room, brief, fills

from holdfast.domain.order import OrderEvent, OrderType, Role
from holdfast.domain.values import OrderId, Side


def trail(room: Room, trigger: float, offset: float, side: Side = Side.SELL) -> OrderId:
    role = Role.STOP if side is Side.SELL else Role.ENTRY
    return room.send(OrderType.TRAILING_STOP, side, 1, trigger=trigger, offset=offset, role=role)


def test_it_follows_the_high_and_never_falls_back(room: Room):
    trail(room, 90, 10)
    assert brief(room.play(100, 110, "99.99", 109)) == [], "the high moves it to 100; a low before that is allowed"
    assert brief(room.play(109, 109, "100.01", 105)) == []
    (fill,) = fills(room.play(105, 106, 100, 104))
    assert (fill.price, fill.reference) == (100, 100)


def test_a_low_that_may_have_come_before_the_high_is_no_touch_of_the_new_level(room: Room):
    trail(room, 90, 10)
    assert brief(room.play(100, 120, 95, 115)) == []
    assert room.venue._books[room.instrument.id].orders[OrderId("o1")].trigger == 110


def test_a_close_below_the_new_level_is_a_touch_for_it_came_last(room: Room):
    trail(room, 90, 10)
    (fill,) = fills(room.play(100, 120, 95, 110))
    assert fill.price == 110


def test_the_old_level_counts_first(room: Room):
    trail(room, 90, 10)
    assert brief(room.play(100, 120, 90, 115)) == ["o1 filled 1 at 90"]


def test_the_open_moves_it_before_the_range_is_looked_at(room: Room):
    trail(room, 90, 10)
    assert brief(room.play(110, 110, 100, 105)) == ["o1 filled 1 at 100"]


def test_an_open_beyond_it_is_a_gap(room: Room):
    trail(room, 90, 10)
    (fill,) = fills(room.play(80, 120, 80, 120))
    assert (fill.price, fill.reference, fill.is_gap) == (80, 90, True)


def test_a_trailing_purchase_follows_the_low(room: Room):
    trail(room, 110, 10, Side.BUY)
    assert brief(room.play(100, 104, 95, 104)) == [], "the low moves it to 105"
    assert brief(room.play(100, "104.99", 96, 104)) == []
    assert brief(room.play(104, 105, 100, 100)) == ["o1 filled 1 at 105"]


def test_sent_after_a_fill_within_the_bar_it_is_not_dragged_by_a_high_that_may_be_past(room: Room):
    room.limit_buy(90)

    def protect(event: OrderEvent) -> None:
        if event.order_id == "o1":
            trail(room, 80, 10)

    room.play(100, 120, 85, 95, react=protect)
    assert room.venue._books[room.instrument.id].orders[OrderId("o2")].trigger == 80


def test_an_amend_starts_it_anew_from_its_new_level(room: Room):
    order_id = trail(room, 90, 10)
    room.amend(order_id, 97)
    assert brief(room.play(100, 106, 98, 104)) == [], "107 is the best price that a stop at 97 implies"
    assert brief(room.play(104, 104, 97, 100)) == ["o1 filled 1 at 97"]


def test_an_amend_works_in_a_bar_that_was_quiet_before(room: Room):
    order_id = trail(room, 90, 10)
    room.amend(order_id, 97)
    assert brief(room.play(98, 99, 96, 98)) == ["o1 filled 1 at 97"]


def test_a_worse_price_never_loosens_it_whatever_else_wakes_the_book(room: Room):
    trail(room, 90, 10)
    room.play(100, 110, 101, 109)
    room.stop(102, 1)  # touched below, so that the bar is looked at although it leaves the trailing stop alone
    assert brief(room.play(108, 108, 102, 105)) == ["o2 filled 1 at 102"]
    assert room.venue._books[room.instrument.id].orders[OrderId("o1")].trigger == 100


@pytest.mark.parametrize(("opened", "worse"), [(108, 100), (95, 95)])
def test_what_it_has_left_fills_at_the_worse_of_its_level_and_the_open(opened: float, worse: float):
    room = Room(THIN)
    room.send(OrderType.TRAILING_STOP, Side.SELL, 5, trigger=90, offset=10, role=Role.STOP)
    room.play(100, 110, 100, 109)
    assert brief(room.play(109, 109, 99, 100, volume=20)) == ["o1 filled 2 at 100"]
    (fill,) = fills(room.play(opened, 130, 94, 130))
    assert (fill.quantity, fill.price, fill.reference) == (3, worse, worse)

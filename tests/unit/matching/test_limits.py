"""Limit orders: resting, crossing, post-only, and targets beside stops."""

import pytest
from tests.unit.matching.conftest import MAKER, TAKER, React, Room, brief, dec, fills

from holdfast.domain.order import Liquidity, OrderEvent, OrderType, Role
from holdfast.domain.values import Side
from holdfast.matching.config import MatchingConfig

SELL = Side.SELL


def test_a_touch_is_no_fill_and_a_tick_through_is(room: Room):
    room.limit_buy(90)
    assert brief(room.play(100, 100, 90, 95)) == []
    (fill,) = fills(room.play(95, 95, "89.99", 92))
    assert (fill.price, fill.reference, fill.liquidity) == (90, 90, Liquidity.MAKER)
    assert fill.fee.amount == 90 * MAKER
    assert fill.ts_event == room.now - 1


def test_a_resting_sale_is_the_mirror_image(room: Room):
    room.target(110)
    assert brief(room.play(100, 110, 100, 105)) == []
    assert brief(room.play(105, "110.01", 100, 105)) == ["o1 filled 1 at 110"]


def test_touching_fills_where_the_settings_say_so():
    room = Room(MatchingConfig(is_touch_fill=True, latency_ms=0))
    room.limit_buy(90)
    assert brief(room.play(100, 100, "90.01", 95)) == []
    assert brief(room.play(95, 95, 90, 92)) == ["o1 filled 1 at 90"]


def test_a_resting_order_that_the_open_has_passed_fills_at_its_limit_and_not_better(room: Room):
    room.limit_buy(90)
    room.play(100, 100, 100, 100)
    (fill,) = fills(room.play(70, 71, 69, 70))
    assert (fill.price, fill.liquidity) == (90, Liquidity.MAKER)
    assert fill.ts_event == room.now - 60 * 10**9


def test_an_order_that_crosses_when_it_arrives_takes(room: Room):
    room.limit_buy(105)
    (fill,) = fills(room.play(100, 110, 95, 100))
    assert (fill.price, fill.liquidity) == (100, Liquidity.TAKER)
    assert fill.fee.amount == 100 * TAKER


def test_a_crossing_order_never_pays_more_than_its_limit():
    room = Room(MatchingConfig(spread_bps=dec(200), slippage_bps=dec(100), impact=dec(0), latency_ms=0))
    room.limit_buy("101.50")
    (fill,) = fills(room.play(100, 110, 95, 100))
    assert (fill.price, fill.reference) == (dec("101.50"), 100)


def test_what_a_crossing_order_leaves_rests_and_makes():
    config = MatchingConfig(
        spread_bps=dec(0), slippage_bps=dec(0), impact=dec(0), participation_max=dec("0.1"), latency_ms=0
    )
    room = Room(config)
    room.limit_buy(100, 3)
    first, second = fills([*room.play(100, 100, 98, 99, volume=20), *room.play(99, 99, 98, 98, volume=20)])
    assert (first.quantity, first.liquidity) == (2, Liquidity.TAKER)
    assert (second.quantity, second.price, second.liquidity) == (1, 100, Liquidity.MAKER)


@pytest.mark.parametrize(("limit", "ends"), [("100", True), ("100.01", True), ("99.99", False)])
def test_post_only_ends_where_it_would_take(room: Room, limit: str, ends: bool):
    room.limit_buy(limit, is_post_only=True)
    assert brief(room.play(100, 100, 100, 100)) == (["o1 canceled post_only"] if ends else [])


@pytest.mark.parametrize(("limit", "ends"), [("100", True), ("99.99", True), ("100.01", False)])
def test_a_post_only_sale_is_the_mirror_image(room: Room, limit: str, ends: bool):
    room.target(limit, is_post_only=True)
    assert brief(room.play(100, 100, 100, 100)) == (["o1 canceled post_only"] if ends else [])


def test_post_only_rests_like_any_other_once_it_is_there(room: Room):
    room.limit_buy(90, is_post_only=True)
    room.play(100, 100, 100, 100)
    assert brief(room.play(80, 80, 80, 80)) == ["o1 filled 1 at 90"]


def test_a_suspect_print_fills_no_resting_order(room: Room):
    room.limit_buy("0.50", 10)
    assert brief(room.play(3, 3.1, 0.01, 2.5, flags=8)) == []


def bracket(room: Room, stop: float, target: float) -> None:
    room.stop(stop, group="g")
    room.target(target, group="g")


def test_when_one_bar_touches_both_the_stop_wins(room: Room):
    bracket(room, 90, 110)
    assert brief(room.play(100, 120, 90, 115)) == ["o1 filled 1 at 90", "o2 canceled group"]


def test_an_open_beyond_the_target_is_known_to_come_first(room: Room):
    bracket(room, 90, 110)
    room.play(100, 100, 100, 100)
    assert brief(room.play(111, 120, 80, 85)) == ["o2 filled 1 at 110", "o1 canceled group"]


def on_entry(room: Room, stop: float, target: float) -> React:
    def protect(event: OrderEvent) -> None:
        if event.order_id == "o1":
            bracket(room, stop, target)

    return protect


def test_a_target_sent_after_the_open_can_fill_in_that_bar(room: Room):
    room.buy(1)
    events = room.play(100, 111, 91, 105, react=on_entry(room, 90, 110))
    assert brief(events) == ["o1 filled 1 at 100", "o3 filled 1 at 110", "o2 canceled group"]


def test_but_not_if_the_stop_of_its_group_is_touched(room: Room):
    room.buy(1)
    events = room.play(100, 111, 90, 105, react=on_entry(room, 90, 110))
    assert brief(events) == ["o1 filled 1 at 100", "o2 filled 1 at 90", "o3 canceled group"]


def test_a_target_sent_after_a_fill_within_the_bar_waits_for_the_next(room: Room):
    room.limit_buy(95)
    assert brief(room.play(100, 120, 94, 115, react=on_entry(room, 90, 110))) == ["o1 filled 1 at 95"]
    assert brief(room.play(109, 111, 108, 110)) == ["o3 filled 1 at 110", "o2 canceled group"]


def test_a_take_profit_waits_like_a_limit_order(room: Room):
    room.limit_buy(95)

    def protect(event: OrderEvent) -> None:
        if event.order_id == "o1":
            room.send(OrderType.TAKE_PROFIT, SELL, 1, trigger=110, role=Role.TARGET)

    assert brief(room.play(100, 120, 94, 115, react=protect)) == ["o1 filled 1 at 95"]
    assert brief(room.play(109, 110, 108, 109)) == ["o2 filled 1 at 110"]


def test_a_target_waits_even_where_the_volume_let_the_stop_fill_only_in_part():
    config = MatchingConfig(
        spread_bps=dec(0), slippage_bps=dec(0), impact=dec(0), sweep=dec(0), participation_max=dec("0.1"), latency_ms=0
    )
    room = Room(config)
    room.stop(90, 5, group="g")
    room.target(110, 5, group="g")
    assert brief(room.play(100, 120, 89, 100, volume=20)) == ["o1 filled 2 at 90", "o2 amended"]
    assert brief(room.play(105, 120, 100, 110, volume=1_000)) == ["o1 filled 3 at 90", "o2 canceled group"]


def test_a_target_waits_even_where_the_stop_limit_has_only_triggered(room: Room):
    room.send(OrderType.STOP_LIMIT, SELL, 1, trigger=90, limit=95, role=Role.STOP, group="g")
    room.target(110, group="g")
    assert brief(room.play(100, 120, 90, 115)) == ["o1 triggered"]
    assert brief(room.play(100, 120, 100, 115)) == ["o1 filled 1 at 95", "o2 canceled group"]


def test_a_target_that_has_waited_works_again_in_the_next_bar(room: Room):
    room.send(OrderType.STOP_LIMIT, SELL, 1, trigger=90, limit=130, role=Role.STOP, group="g")
    room.target(110, group="g")
    assert brief(room.play(100, 120, 90, 115)) == ["o1 triggered"]
    assert brief(room.play(100, 111, 100, 105)) == ["o2 filled 1 at 110", "o1 canceled group"]


def test_a_suspect_spike_fills_what_open_and_close_reach_and_no_more(room: Room):
    room.target(104)
    room.target(110)
    assert brief(room.play(100, 1_000, 99, 105, flags=8)) == ["o1 filled 1 at 104"]


def test_a_take_profit_that_the_volume_cannot_fill_goes_on_at_the_next_open():
    config = MatchingConfig(
        spread_bps=dec(0), slippage_bps=dec(0), impact=dec(0), participation_max=dec("0.1"), latency_ms=0
    )
    room = Room(config)
    room.send(OrderType.TAKE_PROFIT, SELL, 5, trigger=110, role=Role.TARGET)
    assert brief(room.play(100, 115, 100, 105, volume=20)) == ["o1 filled 2 at 110"]
    assert brief(room.play(104, 104, 103, 103)) == ["o1 filled 3 at 104"]


def test_a_stop_of_another_group_does_not_hold_a_target_back(room: Room):
    room.stop(90, group="g")
    room.target(110, group="h")
    assert sorted(brief(room.play(100, 111, 89, 100))) == ["o1 filled 1 at 90", "o2 filled 1 at 110"]


def test_limits_sent_late_in_a_bar_do_not_fill_from_its_past(room: Room):
    room.limit_buy(90, ts=room.now + 30 * 10**9)
    assert brief(room.play(100, 100, 80, 95)) == []
    assert brief(room.play(95, 95, 89, 95)) == ["o1 filled 1 at 90"]

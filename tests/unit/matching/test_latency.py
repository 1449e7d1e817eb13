"""When an order that was sent reaches the market."""

import pytest
from tests.unit.matching.conftest import BASE, Room, brief, dec

from holdfast.core.time import MILLISECOND, SECOND
from holdfast.domain.order import OrderEvent, OrderType
from holdfast.domain.values import OrderId, Price, Quantity, Side
from holdfast.matching.config import MatchingConfig


def delayed(**settings: int) -> Room:
    free = {"spread_bps": dec(0), "slippage_bps": dec(0), "impact": dec(0), "sweep": dec(0)}
    return Room(MatchingConfig(**free, **settings))


def test_a_quarter_of_a_second_after_a_close_still_gets_the_open():
    room = delayed()
    room.buy(1)
    assert brief(room.play(100, 100, 100, 100)) == ["o1 filled 1 at 100"]


@pytest.mark.parametrize(("late_ms", "fills"), [(0, True), (4_750, True), (4_751, False)])
def test_who_arrives_after_the_window_waits_for_the_next_open(late_ms: int, fills: bool):
    room = delayed()
    room.buy(1, ts=room.now + late_ms * MILLISECOND)
    assert brief(room.play(100, 100, 100, 100)) == (["o1 filled 1 at 100"] if fills else [])
    assert brief(room.play(101, 101, 101, 101)) == ([] if fills else ["o1 filled 1 at 101"])


def test_a_latency_beyond_the_window_misses_the_open():
    room = delayed(latency_ms=6_000)
    room.buy(1)
    assert brief(room.play(100, 100, 100, 100)) == []
    assert brief(room.play(101, 101, 101, 101)) == ["o1 filled 1 at 101"]


def test_a_stop_counts_in_the_bar_in_which_it_arrives_and_not_before():
    room = delayed()
    room.stop(90, ts=room.now + 59 * SECOND)
    room.stop(91, ts=room.now + 60 * SECOND - 250 * MILLISECOND)
    assert brief(room.play(100, 100, 80, 95)) == ["o1 filled 1 at 90"]
    assert brief(room.play(95, 95, 91, 95)) == ["o2 filled 1 at 91"]


def test_a_whole_bar_of_latency_is_a_whole_bar():
    room = delayed(latency_bars=1)
    room.buy(1)
    room.stop(90)
    assert brief(room.play(100, 100, 80, 100)) == []
    assert brief(room.play(101, 101, 85, 101)) == ["o1 filled 1 at 101", "o2 filled 1 at 90"]


def test_with_bars_of_latency_what_answers_a_fill_waits_as_well():
    room = delayed(latency_bars=1)
    room.limit_buy(95)
    room.play(100, 100, 100, 100)

    def protect(event: OrderEvent) -> None:
        if event.order_id == "o1":
            room.stop(90)

    assert brief(room.play(100, 100, 80, 95, react=protect)) == ["o1 filled 1 at 95"]
    assert brief(room.play(95, 95, 85, 95)) == ["o2 filled 1 at 90"]


@pytest.mark.parametrize("settings", [{"latency_bars": 1}, {"latency_ms": 60_000}])
def test_a_stop_that_answers_an_entry_at_the_open_waits_too(settings: dict[str, int]):
    room = delayed(**settings)
    room.buy(1)
    room.play(100, 100, 100, 100)

    def protect(event: OrderEvent) -> None:
        if event.order_id == "o1":
            room.stop(90)

    assert brief(room.play(100, 100, 80, 95, react=protect)) == ["o1 filled 1 at 100"]
    assert brief(room.play(95, 95, 90, 95)) == ["o2 filled 1 at 90"]


def test_what_is_sent_after_a_bar_no_longer_answers_it():
    room = delayed()
    room.buy(1)
    room.play(100, 100, 100, 100)
    room.sell(1, ts=room.now + 30 * SECOND)
    assert brief(room.play(101, 101, 101, 101)) == []
    assert brief(room.play(102, 102, 102, 102)) == ["o2 filled 1 at 102"]


def test_the_close_before_a_stop_was_sent_is_no_price_that_it_has_met():
    room = delayed()
    room.play(95, 95, 95, 95)
    room.stop(100)
    assert brief(room.play(105, 105, 99, 101)) == ["o1 filled 1 at 100"]


def test_a_request_that_arrives_at_the_very_open_is_in_time():
    room = delayed(latency_bars=1, latency_ms=0, open_window_ms=0)
    stop = room.stop(90)
    room.play(100, 100, 100, 100)
    room.amend(stop, 95)
    assert brief(room.play(100, 100, 100, 100)) == []
    assert brief(room.play(100, 100, 100, 100)) == ["o1 amended"]


def test_amends_and_cancels_take_as_long_as_orders():
    room = delayed(latency_bars=1)
    stop, other = room.stop(90), room.stop(70)
    room.play(100, 100, 100, 100)
    assert room.amend(stop, 95) == ()
    assert room.venue.cancel(other, room.now, "operator") == ()
    assert brief(room.play(100, 100, 91, 100)) == []
    assert brief(room.play(100, 100, 96, 100)) == ["o1 amended", "o2 canceled operator"]
    assert brief(room.play(100, 100, 95, 100)) == ["o1 filled 1 at 95"]


def test_a_fill_overtakes_a_cancel_that_is_on_its_way():
    room = delayed(latency_bars=1)
    stop = room.stop(90)
    room.play(100, 100, 100, 100)
    room.venue.cancel(stop, room.now, "operator")
    assert brief(room.play(100, 100, 90, 95)) == ["o1 filled 1 at 90"]
    assert brief(room.play(95, 95, 95, 95)) == []


def test_an_amend_that_has_become_impossible_on_its_way_changes_nothing():
    room = delayed(latency_bars=1)
    sale = room.send(OrderType.LIMIT, Side.SELL, 1, limit=200)
    room.venue.change(sale, room.now, quantity=Quantity(dec(9)))
    room.stop(50, 5)
    room.play(100, 100, 100, 100)
    assert brief(room.play(100, 100, 100, 100)) == []
    assert room.venue._account.held(BASE) == 6


def test_a_request_arrives_in_no_bar_without_trade():
    room = delayed(latency_bars=1)
    stop = room.stop(90)
    room.play(100, 100, 100, 100)
    room.venue.change(stop, room.now, Price(dec(95)))
    room.play(100, 100, 100, 100)
    assert brief(room.play(100, 100, 100, 100, flags=2, volume=0)) == []
    assert brief(room.play(100, 100, 100, 100, flags=4)) == ["o1 amended"]


def test_answers_to_a_phase_count_from_that_phase_whatever_time_they_carry():
    room = delayed()
    room.buy(1)

    def protect(event: OrderEvent) -> None:
        if event.order_id == OrderId("o1"):
            room.stop(95, ts=room.now + 60 * SECOND)

    assert brief(room.play(100, 100, 95, 96, react=protect)) == ["o1 filled 1 at 100", "o2 filled 1 at 95"]


@pytest.mark.parametrize(("bars", "is_late"), [(1, True), (0, False)])
def test_a_price_that_went_past_a_stop_on_its_way_made_it_late_and_is_no_gap(bars: int, is_late: bool):
    room = delayed(latency_bars=bars)
    room.stop(90)
    events = []
    for close in (95, 85, 84):
        events += room.play(close, close, close, close)
    (fill,) = events
    assert (fill.is_gap, fill.is_late) == (True, is_late)


def test_a_stop_that_had_arrived_before_is_not_late():
    room = delayed(latency_bars=1)
    room.stop(90)
    for price in (100, 100, 95):
        assert not room.play(price, price, price, price)
    (fill,) = room.play(80, 80, 80, 80)
    assert fill.is_gap
    assert not fill.is_late

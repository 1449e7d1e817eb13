"""Orders of one group share one position's quantity."""

from tests.unit.matching.conftest import BASE, QUOTE, Room, brief, dec

from holdfast.domain.order import OrderAmended, OrderType, Role, TimeInForce
from holdfast.domain.values import OrderId, Quantity, Side
from holdfast.matching.config import MatchingConfig


def thin() -> Room:
    """Give a room in which a tenth of each bar's volume may be ours, and nothing else costs."""
    free = {"spread_bps": dec(0), "slippage_bps": dec(0), "impact": dec(0), "sweep": dec(0)}
    return Room(MatchingConfig(**free, participation_max=dec("0.1"), latency_ms=0))


def test_a_whole_fill_cancels_the_others(room: Room):
    room.stop(90, 2, group="g")
    room.target(110, 2, group="g")
    room.target(120, 2, group="g")
    events = room.play(111, 112, 110, 110)
    assert brief(events) == ["o2 filled 2 at 111", "o1 canceled group", "o3 canceled group"]
    assert room.venue._account.held(BASE) == 0


def test_a_stop_and_a_target_may_both_ask_for_everything_there_is():
    room = Room(balances={BASE: dec(1)})
    room.stop(90, group="g")
    room.target(110, group="g")
    assert brief(room.play(100, 100, 90, 95)) == ["o1 filled 1 at 90", "o2 canceled group"]
    assert room.balance(BASE) == 0


def test_what_one_fills_the_others_lose():
    room = thin()
    stop = room.stop(90, 5, group="g")
    target = room.target(110, 5, group="g")
    events = room.play(100, 111, 100, 110, volume=20)
    assert brief(events) == ["o2 filled 2 at 110", "o1 amended"]
    assert events[1] == OrderAmended(stop, room.now - 1, quantity=Quantity(dec(3)))
    assert room.venue._account.held(BASE) == 3
    events = room.play(100, 100, 90, 95, volume=10)
    assert brief(events) == ["o1 filled 1 at 90", "o2 amended"]
    assert events[1] == OrderAmended(target, room.now - 1, quantity=Quantity(dec(4))), "2 filled and 2 to go"
    assert brief(room.play(80, 80, 80, 80)) == ["o1 filled 2 at 80", "o2 canceled group"]
    assert room.balance(BASE) == 5


def test_several_targets_share_with_one_stop(room: Room):
    room.stop(90, 3, group="g")
    room.target(110, 1, group="g")
    room.target(120, 2, group="g")
    assert brief(room.play(100, 111, 100, 110)) == ["o2 filled 1 at 110", "o1 amended"]
    assert brief(room.play(110, 121, 110, 115)) == ["o3 filled 2 at 120", "o1 canceled group"]


def test_the_second_target_is_cut_to_what_a_partly_filled_stop_has_left():
    room = thin()
    room.stop(90, 3, group="g")
    room.target(110, 1, group="g")
    room.target(120, 2, group="g")
    events = room.play(100, 100, 90, 95, volume=15)
    assert brief(events) == ["o1 filled 1.5 at 90", "o3 amended"]
    assert events[1] == OrderAmended(OrderId("o3"), room.now - 1, quantity=Quantity(dec("1.5")))


def test_an_exit_at_the_market_cancels_the_bracket(room: Room):
    room.stop(90, group="g")
    room.target(110, group="g")
    room.sell(1, group="g")
    assert brief(room.play(100, 100, 100, 100)) == ["o3 filled 1 at 100", "o1 canceled group", "o2 canceled group"]


def test_a_stop_that_the_open_has_jumped_goes_before_the_exit(room: Room):
    room.stop(90, group="g")
    room.sell(1, group="g")
    assert brief(room.play(80, 80, 80, 80)) == ["o1 filled 1 at 80", "o2 canceled group"]


def test_a_canceled_stop_leaves_the_targets_their_shares(room: Room):
    stop = room.stop(90, 3, group="g")
    room.target(110, 1, group="g")
    room.target(120, 2, group="g")
    room.venue.cancel(stop, room.now, "operator")
    assert brief(room.play(100, 130, 100, 120)) == ["o2 filled 1 at 110", "o3 filled 2 at 120"]


def test_a_group_grows_with_a_larger_order_and_with_an_amend(room: Room):
    stop = room.stop(90, 1, group="g")
    room.target(110, 1, group="g")
    room.stop(80, 2, group="g")
    assert room.venue._account.held(BASE) == 2
    room.venue.change(stop, room.now, quantity=Quantity(dec(4)))
    assert room.venue._account.held(BASE) == 4
    room.venue.change(stop, room.now, quantity=Quantity(dec(1)))
    assert room.venue._account.held(BASE) == 2


def test_a_name_can_be_used_again_when_its_orders_are_gone(room: Room):
    room.stop(90, 2, group="g")
    room.play(80, 80, 80, 80)
    room.stop(70, 1, group="g")
    assert room.venue._account.held(BASE) == 1
    assert brief(room.play(60, 60, 60, 60)) == ["o2 filled 1 at 60"]


def test_an_order_without_a_group_shares_nothing(room: Room):
    room.stop(90)
    room.target(110)
    assert brief(room.play(100, 100, 90, 95)) == ["o1 filled 1 at 90"]
    assert room.venue.open_orders() == ("o2",)


def test_of_two_entries_of_one_group_only_one_is_made(room: Room):
    room.send(OrderType.STOP_MARKET, Side.BUY, 2, trigger=110, group="g")
    room.limit_buy(90, 2, group="g")
    assert room.venue._account.held("USDT") == dec(220) * dec("1.002"), "bound once, at the dearer of both"
    assert brief(room.play(100, 111, 89, 100)) == ["o1 filled 2 at 110", "o2 canceled group"]


def test_an_entry_may_use_what_its_group_has_bound_and_nothing_that_others_have():
    room = Room(balances={QUOTE: dec(1_000)})
    room.send(OrderType.STOP_MARKET, Side.BUY, 4, trigger=110, group="g")
    room.limit_buy(90, 4, group="g")
    room.limit_buy(50, 10)
    # 1,000 less the 501 of the third order buys 3.830 at 130.26 each.
    assert brief(room.play(130, 130, 130, 130)) == ["o1 filled 3.83 at 130", "o2 amended", "o1 canceled balance"]


def test_a_fok_of_a_group_that_does_not_fill_leaves_the_others_alone(room: Room):
    room.stop(90, group="g")
    room.send(OrderType.LIMIT, Side.SELL, 1, limit=105, role=Role.EXIT, time_in_force=TimeInForce.FOK, group="g")
    assert brief(room.play(100, 100, 100, 100)) == ["o2 canceled fok"]
    assert room.venue.open_orders() == ("o1",)

"""Nothing enters across a gap; what protects a position fills at the first price that there is."""

import pytest
from tests.unit.matching.conftest import Room, brief, fills

from holdfast.domain.market import BarFlag
from holdfast.domain.order import OrderType, Role, TimeInForce
from holdfast.domain.values import Side

GAP, AFTER, NO_TRADE = BarFlag.GAP_BEFORE, BarFlag.AFTER_NO_TRADE, BarFlag.NO_TRADE
IOC, FOK = TimeInForce.IOC, TimeInForce.FOK
BUY, SELL = Side.BUY, Side.SELL


@pytest.mark.parametrize("flag", [GAP, AFTER, GAP | AFTER])
def test_entries_that_waited_for_the_open_are_canceled(room: Room, flag: BarFlag):
    room.buy(1)
    room.limit_buy(200, 1, time_in_force=IOC)
    room.limit_buy(200, 1, time_in_force=FOK)
    events = room.play(100, 100, 100, 100, flags=flag)
    assert brief(events) == [f"o{n} canceled gap" for n in (1, 2, 3)]


@pytest.mark.parametrize("flag", [BarFlag.NONE, BarFlag.SYNTHETIC])
def test_without_a_gap_they_fill(room: Room, flag: BarFlag):
    room.buy(1)
    assert brief(room.play(100, 100, 100, 100, flags=flag)) == ["o1 filled 1 at 100"]


@pytest.mark.parametrize("flag", [GAP, AFTER])
def test_exits_fill_at_the_first_open(room: Room, flag: BarFlag):
    room.sell(1)
    room.send(OrderType.LIMIT, SELL, 1, limit=50, time_in_force=IOC)
    assert brief(room.play(60, 60, 60, 60, flags=flag)) == ["o1 filled 1 at 60", "o2 filled 1 at 60"]


@pytest.mark.parametrize(("opened", "price", "is_gap"), [(80, 80, True), (90, 90, False), (95, 90, False)])
def test_stops_fill_at_the_worse_of_stop_and_open(room: Room, opened: float, price: float, is_gap: bool):
    room.stop(90)
    (fill,) = fills(room.play(opened, 95, 80, 90, flags=GAP))
    assert (fill.price, fill.is_gap) == (price, is_gap)


def test_an_entry_stop_that_the_gap_has_jumped_is_canceled_and_one_that_it_has_not_stays(room: Room):
    room.stop(110, side=BUY)
    room.stop(120, side=BUY)
    assert brief(room.play(115, 116, 114, 115, flags=GAP)) == ["o1 canceled gap"]
    assert brief(room.play(115, 120, 114, 120)) == ["o2 filled 1 at 120"]


def test_an_entry_take_profit_that_the_gap_has_jumped_is_canceled(room: Room):
    room.send(OrderType.TAKE_PROFIT, BUY, 1, trigger=90)
    assert brief(room.play(80, 81, 79, 80, flags=GAP)) == ["o1 canceled gap"]


@pytest.mark.parametrize(("side", "trigger"), [(BUY, 90), (SELL, 70)])
def test_a_take_profit_that_is_no_entry_or_meets_no_gap_fills(room: Room, side: Side, trigger: int):
    flags = GAP if side is SELL else BarFlag.NONE
    role = Role.TARGET if side is SELL else Role.ENTRY
    room.send(OrderType.TAKE_PROFIT, side, 1, trigger=trigger, role=role)
    bar = room.bar((80, 81, 79, 80), flags=flags)
    assert brief(list(room.venue.open_phase(bar))) == [f"o1 filled 1 at {trigger}"]


def test_a_resting_entry_fills_from_the_range_at_its_limit(room: Room):
    room.limit_buy(90)
    bar = room.bar((80, 95, 79, 95), flags=GAP)
    assert room.venue.open_phase(bar) == ()
    (fill,) = fills(list(room.venue.range_phase(bar)))
    assert (fill.price, fill.liquidity) == (90, "maker")


def test_a_limit_sale_at_rest_fills_at_its_limit_even_if_it_was_just_sent(room: Room):
    room.target(90)
    (fill,) = fills(room.play(100, 101, 99, 100, flags=GAP))
    assert (fill.price, fill.liquidity) == (90, "maker"), "nobody knows that it arrived after the jump"


def test_nothing_fills_while_nothing_trades(room: Room):
    room.buy(1)
    room.sell(1)
    room.stop(100)
    room.limit_buy(110, 1)
    room.send(OrderType.TAKE_PROFIT, SELL, 1, trigger=90, role=Role.TARGET)
    assert brief(room.play(100, 100, 100, 100, volume=0, flags=NO_TRADE)) == []
    assert len(room.venue.open_orders()) == 5


def test_after_an_outage_entries_are_canceled_and_exits_fill(room: Room):
    room.buy(1)
    room.sell(1)
    room.play(100, 100, 100, 100, volume=0, flags=NO_TRADE)
    assert brief(room.play(97, 98, 96, 97, flags=AFTER)) == ["o2 filled 1 at 97", "o1 canceled gap"]


def test_an_entry_decided_during_the_outage_is_canceled_too(room: Room):
    room.play(100, 100, 100, 100, volume=0, flags=NO_TRADE)
    room.buy(1)
    assert brief(room.play(97, 98, 96, 97, flags=AFTER)) == ["o1 canceled gap"]


def test_an_entry_sent_in_the_middle_of_the_first_bar_after_a_gap_is_not_across_it(room: Room):
    room.buy(1, ts=room.now + 30 * 10**9)
    assert brief(room.play(97, 98, 96, 97, flags=GAP)) == []
    assert brief(room.play(97, 98, 96, 97)) == ["o1 filled 1 at 97"]

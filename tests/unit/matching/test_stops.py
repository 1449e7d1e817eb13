"""Stops: where they trigger, and that they never fill at a price that the market did not have."""

from decimal import Decimal

import pytest
from tests.unit.matching.conftest import THIN, Room, brief, dec, fills

from holdfast.domain.market import BarFlag
from holdfast.domain.order import OrderEvent, OrderFilled, OrderType, Role
from holdfast.domain.values import Side
from holdfast.matching.config import MatchingConfig

SELL, BUY = Side.SELL, Side.BUY
COSTLY = MatchingConfig(
    spread_bps=Decimal(20), slippage_bps=Decimal(10), impact=Decimal(0), sweep=Decimal(0), latency_ms=0
)


def test_a_sell_stop_triggers_when_it_is_touched_and_not_before(room: Room):
    room.stop(90)
    assert brief(room.play(100, 100, "90.01", 95)) == []
    (fill,) = fills(room.play(95, 95, 90, 92))
    assert (fill.price, fill.reference, fill.is_gap) == (90, 90, False)
    assert fill.ts_event == room.now - 1, "within the bar, at its end for want of better knowledge"


def test_a_buy_stop_is_the_mirror_image(room: Room):
    room.stop(110, side=BUY)
    assert brief(room.play(100, "109.99", 100, 105)) == []
    (fill,) = fills(room.play(105, 110, 100, 108))
    assert (fill.price, fill.reference, fill.is_gap) == (110, 110, False)


def test_a_stop_pays_spread_and_slippage():
    room = Room(COSTLY)
    room.stop(90)
    room.stop(110, side=BUY)
    sold, bought = fills(room.play(100, 110, 90, 100))
    assert (sold.price, sold.reference) == (dec("89.82"), 90)
    assert (bought.price, bought.reference) == (dec("110.22"), 110)


@pytest.mark.parametrize(("opened", "is_gap"), [("90", False), ("89.99", True), ("45", True)])
def test_a_sell_stop_that_the_open_has_jumped_fills_at_the_open(room: Room, opened: str, is_gap: bool):
    room.stop(90)
    (fill,) = fills(room.play(float(opened), 120, 10, 50))
    assert (fill.price, fill.reference, fill.is_gap) == (dec(opened), 90, is_gap)
    assert fill.ts_event == room.now - 60 * 10**9, "at the open"


def test_a_buy_stop_that_the_open_has_jumped_fills_at_the_open(room: Room):
    room.stop(110, side=BUY)
    (fill,) = fills(room.play(130, 140, 100, 120))
    assert (fill.price, fill.reference, fill.is_gap) == (130, 110, True)


def test_a_stop_works_in_the_bar_in_which_its_entry_fills(room: Room):
    room.buy(1)

    def protect(event: OrderEvent) -> None:
        if event.order_id == "o1":
            room.stop(95)

    assert brief(room.play(100, 101, 94, 96, react=protect)) == ["o1 filled 1 at 100", "o2 filled 1 at 95"]


def test_a_stop_that_is_already_passed_when_it_is_sent_fills_at_the_price_there_is(room: Room):
    room.buy(1)

    def protect(event: OrderEvent) -> None:
        if event.order_id == "o1":
            room.stop(105)

    entry, stop = fills(room.play(100, 120, 94, 96, react=protect))
    assert (stop.price, stop.reference, stop.is_gap) == (100, 105, True)
    assert entry.price == 100


def test_a_stop_sent_after_a_fill_within_the_bar_counts_in_that_bar(room: Room):
    room.limit_buy(90)

    def protect(event: OrderEvent) -> None:
        if event.order_id == "o1":
            room.stop(85)

    assert brief(room.play(100, 100, 84, 99, react=protect)) == ["o1 filled 1 at 90", "o2 filled 1 at 85"]


def test_a_stop_sent_after_a_fill_within_the_bar_is_no_better_than_that_fill(room: Room):
    room.limit_buy(90)

    def protect(event: OrderEvent) -> None:
        if event.order_id == "o1":
            room.stop(95)

    _, stop = fills(room.play(100, 100, 89, 99, react=protect))
    assert stop.price == 90, "the market was at 90 when the stop was sent, whatever it did before"


def test_a_stop_moved_above_the_market_within_a_bar_fills_no_better_than_its_open(room: Room):
    room.stop(80, 1)
    room.buy(1)
    events = room.play(100, 130, 95, 120, react=lambda event: room.amend("o1", 125) if event.order_id == "o2" else None)
    assert brief(events) == ["o2 filled 1 at 100", "o1 filled 1 at 100"]


def test_the_price_seen_when_a_stop_was_sent_does_not_follow_it_into_later_bars(room: Room):
    room.buy(1)
    room.play(100, 100, 100, 100, react=lambda event: room.stop(90) if event.order_id == "o1" else None)
    room.play(100, 120, 100, 120)
    room.amend("o2", 115)
    (fill,) = fills(room.play(120, 120, 112, 113))
    assert (fill.price, fill.is_gap) == (115, False)


@pytest.mark.parametrize(("opened", "worse"), [(95, 90), (90, 90), (85, 85)])
@pytest.mark.parametrize("volume", [20, 5])  # fills some in the bar of the trigger, or nothing at all
def test_what_a_sell_stop_has_left_fills_at_the_worse_of_its_price_and_each_open(
    opened: float, worse: float, volume: float
):
    room = Room(THIN)
    room.stop(90, 5)
    filled = sum(fill.quantity for fill in fills(room.play(100, 100, 88, 89, volume=volume)))
    (fill,) = fills(room.play(opened, 99, 84, 99, volume=1_000))
    assert (fill.quantity, fill.price, fill.reference, fill.is_gap) == (5 - filled, worse, worse, False)


@pytest.mark.parametrize(("opened", "worse"), [(105, 110), (110, 110), (115, 115)])
def test_what_a_buy_stop_has_left_fills_at_the_worse_of_its_price_and_each_open(opened: float, worse: float):
    room = Room(THIN)
    room.stop(110, 5, side=BUY)
    assert brief(room.play(100, 112, 100, 111, volume=20)) == ["o1 filled 2 at 110"]
    (fill,) = fills(room.play(opened, 120, 100, 105, volume=1_000))
    assert (fill.quantity, fill.price, fill.reference, fill.is_gap) == (3, worse, worse, False)


def test_what_a_stop_has_left_gains_from_no_bounce_however_many_bars_it_takes():
    room = Room(THIN)
    room.stop(90, 5)
    room.play(100, 100, 88, 89, volume=20)
    assert brief(room.play(95, 99, 94, 99, volume=10)) == ["o1 filled 1 at 90"]
    assert brief(room.play(80, 99, 80, 99, volume=10)) == ["o1 filled 1 at 80"]
    assert brief(room.play(120, 120, 110, 115, volume=10)) == ["o1 filled 1 at 90"]


def test_what_a_stop_has_left_pays_the_costs_of_a_market_order_below_its_price():
    room = Room(MatchingConfig(spread_bps=dec(20), slippage_bps=dec(0), impact=dec(0), latency_ms=0))
    room.stop(90, 5)
    room.play(100, 100, 90, 95, volume=20)
    (fill,) = fills(room.play(95, 99, 94, 99, volume=1_000))
    assert (fill.price, fill.reference) == (dec("89.91"), 90)


@pytest.mark.parametrize(("opened", "worse"), [(120, 110), (105, 105)])
def test_what_a_take_profit_has_left_gains_nothing_from_a_jump_in_its_favour(opened: float, worse: float):
    room = Room(THIN)
    room.send(OrderType.TAKE_PROFIT, SELL, 5, trigger=110, role=Role.TARGET)
    assert brief(room.play(100, 111, 100, 111, volume=20)) == ["o1 filled 2 at 110"]
    (fill,) = fills(room.play(opened, 125, 100, 115, volume=1_000))
    assert (fill.quantity, fill.price, fill.reference) == (3, worse, worse)


def test_a_stop_sweeps_the_falling_bar_by_its_share_of_the_volume():
    config = MatchingConfig(spread_bps=dec(0), slippage_bps=dec(0), impact=dec(0), latency_ms=0)
    room = Room(config)
    room.stop(90, 1)
    # 1 of 20 is 5 % of the volume, and the bar went on for 40: 2 worse than the stop.
    (fill,) = fills(room.play(100, 100, 50, 60, volume=20))
    assert (fill.price, fill.reference) == (88, 90)


def test_a_buy_stop_sweeps_the_rising_bar():
    room = Room(MatchingConfig(spread_bps=dec(0), slippage_bps=dec(0), impact=dec(0), latency_ms=0))
    room.stop(110, 1, side=BUY)
    assert brief(room.play(100, 150, 100, 140, volume=20)) == ["o1 filled 1 at 112"]


def test_a_buy_stop_that_opens_at_its_trigger_is_no_gap(room: Room):
    room.stop(110, side=BUY)
    (fill,) = fills(room.play(110, 120, 100, 110))
    assert (fill.price, fill.is_gap) == (110, False)


def test_what_a_stop_has_left_goes_before_an_exit_that_was_sent_earlier():
    config = MatchingConfig(
        spread_bps=dec(0), slippage_bps=dec(0), impact=dec(0), sweep=dec(0), participation_max=dec("0.1"), latency_ms=0
    )
    room = Room(config)
    room.sell(2, ts=room.now + 60 * 10**9)
    room.stop(90, 3)
    assert brief(room.play(100, 100, 90, 95, volume=10)) == ["o2 filled 1 at 90"]
    assert brief(room.play(95, 95, 95, 95, volume=30)) == ["o2 filled 2 at 90", "o1 filled 1 at 95"]


def test_a_buy_stop_sent_after_a_fill_within_the_bar_is_no_better_than_that_fill(room: Room):
    room.target(110)

    def protect(event: OrderEvent) -> None:
        if event.order_id == "o1":
            room.stop(105, side=BUY)

    room.play(100, 100, 100, 100)
    _, stop = fills(room.play(100, 111, 100, 101, react=protect))
    assert stop.price == 110


def test_a_stop_at_the_bars_low_sweeps_nothing():
    room = Room(MatchingConfig(spread_bps=dec(0), slippage_bps=dec(0), impact=dec(0), latency_ms=0))
    room.stop(90, 1)
    assert brief(room.play(100, 100, 90, 95, volume=20)) == ["o1 filled 1 at 90"]


def test_all_stops_that_are_touched_fill_in_one_go_and_each_only_once(room: Room):
    room.stop(90, 1)
    room.stop(92, 2)
    room.stop(80, 3)
    bar = room.bar((100, 100, 85, 90))
    assert room.venue.open_phase(bar) == ()
    assert brief(list(room.venue.range_phase(bar))) == ["o1 filled 1 at 90", "o2 filled 2 at 92"]
    assert room.venue.range_phase(bar) == ()


def test_a_stop_limit_becomes_a_limit_order_and_takes_what_is_within_its_limit(room: Room):
    room.send(OrderType.STOP_LIMIT, SELL, 1, trigger=90, limit=89, role=Role.STOP)
    assert brief(room.play(100, 100, "90.01", 95)) == []
    assert brief(room.play(95, 95, 89, 92)) == ["o1 triggered", "o1 filled 1 at 90"]


def test_a_stop_limit_that_the_open_has_jumped_waits_at_its_limit(room: Room):
    room.send(OrderType.STOP_LIMIT, SELL, 1, trigger=90, limit=89, role=Role.STOP)
    assert brief(room.play(80, 95, 80, 95)) == ["o1 triggered"], "not in the bar of the trigger: the order is unknown"
    assert brief(room.play(85, 89, 85, 89)) == [], "touched only"
    (fill,) = fills(room.play(85, "89.01", 85, 89))
    assert fill.price == 89
    assert fill.liquidity == "maker"


def test_a_stop_limit_that_rests_makes_at_its_limit_wherever_the_next_bar_opens(room: Room):
    room.send(OrderType.STOP_LIMIT, SELL, 1, trigger=90, limit=89, role=Role.STOP)
    room.play(80, 85, 80, 85)
    (fill,) = fills(room.play(95, 96, 94, 95))
    assert (fill.price, fill.liquidity) == (89, "maker")


@pytest.mark.parametrize(("side", "low", "high"), [(SELL, 90, 100), (BUY, 100, 110)])
def test_a_stop_limit_may_have_its_limit_at_its_trigger(room: Room, side: Side, low: float, high: float):
    level = low if side is SELL else high
    room.send(OrderType.STOP_LIMIT, side, 1, trigger=level, limit=level)
    assert brief(room.play(100, high, low, 100)) == ["o1 triggered", f"o1 filled 1 at {level}"]


def test_a_stop_limit_never_fills_beyond_its_limit():
    room = Room(COSTLY)
    room.send(OrderType.STOP_LIMIT, SELL, 1, trigger=90, limit="89.90", role=Role.STOP)
    assert brief(room.play(100, 100, 85, 86)) == ["o1 triggered", "o1 filled 1 at 89.9"]


def test_a_stop_limit_can_buy(room: Room):
    room.send(OrderType.STOP_LIMIT, BUY, 1, trigger=110, limit=111)
    assert brief(room.play(100, 110, 100, 105)) == ["o1 triggered", "o1 filled 1 at 110"]


def test_a_suspect_wick_triggers_nothing(room: Room):
    room.stop(90)
    assert brief(room.play(100, 100, "0.01", 95, flags=BarFlag.SUSPECT)) == []
    assert brief(room.play(100, 100, "0.01", 90, flags=BarFlag.SUSPECT)) == ["o1 filled 1 at 90"], "the close is real"


def test_a_take_profit_triggers_at_a_touch_and_pays_the_costs_of_a_market_order():
    room = Room(COSTLY)
    room.send(OrderType.TAKE_PROFIT, SELL, 1, trigger=110, role=Role.TARGET)
    assert brief(room.play(100, "109.99", 100, 105)) == []
    (fill,) = fills(room.play(105, 110, 100, 100))
    assert (fill.price, fill.reference, fill.liquidity) == (dec("109.78"), 110, "taker")


def test_a_take_profit_gains_nothing_from_a_jump_in_its_favour(room: Room):
    room.send(OrderType.TAKE_PROFIT, SELL, 1, trigger=110, role=Role.TARGET)
    (fill,) = fills(room.play(150, 160, 140, 150))
    assert (fill.price, fill.is_gap) == (110, False)


def test_a_take_profit_can_buy_a_dip(room: Room):
    room.send(OrderType.TAKE_PROFIT, BUY, 1, trigger=90)
    assert brief(room.play(100, 100, "90.01", 100)) == []
    assert isinstance(room.play(100, 100, 90, 100)[0], OrderFilled)

"""Orders that take what there is: market, IOC, FOK."""

from decimal import Decimal

from tests.unit.matching.conftest import BASE, IDEAL, QUOTE, TAKER, Room, brief, dec, fills

from holdfast.domain.order import Liquidity, OrderType, Role, TimeInForce
from holdfast.domain.values import Side
from holdfast.matching.config import MatchingConfig

IOC, FOK = TimeInForce.IOC, TimeInForce.FOK
COSTLY = MatchingConfig(spread_bps=Decimal(20), slippage_bps=Decimal(10), impact=Decimal("0.1"), latency_ms=0)
# Half a spread of 0.1 %, slippage of 0.1 % and the impact of 1 % of the volume, 0.1 %: 0.3 %.
COST = dec("0.003")


def test_a_market_order_fills_at_the_next_open(room: Room):
    room.buy(2)
    (fill,) = fills(room.play(100, 105, 95, 103))
    assert (fill.price, fill.quantity, fill.reference) == (100, 2, 100)
    assert fill.fee.amount == 200 * TAKER
    assert fill.liquidity is Liquidity.TAKER
    assert not fill.is_gap
    assert fill.ts_event == 1_000 * 60 * 10**9, "the moment of the open"
    assert room.balance(BASE) == 12
    assert room.balance() == 10_000 - 200 * (1 + TAKER)


def test_a_market_order_pays_spread_slippage_and_its_share_of_the_volume():
    room = Room(COSTLY)
    room.buy(1)
    room.sell(1)
    sold, bought = fills(room.play(100, 101, 99, 100, volume=100))
    assert (bought.price, bought.reference) == (dec("100.30"), 100)
    assert (sold.price, sold.reference) == (dec("99.70"), 100)
    assert dec("0.3") == 100 * COST


def test_costs_are_rounded_to_the_tick_against_us():
    room = Room(COSTLY)
    room.buy(1)
    room.sell(1)
    sold, bought = fills(room.play("33.33", 34, 33, 33, volume=100))
    assert bought.price == dec("33.43"), "33.42999 is rounded up"
    assert sold.price == dec("33.23"), "33.23001 is rounded down"


def test_what_reduces_goes_before_what_enters(room: Room):
    first = room.buy(1)
    second = room.sell(1)
    assert [fill.order_id for fill in fills(room.play(100, 100, 100, 100))] == [second, first]


def test_a_jump_of_the_price_leaves_part_of_a_purchase_unaffordable():
    room = Room(balances={QUOTE: dec(1_000)})
    room.play(10, 10, 10, 10)
    room.buy(99)
    # At 20 a unit with its fee costs 20.04: 49.900 of them cost 999.996.
    assert brief(room.play(20, 20, 20, 20)) == ["o1 filled 49.9 at 20", "o1 canceled balance"]
    assert room.balance() == dec("0.004")


def test_a_jump_that_leaves_nothing_affordable_cancels_the_whole_purchase():
    room = Room(balances={QUOTE: dec(6)})
    room.play(10, 10, 10, 10)
    room.buy("0.5")
    assert brief(room.play(10_000, 10_000, 10_000, 10_000)) == ["o1 canceled balance"]
    assert room.balance() == 6


def test_a_purchase_that_turns_dearer_leaves_others_what_they_have_bound():
    room = Room(balances={QUOTE: dec(1_000)})
    room.play(10, 10, 10, 10)
    room.limit_buy(10, 49)
    room.buy(49)
    # The limit order binds 490.98. What is left, 509.02, buys 25.400 at 20.04 each.
    assert brief(room.play(20, 20, 20, 20)) == ["o2 filled 25.4 at 20", "o2 canceled balance"]
    assert room.venue._account.held(QUOTE) == dec("490.98")


def test_what_is_canceled_at_an_open_is_free_for_the_next_order_of_that_open():
    room = Room(balances={QUOTE: dec(1_000)})
    room.play(10, 10, 10, 10)
    room.limit_buy(10, 40, time_in_force=FOK)
    room.buy(55)
    assert brief(room.play(12, 12, 12, 12)) == ["o1 canceled fok", "o2 filled 55 at 12"]


def test_ioc_limit_fills_within_its_limit_and_its_rest_is_canceled(room: Room):
    room.limit_buy(100, 1, time_in_force=IOC)
    assert brief(room.play(100, 100, 100, 100)) == ["o1 filled 1 at 100"]
    room.limit_buy(100, 1, time_in_force=IOC)
    assert brief(room.play("100.01", 101, 50, 60)) == ["o2 canceled ioc"], "one tick beyond, and the low is no concern"


def test_ioc_limit_gets_the_open_where_that_is_better(room: Room):
    room.limit_buy(100, 1, time_in_force=IOC)
    assert brief(room.play(97, 97, 97, 97)) == ["o1 filled 1 at 97"]


def test_ioc_limit_counts_its_costs_against_its_limit():
    room = Room(COSTLY)
    room.limit_buy("100.30", 1, time_in_force=IOC)
    room.limit_buy("100.29", 1, time_in_force=IOC)
    # The second one takes another 1 % of the volume; its price is the same and one tick too high.
    assert brief(room.play(100, 100, 100, 100, volume=100)) == ["o1 filled 1 at 100.3", "o2 canceled ioc"]


def test_ioc_sale_never_gets_less_than_its_limit():
    room = Room(COSTLY)
    room.send(OrderType.LIMIT, Side.SELL, 1, limit="99.70", time_in_force=IOC)
    room.send(OrderType.LIMIT, Side.SELL, 1, limit="99.71", time_in_force=IOC)
    assert brief(room.play(100, 100, 100, 100, volume=100)) == ["o1 filled 1 at 99.7", "o2 canceled ioc"]


def participating(share: str) -> Room:
    return Room(MatchingConfig(
        spread_bps=dec(0), slippage_bps=dec(0), impact=dec(0), sweep=dec(0), participation_max=dec(share), latency_ms=0
    ))  # fmt: skip


def test_ioc_takes_what_participation_allows_and_no_more():
    room = participating("0.1")
    room.limit_buy(100, 3, time_in_force=IOC)
    assert brief(room.play(100, 100, 100, 100, volume=20)) == ["o1 filled 2 at 100", "o1 canceled ioc"]


def test_ioc_without_any_volume_is_canceled():
    room = participating("0.1")
    room.limit_buy(100, 3, time_in_force=IOC)
    assert brief(room.play(100, 100, 100, 100, volume=0)) == ["o1 canceled ioc"]


def test_fok_fills_all_or_nothing():
    room = participating("0.1")
    room.limit_buy(100, 2, time_in_force=FOK)
    assert brief(room.play(100, 100, 100, 100, volume=20)) == ["o1 filled 2 at 100"]
    room.limit_buy(100, "2.001", time_in_force=FOK)
    assert brief(room.play(100, 100, 100, 100, volume=20)) == ["o2 canceled fok"]
    room.buy("2.001", time_in_force=FOK)
    assert brief(room.play(100, 100, 100, 100, volume=20)) == ["o3 canceled fok"]


def test_fok_beyond_its_limit_is_canceled(room: Room):
    room.limit_buy(100, 1, time_in_force=FOK)
    assert brief(room.play("100.01", 101, 99, 100)) == ["o1 canceled fok"]


def test_fok_that_cannot_be_paid_in_full_is_canceled():
    room = Room(balances={QUOTE: dec(1_000)})
    room.play(10, 10, 10, 10)
    room.buy(99, time_in_force=FOK)
    assert brief(room.play(20, 20, 20, 20)) == ["o1 canceled fok"]
    assert room.balance() == 1_000


def test_a_market_order_works_on_over_the_following_opens_until_it_is_done():
    room = participating("0.1")
    room.buy(5)
    assert brief(room.play(100, 100, 100, 100, volume=20)) == ["o1 filled 2 at 100"]
    assert brief(room.play(101, 101, 101, 101, volume=0)) == []
    (fill,) = fills(room.play(102, 102, 102, 102, volume=100))
    assert (fill.quantity, fill.price, fill.reference, fill.is_gap) == (3, 102, 102, False)
    assert room.venue.open_orders() == ()


def test_all_our_orders_share_what_we_may_take_of_a_bar():
    room = participating("0.1")
    room.buy("1.5")
    room.buy("1.5")
    assert brief(room.play(100, 100, 100, 100, volume=20)) == ["o1 filled 1.5 at 100", "o2 filled 0.5 at 100"]


def test_the_share_of_a_bar_is_rounded_down_to_the_lot():
    room = participating("0.1")
    room.buy(1)
    assert brief(room.play(100, 100, 100, 100, volume=1.23456)) == ["o1 filled 0.123 at 100"]


def test_a_market_order_sent_after_the_open_waits_for_the_next_one(room: Room):
    room.buy(1)
    events = room.play(100, 100, 90, 90, react=lambda event: room.sell(1) if room.count < 2 else None)
    assert brief(events) == ["o1 filled 1 at 100"]
    assert brief(room.play(91, 91, 91, 91)) == ["o2 filled 1 at 91"]


def test_an_emergency_exit_in_the_middle_of_a_bar_does_not_get_the_past_open(room: Room):
    middle = room.now + 30 * 10**9
    room.sell(1, ts=middle, role=Role.EMERGENCY)
    assert brief(room.play(100, 100, 80, 80)) == []
    assert brief(room.play(81, 81, 81, 81)) == ["o1 filled 1 at 81"]


def test_ideal_is_what_its_name_says():
    assert MatchingConfig.ideal() == IDEAL

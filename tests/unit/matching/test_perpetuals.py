"""Perpetuals: long and short at a leverage of one, held as a signed balance of the base."""

from tests.unit.matching.conftest import BASE, QUOTE, TAKER, Room, brief, dec, fills

from holdfast.domain.instrument import Market
from holdfast.domain.market import BarFlag
from holdfast.domain.order import OrderRejected, OrderType, Role
from holdfast.domain.values import Side

SELL, BUY = Side.SELL, Side.BUY


def short_room(quantity: int = 4) -> Room:
    room = Room(market=Market.PERPETUAL, balances={QUOTE: dec(1_000)})
    room.sell(quantity, role=Role.ENTRY)
    room.play(100, 100, 100, 100)
    return room


def test_a_short_is_a_negative_balance_whose_proceeds_are_bound():
    room = short_room()
    assert room.balance(BASE) == -4
    assert room.balance() == 1_000 + 400 - 400 * TAKER
    assert room.venue._account.available(QUOTE) == 1_000 - 400 - 400 * TAKER, "proceeds, and as much again"


def test_a_short_that_grows_binds_each_part_at_its_own_price():
    room = short_room(2)
    room.sell(1, role=Role.ENTRY)
    room.play(110, 110, 110, 110)
    assert room.balance(BASE) == -3
    assert room.venue._account.held(QUOTE) == 2 * (200 + 110)


def test_closing_a_short_frees_its_cover_in_proportion():
    room = short_room()
    room.buy(1, role=Role.EXIT)
    room.play(90, 90, 90, 90)
    assert room.balance(BASE) == -3
    assert room.venue._account.held(QUOTE) == 600
    room.buy(3, role=Role.EXIT)
    room.play(90, 90, 90, 90)
    assert (room.balance(BASE), room.venue._account.held(QUOTE)) == (0, 0)
    assert room.balance() == 1_000 + 40 - 400 * TAKER - 360 * TAKER


def test_the_bracket_of_a_short_is_the_mirror_image():
    room = short_room()
    room.stop(110, 4, side=BUY, group="g")
    room.send(OrderType.LIMIT, BUY, 4, limit=90, role=Role.TARGET, group="g")
    assert brief(room.play(100, 110, 80, 90)) == ["o2 filled 4 at 110", "o3 canceled group"]


def test_the_stop_of_a_short_that_a_gap_has_jumped_fills_at_the_open():
    room = short_room()
    room.stop(110, 4, side=BUY)
    (fill,) = fills(room.play(130, 130, 120, 125, flags=BarFlag.GAP_BEFORE))
    assert (fill.price, fill.reference, fill.is_gap) == (130, 110, True)


def test_what_reduces_never_turns_a_position_around():
    room = short_room()
    over = room.spec(OrderType.MARKET, BUY, 5, role=Role.EXIT)
    assert isinstance(room.venue.place(over, room.now)[0], OrderRejected)
    room.stop(110, 4, side=BUY)
    room.buy(3, role=Role.ENTRY)  # the position shrinks behind the stop's back
    room.play(100, 100, 100, 100)
    assert brief(room.play(115, 115, 115, 115)) == ["o3 filled 1 at 115", "o3 canceled balance"]
    assert room.balance(BASE) == 0


def test_an_entry_may_turn_it_around():
    room = short_room(2)
    room.buy(5)
    room.play(100, 100, 100, 100)
    assert room.balance(BASE) == 3
    assert room.venue._account.held(QUOTE) == 0


def test_a_long_is_closed_like_spot():
    room = Room(market=Market.PERPETUAL, balances={QUOTE: dec(1_000)})
    room.buy(2)
    room.play(100, 100, 100, 100)
    room.stop(90, 2)
    assert brief(room.play(100, 100, 90, 95)) == ["o2 filled 2 at 90"]
    assert room.venue._account.held(QUOTE) == 0


def test_a_short_outlives_a_restart():
    room = short_room()
    room.stop(110, 4, side=BUY)
    copy = Room(market=Market.PERPETUAL)
    copy.venue.restore(room.venue.snapshot())
    assert copy.venue._account.held(QUOTE) == 800
    assert copy.venue._account.available(QUOTE) == room.venue._account.available(QUOTE)
    assert copy.venue._account.held(BASE) == 4

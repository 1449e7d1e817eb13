"""A venue goes on after a restart as if nothing had been."""

import msgspec
import pytest
from tests.unit.matching.conftest import IDEAL, MINUTE, Room, brief, dec, make_instrument

from holdfast.core.errors import DataError
from holdfast.domain.order import OrderRejected, OrderType, Role
from holdfast.domain.values import InstrumentId, OrderId, Side
from holdfast.matching.config import MatchingConfig
from holdfast.matching.venue import Venue


def busy(config: MatchingConfig = IDEAL) -> Room:
    room = Room(config)
    room.play(100, 100, 100, 100)
    room.limit_buy(90)
    room.stop(80, 2, group="g")
    room.target(120, 1, group="g")
    room.send(OrderType.TRAILING_STOP, Side.SELL, 1, trigger=85, offset=10, role=Role.STOP)
    room.buy(1)
    room.play(100, 112, 99, 110)
    return room


def restarted(room: Room) -> Room:
    copy = Room(room.config, minute=room.minute, count=room.count)
    copy.venue.restore(room.venue.snapshot())
    return copy


BARS = [(110, 115, 104, 105), (100, 104, 79, 88), (88, 125, 70, 121)]


@pytest.mark.parametrize("config", [IDEAL, MatchingConfig(), MatchingConfig(latency_bars=1)])
def test_the_same_bars_give_the_same_events_and_balances(config: MatchingConfig):
    room = busy(config)
    copy = restarted(room)
    assert copy.venue.snapshot() == room.venue.snapshot()
    for prices in BARS:
        assert copy.play(*prices, volume=30) == room.play(*prices, volume=30)
        assert copy.venue.snapshot() == room.venue.snapshot()
    assert copy.venue.balances() == room.venue.balances()


def test_it_can_stop_between_the_two_phases_of_a_bar():
    room = busy()
    room.buy(1)
    bar = room.bar((100, 101, 99, 100))
    assert room.venue.open_phase(bar)
    copy = restarted(room)
    for one in (room, copy):
        one.stop("99.50", 1, order_id=OrderId("late"), ts=bar.ts_event)
    found = copy.venue.range_phase(bar)
    assert brief(list(found)) == ["late filled 1 at 99.5"]
    assert found == room.venue.range_phase(bar)


def test_what_is_on_its_way_arrives_after_a_restart():
    room = Room(MatchingConfig(latency_bars=1))
    stop = room.stop(90)
    room.play(100, 100, 100, 100)
    room.amend(stop, 95)
    copy = restarted(room)
    copy.play(100, 100, 100, 100)
    assert brief(copy.play(100, 100, 100, 100)) == ["o1 amended"]


def test_order_ids_stay_taken_also_of_orders_that_are_gone():
    room = busy()
    gone = room.limit_buy(50)
    room.venue.cancel(gone, room.now, "operator")
    copy = restarted(room)
    again = copy.spec(OrderType.LIMIT, Side.BUY, 1, limit=50, order_id=gone)
    assert isinstance(copy.venue.place(again, copy.now)[0], OrderRejected)
    assert copy.venue.cancel(gone, copy.now, "operator") == ()


def test_restoring_replaces_everything_that_was_there():
    room = busy()
    other = busy()
    other.limit_buy(10, 1)
    other.venue.restore(room.venue.snapshot())
    assert other.venue.snapshot() == room.venue.snapshot()
    assert other.venue.open_orders() == room.venue.open_orders()


@pytest.mark.parametrize("state", [b"", b"{}", b"[1]", b'{"version":1}', b"\xff"])
def test_what_is_no_state_is_refused(room: Room, state: bytes):
    before = room.venue.snapshot()
    with pytest.raises(DataError, match="no state of a venue"):
        room.venue.restore(state)
    assert room.venue.snapshot() == before


def test_another_version_is_refused(room: Room):
    state = msgspec.json.decode(room.venue.snapshot())
    with pytest.raises(DataError, match="version 1 expected, found 2"):
        room.venue.restore(msgspec.json.encode(state | {"version": 2}))


def test_a_state_of_other_instruments_is_refused():
    room = busy()
    before = room.venue.snapshot()
    stranger = Venue((make_instrument(name="BBB"),), MINUTE, IDEAL, {})
    with pytest.raises(DataError, match="AAA"):
        stranger.restore(before)
    state = msgspec.json.decode(before)
    del state["books"][InstrumentId("AAA/USDT.TEST")]
    with pytest.raises(DataError, match="AAA"):
        stranger.restore(msgspec.json.encode(state))


def test_numbers_survive_exactly():
    room = busy()
    room.venue._account.balances[room.instrument.quote] = dec("0.1000000000000000055511151231")
    assert restarted(room).venue.balances() == room.venue.balances()

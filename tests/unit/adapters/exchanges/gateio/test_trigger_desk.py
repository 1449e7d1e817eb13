"""Stops and targets as triggers: found again, placed again, never twice, and nobody is held up."""

import asyncio
from decimal import Decimal

import pytest
from tests.unit.adapters.exchanges.gateio.fake_venue import PAIR, FakeVenue, run

from holdfast.adapters.exchanges.gateio.order_desk import DeskConfig, OrderDesk
from holdfast.core.time import SECOND
from holdfast.domain.decision import Approved
from holdfast.domain.order import (
    OrderAccepted,
    OrderCanceled,
    OrderEvent,
    OrderFilled,
    OrderRejected,
    OrderSpec,
    OrderTimedOut,
    OrderType,
    Role,
    TimeInForce,
)
from holdfast.domain.values import OrderId, Price, Quantity, Side
from holdfast.ports.live import Incoming
from holdfast.testing.builders import make_instrument

BTC = make_instrument("BTC/USDT.GATEIO")


class Room:
    """A desk at a venue in memory, and what it has told the house."""

    def __init__(self, *, is_trusted: bool = True) -> None:
        self.venue = FakeVenue()
        self.heard: list[Incoming] = []
        config = DeskConfig(is_trigger_expiry_trusted=is_trusted)
        self.desk = OrderDesk(self.venue, config, self.heard.extend, lambda: 0)
        self.desk.pairs[BTC.id], self.desk.instruments[BTC.id] = PAIR, BTC

    def submit(self, name: str, kind: OrderType, price: str = "", group: str = "g") -> OrderId:
        role = Role.EXIT if kind is OrderType.MARKET else Role.STOP
        spec = OrderSpec(
            OrderId(name), BTC.id, Side.SELL, kind, Quantity(Decimal(1)), role, None,
            Price(Decimal(price)) if price else None, group=group,
            time_in_force=TimeInForce.GTC if price else TimeInForce.IOC,
        )  # fmt: skip
        self.desk.submit(Approved(spec))
        return spec.order_id

    async def look(self, times: int = 1, pause: float = 0.3) -> None:
        for _ in range(times):
            await asyncio.sleep(pause)
            await self.desk.look()
        await asyncio.sleep(pause)

    def told(self, name: str) -> list[type[OrderEvent]]:
        return [type(item) for item in self.heard if isinstance(item, OrderEvent) and item.order_id == name]


def test_one_look_asks_once_however_many_stops_wait():
    async def scenario() -> None:
        room = Room()
        for number in range(6):
            room.submit(f"s{number}", OrderType.STOP_MARKET, str(80 + number), f"g{number}")
        await asyncio.sleep(20)
        assert len(room.venue.armed) == 6
        before = room.venue.count("triggers")
        await room.look()
        assert room.venue.count("triggers") == before + 1

    run(scenario)


def test_a_stop_that_is_taken_back_while_it_queues_is_not_sent_and_holds_nobody_up():
    async def scenario() -> None:
        room = Room()
        for number in range(5):
            room.submit(f"s{number}", OrderType.STOP_MARKET, str(80 + number), f"g{number}")
        await asyncio.sleep(0.1)  # the first is there, the others wait for their turn
        for number in range(1, 4):
            room.desk.cancel(OrderId(f"s{number}"), "over")
        await asyncio.sleep(1.8)
        assert len(room.venue.armed) == 2, "the last had to wait for one turn, not for four"
        assert room.told("s2") == [OrderRejected]
        assert room.told("s4") == [OrderAccepted]

    run(scenario)


@pytest.mark.parametrize("word", ["lost_before", "lost_after"])
def test_a_stop_without_an_answer_is_looked_for_and_there_is_one_in_the_end(word: str):
    async def scenario() -> None:
        room = Room()
        room.venue.script("place_trigger", word)
        room.submit("s", OrderType.STOP_MARKET, "80")
        await room.look(12)
        if word == "lost_before":
            assert room.told("s") == [OrderTimedOut, OrderRejected]
            assert not room.venue.armed
        else:
            assert room.told("s") == [OrderTimedOut, OrderAccepted]
            assert len(room.venue.armed) == 1
        assert room.venue.count("place_trigger") == 1

    run(scenario)


def test_a_stop_that_made_way_guards_again_when_the_way_out_came_to_nothing():
    async def scenario() -> None:
        room = Room()
        room.submit("s", OrderType.STOP_MARKET, "80")
        await room.look()
        (first,) = room.venue.armed
        room.venue.script("place", "BALANCE_NOT_ENOUGH")
        room.submit("x", OrderType.MARKET)
        await room.look(8)
        assert room.told("x") == [OrderRejected]
        assert len(room.venue.armed) == 1
        assert room.venue.armed != [first]
        assert OrderCanceled not in room.told("s")

    run(scenario)


def test_a_stop_that_made_way_waits_while_the_way_out_is_on_its_way():
    async def scenario() -> None:
        room = Room()
        room.submit("s", OrderType.STOP_MARKET, "80")
        await room.look()
        room.venue.script("place", "lost_before")
        room.submit("x", OrderType.MARKET)
        await room.look(1, pause=0.1)
        assert room.told("x") == [OrderTimedOut]
        assert not room.venue.armed, "both could sell"
        await room.look(12)
        assert len(room.venue.armed) == 1

    run(scenario)


def test_a_stop_guards_while_the_way_out_waits_for_the_rate_limit():
    async def scenario() -> None:
        room = Room()
        room.submit("s", OrderType.STOP_MARKET, "80")
        await room.look(8)
        loop = asyncio.get_running_loop()
        room.venue.limiter.punish("POST /spot/orders", int((loop.time() + 2.0) * SECOND), "BTC_USDT")
        room.venue.fills = None
        room.submit("x", OrderType.MARKET)
        await room.look(4)
        assert len(room.venue.armed) == 1, "it was taken back, and the way out waited"
        await room.look(4)
        assert room.venue.count("place") == 1
        assert not room.venue.armed

    run(scenario)


def test_a_stop_guards_again_at_once_where_the_way_out_is_refused_for_its_frequency():
    async def scenario() -> None:
        room = Room()
        room.submit("s", OrderType.STOP_MARKET, "80")
        await room.look(8)
        room.venue.script("place", "TOO_MANY_REQUESTS")
        room.submit("x", OrderType.MARKET)
        await room.look(1, pause=0.05)
        assert room.told("x") == [OrderRejected]
        assert len(room.venue.armed) == 1

    run(scenario)


def test_what_ends_meanwhile_is_noted_once():
    async def scenario() -> None:
        room = Room()
        room.submit("s", OrderType.STOP_MARKET, "80")
        await room.look()
        (name,) = room.venue.armed
        found = room.desk.tracked[OrderId("s")]
        room.venue.fire(name, None)
        trigger = await room.venue.trigger(name)
        for _ in range(2):
            room.desk.triggers._on_gone(found, trigger)
        assert found.trigger_ids == []
        assert len(found.venue_ids) == 1

    run(scenario)


def test_an_order_that_is_over_is_forgotten_while_others_of_no_group_rest():
    # Orders without a group share nothing: one that rests for months must not keep all that have ended since.
    async def scenario() -> None:
        room = Room()
        for number in range(3):
            room.submit(f"s{number}", OrderType.STOP_MARKET, str(80 + number), group="")
        await room.look(20)
        for number in range(2):
            room.desk.cancel(OrderId(f"s{number}"), "over")
        await room.look(4)
        assert room.told("s1")[-1] is OrderCanceled
        assert list(room.desk.tracked) == ["s2"]

    run(scenario)


@pytest.mark.parametrize("word", ["lost_before", "lost_after"])
def test_a_stop_that_is_moved_without_an_answer_and_shrunk_at_once_leaves_none_behind(word: str):
    # The lost one has the old amount, and what is asked for by then the new one: it was looked for in vain, for ever.
    async def scenario() -> None:
        room = Room()
        room.submit("s", OrderType.STOP_MARKET, "80")
        await room.look()
        found = room.desk.tracked[OrderId("s")]
        found.trigger_wanted, found.quantity_wanted = Price(Decimal(85)), Quantity(Decimal("0.5"))
        room.venue.script("place_trigger", word)
        await room.look(14)
        (name,) = room.venue.armed
        assert found.trigger_ids == [name]
        assert (await room.venue.trigger(name)).put.amount == Decimal("0.5")
        assert not found.doubted

    run(scenario)


def entry(room: Room, name: str = "e", quantity: str = "1") -> None:
    room.desk.asks[BTC.id] = Decimal(100)
    spec = OrderSpec(
        OrderId(name), BTC.id, Side.BUY, OrderType.MARKET, Quantity(Decimal(quantity)), Role.ENTRY,
        time_in_force=TimeInForce.IOC,
    )  # fmt: skip
    room.desk.submit(Approved(spec))


def test_an_entry_leaves_only_when_the_stop_behind_it_could_follow_at_once():
    # Else a position has no stop for as long as the venue wants two triggers with one rule to be apart.
    async def scenario() -> None:
        room = Room()
        room.submit("s", OrderType.STOP_MARKET, "80")
        await asyncio.sleep(0.5)
        entry(room)
        await asyncio.sleep(1.0)
        assert room.venue.count("place") == 0
        await asyncio.sleep(0.2)
        assert room.venue.count("place") == 1
        room.submit("s2", OrderType.STOP_MARKET, "80", "g2")
        await asyncio.sleep(0.05)
        assert len(room.venue.armed) == 2

    run(scenario)


def test_an_entry_that_is_taken_back_while_it_waits_is_not_sent():
    async def scenario() -> None:
        room = Room()
        room.submit("s", OrderType.STOP_MARKET, "80")
        await asyncio.sleep(0.5)
        entry(room)
        room.desk.cancel(OrderId("e"), "shutdown")
        await room.look(8)
        assert room.venue.count("place") == 0
        assert room.told("e") == [OrderRejected]

    run(scenario)


def test_a_stop_that_never_arrived_holds_up_nobody():
    async def scenario() -> None:
        room = Room()
        room.venue.script("place_trigger", "lost_before")
        room.submit("s", OrderType.STOP_MARKET, "80")
        while OrderRejected not in room.told("s"):
            await room.look(pause=0.01)
        room.submit("s2", OrderType.STOP_MARKET, "80")
        await asyncio.sleep(0.05)
        assert len(room.venue.armed) == 1

    run(scenario)


def test_doubt_about_what_guards_ends_with_its_own_shorter_expiry():
    async def scenario() -> None:
        room = Room()
        room.venue.script("place_trigger", "lost_before")
        room.submit("s", OrderType.STOP_MARKET, "80")
        began = asyncio.get_running_loop().time()
        while OrderRejected not in room.told("s"):
            await room.look(pause=0.01)
        took = asyncio.get_running_loop().time() - began
        expiry, margin = room.venue.config.urgent_expiry_ms, room.desk.config.urgent_margin_ms
        assert expiry + margin <= took * 1_000 < expiry + margin + 150

    run(scenario)


@pytest.mark.parametrize("is_taken_back", [True, False])
def test_the_stray_of_a_stop_that_has_ended_is_taken_back(is_taken_back: bool):
    # The answer to a move was lost, and the old one fires: the new one would sell once more.
    async def scenario() -> None:
        room = Room()
        room.submit("s", OrderType.STOP_MARKET, "80")
        await room.look()
        (first,) = room.venue.armed
        found = room.desk.tracked[OrderId("s")]
        found.trigger_wanted = Price(Decimal(85))
        room.venue.script("place_trigger", "lost_after" if is_taken_back else "")
        if not is_taken_back:  # the move is known, but the old one cannot be taken back
            room.venue.script("cancel_trigger", "lost_before")
            room.venue.script("trigger", "lost_before")
        room.desk.wake.set()
        await room.desk.look()
        await asyncio.sleep(2)
        assert len(room.venue.armed) == 2
        room.venue.fire(first)
        await room.look(16)
        assert found.is_over
        assert room.venue.armed == []
        assert OrderId("s") not in room.desk.tracked

    run(scenario)


def test_of_two_stops_for_one_order_the_moved_one_stays():
    async def scenario() -> None:
        room = Room()
        room.submit("s", OrderType.STOP_MARKET, "80")
        await room.look()
        found = room.desk.tracked[OrderId("s")]
        found.trigger_wanted = Price(Decimal(85))
        room.venue.script("cancel_trigger", "lost_before")
        room.venue.script("trigger", "lost_before")
        await room.look(12)
        (name,) = room.venue.armed
        assert room.venue.waiting[name].trigger.price == Decimal(85)
        assert found.trigger_ids == [name]

    run(scenario)


def test_a_stop_guards_until_the_smaller_one_may_be_sent():
    async def scenario() -> None:
        room = Room()
        room.submit("s", OrderType.STOP_MARKET, "80")
        await asyncio.sleep(0.1)
        found = room.desk.tracked[OrderId("s")]
        found.quantity_wanted = Quantity(Decimal("0.5"))
        room.desk.wake.set()
        bare = 0.0
        for _ in range(300):
            if room.desk.is_waiting and not found.is_busy:
                await room.desk.look()
            await asyncio.sleep(0.01)
            bare += 0.01 * (not room.venue.armed)
        (name,) = room.venue.armed
        assert room.venue.waiting[name].put.amount == Decimal("0.5")
        assert bare < 0.1

    run(scenario)


def test_a_smaller_stop_that_an_earlier_process_placed_last_is_found():
    # It was killed between the request and the record: its successor knows of the larger one alone.
    async def scenario() -> None:
        before = Room()
        before.submit("s", OrderType.STOP_MARKET, "80")
        await before.look()
        known = before.desk.tracked[OrderId("s")].order
        before.desk.tracked[OrderId("s")].quantity_wanted = Quantity(Decimal("0.5"))
        await before.look(8)
        assert len(before.venue.armed) == 1

        after = Room()
        after.venue, after.desk = before.venue, OrderDesk(
            before.venue, before.desk.config, after.heard.extend, lambda: 0
        )  # fmt: skip
        after.desk.pairs[BTC.id], after.desk.instruments[BTC.id] = PAIR, BTC
        after.desk.know([known])
        await after.look(12)
        found = after.desk.tracked[OrderId("s")]
        assert found.trigger_ids == after.venue.armed
        assert len(after.venue.armed) == 1
        after.desk.cancel(OrderId("s"), "over")
        await after.look(6)
        assert after.venue.armed == []

    run(scenario)


def test_after_a_start_an_entry_waits_as_if_a_stop_had_just_been_sent():
    # An earlier process may have sent one just before it was killed.
    async def scenario() -> None:
        room = Room()
        room.desk.triggers.begin()
        entry(room)
        await asyncio.sleep(1.5)
        assert room.venue.count("place") == 0
        await asyncio.sleep(0.2)
        assert room.venue.count("place") == 1

    run(scenario)


def test_a_moved_stop_without_an_answer_that_fires_at_once_is_found():
    # Between two looks it was neither seen to wait nor known: its sale was nobody's.
    async def scenario() -> None:
        room = Room()
        room.submit("s", OrderType.STOP_MARKET, "80")
        await room.look(8)
        (first,) = room.venue.armed
        found = room.desk.tracked[OrderId("s")]
        found.trigger_wanted = Price(Decimal(85))
        room.venue.script("place_trigger", "lost_after")
        await room.desk.look()
        await asyncio.sleep(0.05)
        (second,) = [name for name in room.venue.armed if name != first]
        room.venue.fire(second, None)
        await room.look(6)
        assert room.told("s")[-1] is OrderFilled
        assert room.venue.armed == [], "the old one would sell once more"

    run(scenario)


def test_a_lost_stop_is_not_taken_for_an_older_one_of_the_same_terms_that_has_fired():
    async def scenario() -> None:
        room = Room()
        room.submit("s", OrderType.STOP_MARKET, "80")
        await room.look(8)
        room.venue.fire(room.venue.armed[0], None)
        await room.look(4)
        assert room.told("s")[-1] is OrderFilled
        room.desk.triggers._gone.clear()  # long ago
        room.venue.script("place_trigger", "lost_before")
        room.submit("s2", OrderType.STOP_MARKET, "80", "g2")
        await room.look(6)
        assert room.told("s2") == [OrderTimedOut, OrderRejected]

    run(scenario)


def test_a_stop_that_could_not_be_made_smaller_is_so_with_the_next_look():
    async def scenario() -> None:
        room = Room()
        room.submit("s", OrderType.STOP_MARKET, "80")
        await room.look(8)
        room.desk.tracked[OrderId("s")].quantity_wanted = Quantity(Decimal("0.5"))
        room.venue.script("cancel_trigger", "lost_before")
        room.venue.script("trigger", "lost_before")
        await room.look(10)
        (name,) = room.venue.armed
        assert room.venue.waiting[name].put.amount == Decimal("0.5")

    run(scenario)


@pytest.mark.parametrize("when", ["waiting", "sending"])
def test_a_stop_that_is_moved_twice_ends_where_it_was_moved_last(when: str):
    # The second wish came while the first waited for its turn, or for its answer: it was lost.
    async def scenario() -> None:
        room = Room()
        room.submit("s", OrderType.STOP_MARKET, "80")
        await asyncio.sleep(0.1)
        found = room.desk.tracked[OrderId("s")]
        found.trigger_wanted = Price(Decimal(85))
        if when == "sending":

            def again(method: str) -> None:
                if method == "place_trigger":
                    found.trigger_wanted = Price(Decimal(90))
                    room.venue.during = lambda _: None

            await asyncio.sleep(2)
            room.venue.during = again
            await room.desk.look()
        else:
            await room.desk.look()
            await asyncio.sleep(0.5)
            found.trigger_wanted = Price(Decimal(90))
        await room.look(14)
        (name,) = room.venue.armed
        assert room.venue.waiting[name].trigger.price == Decimal(90)
        assert found.trigger_wanted is None
        assert found.order.trigger_price == Decimal(90)

    run(scenario)

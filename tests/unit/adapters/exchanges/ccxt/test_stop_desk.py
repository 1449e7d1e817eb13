"""Stops at venues of ccxt's: found again, placed again, never two, none left behind, and nobody is held up."""

import asyncio
from decimal import Decimal

import msgspec
import pytest
from tests.unit.adapters.exchanges.ccxt.fake_venue import Room
from tests.unit.adapters.exchanges.gateio.fake_venue import run

from holdfast.domain.order import (
    OrderAccepted,
    OrderAmended,
    OrderCanceled,
    OrderFilled,
    OrderRejected,
    OrderTimedOut,
    OrderType,
    Role,
)
from holdfast.domain.values import OrderId, Price, Quantity

HALF, ONE = Quantity(Decimal("0.5")), Decimal(1)
VENUES = pytest.mark.parametrize("name", ["gate", "binance"])


@VENUES
@pytest.mark.parametrize("word", ["lost_before", "lost_after"])
def test_a_stop_without_an_answer_is_looked_for_and_there_is_one_in_the_end(name: str, word: str):
    async def scenario() -> None:
        room = Room(name)
        room.venue.script("stop", word)
        room.stop()
        await room.look(12)
        if word == "lost_before":
            assert room.told("s") == [OrderTimedOut, OrderRejected]
            assert not room.venue.armed
        else:
            assert room.told("s") == [OrderTimedOut, OrderAccepted]
            assert len(room.venue.armed) == 1
        assert room.venue.count("stop") == 1

    run(scenario)


@VENUES
def test_a_lost_stop_that_has_fired_meanwhile_is_found_and_not_sent_again(name: str):
    async def scenario() -> None:
        room = Room(name)
        room.venue.script("stop", "lost_after")
        room.stop()
        await asyncio.sleep(0.1)
        (first,) = room.venue.armed
        room.venue.fire(first)
        await room.look(20)
        assert room.told("s") == [OrderTimedOut, OrderAccepted, OrderFilled]
        assert room.venue.count("stop") == 1

    run(scenario)


@pytest.mark.parametrize("is_known", [True, False])
def test_a_lost_stop_is_not_taken_for_an_older_one_of_the_same_terms_that_has_fired(is_known: bool):
    async def scenario() -> None:
        room = Room()
        room.stop("old", group="")
        await room.look()
        room.venue.fire(room.venue.armed[0])
        await room.look(2)
        assert OrderFilled in room.told("old")
        room.desk.tracked.clear()  # it was long ago, in another process
        room.desk.stops._gone.clear()
        room.desk.stops.newest *= is_known  # by its id, or else by its time
        await asyncio.sleep(60)
        room.venue.script("stop", "lost_before")
        room.stop()
        await room.look(16)
        assert room.told("s") == [OrderTimedOut, OrderRejected]

    run(scenario)


def test_a_moved_stop_whose_answer_was_lost_and_that_has_fired_is_found_with_its_sale():
    async def scenario() -> None:
        room = Room()
        room.stop()
        await room.look()
        room.found().trigger_wanted = Price(Decimal(85))
        room.venue.script("stop", "lost_after")
        await room.desk.look()
        await asyncio.sleep(1.75)  # the second has arrived once its turn had come
        room.venue.fire(room.venue.armed[1])
        await room.look(16)
        assert room.told("s")[-1] is OrderFilled
        assert room.venue.armed == []
        assert room.venue.count("stop") == 2

    run(scenario)


@pytest.mark.parametrize("is_lost", [True, False])
def test_the_stray_of_a_stop_that_has_ended_is_taken_back(is_lost: bool):
    # The answer to a move was lost, or the old one could not be taken back, and the old one fires: the new one would
    # sell once more.
    async def scenario() -> None:
        room = Room()
        room.stop()
        await room.look()
        (first,) = room.venue.armed
        found = room.found()
        found.trigger_wanted = Price(Decimal(85))
        room.venue.script("stop", "lost_after" if is_lost else "")
        if not is_lost:
            room.venue.script("cancel", "lost_before")
            room.venue.script("ask", "lost_before")
        await room.desk.look()
        await asyncio.sleep(1.7 if is_lost else 2.8)
        assert len(room.venue.armed) == 2
        room.venue.fire(first)
        await room.look(20)
        assert found.is_over
        assert room.venue.armed == []
        assert OrderId("s") not in room.desk.tracked

    run(scenario)


def test_of_two_stops_for_one_order_the_moved_one_stays():
    async def scenario() -> None:
        room = Room()
        room.stop()
        await room.look()
        found = room.found()
        found.trigger_wanted = Price(Decimal(85))
        room.venue.script("cancel", "lost_before")
        room.venue.script("ask", "lost_before")
        await room.look(20)
        (name,) = room.venue.armed
        assert room.venue.rows[name]["triggerPrice"] == "85"
        assert found.waiting == [name]

    run(scenario)


@pytest.mark.parametrize("word", ["lost_before", "lost_after", "late"])
def test_a_stop_that_is_moved_without_an_answer_and_shrunk_at_once_leaves_none_behind(word: str):
    async def scenario() -> None:
        room = Room(window_ms=6_000)
        room.stop()
        await room.look()
        found = room.found()
        found.trigger_wanted = Price(Decimal(85))
        room.venue.script("stop", word)
        await room.desk.look()
        await asyncio.sleep(0.5)
        found.quantity_wanted = HALF  # while the answer is waited for
        await room.look(30)
        (name,) = room.venue.armed
        assert found.waiting == [name]
        assert Decimal(room.venue.rows[name]["amount"]) == HALF
        assert not found.doubted

    run(scenario)


def test_a_stop_guards_until_the_smaller_one_may_be_sent():
    async def scenario() -> None:
        room = Room()
        room.stop()
        await asyncio.sleep(0.1)
        room.found().quantity_wanted = HALF
        bare = 0.0
        for _ in range(300):
            if not room.found().is_busy:
                await room.desk.look()
            await asyncio.sleep(0.01)
            bare += 0.01 * (not room.venue.armed)
        (name,) = room.venue.armed
        assert Decimal(room.venue.rows[name]["amount"]) == HALF
        assert bare < 0.1
        assert room.venue.sent_at[1] - room.venue.sent_at[0] >= 1.6
        assert room.venue.most_armed == 1, "never more than there is"

    run(scenario)


@pytest.mark.parametrize("lost", ["cancel", "ask"])
@pytest.mark.parametrize("change", ["smaller", "moved"])
def test_a_stop_that_is_taken_back_for_another_one_guards_again_whatever_gets_lost(lost: str, change: str):
    # Where a stop binds its coins the old one goes first. That it was gone was taken for its end.
    async def scenario() -> None:
        room = Room("binance")
        room.stop()
        await room.look()
        found = room.found()
        if change == "smaller":
            found.quantity_wanted = HALF
        else:
            found.trigger_wanted = Price(Decimal(85))
        room.venue.script("cancel", "lost_after" if lost == "cancel" else "")
        room.venue.script("ask", "lost_before")
        await room.look(16)
        (name,) = room.venue.armed
        assert OrderCanceled not in room.told("s")
        assert OrderAmended in room.told("s")
        assert Decimal(room.venue.rows[name]["amount"]) == (HALF if change == "smaller" else ONE)
        assert room.venue.most_armed == 1

    run(scenario)


@VENUES
def test_a_stop_whose_move_is_refused_guards_where_it_was(name: str):
    async def scenario() -> None:
        room = Room(name)
        room.stop()
        await room.look()
        room.found().trigger_wanted = Price(Decimal(85))
        room.venue.script("stop", "refused")
        await room.look(8)
        (left,) = room.venue.armed
        assert room.venue.rows[left]["triggerPrice"] == "80"
        assert OrderCanceled not in room.told("s")

    run(scenario)


@pytest.mark.parametrize("is_moved", [True, False])
def test_what_an_earlier_process_placed_last_is_found(is_moved: bool):
    # It was killed between the request and the record: its successor knows of the first one alone.
    async def scenario() -> None:
        before = Room()
        before.stop()
        await before.look()
        known = before.order()
        if is_moved:
            before.found().trigger_wanted = Price(Decimal(85))
        else:
            before.found().quantity_wanted = HALF
        await before.look(8)
        assert len(before.venue.armed) == 1

        after = Room(venue=before.venue)
        after.desk.know([known])
        await after.look(24)
        found = after.found()
        assert found.waiting == after.venue.armed
        assert len(after.venue.armed) == 1
        (name,) = after.venue.armed
        assert Decimal(after.venue.rows[name]["amount"]) == found.order.quantity
        assert Decimal(after.venue.rows[name]["triggerPrice"]) == found.order.trigger_price == (85 if is_moved else 80)
        after.desk.cancel(OrderId("s"), "over")
        await after.look(8)
        assert after.venue.armed == []

    run(scenario)


def test_a_target_without_an_answer_is_not_taken_for_a_stop():
    async def scenario() -> None:
        room = Room(window_ms=6_000)
        room.stop()
        await room.look(8)
        room.venue.script("stop", "lost_before", "lost_after")
        room.found().trigger_wanted = Price(Decimal(85))
        await room.look(1, pause=1.6)
        assert room.found().is_unsure
        room.submit("t", OrderType.LIMIT, "120", role=Role.TARGET)
        await room.look(40)
        assert room.told("t") == [OrderTimedOut, OrderAccepted]
        assert len(room.venue.armed) == 2
        assert len(room.found("t").waiting) == len(room.found("s").waiting) == 1

    run(scenario)


# -- turns -----------------------------------------------------------------------------------------
def test_an_entry_leaves_only_when_the_stop_behind_it_could_follow_at_once():
    async def scenario() -> None:
        room = Room()
        room.stop()
        await asyncio.sleep(0.5)
        room.enter()
        await asyncio.sleep(1.0)
        assert room.venue.count("place") == 0
        await asyncio.sleep(0.2)
        assert room.venue.count("place") == 1
        room.stop("s2", group="g2")
        await asyncio.sleep(0.05)
        assert len(room.venue.armed) == 2

    run(scenario)


def test_where_stops_need_no_spacing_an_entry_leaves_at_once():
    async def scenario() -> None:
        room = Room("binance")
        room.desk.stops.turns.begin()
        room.stop()
        room.enter()
        await asyncio.sleep(0.05)
        assert room.venue.count("place") == 1

    run(scenario)


def test_after_a_start_an_entry_waits_as_if_a_stop_had_just_been_sent():
    async def scenario() -> None:
        room = Room()
        room.desk.stops.turns.begin()
        room.enter()
        await asyncio.sleep(1.5)
        assert room.venue.count("place") == 0
        await asyncio.sleep(0.2)
        assert room.venue.count("place") == 1

    run(scenario)


def test_an_entry_that_is_taken_back_while_it_waits_is_not_sent():
    async def scenario() -> None:
        room = Room()
        room.stop()
        await asyncio.sleep(0.5)
        room.enter()
        room.desk.cancel(OrderId("e"), "shutdown")
        await room.look(8)
        assert room.venue.count("place") == 0
        assert room.told("e") == [OrderRejected]

    run(scenario)


@pytest.mark.parametrize("word", ["lost_before", "refused"])
def test_a_stop_that_never_arrived_or_was_refused_holds_up_nobody(word: str):
    async def scenario() -> None:
        room = Room()
        room.venue.script("stop", word)
        room.stop()
        while OrderRejected not in room.told("s"):
            await room.look(pause=0.01)
        room.stop("s2")
        await asyncio.sleep(0.05)
        assert len(room.venue.armed) == 1

    run(scenario)


def test_a_stop_that_is_taken_back_while_it_queues_is_not_sent_and_holds_nobody_up():
    async def scenario() -> None:
        room = Room()
        for number in range(5):
            room.stop(f"s{number}", str(80 + number), f"g{number}")
        await asyncio.sleep(0.1)  # the first is there, the others wait for their turn
        for number in range(1, 4):
            room.desk.cancel(OrderId(f"s{number}"), "over")
        await asyncio.sleep(1.8)
        assert len(room.venue.armed) == 2, "the last had to wait for one turn, not for four"
        assert room.told("s2") == [OrderRejected]
        assert room.told("s4") == [OrderAccepted]

    run(scenario)


# -- doubt and keys --------------------------------------------------------------------------------
def test_doubt_counts_from_when_the_order_left_and_not_from_when_its_answer_was_given_up():
    async def scenario() -> None:
        room = Room()
        room.venue.script("stop", "lost_before")
        room.stop()
        await asyncio.sleep(1.6)
        found = room.found()
        assert room.told("s") == [OrderTimedOut]
        assert found.fence - room.venue.now() < 0, "1.5 s of window and margin are over with the answer's 1.5 s"

    run(scenario)


@pytest.mark.parametrize("kind", ["stop", "place"])
def test_a_key_without_the_permission_is_fatal_and_nothing_is_sent_again(kind: str):
    async def scenario() -> None:
        room = Room()
        room.venue.script(kind, "key")
        if kind == "stop":
            room.stop()
        else:
            room.enter("s")
        await room.look(12)
        assert room.told("s") == [OrderRejected]
        assert room.heard[0].reason == "key"
        (failure,) = room.failures
        assert failure.is_fatal
        assert failure.hint
        assert room.venue.count(kind) == 1

    run(scenario)


def test_a_stop_that_has_become_too_small_for_the_venue_ends_instead_of_being_tried_for_ever():
    async def scenario() -> None:
        room = Room()
        room.stop()
        await room.look()
        found = room.found()
        found.limits = msgspec.structs.replace(found.limits, amount=(ONE, None))
        found.quantity_wanted = HALF
        await room.look(8)
        assert room.told("s")[-1] is OrderCanceled
        assert room.venue.armed == []

    run(scenario)


# -- kept here ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("times", [1, 2])
def test_a_kept_target_that_an_earlier_process_sent_last_is_found_with_its_sale(times: int):
    # It was killed between the request and the record: its successor knows of a target that is kept, and of a stop.
    async def scenario() -> None:
        before = Room("binance")
        before.stop()
        before.submit("t", OrderType.LIMIT, "120", role=Role.TARGET)
        await before.look()
        known = [before.order(), before.order("t")]
        before.venue.fills = ["0", None][-times:]  # one of them finds nobody who buys
        before.desk.feed.bids[known[0].spec.instrument_id] = Decimal(121)
        while before.venue.count("place") < times:
            await before.look()
        assert before.venue.count("place") == times
        assert before.venue.armed == [], "never sent beside the stop that guards the same coins"
        before.desk.feed.bids.clear()

        after = Room("binance", venue=before.venue)
        after.desk.know(known)
        await after.look(12)
        assert after.told("t") == [OrderFilled]
        assert after.told("s") == [OrderCanceled]
        assert [x.reason for x in after.heard if isinstance(x, OrderCanceled)] == ["group"]
        assert after.venue.count("place") == times
        assert after.venue.armed == []

    run(scenario)


def test_a_kept_target_of_an_earlier_process_that_was_not_sent_sells_once_that_is_certain():
    async def scenario() -> None:
        before = Room("binance")
        before.submit("t", OrderType.LIMIT, "120", role=Role.TARGET)
        await before.look()
        after = Room("binance", venue=before.venue)
        after.desk.know([before.order("t")])
        after.desk.feed.bids.update({key: Decimal(121) for key in after.desk.feed.bids})
        await after.look(3)
        assert after.venue.count("place") == 0
        await after.look(6)
        assert after.told("t")[-1] is OrderFilled
        assert after.venue.count("place") == 1

    run(scenario)


@pytest.mark.parametrize("word", ["refused", "lost_before"])
def test_the_client_ids_of_a_kept_target_have_no_gap(word: str):
    # Whoever comes after a crash asks for them one after the other, up to the first that is not there.
    async def scenario() -> None:
        room = Room("binance")
        room.submit("t", OrderType.LIMIT, "120", role=Role.TARGET)
        await room.look()
        room.venue.script("place", word)
        room.desk.feed.bids.update({key: Decimal(121) for key in room.desk.feed.bids})
        await room.look(12)
        assert room.told("t")[-1] is OrderFilled
        assert [row["clientOrderId"] for row in room.venue.rows.values()] == ["t.1"]

    run(scenario)


def test_a_stop_that_another_process_places_anew_has_a_client_id_of_its_own():
    async def scenario() -> None:
        before = Room("binance")
        before.stop()
        await before.look()
        after = Room("binance", venue=before.venue)
        after.desk.know([before.order()])
        await after.look(8)
        after.found().quantity_wanted = HALF
        await after.look(4)
        ids = [row["clientOrderId"] for row in after.venue.rows.values()]
        assert len(ids) == len(set(ids)) == 2
        assert {after.venue.profile.client_id.order_id(x) for x in ids} == {"s"}

    run(scenario)

"""Questions that failed are asked again at once while it is not known what became of an order."""

import asyncio
from typing import NoReturn

import pytest
from tests.unit.adapters.exchanges.gateio.fake_venue import run
from tests.unit.adapters.exchanges.gateio.test_trigger_desk import Room, entry

from holdfast.adapters.exchanges.gateio.wire import MyTrade
from holdfast.domain.order import OrderAccepted, OrderFilled, OrderRejected, OrderTimedOut, OrderType


def test_questions_are_hurried_while_a_stop_or_a_way_out_is_in_doubt_and_no_longer():
    async def scenario() -> None:
        room = Room()
        assert room.venue._pause(3) >= 0.5
        for kind, method, price in ((OrderType.STOP_MARKET, "place_trigger", "80"), (OrderType.MARKET, "place", "")):
            room.venue.script(method, "lost_before")
            name = room.submit(f"{kind}", kind, price)
            await room.look()
            assert OrderTimedOut in room.told(name)
            assert room.venue.is_hurried
            assert 0.05 <= room.venue._pause(3) <= 0.1
            await room.look(times=6)
            assert OrderRejected in room.told(name)
            assert not room.venue.is_hurried

    run(scenario)


def test_questions_about_an_entry_are_hurried_too_for_it_may_have_filled_and_have_no_stop():
    async def scenario() -> None:
        room = Room()
        room.venue.script("place", "lost_before")
        entry(room)
        await room.look()
        assert room.told("e") == [OrderTimedOut]
        assert room.venue.is_hurried
        await room.look(times=12)
        assert OrderRejected in room.told("e")
        assert not room.venue.is_hurried

    run(scenario)


def test_what_an_order_has_traded_is_asked_for_in_a_hurry():
    async def scenario() -> None:
        room = Room()
        room.venue.fills = None
        hurried: list[bool] = []
        room.venue.during = lambda method: hurried.append(room.venue.is_hurried) if method == "my_trades" else None
        entry(room)
        await room.look(times=2)
        assert OrderFilled in room.told("e")
        assert hurried[0]

    run(scenario)


def test_a_way_out_without_an_answer_is_found_by_its_trades_where_the_venue_tells_by_its_own_ids_alone():
    async def scenario() -> None:
        room = Room()
        room.venue.is_blind_to_texts = True
        room.venue.fills = None
        room.venue.script("place", "lost_after")
        name = room.submit("x", OrderType.MARKET)
        await room.look(times=6)
        assert room.told(name) == [OrderTimedOut, OrderAccepted, OrderFilled]

    run(scenario)


@pytest.mark.parametrize(
    ("kind", "method", "price"), [(OrderType.MARKET, "place", ""), (OrderType.STOP_MARKET, "place_trigger", "80")]
)
def test_doubt_ends_in_time_although_the_question_what_rests_hangs(kind: OrderType, method: str, price: str):
    async def scenario() -> None:
        room = Room()
        never = asyncio.Event()

        async def open_orders() -> NoReturn:
            await never.wait()
            raise AssertionError

        room.venue.open_orders = open_orders  # as after "too many requests", when it has to wait
        room.venue.script(method, "lost_before")
        name = room.submit("x", kind, price)
        await asyncio.sleep(0.05)
        look = asyncio.ensure_future(room.desk.look())
        await asyncio.sleep(0.8)
        assert room.told(name) == [OrderTimedOut, OrderRejected]
        look.cancel()

    run(scenario)


def test_a_push_tells_what_was_bought_while_the_question_about_it_hangs():
    async def scenario() -> None:
        room = Room()
        room.venue.fills = None
        answer, really = asyncio.Event(), room.venue.my_trades

        async def my_trades(*given: object) -> list[MyTrade]:
            await answer.wait()  # as after "too many requests"
            return await really(*given)

        room.venue.my_trades = my_trades
        entry(room)
        await asyncio.sleep(0.1)
        assert OrderFilled not in room.told("e")
        await room.desk.look()
        assert room.venue.is_hurried, "a look meanwhile does not forget it"
        for trade in room.venue.trades_done:
            room.desk.hear(trade)
        assert room.told("e").count(OrderFilled) == len(room.venue.trades_done) == 1
        answer.set()
        await asyncio.sleep(0.1)
        assert room.told("e").count(OrderFilled) == 1, "and the answer tells nothing twice"
        await room.desk.look()
        assert not room.venue.is_hurried

    run(scenario)

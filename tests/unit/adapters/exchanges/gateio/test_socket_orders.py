"""Orders over the websocket: sent once, by REST only where nothing was written, in doubt where nothing is certain."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.adapters.exchanges.gateio.answering import KEY, ORDER, PATIENT, SECRET, TAKEN, WallClock
from tests.unit.adapters.exchanges.gateio.loopback import QUICK, Listener, Venue, ack_of, answer_of, run, until

from holdfast.adapters.exchanges.gateio import wire
from holdfast.adapters.exchanges.gateio.auth import Credentials
from holdfast.adapters.exchanges.gateio.config import GateioConfig
from holdfast.adapters.exchanges.gateio.errors import GateioError, GateioKeyError, GateioUnknownError, Reaction
from holdfast.adapters.exchanges.gateio.limits import PLACE
from holdfast.adapters.exchanges.gateio.messages import Answer, MessageError, read
from holdfast.adapters.exchanges.gateio.rest import GateioRest
from holdfast.adapters.exchanges.gateio.socket import GateioSocket
from holdfast.adapters.exchanges.gateio.socket_orders import SocketOrders
from holdfast.core.errors import OutcomeUnknownError, VenueError
from holdfast.core.secret import Secret
from holdfast.core.time import MILLISECOND

CREDENTIALS = Credentials(KEY, Secret(SECRET))
CHANGES: dict[str, Callable[[SocketOrders], Awaitable[object]]] = {
    "spot.order_place": lambda orders: orders.place(ORDER),
    "spot.order_amend": lambda orders: orders.amend("9", "BTC_USDT", amount="2"),
    "spot.order_cancel": lambda orders: orders.cancel("9", "BTC_USDT"),
    "spot.order_cancel_ids": lambda orders: orders.cancel_batch([("9", "BTC_USDT")]),
    "spot.order_cancel_cp": lambda orders: orders.cancel_all("BTC_USDT", "buy"),
}
ENDED = {**TAKEN, "status": "cancelled", "finish_as": "cancelled"}
RESULTS: dict[str, object] = {
    "spot.order_cancel_ids": [{"currency_pair": "BTC_USDT", "id": "9", "succeeded": True}],
    "spot.order_cancel_cp": [ENDED],
}  # fmt: skip
OVER_REST = {
    "spot.order_place": "POST /spot/orders", "spot.order_amend": "PATCH /spot/orders/9",
    "spot.order_cancel": "DELETE /spot/orders/9", "spot.order_cancel_ids": "POST /spot/cancel_batch_orders",
    "spot.order_cancel_cp": "DELETE /spot/orders",
}  # fmt: skip


class Both:
    """A venue with a socket and a REST door, and the client of both. `reply` answers calls; None keeps silent."""

    def __init__(self) -> None:
        self.venue, self.listener = Venue(), Listener()
        self.requests: list[str] = []
        self.offset_ms = 0
        self.venue.on_request = self._answer
        self.reply: Callable[[dict[str, Any]], dict[str, Any] | None] = lambda asked: answer_of(
            asked, RESULTS.get(asked["channel"], TAKEN)
        )

    async def _answer(self, socket: web.WebSocketResponse, request: dict[str, Any]) -> bool:
        if not request["channel"].startswith("spot.order_"):
            return False
        answer = self.reply(request)
        if answer is not None:
            await socket.send_json(answer)
        return True

    async def rest_door(self, request: web.Request) -> web.Response:
        path = request.path.removeprefix("/api/v4")
        if path == "/spot/time":
            return web.json_response({"server_time": WallClock().now() // MILLISECOND + self.offset_ms})
        self.requests.append(f"{request.method} {path}")
        is_list = path == "/spot/cancel_batch_orders" or f"{request.method} {path}" == "DELETE /spot/orders"
        return web.json_response([{**TAKEN, "succeeded": True}] if is_list else TAKEN)

    def calls(self) -> list[dict[str, Any]]:
        return [request for request in self.venue.requests if request["channel"].startswith("spot.order_")]


@asynccontextmanager
async def both(*, is_logged_in: bool = True, **settings: int) -> AsyncIterator[tuple[Both, SocketOrders, GateioRest]]:
    door = Both()
    app = web.Application()
    app.router.add_get("/ws/v4/", door.venue.serve)
    app.router.add_route("*", "/api/v4/{path:.*}", door.rest_door)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    config = GateioConfig.for_url(f"http://127.0.0.1:{runner.addresses[0][1]}")
    config = GateioConfig(config.rest_url, config.socket_url, **{**PATIENT, **settings})
    rest = GateioRest(config, CREDENTIALS, WallClock())
    await rest.open()
    handlers = door.listener.handlers(resync=rest.sync_clock)
    socket = GateioSocket(config, CREDENTIALS, rest.venue_now, handlers, QUICK)
    orders = SocketOrders(rest)
    orders.socket = socket
    try:
        if is_logged_in:
            await socket.login()
        await socket.wait_up(10)
        yield door, orders, rest
    finally:
        await socket.close()
        await rest.close()
        await runner.cleanup()


def talk(scene: Callable[[Both, SocketOrders, GateioRest], Awaitable[None]], **settings: Any) -> None:
    async def scenario() -> None:
        async with both(**settings) as (door, orders, rest):
            await scene(door, orders, rest)

    run(scenario)


async def failing(work: Awaitable[object]) -> Exception:
    with pytest.raises((VenueError, GateioKeyError)) as caught:
        await work
    return caught.value


# -- the way ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", CHANGES)
def test_a_change_leaves_once_over_the_socket_and_carries_its_expiry(channel: str):
    async def scene(door: Both, orders: SocketOrders, rest: GateioRest) -> None:
        before = rest.venue_now() // MILLISECOND
        await CHANGES[channel](orders)
        (call,) = door.calls()
        assert (call["channel"], call["event"]) == (channel, "api")
        expires = int(call["payload"]["req_header"]["x-gate-exptime"])
        assert 0 < expires - before <= rest.config.order_expiry_ms + 20_000
        assert door.requests == []
        assert orders.ways == {"socket": 1}

    talk(scene)


def test_the_body_of_an_order_is_the_one_that_rest_would_send():
    async def scene(door: Both, orders: SocketOrders, _: GateioRest) -> None:
        order = await orders.place(ORDER)
        (call,) = door.calls()
        assert order.venue_order_id == "9"
        assert call["payload"]["req_param"] == {
            "text": "t-a-1", "currency_pair": "BTC_USDT", "type": "limit", "side": "buy", "amount": "1", "price": "2",
            "account": "spot",
        }  # fmt: skip

    talk(scene)


@pytest.mark.parametrize("channel", CHANGES)
def test_while_the_socket_is_not_logged_in_a_change_goes_by_rest_and_nothing_is_written_to_it(channel: str):
    async def scene(door: Both, orders: SocketOrders, _: GateioRest) -> None:
        await CHANGES[channel](orders)
        assert door.calls() == []
        assert door.requests == [OVER_REST[channel]]
        assert orders.ways == {"rest": 1}

    talk(scene, is_logged_in=False)


def test_an_order_goes_by_rest_before_there_is_a_socket_and_after_it_went_away_while_a_turn_was_waited_for():
    async def scene(door: Both, orders: SocketOrders, rest: GateioRest) -> None:
        socket, orders.socket = orders.socket, None
        await orders.place(ORDER)
        orders.socket = socket
        assert socket is not None
        for _ in range(PLACE.limit):  # the next turn is a while away
            rest.limiter.reserve("POST /spot/orders", "BTC_USDT", rest.ticks(), is_urgent=True)
        placing = asyncio.ensure_future(orders.place(ORDER, is_urgent=True))
        await asyncio.sleep(0.05)
        await socket.close()
        await placing
        assert door.calls() == []
        assert door.requests == ["POST /spot/orders"] * 2
        assert orders.ways == {"rest": 2}, "what was not written does not count as sent over the socket"

    talk(scene)


def test_a_question_that_the_socket_does_not_answer_is_asked_over_rest():
    async def scene(door: Both, orders: SocketOrders, _: GateioRest) -> None:
        assert (await orders.order("9", "BTC_USDT")).text == "t-a-1"
        assert door.requests == []
        door.reply = lambda asked: None
        assert (await orders.order("9", "BTC_USDT")).text == "t-a-1"
        assert door.requests == ["GET /spot/orders/9"]
        await until(lambda: orders.socket is not None and orders.socket.is_ready)
        door.reply = lambda asked: answer_of(asked, None, "404", "ORDER_NOT_FOUND")
        error = await failing(orders.order("9", "BTC_USDT"))
        assert isinstance(error, GateioError)
        assert error.reaction is Reaction.GONE

    talk(scene, answer_timeout_ms=300)


# -- doubt -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", CHANGES)
def test_an_acknowledgement_without_a_result_is_an_unknown_outcome_and_nothing_is_sent_again(channel: str):
    async def scene(door: Both, orders: SocketOrders, rest: GateioRest) -> None:
        door.reply = lambda asked: {**answer_of(asked, {"req_id": asked["payload"]["req_id"]}), "ack": True}
        before = rest.venue_now()
        error = await failing(CHANGES[channel](orders))
        assert isinstance(error, GateioUnknownError)
        assert before < error.ts_expires <= rest.venue_now() + rest.expiry(is_urgent=False)
        assert len(door.calls()) == 1
        assert door.requests == []

    talk(scene, answer_timeout_ms=300)


@pytest.mark.parametrize("channel", CHANGES)
def test_a_disconnect_in_flight_is_an_unknown_outcome_and_nothing_is_sent_again(channel: str):
    async def scene(door: Both, orders: SocketOrders, _: GateioRest) -> None:
        async def hang_up(server: web.WebSocketResponse, request: dict[str, Any]) -> bool:
            if request["channel"] != channel:
                return False
            await server.close()
            return True

        door.venue.on_request = hang_up
        error = await failing(CHANGES[channel](orders))
        assert isinstance(error, GateioUnknownError)
        assert error.ts_expires > 0
        await until(lambda: door.listener.ups == [True, False, True])
        assert len(door.calls()) == 1
        assert door.requests == []

    talk(scene)


@pytest.mark.parametrize(
    "result",
    [None, [], "9", {}, {"text": "t-a-1"}, {**TAKEN, "id": -1}, {**TAKEN, "text": "t-b"}, {**TAKEN, "left": "x"}],
)
def test_an_answer_that_does_not_tell_of_our_order_is_an_unknown_outcome(result: object):
    async def scene(door: Both, orders: SocketOrders, _: GateioRest) -> None:
        door.reply = lambda asked: answer_of(asked, result)
        assert isinstance(await failing(orders.place(ORDER)), GateioUnknownError)
        assert (len(door.calls()), door.requests) == (1, [])

    talk(scene)


def test_a_cancel_that_is_answered_for_another_order_is_an_unknown_outcome():
    async def scene(door: Both, orders: SocketOrders, _: GateioRest) -> None:
        door.reply = lambda asked: answer_of(asked, {**ENDED, "id": "10"})
        assert isinstance(await failing(orders.cancel("9", "BTC_USDT")), GateioUnknownError)
        door.reply = lambda asked: answer_of(asked, ENDED)
        assert (await orders.cancel("t-a-1", "BTC_USDT")).venue_order_id == "9"

    talk(scene)


def test_a_venue_that_has_forgotten_the_login_leaves_one_order_in_doubt_and_gets_the_next_by_rest():
    async def scene(door: Both, orders: SocketOrders, _: GateioRest) -> None:
        assert orders.socket is not None
        door.reply = lambda asked: answer_of(asked, None, "401", "AUTHENTICATION_FAILED")
        assert isinstance(await failing(orders.place(ORDER)), GateioUnknownError)
        await orders.place(ORDER)
        assert (len(door.calls()), door.requests) == (1, ["POST /spot/orders"])
        await until(lambda: orders.socket is not None and orders.socket.is_ready)  # the watch logs in again
        assert len(door.venue.asked("spot.login")) == 2

    talk(scene)


def test_after_an_answer_that_did_not_come_orders_go_by_rest_until_the_socket_has_answered_a_login():
    async def scene(door: Both, orders: SocketOrders, _: GateioRest) -> None:
        answers = door.reply
        door.reply = lambda asked: None
        assert isinstance(await failing(orders.place(ORDER)), GateioUnknownError)
        assert orders.socket is not None
        assert not orders.socket.is_ready
        await orders.place(ORDER)
        assert (len(door.calls()), door.requests) == (1, ["POST /spot/orders"])
        await until(lambda: orders.socket is not None and orders.socket.is_ready)
        assert door.listener.ups == [True], "the connection was kept"
        door.reply = answers
        await orders.place(ORDER)
        assert (len(door.calls()), len(door.requests)) == (2, 1)

    talk(scene, answer_timeout_ms=300)


# -- refusals --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "status", "kind", "is_retryable"),
    [
        ("BALANCE_NOT_ENOUGH", "400", GateioError, False),
        ("POC_FILL_IMMEDIATELY", 400, GateioError, False),
        ("TOO_MANY_REQUESTS", "429", GateioError, True),
        ("READ_ONLY", "403", GateioKeyError, None),
        ("SERVER_ERROR", "500", GateioUnknownError, False),
        ("BALANCE_NOT_ENOUGH", "502", GateioUnknownError, False),
        ("A_NEW_ONE", "400", GateioUnknownError, False),
        ("TOO_BUSY", 503, GateioUnknownError, False),
    ],
)
def test_refusals_are_told_by_their_label(label: str, status: object, kind: type[Exception], is_retryable: bool | None):
    async def scene(door: Both, orders: SocketOrders, _: GateioRest) -> None:
        door.reply = lambda asked: answer_of(asked, None, status, label)
        error = await failing(orders.place(ORDER))
        assert type(error) is kind
        assert getattr(error, "label", "") == label
        assert getattr(error, "is_retryable", None) is is_retryable
        assert (len(door.calls()), door.requests) == (1, [])

    talk(scene)


def test_what_the_venue_repeats_of_our_key_is_not_told():
    async def scene(door: Both, orders: SocketOrders, _: GateioRest) -> None:
        def reply(asked: dict[str, Any]) -> dict[str, Any]:
            answer = answer_of(asked, None, "400", "INVALID_PARAM_VALUE")
            answer["data"]["errs"]["message"] = f"no {KEY} {SECRET}"
            return answer

        door.reply = reply
        told = str(await failing(orders.place(ORDER)))
        assert "no *** ***" in told

    talk(scene)


@pytest.mark.parametrize("times", [1, 2])
def test_an_order_that_came_too_late_is_sent_once_more_with_the_clock_measured_anew(times: int):
    async def scene(door: Both, orders: SocketOrders, rest: GateioRest) -> None:
        def reply(asked: dict[str, Any]) -> dict[str, Any]:
            is_late = len(door.calls()) <= times
            return answer_of(asked, None, "400", "REQUEST_EXPIRED") if is_late else answer_of(asked, TAKEN)

        door.reply, door.offset_ms = reply, 30_000
        if times == 1:
            await orders.place(ORDER)
        else:
            assert isinstance(error := await failing(orders.place(ORDER)), GateioError)
            assert error.reaction is Reaction.RESYNC
        first, second = (int(call["payload"]["req_header"]["x-gate-exptime"]) for call in door.calls())
        assert second - first > 20_000
        assert door.requests == []

    talk(scene)


# -- limits ----------------------------------------------------------------------------------------------


def test_orders_over_the_socket_and_over_rest_are_counted_together():
    async def scene(door: Both, orders: SocketOrders, rest: GateioRest) -> None:
        for _ in range(PLACE.limit * 3):
            rest.limiter.reserve("POST /spot/orders", "BTC_USDT", rest.ticks())
        error = await failing(orders.place(ORDER))
        assert "not sent" in str(error)
        assert isinstance(error, GateioError)
        assert error.reaction is Reaction.SLOW_DOWN
        assert (door.calls(), door.requests) == ([], [])
        await orders.cancel("9", "BTC_USDT")  # counted apart
        assert len(door.calls()) == 1

    talk(scene, limit_wait_max_ms=100)


def test_what_an_answer_says_of_the_limits_holds_back_the_next():
    async def scene(door: Both, orders: SocketOrders, rest: GateioRest) -> None:
        def reply(asked: dict[str, Any]) -> dict[str, Any]:
            answer = answer_of(asked, TAKEN)
            answer["header"] |= {
                "x_in_time": 1, "x_out_time": 2, "x_gate_ratelimit_requests_remain": 0, "x_gate_ratelimit_limit": 10,
                "x_gat_ratelimit_reset_timestamp": rest.venue_now() // MILLISECOND + 1_000,
            }  # fmt: skip
            return answer

        door.reply = reply
        assert rest.limiter.wait("POST /spot/orders", "BTC_USDT", rest.ticks()) == 0
        await orders.place(ORDER)
        assert rest.limiter.wait("POST /spot/orders", "BTC_USDT", rest.ticks()) > 0

    talk(scene)


# -- the login -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", ["spot.login", "spot.orders"])
def test_a_signature_that_comes_too_late_is_given_again_with_the_clock_measured_anew(channel: str):
    async def scenario() -> None:
        async with both(is_logged_in=False) as (door, _, rest):
            door.offset_ms = 90_000

            async def late(server: web.WebSocketResponse, request: dict[str, Any]) -> bool:
                if request["channel"] != channel or len(door.venue.asked(channel)) > 1:
                    return False
                if channel == "spot.login":
                    await server.send_json(answer_of(request, None, "401", "REQUEST_EXPIRED"))
                else:
                    refused = ack_of(request, 4)
                    refused["error"]["message"] = '{"label":"REQUEST_EXPIRED","message":"too late"}'
                    await server.send_json(refused)
                return True

            door.venue.on_request, listener = late, Listener()
            handlers = listener.handlers(resync=rest.sync_clock)
            socket = GateioSocket(rest.config, CREDENTIALS, rest.venue_now, handlers, QUICK)
            await socket.login()
            await socket.subscribe("spot.orders", ["BTC_USDT"])
            await socket.wait_up(10)
            first, second = (request["time"] for request in door.venue.asked(channel))
            await socket.close()
            assert second - first >= 80
            assert not listener.failures

    run(scenario)


@pytest.mark.parametrize("label", ["INVALID_KEY", "INVALID_SIGNATURE"])
def test_a_login_with_a_wrong_key_or_secret_needs_a_person(label: str):
    async def scenario() -> None:
        async with both(is_logged_in=False) as (door, _, rest):

            async def refuse(server: web.WebSocketResponse, request: dict[str, Any]) -> bool:
                if request["channel"] != "spot.login":
                    return False
                await server.send_json(answer_of(request, None, "401", label))
                return True

            door.venue.on_request = refuse
            socket = GateioSocket(rest.config, CREDENTIALS, rest.venue_now, door.listener.handlers())
            await socket.login()
            with pytest.raises(GateioKeyError) as caught:
                await socket.wait_up(10)
            assert caught.value.label == label
            assert [is_fatal for _, is_fatal in door.listener.failures] == [True]
            await socket.close()

    run(scenario)


# -- whatever comes --------------------------------------------------------------------------------------

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 1_000) | st.sampled_from(["", "9", "t-a-1", "NaN", "open", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*TAKEN, "errs", "label"]), inner, max_size=4)
    ),
    max_leaves=8,
)  # fmt: skip


class _Answering(GateioSocket):
    """Answers each call with one frame."""

    def __init__(self, frame: bytes) -> None:
        self.frame = frame

    @property
    def is_ready(self) -> bool:
        return True

    async def ask(self, channel: str, params: bytes, request_id: str, **_: Any) -> Answer:
        try:
            messages = read(self.frame)
        except MessageError:
            messages = ()
        for message in messages:
            if isinstance(message, Answer):
                return message
        raise GateioUnknownError(f"{channel}: no answer in time")


@given(
    header=st.fixed_dictionaries({}, optional={"status": VALUES, "channel": VALUES, "x_gate_ratelimit_limit": VALUES}),
    data=st.fixed_dictionaries({}, optional={"result": VALUES | st.just(TAKEN), "errs": VALUES}),
    cut=st.integers(0, 400),
)
def test_whatever_the_socket_answers_an_order_is_taken_refused_or_in_doubt(header: object, data: object, cut: int):
    frame = json.dumps({"request_id": "o-1", "ack": False, "header": header, "data": data}).encode()

    async def scenario() -> None:
        rest = GateioRest(GateioConfig(), CREDENTIALS, WallClock())
        orders = SocketOrders(rest)
        for text in (frame, frame[: -1 - cut]):
            orders.socket = _Answering(text)
            try:
                order = await orders.place(ORDER)
            except (GateioError, GateioKeyError, OutcomeUnknownError):
                continue
            assert isinstance(order, wire.Order)
            assert order.venue_order_id
            assert order.text in ("", "t-a-1")

    asyncio.run(scenario())

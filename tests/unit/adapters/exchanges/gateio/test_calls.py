"""Orders over the websocket: an answer, a refusal, or an unknown outcome, and nothing sent twice."""

import asyncio
from typing import Any

import pytest
from aiohttp import web
from tests.unit.adapters.exchanges.gateio.loopback import CREDENTIALS, answer_of, connection, run, until

from holdfast.adapters.exchanges.gateio.auth import sign_socket_call
from holdfast.adapters.exchanges.gateio.calls import Calls
from holdfast.adapters.exchanges.gateio.errors import GateioError, GateioUnknownError
from holdfast.adapters.exchanges.gateio.messages import Answer
from holdfast.core.errors import DomainError, OutcomeUnknownError, VenueError


def test_login_and_an_order_over_the_socket():
    async def scenario() -> None:
        async with connection() as (venue, socket, _):
            await socket.login()
            await socket.wait_up(5)
            (login,) = venue.asked("spot.login")
            sign = sign_socket_call(CREDENTIALS.secret, "api", "spot.login", b"", 1_700_000_000)
            assert login["payload"]["signature"] == sign

            async def acknowledge(server: web.WebSocketResponse, request: dict[str, Any]) -> bool:
                if request["channel"] == "spot.order_place":
                    await server.send_json({**answer_of(request, {"req_id": "r-1"}), "ack": True})
                return False

            venue.on_request = acknowledge
            answer = await socket.call("spot.order_place", b'{"text":"t-x"}', "r-1", header={"x-gate-exptime": "5"})
            assert answer.order().venue_order_id == "77"
            (request,) = venue.asked("spot.order_place")
            assert request["payload"] == {
                "req_id": "r-1", "req_param": {"text": "t-x"}, "req_header": {"x-gate-exptime": "5"},
            }  # fmt: skip

    run(scenario)


def test_refused_order_has_the_error_of_its_label():
    async def scenario() -> None:
        async with connection() as (venue, socket, _):

            async def refuse(server: web.WebSocketResponse, request: dict[str, Any]) -> bool:
                labels = {"spot.order_place": ("400", "BALANCE_NOT_ENOUGH"), "spot.order_amend": (500, "SERVER_ERROR")}
                if request["channel"] not in labels:
                    return False
                await server.send_json(answer_of(request, None, *labels[request["channel"]]))
                return True

            venue.on_request = refuse
            await socket.login()
            await socket.wait_up(5)
            with pytest.raises(GateioError) as caught:
                await socket.call("spot.order_place", b"{}", "r-1")
            assert caught.value.label == "BALANCE_NOT_ENOUGH"
            with pytest.raises(OutcomeUnknownError):
                await socket.call("spot.order_amend", b"{}", "r-2")

    run(scenario)


def test_lost_answer_is_an_unknown_outcome_and_comes_late_as_a_message():
    async def scenario() -> None:
        async with connection() as (venue, socket, listener):
            held: list[dict[str, Any]] = []

            async def hold(_: web.WebSocketResponse, request: dict[str, Any]) -> bool:
                is_held = request["channel"] in ("spot.order_place", "spot.order_status")
                if is_held:
                    held.append(request)
                return is_held

            venue.on_request = hold
            await socket.login()
            await socket.wait_up(5)
            with pytest.raises(OutcomeUnknownError, match="in time"):
                await socket.call("spot.order_place", b"{}", "r-1", timeout_s=0.05)
            await until(lambda: socket.is_ready)  # it has logged in again
            with pytest.raises(VenueError) as caught:
                await socket.call("spot.order_status", b"{}", "r-2", timeout_s=0.05)
            assert caught.value.is_retryable
            await venue.socket.send_json(answer_of(held[0], {"id": "5"}))
            await until(lambda: listener.messages)
            (late,) = listener.messages
            assert isinstance(late, Answer)
            assert (late.request_id, len(held)) == ("r-1", 2)  # sent once each

    run(scenario)


def test_lost_connection_makes_every_call_in_flight_an_unknown_outcome():
    async def scenario() -> None:
        async with connection() as (venue, socket, listener):

            async def hang_up(server: web.WebSocketResponse, request: dict[str, Any]) -> bool:
                is_order = request["channel"] == "spot.order_place"
                if is_order and len(venue.asked("spot.order_place")) == 3:
                    await server.close()
                return is_order

            venue.on_request = hang_up
            await socket.login()
            await socket.wait_up(5)
            calls = [socket.call("spot.order_place", b"{}", f"r-{number}", timeout_s=5) for number in range(3)]
            results = await asyncio.gather(*calls, return_exceptions=True)
            assert [type(result) for result in results] == [GateioUnknownError] * 3
            await until(lambda: listener.ups == [True, False, True])
            assert len(venue.asked("spot.order_place")) == 3  # never sent again

    run(scenario)


def test_call_on_a_socket_that_is_not_logged_in_is_not_sent():
    async def scenario() -> None:
        async with connection() as (venue, socket, _):
            await socket.wait_up(5)
            with pytest.raises(VenueError, match="nothing was sent") as caught:
                await socket.call("spot.order_place", b"{}", "r-1")
            assert caught.value.is_retryable
            assert not isinstance(caught.value, OutcomeUnknownError)
            assert venue.asked("spot.order_place") == []

    run(scenario)


def test_two_calls_with_one_id_are_refused():
    async def scenario() -> None:
        calls = Calls()
        calls.open("spot.order_place", "r-1")
        with pytest.raises(DomainError):
            calls.open("spot.order_place", "r-1")

    run(scenario)

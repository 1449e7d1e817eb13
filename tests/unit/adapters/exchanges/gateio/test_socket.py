"""The websocket against a real server on loopback: subscriptions, links that fail, and hostile input."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from aiohttp import web
from tests.unit.adapters.exchanges.gateio.loopback import (
    CREDENTIALS,
    NOW,
    QUICK,
    Listener,
    ack_of,
    answer_of,
    connection,
    own_order,
    run,
    ticker,
    until,
)

from holdfast.adapters.exchanges.gateio.auth import sign_subscription
from holdfast.adapters.exchanges.gateio.config import GateioConfig
from holdfast.adapters.exchanges.gateio.errors import GateioKeyError
from holdfast.adapters.exchanges.gateio.messages import Message, Ticker
from holdfast.adapters.exchanges.gateio.own import OwnOrder
from holdfast.adapters.exchanges.gateio.socket import GateioSocket, SocketConfig
from holdfast.core.errors import ConfigurationError, VenueError


def test_subscriptions_are_sent_signed_where_private_and_deliver_typed_messages():
    async def scenario() -> None:
        async with connection() as (venue, socket, listener):
            await socket.subscribe("spot.tickers", ["BTC_USDT"])
            await socket.subscribe("spot.orders", ["!all"])
            await socket.wait_up(5)
            (public,), (private,) = venue.asked("spot.tickers"), venue.asked("spot.orders")
            assert "auth" not in public
            assert (public["payload"], public["time"]) == (["BTC_USDT"], 1_700_000_000)
            sign = sign_subscription(CREDENTIALS.secret, "spot.orders", "subscribe", 1_700_000_000)
            assert private["auth"] == {"method": "api_key", "KEY": "key", "SIGN": sign}
            await venue.socket.send_str(ticker())
            await venue.socket.send_str(own_order(7))
            await until(lambda: len(listener.messages) == 2)
            assert [type(message) for message in listener.messages] == [Ticker, OwnOrder]
            assert listener.ups == [True]
            await socket.subscribe("spot.trades", ["ETH_USDT"])
            assert venue.asked("spot.trades")[0]["payload"] == ["ETH_USDT"]
            await socket.unsubscribe("spot.trades", ["ETH_USDT"])
            assert venue.asked("spot.trades")[1]["event"] == "unsubscribe"

    run(scenario)


def test_lost_connection_is_made_again_with_every_subscription():
    async def scenario() -> None:
        async with connection() as (venue, socket, listener):
            await socket.subscribe("spot.tickers", ["BTC_USDT"])
            await socket.subscribe("spot.orders", ["!all"])
            await socket.login()
            await socket.wait_up(5)
            for losses in (1, 2):
                await venue.socket.close()
                await until(lambda losses=losses: listener.ups == [True] + [False, True] * losses)
            for channel in ("spot.tickers", "spot.orders", "spot.login"):
                assert len(venue.asked(channel)) == 3, channel
            await venue.socket.send_str(ticker())
            await until(lambda: listener.messages)
            assert "closed" in listener.links[1][1]

    run(scenario)


def test_market_that_is_gone_is_reported_and_does_not_keep_the_others_away():
    async def scenario() -> None:
        async with connection() as (venue, socket, listener):

            async def refuse(server: web.WebSocketResponse, request: dict[str, Any]) -> bool:
                is_gone = request.get("payload") == ["GONE_USDT"]
                if is_gone:
                    await server.send_json(ack_of(request, code=2))
                return is_gone

            venue.on_request = refuse
            await socket.subscribe("spot.tickers", ["GONE_USDT"])
            await socket.subscribe("spot.tickers", ["BTC_USDT"])
            await socket.wait_up(5)
            assert [is_fatal for _, is_fatal in listener.failures] == [False]
            with pytest.raises(VenueError, match="code 2"):
                await socket.subscribe("spot.tickers", ["GONE_USDT"])

    run(scenario)


def test_answer_without_an_id_is_matched_by_its_channel():
    async def scenario() -> None:
        async with connection() as (venue, socket, _):

            async def forgetful(server: web.WebSocketResponse, request: dict[str, Any]) -> bool:
                if request["channel"] != "spot.tickers":
                    return False
                await server.send_json({**ack_of(request), "id": None})
                return True

            venue.on_request = forgetful
            await socket.subscribe("spot.tickers", ["BTC_USDT"])
            await socket.wait_up(5)

    run(scenario)


@pytest.mark.parametrize("hangs_up", [False, True])
def test_wrong_key_is_fatal_and_is_not_tried_again(hangs_up: bool):
    async def scenario() -> None:
        async with connection() as (venue, socket, listener):

            async def refuse(server: web.WebSocketResponse, request: dict[str, Any]) -> bool:
                if request["channel"] != "spot.orders":
                    return False
                await server.send_json(ack_of(request, code=4))
                if hangs_up:
                    await server.close()
                return True

            venue.on_request = refuse
            await socket.subscribe("spot.orders", ["!all"])
            with pytest.raises(GateioKeyError):
                await socket.wait_up(5)
            await asyncio.sleep(0.1)
            assert len(venue.sockets) == 1
            assert [(type(error), fatal) for error, fatal in listener.failures] == [(GateioKeyError, True)]
            assert listener.ups == [False]

    run(scenario)


def test_refused_login_is_fatal_even_when_the_venue_hangs_up():
    async def scenario() -> None:
        async with connection() as (venue, socket, listener):

            async def refuse(server: web.WebSocketResponse, request: dict[str, Any]) -> bool:
                if request["channel"] != "spot.login":
                    return False
                await server.send_json(answer_of(request, None, "401", "INVALID_KEY"))
                await server.close()
                return True

            venue.on_request = refuse
            await socket.login()
            with pytest.raises(GateioKeyError):
                await socket.wait_up(5)
            assert len(venue.sockets) == 1
            assert listener.failures[-1][1]

    run(scenario)


def test_private_channel_and_login_need_a_key():
    async def scenario() -> None:
        async with connection(credentials=None) as (_, socket, _):
            with pytest.raises(ConfigurationError):
                await socket.subscribe("spot.orders", ["!all"])
            with pytest.raises(ConfigurationError):
                await socket.login()

    run(scenario)


# -- links that fail


def test_server_that_falls_silent_is_left_and_found_again():
    async def scenario() -> None:
        async with connection() as (venue, socket, listener):
            await socket.subscribe("spot.tickers", ["BTC_USDT"])
            await socket.wait_up(5)
            venue.is_mute = True  # it still answers the protocol's own pings
            await until(lambda: False in listener.ups)
            assert "nothing was heard" in listener.links[1][1]
            venue.is_mute = False
            await until(lambda: listener.ups[-1])

    run(scenario)


def test_quiet_market_is_kept_by_pings():
    async def scenario() -> None:
        async with connection() as (venue, socket, listener):
            await socket.wait_up(5)
            await asyncio.sleep(0.6)  # three times the patience
            assert listener.ups == [True]
            assert len(venue.asked("spot.ping")) >= 5

    run(scenario)


def test_half_open_connection_is_noticed():
    """The server takes the connection and the upgrade, and then neither reads nor writes."""

    async def scenario() -> None:
        async with connection() as (venue, socket, listener):

            async def freeze(_: web.WebSocketResponse, number: int) -> None:
                if number == 1:
                    await asyncio.sleep(3)

            venue.on_connect = freeze
            await socket.subscribe("spot.tickers", ["BTC_USDT"])
            await socket.wait_up(5)
            assert len(venue.sockets) == 2
            assert listener.ups == [False, True]

    run(scenario)


def test_host_that_never_answers_the_handshake_and_one_that_is_not_there_are_tried_again():
    async def scenario() -> None:
        async def swallow(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(30)
            writer.close()

        server = await asyncio.start_server(swallow, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        listener = Listener()
        config = GateioConfig(
            rest_url="http://127.0.0.1", socket_url=f"ws://127.0.0.1:{port}/ws/v4/", connect_timeout_ms=100
        )
        socket = GateioSocket(config, None, lambda: NOW, listener.handlers(), QUICK)
        with pytest.raises(VenueError, match="not up"):
            await socket.wait_up(0.4)
        server.close()
        with pytest.raises(VenueError, match="not up"):
            await socket.wait_up(0.2)
        assert listener.ups == [False]
        assert listener.failures == []
        await socket.close()

    run(scenario)


def test_venue_that_drops_every_connection_is_asked_with_growing_pauses():
    async def scenario() -> None:
        settings = SocketConfig(
            ping_interval_ms=40, stall_timeout_ms=200, backoff_min_ms=30, backoff_max_ms=10_000, stable_ms=60_000
        )
        async with connection(settings=settings) as (venue, socket, _):

            async def drop(server: web.WebSocketResponse, _: int) -> None:
                await server.close()

            venue.on_connect = drop
            socket.start()
            await asyncio.sleep(1.0)
            assert 2 <= len(venue.sockets) <= 20

    run(scenario)


def test_backoff_stays_within_its_bounds():
    async def scenario() -> None:
        async with connection() as (_, socket, _):
            for attempt in (1, 2, 5, 50, 5_000):
                assert 0.005 <= socket._pause(attempt) <= 0.02

    run(scenario)


# -- hostile input


@pytest.mark.parametrize(
    "frame",
    ["", "[" * 9_000, "{", "[1]", "\x00\x01", '{"channel":"spot.tickers","event":"update","result":{"last":"x"}}'],
    ids=range(6),
)  # fmt: skip
def test_some_garbage_is_counted_reported_and_survived(frame: str):
    async def scenario() -> None:
        async with connection() as (venue, socket, listener):
            await socket.wait_up(5)
            for _ in range(3):
                await venue.socket.send_str(frame)
            await venue.socket.send_bytes(b"\xff\xfe")
            await venue.socket.send_str(ticker())
            await until(lambda: listener.messages)
            assert socket.garbage == 4
            assert listener.ups == [True]
            assert len(listener.failures) == 1

    run(scenario)


def test_too_much_garbage_ends_the_connection():
    async def scenario() -> None:
        async with connection() as (venue, socket, listener):
            await socket.wait_up(5)
            with suppress(ConnectionError):
                for _ in range(20):
                    await venue.socket.send_str("nonsense")
            await until(lambda: listener.ups == [True, False, True])
            assert "unreadable" in listener.links[1][1]

    run(scenario)


def test_unreadable_message_about_our_own_orders_ends_the_connection_at_once():
    async def scenario() -> None:
        async with connection() as (venue, socket, listener):
            await socket.wait_up(5)
            await venue.socket.send_str('{"channel":"spot.orders","event":"update","result":[{"id":[]}]}')
            await until(lambda: listener.ups == [True, False, True])

    run(scenario)


@pytest.mark.parametrize("opcode", ["text", "binary"])
def test_huge_frame_ends_the_connection_and_not_the_memory(opcode: str):
    async def scenario() -> None:
        async with connection() as (venue, socket, listener):
            await socket.wait_up(5)
            with suppress(ConnectionError):
                if opcode == "text":
                    await venue.socket.send_str('"' + "x" * 10_000_000 + '"')
                else:
                    await venue.socket.send_bytes(b"\0" * 10_000_000)
            await until(lambda: listener.ups == [True, False, True])
            assert listener.messages == []

    run(scenario)


def test_flood_does_not_keep_the_pings_from_their_turn():
    async def scenario() -> None:
        async with connection() as (venue, socket, listener):
            await socket.wait_up(5)
            text = ticker()
            for _ in range(30):
                for _ in range(200):
                    await venue.socket.send_str(text)
                await asyncio.sleep(0.01)
            await until(lambda: len(listener.messages) == 6_000)
            assert len(venue.asked("spot.ping")) >= 2
            assert listener.ups == [True]

    run(scenario)


def test_reader_that_fails_ends_the_socket_loudly():
    async def scenario() -> None:
        def explode(_: Message) -> None:
            raise RuntimeError("a defect of ours")

        async with connection(on_message=explode) as (venue, socket, listener):
            await socket.wait_up(5)
            await venue.socket.send_str(ticker())
            await until(lambda: listener.failures)
            assert listener.failures[0][1]
            assert listener.ups == [True, False]
            with pytest.raises(RuntimeError):
                await socket._task

    run(scenario)


@pytest.mark.parametrize("change", [{"stall_timeout_ms": 5_000}, {"message_max": 1}, {"backoff_min_ms": 0}])
def test_settings_out_of_bounds_are_refused(change: dict[str, int]):
    with pytest.raises(ConfigurationError):
        SocketConfig(**change)

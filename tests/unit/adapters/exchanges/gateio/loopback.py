"""A websocket server on loopback that misbehaves on purpose, and a client that is connected to it."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from holdfast.adapters.exchanges.gateio.auth import Credentials
from holdfast.adapters.exchanges.gateio.config import GateioConfig
from holdfast.adapters.exchanges.gateio.messages import Message
from holdfast.adapters.exchanges.gateio.socket import GateioSocket, Handlers, SocketConfig
from holdfast.core.secret import Secret

NOW = 1_700_000_000 * 1_000_000_000
CREDENTIALS = Credentials("key", Secret("secret"))
QUICK = SocketConfig(
    ping_interval_ms=40, stall_timeout_ms=200, subscribe_timeout_ms=1_000, call_timeout_ms=300, send_timeout_ms=500,
    backoff_min_ms=5, backoff_max_ms=20, stable_ms=10_000, message_max=64 * 1024, garbage_max=5,
)  # fmt: skip
ORDER = {
    "id": "1", "text": "t-a", "currency_pair": "BTC_USDT", "type": "limit", "account": "spot", "side": "sell",
    "amount": "1", "price": "2", "left": "1", "filled_total": "0", "event": "put", "finish_as": "open",
}  # fmt: skip


def ticker(pair: str = "BTC_USDT", last: float = 1.0) -> str:
    result = {"currency_pair": pair, "last": str(last), "lowest_ask": "2", "highest_bid": "1"}
    return json.dumps({"time_ms": 5, "channel": "spot.tickers", "event": "update", "result": result})


def own_order(number: int) -> str:
    result = [{**ORDER, "id": str(number)}]
    return json.dumps({"time_ms": 5, "channel": "spot.orders", "event": "update", "result": result})


class Venue:
    """A server that agrees to everything, until a test tells it otherwise."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.sockets: list[web.WebSocketResponse] = []
        self.connected = asyncio.Event()
        self.is_mute = False
        self.on_request: Callable[[web.WebSocketResponse, dict[str, Any]], Awaitable[bool]] | None = None
        self.on_connect: Callable[[web.WebSocketResponse, int], Awaitable[None]] | None = None
        self.port = 0

    @property
    def socket(self) -> web.WebSocketResponse:
        return self.sockets[-1]

    def asked(self, channel: str) -> list[dict[str, Any]]:
        return [request for request in self.requests if request["channel"] == channel]

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False, autoping=True)
        await socket.prepare(request)
        self.sockets.append(socket)
        if self.on_connect is not None:
            await self.on_connect(socket, len(self.sockets))
        with suppress(ConnectionError):
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self.answer(socket, json.loads(message.data))
        return socket

    async def answer(self, socket: web.WebSocketResponse, request: dict[str, Any]) -> None:
        self.requests.append(request)
        if self.is_mute or (self.on_request is not None and await self.on_request(socket, request)):
            return
        if request["channel"] == "spot.ping":
            await socket.send_json({"time": 1, "channel": "spot.pong", "event": "", "error": None, "result": None})
        elif request["event"] == "api":
            await socket.send_json(answer_of(request, {"id": "77", "text": "t-x"}))
        else:
            await socket.send_json(ack_of(request))


def ack_of(request: dict[str, Any], code: int = 0) -> dict[str, Any]:
    error = {"code": code, "message": "no"} if code else None
    return {"time": 1, "id": request["id"], "channel": request["channel"], "event": request["event"], "error": error}


def answer_of(request: dict[str, Any], result: object, status: object = "200", label: str = "") -> dict[str, Any]:
    data = {"errs": {"label": label, "message": "because"}} if label else {"result": result}
    header = {"status": status, "channel": request["channel"]}
    return {"request_id": request["payload"]["req_id"], "header": header, "data": data}


class Listener:
    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.links: list[tuple[bool, str]] = []
        self.failures: list[tuple[Exception, bool]] = []

    def handlers(self, **changes: Any) -> Handlers:
        return Handlers(
            **{
                "on_message": self.messages.append,
                "on_link": lambda is_up, detail: self.links.append((is_up, detail)),
                "on_failure": lambda error, is_fatal: self.failures.append((error, is_fatal)),
                **changes,
            }
        )

    @property
    def ups(self) -> list[bool]:
        return [is_up for is_up, _ in self.links]


@asynccontextmanager
async def venue_at_loopback() -> AsyncIterator[Venue]:
    venue = Venue()
    application = web.Application()
    application.router.add_get("/ws/v4/", venue.serve)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    venue.port = runner.addresses[0][1]
    try:
        yield venue
    finally:
        await runner.cleanup()


@asynccontextmanager
async def connection(
    credentials: Credentials | None = CREDENTIALS, settings: SocketConfig = QUICK, **changes: Any
) -> AsyncIterator[tuple[Venue, GateioSocket, Listener]]:
    async with venue_at_loopback() as venue:
        listener = Listener()
        config = GateioConfig.for_url(f"http://127.0.0.1:{venue.port}")
        socket = GateioSocket(config, credentials, lambda: NOW, listener.handlers(**changes), settings)
        try:
            yield venue, socket, listener
        finally:
            await socket.close()


async def until(condition: Callable[[], object], timeout_s: float = 5.0) -> None:
    for _ in range(int(timeout_s / 0.005)):
        if condition():
            return
        await asyncio.sleep(0.005)
    pytest.fail("it did not come to pass")


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 20))

"""A loopback server that answers as it is told, and the client that asks it."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from holdfast.adapters.exchanges.gateio.auth import Credentials
from holdfast.adapters.exchanges.gateio.config import GateioConfig
from holdfast.adapters.exchanges.gateio.requests import OrderRequest, Put, Trigger, TriggerRequest
from holdfast.adapters.exchanges.gateio.rest import GateioRest
from holdfast.core.errors import HoldfastError
from holdfast.core.record import Record
from holdfast.core.secret import Secret

KEY, SECRET = "key-0123456789", "secret-0123456789"
# Patient, for on a busy machine even loopback takes its time; what is about waiting sets a shorter time of its own.
PATIENT = {
    "connect_timeout_ms": 20_000,
    "request_timeout_ms": 20_000,
    "answer_timeout_ms": 20_000,
    "backoff_ms": 1,
    "retries": 2,
}
ORDER = OrderRequest("t-a-1", "BTC_USDT", "limit", "buy", "1", price="2")
STOP = TriggerRequest(Trigger("9", "<="), Put("market", "sell", "9", "1", time_in_force="ioc"), "BTC_USDT")
TAKEN = {"id": "9", "text": "t-a-1", "status": "open", "side": "buy", "amount": "1", "left": "1", "price": "2"}

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
Use = Callable[[GateioRest], Awaitable[object]]


class WallClock:
    def now(self) -> int:
        return time.time_ns()


class Seen(Record, frozen=True):
    method: str
    path: str
    query: str
    body: bytes
    headers: dict[str, str]


def run(answer: Answer, use: Use, *, key: bool = True, **settings: int) -> tuple[object, list[Seen]]:
    """Serve `answer` on loopback, let the client be used, and give its result and what was asked."""
    seen: list[Seen] = []

    async def handle(asked: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in asked.headers.items()}
        seen.append(Seen(asked.method, asked.path, asked.query_string, await asked.read(), headers))
        return await answer(asked)

    async def main() -> object:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        base = GateioConfig.for_url(f"http://127.0.0.1:{port}")
        config = GateioConfig(rest_url=base.rest_url, socket_url=base.socket_url, **{**PATIENT, **settings})
        rest = GateioRest(config, Credentials(KEY, Secret(SECRET)) if key else None, WallClock())
        await rest.open()
        try:
            return await use(rest)
        finally:
            await rest.close()
            await runner.cleanup()

    return asyncio.run(main()), seen


def failing(answer: Answer, use: Use, **settings: int) -> tuple[HoldfastError, list[Seen]]:
    async def catch(rest: GateioRest) -> HoldfastError:
        with pytest.raises(HoldfastError) as caught:
            await use(rest)
        return caught.value

    error, seen = run(answer, catch, **settings)
    assert isinstance(error, HoldfastError)
    told = f"{error!r} {error} {error.hint} {error.__cause__!r}"
    assert KEY not in told
    assert SECRET not in told
    assert len(told) < 1_000
    return error, seen


def says(document: object, status: int = 200, **headers: str) -> Answer:
    async def answer(asked: web.Request) -> web.StreamResponse:
        return web.json_response(document, status=status, headers=headers)

    return answer


def raw(body: bytes, status: int = 200) -> Answer:
    async def answer(asked: web.Request) -> web.StreamResponse:
        return web.Response(body=body, status=status)

    return answer


def in_turn(*answers: Answer) -> Answer:
    left = list(answers)

    async def answer(asked: web.Request) -> web.StreamResponse:
        return await (left.pop(0) if len(left) > 1 else left[0])(asked)

    return answer


def at_time(answer: Answer, ahead_s: float = 0) -> Answer:
    async def answered(asked: web.Request) -> web.StreamResponse:
        if asked.path.endswith("/spot/time"):
            return web.json_response({"server_time": int((time.time() + ahead_s) * 1000)})
        return await answer(asked)

    return answered


CHANGES: dict[str, Use] = {
    "place": lambda rest: rest.place(ORDER),
    "batch": lambda rest: rest.place_batch([ORDER]),
    "amend": lambda rest: rest.amend("t-a-1", "BTC_USDT", price="3"),
    "cancel": lambda rest: rest.cancel("t-a-1", "BTC_USDT"),
    "cancel_batch": lambda rest: rest.cancel_batch([("t-a-1", "BTC_USDT")]),
    "cancel_all": lambda rest: rest.cancel_all("BTC_USDT"),
    "place_trigger": lambda rest: rest.place_trigger(STOP),
    "cancel_trigger": lambda rest: rest.cancel_trigger("7"),
    "cancel_triggers": lambda rest: rest.cancel_triggers("BTC_USDT"),
    "countdown": lambda rest: rest.countdown(30),
}

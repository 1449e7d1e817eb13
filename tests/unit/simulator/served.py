"""A venue that is served on loopback within the test, and a customer who signs by hand."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
from tests.unit.simulator.venues import ANN, BOB, Rig

from holdfast.adapters.host.clock import SystemClock
from holdfast.core.secret import Secret
from holdfast.simulator.authentication import Keyring
from holdfast.simulator.clock import VenueClock
from holdfast.simulator.desk import Desk, Rules
from holdfast.simulator.fault_plan import FaultRule
from holdfast.simulator.faults import Faults
from holdfast.simulator.serving import Place, Serving, serve

SECRET = "s"
PATIENCE_S = 20.0


def make_desk(limit_factor: int = 1, faults: Faults | None = None) -> Desk:
    faults = faults or Faults()
    keyring = Keyring({ANN: Secret(SECRET), BOB: Secret(SECRET)})
    return Desk(lambda: Rig().venue, keyring, faults, VenueClock(SystemClock(), faults), Rules(limit_factor))


def mac(text: str) -> str:
    return hmac.new(SECRET.encode(), text.encode(), hashlib.sha512).hexdigest()


class Answer:
    def __init__(self, status: int, raw: bytes, headers: dict[str, str]) -> None:
        self.status, self.raw, self.headers = status, raw, headers

    @property
    def json(self) -> dict:
        return json.loads(self.raw)

    @property
    def label(self) -> str:
        return self.json.get("label", "")


class Customer:
    """Speaks to the venue as one account; `hurry_s` is how long it waits for an answer."""

    def __init__(self, session: aiohttp.ClientSession, place: Place, desk: Desk, key: str = ANN) -> None:
        self.session, self.place, self.desk, self.key = session, place, desk, key
        self.hurry_s = PATIENCE_S

    async def ask(self, method: str, path: str, body: object = None, query: str = "", **headers: str) -> Answer:
        raw = json.dumps(body).encode() if body is not None else b""
        return await self.ask_raw(method, path, raw, query, **headers)

    async def ask_raw(self, method: str, path: str, raw: bytes, query: str = "", **headers: str) -> Answer:
        stamp = str(int(time.time()))
        sign = mac(f"{method}\n/api/v4{path}\n{query}\n{hashlib.sha512(raw).hexdigest()}\n{stamp}")
        return await self.send(
            method,
            f"/api/v4{path}" + (f"?{query}" if query else ""),
            raw,
            {"KEY": self.key, "Timestamp": stamp, "SIGN": sign, **headers},
        )

    async def send(self, method: str, path: str, raw: bytes = b"", headers: dict[str, str] | None = None) -> Answer:
        timeout = aiohttp.ClientTimeout(total=self.hurry_s)
        async with self.session.request(
            method, self.place.url + path, data=raw or None, headers=headers, timeout=timeout
        ) as response:
            return Answer(response.status, await response.read(), dict(response.headers))

    async def place_order(self, text: str = "t-1", price: str = "90", amount: str = "1", **more: str) -> Answer:
        order = {"currency_pair": "BTC_USDT", "side": "buy", "amount": amount, "price": price, "text": text, **more}
        return await self.ask("POST", "/spot/orders", order)

    async def arm(self, *rules: FaultRule) -> None:
        self.desk.faults.arm(rules, self.desk.clock.true_ms())

    @property
    def texts(self) -> list[str]:
        """Give the texts of all orders that really are at the venue."""
        return [order.text for order in self.desk.exchange.orders.values()]


@asynccontextmanager
async def customer(desk: Desk, serving: Serving | None = None) -> AsyncIterator[Customer]:
    ready: asyncio.Future[Place] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    task = asyncio.create_task(serve(desk, serving or Serving(), ready.set_result, stop))
    async with aiohttp.ClientSession(middlewares=()) as session:
        try:
            done, _ = await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
            if task in done:
                task.result()
            yield Customer(session, ready.result(), desk)
        finally:
            stop.set()
            await asyncio.wait_for(task, PATIENCE_S)


def play(
    scene: Callable[[Customer], Awaitable[None]], desk: Desk | None = None, serving: Serving | None = None
) -> None:
    async def whole() -> None:
        async with customer(desk or make_desk(), serving) as one:
            await asyncio.wait_for(scene(one), 2 * PATIENCE_S)

    asyncio.run(whole())

"""A model of a spot venue on loopback, for the faces of Binance and Coinbase. It is not the real one, and says less.

Its market stands still at one price until it is moved. Orders, balances with holds, trades and fees are exact.
"""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import ClassVar

from aiohttp import web

MINUTE_MS = 60_000
D = Decimal
ZERO, RATE, PRICE = D(0), D("0.001"), D("40000")


class ModelRefusal(Exception):  # noqa: N818  # what a face answers, in its own words
    """Why the venue does not take an order: funds, filter, stop, gone."""


@dataclass
class ModelOrder:
    number: int
    client_id: str
    side: str
    kind: str  # limit, market, stop
    amount: Decimal
    price: Decimal = ZERO
    stop: Decimal = ZERO
    tif: str = "GTC"
    filled: Decimal = ZERO
    value: Decimal = ZERO
    status: str = "NEW"

    @property
    def is_open(self) -> bool:
        return self.status == "NEW"


@dataclass
class ModelTrade:
    number: int
    order: ModelOrder
    price: Decimal
    amount: Decimal
    fee: Decimal
    fee_coin: str
    ts_ms: int


@dataclass
class ModelVenue:
    """One account at one market; `fee_side` is what a purchase's fee is taken from."""

    base: str = "BTC"
    quote: str = "USDT"
    fee_side: str = "base"
    rate: Decimal = RATE
    price: Decimal = PRICE
    orders: list[ModelOrder] = field(default_factory=list)
    trades: list[ModelTrade] = field(default_factory=list)
    faults: list[tuple[str, str]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    spread: ClassVar[Decimal] = D("1")

    def __post_init__(self) -> None:
        self.total = {self.base: D(2), self.quote: D(100_000)}
        self.minute = (int(time.time()) // 60 + 1) * MINUTE_MS
        self.closed = [(self.minute - n * MINUTE_MS, self.price) for n in range(120, 0, -1)]

    @property
    def bid(self) -> Decimal:
        return self.price - self.spread

    @property
    def ask(self) -> Decimal:
        return self.price + self.spread

    def candles(self) -> list[tuple[int, Decimal]]:
        return [*self.closed, (self.minute, self.price)]

    def move(self, bars: int = 1) -> None:
        for _ in range(bars):
            self.closed.append((self.minute, self.price))
            self.minute += MINUTE_MS

    def trade_at(self, price: Decimal) -> None:
        """Let the market stand at another price: stops fire, limits fill."""
        self.price = price
        for order in [x for x in self.orders if x.is_open]:
            if order.kind == "stop" and self.bid <= order.stop:
                self.fill(order, self.bid)
            elif order.kind == "limit" and self.is_marketable(order):
                self.fill(order, order.price)

    # -- account -----------------------------------------------------------------------------------
    def locked(self, coin: str) -> Decimal:
        found = D(0)
        for x in self.orders:
            if x.is_open and x.side == "buy" and coin == self.quote:
                found += (x.amount - x.filled) * x.price
            elif x.is_open and x.side == "sell" and coin == self.base:
                found += x.amount - x.filled
        return found

    def free(self, coin: str) -> Decimal:
        return self.total[coin] - self.locked(coin)

    def is_marketable(self, order: ModelOrder) -> bool:
        return order.price >= self.ask if order.side == "buy" else order.price <= self.bid

    def place(self, order: ModelOrder) -> ModelOrder:
        if any(x.client_id == order.client_id and x.is_open for x in self.orders):
            raise ModelRefusal("duplicate")
        if order.amount % D("0.00001") or order.price % D("0.01"):
            raise ModelRefusal("filter")
        is_buy = order.side == "buy"
        need = order.amount * (order.price or self.ask) if is_buy else order.amount
        if need > self.free(self.quote if is_buy else self.base):
            raise ModelRefusal("funds")
        if order.kind == "stop" and order.stop >= self.bid:
            raise ModelRefusal("stop")
        self.orders.append(order)
        if order.kind == "market" or (order.kind == "limit" and self.is_marketable(order)):
            self.fill(order, self.ask if is_buy else self.bid)
        elif order.tif != "GTC":
            order.status = "EXPIRED"
        return order

    def fill(self, order: ModelOrder, price: Decimal) -> None:
        """In two trades, so that one is not all."""
        for part in (order.amount / 2).quantize(D("0.00001")), order.amount:
            amount = part - order.filled
            if amount <= 0:
                continue
            value, is_buy = price * amount, order.side == "buy"
            in_base = is_buy and self.fee_side == "base"
            fee = (amount if in_base else value) * self.rate
            order.filled += amount
            order.value += value
            self.total[self.base] += (amount if is_buy else -amount) - (fee if in_base else 0)
            self.total[self.quote] += (-value if is_buy else value) - (0 if in_base else fee)
            coin = self.base if in_base else self.quote
            self.trades.append(
                ModelTrade(len(self.trades) + 1, order, price, amount, fee, coin, int(time.time() * 1000))
            )
        order.status = "FILLED"

    def cancel(self, order: ModelOrder) -> ModelOrder:
        if not order.is_open:
            raise ModelRefusal("gone")
        order.status = "CANCELED"
        return order

    def new(self, client_id: str, side: str, kind: str, amount: str, **words: object) -> ModelOrder:
        return ModelOrder(1_000 + len(self.orders), client_id, side.lower(), kind, D(amount), **words)

    def by_number(self, number: str) -> ModelOrder | None:
        return next((x for x in self.orders if str(x.number) == number), None)

    # -- faults ------------------------------------------------------------------------------------
    async def faulty(self, name: str, act: Callable[[], web.Response], request: web.Request) -> web.StreamResponse:
        """Answer with what `act` gives, unless a fault for `name` is due."""
        self.asked.append(name)
        kind = next((kind for kind, where in self.faults if where == name), "")
        if not kind:
            return act()
        self.faults.remove((kind, name))
        if kind == "lost_before":
            request.transport.close()
            return web.Response()
        answer = act()
        if kind == "lost_after":
            request.transport.close()
        elif kind in ("error_after", "busy_after"):
            return web.json_response({"code": -1000, "msg": "busy"}, status=500 if kind == "error_after" else 503)
        elif kind == "truncated":
            return web.Response(text=answer.text[: len(answer.text) // 2], content_type="application/json")
        return answer


class Served:
    """A model's face, served on loopback from a thread of its own."""

    def __init__(self, build: Callable[[], web.Application]) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.url = self._run(self._start(build))

    def _run(self, work: Awaitable) -> object:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _start(self, build: Callable[[], web.Application]) -> str:
        self._runner = web.AppRunner(build())
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    def close(self) -> None:
        self._run(self._runner.cleanup())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

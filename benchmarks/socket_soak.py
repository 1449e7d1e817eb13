"""A busy venue for a long time: `python benchmarks/socket_soak.py [--seconds 600] [--rate 5000]` prints a JSON line.

A process of its own sends Gate.io's messages over a websocket on loopback, so many a second, in a fixed mix: tickers,
book tickers, trades, candles, book updates, and our own orders, trades and balances. The client is what the agent runs:
`GateioSocket` on a public and a private connection, the market feed, and books that must stay in step. Counted are the
CPU of the client's process, its memory every 5 s, and what has arrived: all that was sent, with no gap in any book.
"""

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import orjson
from aiohttp import WSMsgType, web
from gateio_wire import MARKETS, NOW_MS, book_levels, frame, orders, price, size, snapshot, tickers, trades

from holdfast.adapters.exchanges.gateio import wire
from holdfast.adapters.exchanges.gateio.auth import Credentials
from holdfast.adapters.exchanges.gateio.books import Books
from holdfast.adapters.exchanges.gateio.config import GateioConfig
from holdfast.adapters.exchanges.gateio.market_feed import MarketFeed
from holdfast.adapters.exchanges.gateio.messages import BookUpdate, Message
from holdfast.adapters.exchanges.gateio.rest import GateioRest
from holdfast.adapters.exchanges.gateio.socket import GateioSocket, Handlers
from holdfast.adapters.host.clock import SystemClock
from holdfast.core.errors import VenueError
from holdfast.core.secret import Secret
from holdfast.domain.market import Timeframe
from holdfast.domain.values import InstrumentId
from holdfast.ports.live import Incoming

PAIRS = [f"C{number}_USDT" for number in range(20)]
PUBLIC, PRIVATE = "spot.tickers", "spot.orders"
BATCH_S = 0.01
CPU_MAX, SLOPE_MAX_KB = 0.20, 600.0  # share of one core; KB of memory a minute once it is warm
MIX = ("ticker", "book_ticker", "trade", "book", "book", "candle", "book_ticker", "order", "own_trade", "balance")


# -- the venue
def book_ticker(number: int) -> bytes:
    bid = 20_000 + number % 500
    return frame("spot.book_ticker", {
        "t": NOW_MS + number, "u": number, "s": PAIRS[number % len(PAIRS)], "b": f"{bid}.10", "B": size(),
        "a": f"{bid}.20", "A": size(),
    })  # fmt: skip


def candle(number: int) -> bytes:
    return frame("spot.candlesticks", {
        "t": str(NOW_MS // 1000 // 60 * 60), "v": size(), "c": price(), "h": "60000", "l": "20000", "o": price(),
        "n": f"1m_{PAIRS[number % len(PAIRS)]}", "a": size(), "w": False,
    })  # fmt: skip


def own_trade(number: int) -> bytes:
    return frame("spot.usertrades", [{
        "id": 5_736_713 + number, "user_id": 1_000_001, "order_id": "30784428", "currency_pair": PAIRS[0],
        "create_time": NOW_MS // 1000, "create_time_ms": f"{NOW_MS}.4578", "side": "sell", "amount": size(),
        "role": "taker", "price": price(), "fee": "0.002", "point_fee": "0", "gt_fee": "0", "text": "t-hf7k2m9q-12s",
    }])  # fmt: skip


def balance(number: int) -> bytes:
    return frame("spot.balances", [{
        "timestamp": str(NOW_MS // 1000), "timestamp_ms": str(NOW_MS + number), "user": "1000001", "currency": "USDT",
        "change": "-3.5", "total": size(), "available": "0.0001", "freeze": "0", "freeze_change": "0",
        "change_type": "order-match",
    }])  # fmt: skip


def book_update(number: int) -> bytes:
    book, turn = PAIRS[number % len(PAIRS)], number // len(PAIRS)
    return frame("spot.order_book_update", {
        "t": NOW_MS, "e": "depthUpdate", "E": NOW_MS // 1000, "s": book, "U": turn * 5 + 101, "u": turn * 5 + 105,
        "b": book_levels(5, "bid"), "a": book_levels(5, "ask"),
    })  # fmt: skip


def messages() -> Iterator[tuple[bool, str]]:
    """Give messages without end, each with whether it is private; only book updates must be made as they go."""
    ticker, trade, order = list(tickers()), list(trades()), list(orders())
    pools = {
        "ticker": ticker, "trade": trade, "order": order,
        "book_ticker": [book_ticker(number) for number in range(MARKETS)],
        "candle": [candle(number) for number in range(MARKETS)],
        "own_trade": [own_trade(number) for number in range(MARKETS)],
        "balance": [balance(number) for number in range(MARKETS)],
    }  # fmt: skip
    texts = {name: [item.decode() for item in pool] for name, pool in pools.items()}
    number = books = 0
    while True:
        kind = MIX[number % len(MIX)]
        if kind == "book":
            yield False, book_update(books).decode()
            books += 1
        else:
            yield kind in ("order", "own_trade", "balance"), texts[kind][number // len(MIX) % MARKETS]
        number += 1


async def send(seconds: float, rate: int) -> None:
    sockets: dict[str, web.WebSocketResponse] = {}
    both = asyncio.Event()

    async def serve(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False, autoping=True)
        await socket.prepare(request)
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                continue
            asked = orjson.loads(message.data)
            if asked["channel"] == "spot.ping":
                await socket.send_str('{"time":1,"channel":"spot.pong","event":"","error":null,"result":null}')
                continue
            told = {name: asked[name] for name in ("id", "channel", "event")}
            await socket.send_str(orjson.dumps({"time": 1, "error": None, **told}).decode())
            sockets[asked["channel"]] = socket
            if {PUBLIC, PRIVATE} <= sockets.keys():
                both.set()
        return socket

    application = web.Application()
    application.router.add_get("/ws/v4/", serve)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await both.wait()
    loop, source, sent = asyncio.get_running_loop(), messages(), Counter[str]()
    began = loop.time()
    while (past := loop.time() - began) < seconds:
        for _ in range(int(past * rate) - sent.total()):
            is_private, text = next(source)
            await sockets[PRIVATE if is_private else PUBLIC].send_str(text)
            sent["private" if is_private else "public"] += 1
        await asyncio.sleep(BATCH_S)
    print(json.dumps(sent), flush=True)
    await asyncio.sleep(5)
    await runner.cleanup()


# -- the client
class Soak:
    """What the agent runs on the wire, and what has come through."""

    def __init__(self, port: int) -> None:
        config = GateioConfig.for_url(f"http://127.0.0.1:{port}")
        rest = GateioRest(config, None, SystemClock())
        self.received: Counter[str] = Counter()
        self.told = self.out_of_step = 0
        self.failures: list[str] = []
        self.asks: dict[InstrumentId, Decimal] = {}
        self.feed = MarketFeed(rest, self._tell, self._on_ask)
        self.feed.begin([InstrumentId(f"{pair.replace('_', '/')}.GATEIO") for pair in PAIRS], Timeframe.M1)
        self.books = Books(_fetch, PAIRS, 100)
        for pair in PAIRS:
            self.books[pair].load(_book(), 100)
        who, now = Credentials("key", Secret("secret")), SystemClock().now
        self.public = GateioSocket(config, None, now, Handlers(self._on_public, self._on_link, self._on_failure))
        self.private = GateioSocket(config, who, now, Handlers(self._on_private, self._on_link, self._on_failure))

    def _on_ask(self, name: InstrumentId, ask: Decimal) -> None:
        self.asks[name] = ask

    def _tell(self, news: Sequence[Incoming]) -> None:
        self.told += len(news)

    def _on_public(self, message: Message) -> None:
        self.received["public"] += 1
        if isinstance(message, BookUpdate):
            self.out_of_step += not self.books.apply(message)
        else:
            self.feed.on_message(message)

    def _on_private(self, message: Message) -> None:
        self.received["private"] += len(message) if isinstance(message, list) else 1

    def _on_link(self, is_up: bool, why: str) -> None:
        if not is_up and why != "closed by us":
            self.failures.append(f"a link went down: {why}")

    def _on_failure(self, error: Exception, is_fatal: bool) -> None:
        self.failures.append(str(error))


def _book() -> wire.Book:
    return wire.BOOK.read(orjson.dumps(snapshot()))


async def _fetch(pair: str) -> wire.Book:
    raise VenueError(f"{pair}: a snapshot was asked for, though nothing was lost", venue="GATEIO")


def rss_kb() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() // 1024


def slope_kb(samples: Sequence[tuple[float, int]]) -> float:
    """Return how memory grows (KB a minute) over the last 3/4 of the time, by least squares."""
    kept = samples[len(samples) // 4 :]
    mean_t, mean_m = (sum(sample[axis] for sample in kept) / len(kept) for axis in (0, 1))
    over = sum((t - mean_t) ** 2 for t, _ in kept)
    return 60 * sum((t - mean_t) * (m - mean_m) for t, m in kept) / over if over else 0.0


async def soak(port: int, sender: "subprocess.Popen[str]", seconds: float, rate: int) -> dict[str, object]:
    client = Soak(port)
    await client.public.wait_up(20)
    await client.private.wait_up(20)
    await client.private.subscribe(PRIVATE, PAIRS)
    await client.public.subscribe(PUBLIC, PAIRS)
    began, cpu = time.monotonic(), time.process_time()
    samples: list[tuple[float, int]] = []
    while time.monotonic() - began < seconds:
        await asyncio.sleep(min(5.0, seconds / 10))
        samples.append((time.monotonic() - began, rss_kb()))
    wall, used = time.monotonic() - began, time.process_time() - cpu
    line = await asyncio.get_running_loop().run_in_executor(None, sender.stdout.readline)  # type: ignore[union-attr]  # it is a pipe
    sent = json.loads(line)
    await asyncio.sleep(1)
    steps = [client.books[pair].is_in_step for pair in PAIRS]
    await client.public.close()
    await client.private.close()
    await client.books.close()
    lost = sum(sent.values()) - client.received.total()
    share, slope = used / wall, slope_kb(samples)
    is_right = lost == 0 and all(steps) and not client.out_of_step and not client.failures
    return {
        "benchmark": "busy websocket", "seconds": round(wall, 1), "rate_asked": rate,
        "messages": sum(sent.values()), "rate": round(sum(sent.values()) / wall), "lost_or_wrong": lost,
        "books_in_step": sum(steps), "failures": client.failures[:3], "core_share": round(share, 4),
        "core_share_max": CPU_MAX, "rss_kb_first": samples[0][1], "rss_kb_last": samples[-1][1],
        "rss_slope_kb_per_min": round(slope, 1), "is_answer_right": is_right,
        "holds": is_right and share <= CPU_MAX and (slope <= SLOPE_MAX_KB or seconds < 120),
    }  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=int, default=5_000)
    parser.add_argument("--sender", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.sender:
        asyncio.run(send(given.seconds, given.rate))
        return 0
    sender = subprocess.Popen(
        [sys.executable, __file__, "--sender", "--seconds", str(given.seconds), "--rate", str(given.rate)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        port = int(sender.stdout.readline())  # type: ignore[union-attr]  # it is a pipe
        row = asyncio.run(soak(port, sender, given.seconds, given.rate))
    finally:
        sender.kill()
        sender.wait(30)
    print(json.dumps(row))
    return 0 if row["holds"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

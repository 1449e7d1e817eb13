"""A busy venue in a process of its own: Gate.io's messages at a fixed rate, and the REST that goes with them.

`python benchmarks/soak_venue.py --seconds 60 --rate 5000` prints its port, waits for POST /begin, sends a fixed mix of
messages on the channels that were subscribed to, and prints what it has sent. Its market runs 30 times as fast as the
wall, so that bars close; orders that are placed rest, are filled in parts, or wait to be taken back. Its memory is no
part of the client's.
"""

import argparse
import asyncio
import json
import time
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any

import orjson
from aiohttp import WSMsgType, web
from gateio_wire import book_levels, orders, price, size, snapshot

PAIRS = [f"C{number}_USDT" for number in range(20)]
MIX = ("ticker", "book_ticker", "trade", "book", "book", "candle", "book_ticker", "order", "own_trade", "balance")
BATCH_S, SPEED, POOL, KEPT = 0.01, 30, 500, 2_000
PARTS_S = (0.4, 0.8, 1.2)  # when the parts of an order are filled
Json = dict[str, Any]


class Market:
    """What is told of the market: texts that are made once, with numbers and times put in as they go."""

    def __init__(self) -> None:
        self.first = int(time.time()) // 60 * 60 + 60  # up to here all bars are past
        self.began = 0.0
        self.told: dict[str, int] = dict.fromkeys(PAIRS, self.first)  # up to where each pair's bars are told
        self.bars = 0
        self.update_ids: dict[str, int] = dict.fromkeys(PAIRS, 100)
        self._levels = [
            orjson.dumps({"b": book_levels(5, "bid"), "a": book_levels(5, "ask")}).decode()[1:-1] for _ in range(POOL)
        ]
        self._sizes = [size() for _ in range(POOL)]
        self._prices = [price() for _ in range(POOL)]
        self._orders = [raw.decode() for _, raw in zip(range(POOL), orders(), strict=False)]

    def now(self) -> float:
        """Return the market's time (s)."""
        return self.first + (time.monotonic() - self.began) * SPEED if self.began else float(self.first)

    def text(self, kind: str, number: int) -> tuple[str, str]:
        """Return the channel and the text of a message."""
        pair, turn = PAIRS[number % len(PAIRS)], number % POOL
        wall_ms, market_ms = int(time.time() * 1_000), int(self.now() * 1_000)
        match kind:
            case "ticker":
                return _frame("spot.tickers", wall_ms, {
                    "currency_pair": pair, "last": "30000", "lowest_ask": "30000.01", "highest_bid": "29999.99",
                    "change_percentage": "-4.0036", "base_volume": "5182.5412425462", "quote_volume": "227267634.9",
                    "high_24h": "62698", "low_24h": "19721.03",
                })  # fmt: skip
            case "book_ticker":
                best = 29_000 + turn
                return _frame("spot.book_ticker", wall_ms, {
                    "t": market_ms, "u": number, "s": pair, "b": f"{best}.10", "B": self._sizes[turn],
                    "a": f"{best}.20", "A": self._sizes[turn],
                })  # fmt: skip
            case "trade":
                return _frame("spot.trades", wall_ms, {
                    "id": 309_143_071 + number, "create_time": wall_ms // 1_000, "create_time_ms": f"{wall_ms}.4578",
                    "side": "sell", "currency_pair": pair, "amount": self._sizes[turn], "price": self._prices[turn],
                    "range": f"{number}-{number}",
                })  # fmt: skip
            case "book":
                first = self.update_ids[pair] + 1
                self.update_ids[pair] = first + 4
                return "spot.order_book_update", (
                    f'{{"time":{wall_ms // 1_000},"time_ms":{wall_ms},"channel":"spot.order_book_update",'
                    f'"event":"update","result":{{"t":{wall_ms},"e":"depthUpdate","s":"{pair}","U":{first},'
                    f'"u":{first + 4},{self._levels[turn]}}}}}'
                )
            case "candle":
                return self._candle(pair, wall_ms, int(self.now()))
            case "order":
                return "spot.orders", self._orders[turn]
            case "own_trade":
                return _frame("spot.usertrades", wall_ms, [{
                    "id": 5_736_713 + number, "user_id": 1_000_001, "order_id": "30784428", "currency_pair": pair,
                    "create_time": wall_ms // 1_000, "create_time_ms": f"{wall_ms}.4578", "side": "sell",
                    "amount": self._sizes[turn], "role": "taker", "price": self._prices[turn], "fee": "0.002",
                    "point_fee": "0", "gt_fee": "0", "text": "t-hf7k2m9q-12s",
                }])  # fmt: skip
            case _:
                return _frame("spot.balances", wall_ms, [{
                    "timestamp": str(wall_ms // 1_000), "timestamp_ms": str(wall_ms), "user": "1000001",
                    "currency": "USDT", "change": "-3.5", "total": self._sizes[turn], "available": "0.0001",
                    "freeze": "0", "freeze_change": "0", "change_type": "order-match",
                }])  # fmt: skip

    def _candle(self, pair: str, wall_ms: int, now: int) -> tuple[str, str]:
        opens = self.told[pair]
        is_closed = now >= opens + 60
        if is_closed:
            self.told[pair] = opens + 60
            self.bars += 1
        return _frame("spot.candlesticks", wall_ms, {
            "t": str(opens), "v": "12.5", "c": "30000", "h": "30010", "l": "29990", "o": "30000", "n": f"1m_{pair}",
            "a": "0.5", "w": is_closed,
        })  # fmt: skip

    def candles(self, asked: Any, pair: str) -> list[list[str]]:
        """Return bars over REST: only those that are told already, so that a client may ask at any moment."""
        last = self.told[pair] - 60
        start = int(asked.get("from", last - 60 * (int(asked.get("limit", 100)) - 1)))
        until = min(int(asked.get("to", last)), last)
        opens = range((start + 59) // 60 * 60, until + 1, 60)
        return [[str(ts), "12.5", "30000", "30010", "29990", "30000", "0.5", "true"] for ts in opens]


def _frame(channel: str, wall_ms: int, result: object) -> tuple[str, str]:
    envelope = {"time": wall_ms // 1_000, "time_ms": wall_ms, "channel": channel, "event": "update", "result": result}
    return channel, orjson.dumps(envelope).decode()


class Venue:
    """One account, its orders and its two connections."""

    def __init__(self) -> None:
        self.market = Market()
        self.sockets: dict[str, web.WebSocketResponse] = {}  # by channel
        self.sent: Counter[str] = Counter()
        self.begin = asyncio.Event()
        self.traded = 0  # parts of the client's own orders
        self._open: dict[str, Json] = {}
        self._ended: dict[str, Json] = {}
        self._trades: deque[Json] = deque(maxlen=KEPT)
        self._number = 10_000
        self._due: deque[tuple[float, str]] = deque()

    async def push(self, channel: str, text: str) -> None:
        await self.sockets[channel].send_str(text)
        self.sent[channel] += 1

    # -- orders
    def place(self, asked: Json) -> Json:
        self._number += 1
        name, now = str(self._number), time.monotonic()
        order = {
            "id": name, "text": asked["text"], "status": "open", "currency_pair": asked["currency_pair"],
            "type": "limit", "account": "spot", "side": asked["side"], "amount": asked["amount"],
            "price": asked["price"], "time_in_force": "gtc", "left": asked["amount"], "filled_amount": "0",
            "filled_total": "0", "fee": "0", "fee_currency": "USDT", "finish_as": "open",
            "create_time_ms": int(time.time() * 1_000), "update_time_ms": int(time.time() * 1_000),
        }  # fmt: skip
        self._open[name] = order
        if self._number % 3:  # each third rests until it is taken back
            self._due.extend((now + wait, name) for wait in PARTS_S)
        return order

    async def trade(self) -> None:
        """Fill what is due, a third at a time."""
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            _, name = self._due.popleft()
            order = self._open.get(name)
            if order is None:
                continue
            filled = int(order["filled_amount"]) + int(order["amount"]) // 3
            left = int(order["amount"]) - filled
            order |= {"filled_amount": str(filled), "left": str(left), "filled_total": str(filled * 30_000)}
            self.traded += 1
            self._trades.append({
                "id": str(900_000 + self.traded), "order_id": name, "side": order["side"], "role": "maker",
                "amount": str(int(order["amount"]) // 3), "price": "30000", "currency_pair": order["currency_pair"],
                "create_time_ms": f"{int(time.time() * 1_000)}.1", "fee": "0", "fee_currency": "USDT",
                "text": order["text"],
            })  # fmt: skip
            if not left:
                self._end(name, "closed", "filled")
            wall_ms = int(time.time() * 1_000)
            await self.push(*_frame("spot.usertrades", wall_ms, [self._trades[-1]]))
        self._due = deque(sorted(self._due))

    def cancel(self, name: str) -> Json | None:
        return self._end(name, "cancelled", "cancelled") if name in self._open else None

    def _end(self, name: str, status: str, why: str) -> Json:
        order = self._open.pop(name) | {"status": status, "finish_as": why}
        self._ended[name] = order
        if len(self._ended) > KEPT:
            del self._ended[next(iter(self._ended))]
        return order

    # -- REST
    async def rest(self, request: web.Request) -> web.Response:
        path, asked = request.path.removeprefix("/api/v4"), request.query
        name = path.rpartition("/")[2]
        match request.method, path.removesuffix(name) if path.count("/") > 2 else path:
            case "GET", "/spot/time":
                answer: object = {"server_time": int(time.time() * 1_000)}
            case "GET", "/spot/currency_pairs/":
                base, _, quote = name.partition("_")
                answer = {"id": name, "base": base, "quote": quote, "amount_precision": 4, "precision": 2, "fee": "0"}
            case "GET", "/spot/fee":
                answer = {"taker_fee": "0", "maker_fee": "0", "user_id": 1}
            case "GET", "/spot/tickers":
                answer = [{"currency_pair": asked["currency_pair"], "last": "30000"}]
            case "GET", "/spot/candlesticks":
                answer = self.market.candles(asked, asked["currency_pair"])
            case "GET", "/spot/order_book":
                answer = snapshot() | {"id": self.market.update_ids[asked["currency_pair"]]}
            case "GET", "/spot/accounts":
                answer = [{"currency": "USDT", "available": "1000", "locked": "0"}]
            case "GET", "/spot/price_orders":
                answer = []
            case "GET", "/spot/open_orders":
                found: dict[str, list[Json]] = {}
                for order in self._open.values():
                    found.setdefault(order["currency_pair"], []).append(order)
                answer = [{"currency_pair": pair, "total": len(x), "orders": x} for pair, x in found.items()]
            case "GET", "/spot/my_trades":
                answer = [x for x in self._trades if x["order_id"] == asked.get("order_id", x["order_id"])]
            case "POST", "/spot/orders":
                answer = self.place(orjson.loads(await request.read()))
            case "POST", "/spot/countdown_cancel_all":
                answer = {"triggerTime": 0}
            case "GET", "/spot/orders/":
                answer = self._open.get(name) or self._ended.get(name)
            case "DELETE", "/spot/orders/":
                answer = self.cancel(name)
            case "POST", "/begin":
                self.begin.set()
                answer = {}
            case _:
                answer = None
        if answer is None:
            return web.json_response({"label": "ORDER_NOT_FOUND", "message": f"no {path}"}, status=404)
        return web.Response(body=orjson.dumps(answer), content_type="application/json")

    # -- websocket
    async def serve(self, request: web.Request) -> web.WebSocketResponse:
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
            self.sockets[asked["channel"]] = socket
        return socket

    async def send(self, seconds: float, rate: int) -> None:
        await self.begin.wait()
        self.market.began = began = time.monotonic()
        counts, number = Counter[str](), 0
        while (past := time.monotonic() - began) < seconds:
            for _ in range(int(past * rate) - number):
                kind = MIX[number % len(MIX)]
                await self.push(*self.market.text(kind, counts[kind]))
                counts[kind] += 1
                number += 1
            await self.trade()
            await asyncio.sleep(BATCH_S)


async def main_loop(seconds: float, rate: int) -> None:
    venue = Venue()
    application = web.Application()
    application.router.add_get("/ws/v4/", venue.serve)
    application.router.add_route("*", "/{path:.*}", venue.rest)
    runner = web.AppRunner(application, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await venue.send(seconds, rate)
    told = {"sent": venue.sent, "bars": venue.market.bars, "traded": venue.traded, "books": venue.market.update_ids}
    print(json.dumps(told), flush=True)
    await asyncio.sleep(3_600)  # until it is ended: what is open is still asked about


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=int, default=5_000)
    given = parser.parse_args(arguments)
    asyncio.run(main_loop(given.seconds, given.rate))


if __name__ == "__main__":
    main()

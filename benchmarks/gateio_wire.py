"""Gate.io's messages and orders, ours beside ccxt.pro in one run: `python benchmarks/gateio_wire.py`.

One JSON line per path: microseconds of CPU per message, the median of 7 batches, each of 2,000 messages over 2,000
markets (20 books), batches of both taking turns. Both start from bytes and end with typed numbers, or with the book.
First each must give the same answer. What ccxt does to wake those who wait is left out, in its favour.
"""

import argparse
import json
import os
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

import ccxt.pro
import orjson

from holdfast.adapters.exchanges.gateio import wire
from holdfast.adapters.exchanges.gateio.auth import Credentials, sign_rest
from holdfast.adapters.exchanges.gateio.config import GateioConfig
from holdfast.adapters.exchanges.gateio.depth import Depth
from holdfast.adapters.exchanges.gateio.mapping import order_request_of
from holdfast.adapters.exchanges.gateio.messages import BookUpdate, Message, Ticker, Trade, read
from holdfast.adapters.exchanges.gateio.own import OwnOrder
from holdfast.adapters.exchanges.gateio.requests import body_of
from holdfast.adapters.exchanges.gateio.transport import Call, Transport
from holdfast.core.secret import Secret
from holdfast.core.time import UnixNanos
from holdfast.domain.order import OrderSpec, OrderType, Role
from holdfast.domain.values import InstrumentId, OrderId, Price, Quantity, Side

MARKETS, BOOKS, BATCHES = 2_000, 20, 7
LEVELS = 100  # of a book, on each side
NOW_MS = 1_700_000_000_000
# How many times faster than ccxt each path must be.
ASKED = {
    "ticker": 10.0,
    "trade": 8.0,
    "own order update": 10.0,
    "book update, 10 levels": 2.5,
    "book update, 40 levels": 2.5,
    "limit order: build and sign": 4.0,
}

Work = Callable[[Any], object]
RANDOM = random.Random(7)


class Clock:
    def now(self) -> UnixNanos:
        return UnixNanos(NOW_MS * 1_000_000)


class Client:
    """Stands where ccxt has its connection; nobody waits."""

    url = "wss://127.0.0.1/"

    def __init__(self) -> None:
        self.subscriptions: dict[str, object] = {}
        self.futures: dict[str, object] = {}

    def resolve(self, result: object, name: str) -> None:
        pass

    def reject(self, error: Exception, name: str = "") -> None:
        raise error


def make_peer() -> Any:
    peer = ccxt.pro.gate({"apiKey": "key", "secret": "secret"})
    peer.set_markets([market_of(peer, f"C{number}") for number in range(MARKETS)])
    return peer


def market_of(peer: Any, base: str) -> Any:
    """Return a market with what `load_markets` would tell of it."""
    return peer.safe_market_structure(
        {
            "id": f"{base}_USDT", "symbol": f"{base}/USDT", "base": base, "quote": "USDT",
            "baseId": base, "quoteId": "USDT", "type": "spot", "spot": True, "margin": False, "swap": False,
            "future": False, "option": False, "contract": False, "active": True, "taker": 0.002, "maker": 0.002,
            "precision": {"amount": 0.0001, "price": 0.01},
            "limits": {"amount": {"min": 0.0001, "max": None}, "cost": {"min": 3.0, "max": None}},
            "info": {},
        }
    )  # fmt: skip


def frame(channel: str, result: object) -> bytes:
    envelope = {"time": NOW_MS // 1000, "time_ms": NOW_MS, "channel": channel, "event": "update", "result": result}
    return orjson.dumps(envelope)


def price() -> str:
    return f"{RANDOM.uniform(20_000, 60_000):.2f}"


def size() -> str:
    return f"{RANDOM.uniform(0.001, 5):.6f}"


def tickers() -> Iterator[bytes]:
    for number in range(MARKETS):
        yield frame("spot.tickers", {
            "currency_pair": f"C{number}_USDT", "last": price(), "lowest_ask": price(), "highest_bid": price(),
            "change_percentage": "-4.0036", "base_volume": "5182.5412425462", "quote_volume": "227267634.93123952",
            "high_24h": "62698", "low_24h": "19721.03",
        })  # fmt: skip


def trades() -> Iterator[bytes]:
    for number in range(MARKETS):
        yield frame("spot.trades", {
            "id": 309_143_071 + number, "create_time": NOW_MS // 1000, "create_time_ms": f"{NOW_MS}.4578",
            "side": "sell", "currency_pair": f"C{number}_USDT", "amount": size(), "price": price(),
            "range": "2390902-2390902",
        })  # fmt: skip


def orders() -> Iterator[bytes]:
    for number in range(MARKETS):
        amount = size()
        yield frame("spot.orders", [{
            "id": str(399_123_456 + number), "text": "t-hf7k2m9q-12s", "create_time": "1694655225",
            "update_time": "1694655225", "currency_pair": f"C{number}_USDT", "type": "limit", "account": "spot",
            "side": "sell", "amount": amount, "price": price(), "time_in_force": "gtc", "left": amount,
            "filled_total": "0", "avg_deal_price": "0", "fee": "0", "fee_currency": "USDT", "point_fee": "0",
            "gt_fee": "0", "rebated_fee": "0", "rebated_fee_currency": "USDT", "create_time_ms": "1694655225315",
            "update_time_ms": "1694655225315", "user": 3_497_082, "event": "put", "stp_id": 0, "stp_act": "-",
            "finish_as": "open", "biz_info": "-", "amend_text": "-",
        }])  # fmt: skip


def book_levels(levels: int, side: str) -> list[list[str]]:
    """Draw changes near the best price, a third of them removals; bids stay below 30000 and asks above."""
    sign = -1 if side == "bid" else 1
    changes = {}
    while len(changes) < levels:
        cents = 1 + min(int(RANDOM.expovariate(1 / 40)), 3 * LEVELS)
        changes[f"{30_000 + sign * cents / 100:.2f}"] = "0" if RANDOM.random() < 1 / 3 else size()
    return [[level, amount] for level, amount in changes.items()]


def snapshot() -> dict[str, Any]:
    return {
        "id": 100, "current": NOW_MS, "update": NOW_MS,
        "asks": [[f"{30_000 + level / 100:.2f}", size()] for level in range(1, LEVELS + 1)],
        "bids": [[f"{30_000 - level / 100:.2f}", size()] for level in range(1, LEVELS + 1)],
    }  # fmt: skip


def book_updates(levels: int, batches: int) -> list[list[bytes]]:
    """Give so many batches of updates for BOOKS books, each following the last of its book."""
    rounds = MARKETS // BOOKS

    def update(book: int, number: int) -> bytes:
        return frame("spot.order_book_update", {
            "t": NOW_MS, "e": "depthUpdate", "E": NOW_MS // 1000, "s": f"C{book}_USDT",
            "U": number * 5 + 101, "u": number * 5 + 105,
            "b": book_levels(levels // 2, "bid"), "a": book_levels(levels // 2, "ask"),
        })  # fmt: skip

    return [
        [update(book, batch * rounds + number) for number in range(rounds) for book in range(BOOKS)]
        for batch in range(batches)
    ]


# -- measuring


def micros(work: Work, batch: Sequence[Any]) -> float:
    started = time.process_time_ns()
    for item in batch:
        work(item)
    return (time.process_time_ns() - started) / len(batch) / 1_000


def compare(name: str, peer: Work, ours: Work, batches: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """Time both on the same batches, in turns; the first batch warms up."""
    found: tuple[list[float], list[float]] = ([], [])
    for batch in batches:
        found[0].append(micros(peer, batch))
        found[1].append(micros(ours, batch))
    theirs, our = (statistics.median(times[1:]) for times in found)
    ratio = theirs / our
    return {
        "benchmark": "gateio_wire", "path": name, "micros": round(our, 2), "ccxt_micros": round(theirs, 2),
        "ratio": round(ratio, 1), "asked": ASKED[name], "is_met": ratio >= ASKED[name], "batches": BATCHES,
        "bytes": len(batches[0][0]) if isinstance(batches[0][0], bytes) else None, "ccxt": ccxt.__version__,
        "python": platform.python_version(), "load": round(os.getloadavg()[0], 2),
    }  # fmt: skip


def one(raw: bytes) -> Message:
    (message,) = read(raw)
    return message


def message_rows(peer: Any) -> Iterator[dict[str, Any]]:
    client = Client()

    def theirs(raw: bytes) -> None:
        peer.handle_message(client, orjson.loads(raw))

    samples = {"ticker": list(tickers()), "trade": list(trades()), "own order update": list(orders())}
    for raw in samples["ticker"]:
        theirs(raw)
        ticker = one(raw)
        assert isinstance(ticker, Ticker)
        other = peer.tickers[ticker.currency_pair.replace("_", "/")]
        assert (ticker.last, ticker.highest_bid, ticker.lowest_ask) == (other["last"], other["bid"], other["ask"])
        assert (ticker.base_volume, ticker.quote_volume) == (other["baseVolume"], other["quoteVolume"])
    for raw in samples["trade"]:
        theirs(raw)
        trade = one(raw)
        assert isinstance(trade, Trade)
        other = peer.trades[trade.currency_pair.replace("_", "/")][-1]
        assert (str(trade.id), trade.side, trade.price, trade.amount) == (
            other["id"], other["side"], other["price"], other["amount"],
        )  # fmt: skip
        assert trade.ts_event // 1_000_000 == other["timestamp"]
    for raw in samples["own order update"]:
        theirs(raw)
        order = one(raw)
        assert isinstance(order, OwnOrder)
        other = peer.orders[-1]
        assert (order.venue_order_id, order.text, order.side, order.status) == (
            other["id"], other["clientOrderId"], other["side"], other["status"],
        )  # fmt: skip
        assert (float(order.amount), float(order.price)) == (other["amount"], other["price"])
        assert order.left is not None
        assert float(order.left) == other["remaining"]
    for name, sample in samples.items():
        yield compare(name, theirs, read, [sample] * (BATCHES + 1))


def book_rows(peer: Any) -> Iterator[dict[str, Any]]:
    client = Client()

    def theirs(raw: bytes) -> None:
        peer.handle_message(client, orjson.loads(raw))

    for levels in (10, 40):
        books: dict[str, Depth] = {}
        for book in range(BOOKS):
            answer = snapshot()
            depth = books[f"C{book}_USDT"] = Depth(f"C{book}_USDT")
            assert depth.load(wire.BOOK.read(orjson.dumps(answer)), limit=1_000)
            symbol = f"C{book}/USDT"
            other = peer.orderbooks[symbol] = peer.order_book({}, 1_000)
            other.reset({**peer.parse_order_book(answer, symbol, NOW_MS), "nonce": answer["id"]})

        def ours(raw: bytes, books: dict[str, Depth] = books) -> None:
            update = one(raw)
            assert isinstance(update, BookUpdate)
            assert books[update.currency_pair].apply(update)

        row = compare(f"book update, {levels} levels", theirs, ours, book_updates(levels, BATCHES + 1))
        for name, depth in books.items():
            other = peer.orderbooks[name.replace("_", "/")].limit()
            assert depth.update_id == other["nonce"]
            assert depth.bids(500) == [tuple(level) for level in other["bids"]][:500]
            assert depth.asks(500) == [tuple(level) for level in other["asks"]][:500]
        yield row


def order_row(peer: Any) -> dict[str, Any]:
    transport = Transport(GateioConfig(), Credentials("key", Secret("secret")), Clock())
    pairs = [wire.Pair(f"C{n}_USDT", f"C{n}", "USDT", amount_precision=4, precision=2) for n in range(MARKETS)]
    specs = [
        OrderSpec(
            OrderId(f"hf7k2m9q-{n}e"), InstrumentId(f"C{n}/USDT.GATEIO"), Side.BUY, OrderType.LIMIT,
            Quantity(Decimal(size()[:-2])), Role.ENTRY, limit_price=Price(Decimal(price())),
        )
        for n in range(MARKETS)
    ]  # fmt: skip
    asked = [
        (f"C{n}/USDT", float(spec.quantity), float(spec.limit_price or 0), f"t-{spec.order_id}")
        for n, spec in enumerate(specs)
    ]

    def ours(number: int) -> tuple[bytes, dict[str, str]]:
        body = body_of(order_request_of(specs[number], pairs[number]))
        call = Call("POST", "/spot/orders", "POST /spot/orders", body=body, market=pairs[number].id, is_signed=True)
        return body, transport._headers(call, is_order=True)

    def theirs(number: int) -> Any:
        symbol, amount, limit, text = asked[number]
        request = peer.create_order_request(symbol, "limit", "buy", amount, limit, {"text": text})
        return peer.sign("orders", ["private", "spot"], "POST", request)

    for number in range(MARKETS):
        body, headers = ours(number)
        other = theirs(number)
        ignored = {"account", "time_in_force"}  # defaults of the venue, which one names and the other does not
        one_body, other_body = (
            {key: value for key, value in json.loads(raw).items() if key not in ignored}
            for raw in (body, other["body"])
        )
        assert {**one_body, "amount": float(one_body["amount"]), "price": float(one_body["price"])} == {
            **other_body, "amount": float(other_body["amount"]), "price": float(other_body["price"]),
        }, (one_body, other_body)  # fmt: skip
        stamp = str(other["headers"]["Timestamp"])
        secret = Secret("secret")
        assert other["headers"]["SIGN"] == sign_rest(
            secret, "POST", "/api/v4/spot/orders", "", other["body"].encode(), stamp
        )
        assert headers["SIGN"] == sign_rest(secret, "POST", "/api/v4/spot/orders", "", body, headers["Timestamp"])
    return compare("limit order: build and sign", theirs, ours, [range(MARKETS)] * (BATCHES + 1))


def main() -> int:
    argparse.ArgumentParser(description=__doc__).parse_args()
    peer = make_peer()
    is_slow = False
    for row in (*message_rows(peer), *book_rows(peer), order_row(peer)):
        is_slow = is_slow or not row["is_met"]
        print(json.dumps(row))
    return int(is_slow)


if __name__ == "__main__":
    sys.exit(main())

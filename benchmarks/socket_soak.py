"""A busy venue for a long time: `python benchmarks/socket_soak.py [--seconds 600] [--rate 5000]` prints a JSON line.

`soak_venue.py`, a process of its own, sends Gate.io's messages over websockets on loopback, so many a second, in a
fixed mix: tickers, book tickers, public trades, candles, book updates, and orders, trades and balances of the account.
The client is the whole `GateioExchange`, as the agent runs it: two connections, market feed, order desk, inbox, and a
thread that takes; two orders a second are placed, filled in parts, or taken back. Books ride on the same connection.

Counted are all that was sent, by channel, and what it came to: bars each once and in order, fills, books in step. The
CPU and the memory are those of the client's process alone, which holds nothing but the client. Memory counts as flat
when, once it is warm, living objects and allocated blocks do not grow, and in a run of five minutes or more resident
memory grows by less than 20 KB a minute (0.07 bytes a message), or so little that it cannot be told from nothing.
"""

import argparse
import gc
import json
import math
import resource
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from holdfast.adapters.exchanges.gateio.auth import Credentials
from holdfast.adapters.exchanges.gateio.books import Books
from holdfast.adapters.exchanges.gateio.client import GateioExchange
from holdfast.adapters.exchanges.gateio.config import GateioConfig
from holdfast.adapters.exchanges.gateio.messages import (
    BookTicker,
    BookUpdate,
    Candle,
    Message,
    Ticker,
    Trade,
)
from holdfast.adapters.exchanges.gateio.own import Balance, OwnOrder, OwnTrade
from holdfast.adapters.host.clock import SystemClock
from holdfast.core.secret import Secret
from holdfast.core.time import MINUTE
from holdfast.domain.decision import Approved
from holdfast.domain.market import BarClosed, Timeframe
from holdfast.domain.order import Order, OrderEvent, OrderFilled, OrderSpec, OrderType, Role
from holdfast.domain.values import InstrumentId, OrderId, Price, Quantity, Side
from holdfast.ports.live import Failure, LinkChanged, Quote

PAIRS = [f"C{number}_USDT" for number in range(20)]  # as in soak_venue.py, which would bring ccxt into this process
CPU_MAX = 0.20  # share of one core
LAG_P99_MAX_MS = 50.0
SLOPE_MAX_KB = 20.0  # a minute, of resident memory; below it, or not told apart from zero, is flat
OBJECTS_MAX = 400  # what is in flight comes and goes; one object kept per order would make 1,200 in ten minutes
BLOCKS_MAX = (
    3_000  # of Python's allocator: at 5,000 messages a second one kept in a hundred would make this in a minute
)
WARM_S, LONG_S, SAMPLE_S, ORDER_S, REST_S, TAKE_S = 60.0, 300.0, 5.0, 0.5, 2.0, 0.02
CHANNELS = {
    Ticker: "spot.tickers", BookTicker: "spot.book_ticker", Trade: "spot.trades", BookUpdate: "spot.order_book_update",
    Candle: "spot.candlesticks", OwnOrder: "spot.orders", OwnTrade: "spot.usertrades", Balance: "spot.balances",
}  # fmt: skip


class Client:
    """The exchange as the agent uses it, with a tap on what comes in."""

    def __init__(self, port: int) -> None:
        config = GateioConfig.for_url(f"http://127.0.0.1:{port}")
        self.exchange = GateioExchange(config, Credentials("key", Secret("secret")), SystemClock())
        self.received: Counter[str] = Counter()
        self.lags = [0] * 2_001  # tickers by ms between sending and reading
        self.out_of_step = self.bars = self.bars_wrong = self.fills = self.orders_ended = self.quotes = 0
        self.failures: list[str] = []
        self.orders: dict[OrderId, Order] = {}
        self._closes: dict[InstrumentId, int] = {}
        self._number = 0
        exchange = self.exchange
        self._to_feed, self._to_desk = exchange._feed.on_message, exchange._on_private
        exchange._feed.on_message = self._on_public  # type: ignore[method-assign]  # the benchmark listens in on what the client hears
        exchange._on_private = self._on_private  # type: ignore[method-assign]  # the benchmark listens in on what the client hears
        names = [pair.replace("_", "/") for pair in PAIRS]
        self.instruments = exchange.instruments(names)
        self.books = Books(exchange._rest.order_book, PAIRS, 100)

    def start(self) -> None:
        exchange = self.exchange
        exchange.start(self.instruments, Timeframe.M1)
        for instrument in self.instruments:
            self._closes[instrument.id] = exchange.history(instrument.id, 50)[-1].ts_event
        exchange._wait(self._ride_along())

    async def _ride_along(self) -> None:
        market, account = self.exchange._sockets
        for pair in PAIRS:
            self.books[pair].load(await self.exchange._rest.order_book(pair), 100)
            await market.subscribe("spot.trades", [pair])
            await market.subscribe("spot.order_book_update", [pair, "100ms"])
        await account.subscribe("spot.balances")

    # -- the tap: in the loop's thread
    def _on_public(self, message: Message) -> None:
        self.received[CHANNELS[type(message)]] += 1
        if isinstance(message, BookUpdate):
            self.out_of_step += not self.books.apply(message)
        elif isinstance(message, Ticker):
            lag_ms = int(time.time() * 1_000) - message.ts_event // 1_000_000
            self.lags[min(max(lag_ms, 0), 2_000)] += 1
        self._to_feed(message)

    def _on_private(self, message: Message) -> None:
        self.received[CHANNELS[type(message)]] += 1
        self._to_desk(message)

    # -- what the agent does
    def take(self) -> None:
        for item in self.exchange.take(TAKE_S):
            match item:
                case Quote():
                    self.quotes += 1
                case BarClosed():
                    self.bars += 1
                    self.bars_wrong += item.ts_event != self._closes[item.instrument_id] + MINUTE
                    self._closes[item.instrument_id] = item.ts_event
                case LinkChanged(is_up=False) | Failure():
                    self.failures.append(str(item))
                case _ if isinstance(item, OrderEvent):
                    self._on_order(item)
                case _:
                    pass

    def _on_order(self, event: OrderEvent) -> None:
        order = self.orders[event.order_id] = self.orders[event.order_id].apply(event)
        self.fills += isinstance(event, OrderFilled)
        if order.state.is_final:
            self.orders_ended += 1
            del self.orders[event.order_id]

    def place(self) -> None:
        self._number += 1
        name = self.instruments[self._number % len(self.instruments)].id
        spec = OrderSpec(
            OrderId(f"soak-{self._number}"), name, Side.SELL, OrderType.LIMIT, Quantity(Decimal(3)), Role.ENTRY,
            limit_price=Price(Decimal("30000.00")),
        )  # fmt: skip
        self.orders[spec.order_id] = Order.sent(spec)
        self.exchange.submit(Approved(spec), 0)

    def cancel_old(self) -> None:
        for order_id in list(self.orders):
            if int(order_id.partition("-")[2]) <= self._number - REST_S / ORDER_S * 2:
                self.exchange.cancel(order_id, 0, "operator")

    @property
    def placed(self) -> int:
        return self._number


# -- memory
class Sample:
    """One look at the process: seconds, resident KB, blocks of Python's allocator, objects of the collector."""

    __slots__ = ("blocks", "kb", "objects", "s")

    def __init__(self, s: float) -> None:
        gc.collect()
        self.s, self.kb = s, int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() // 1024
        self.blocks, self.objects = sys.getallocatedblocks(), len(gc.get_objects())


def growth(samples: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the growth a minute and twice its uncertainty, from the means of ten stretches.

    Looks that follow each other are alike: memory goes in steps. So the uncertainty comes from whole stretches.
    """
    size = max(1, len(samples) // 10)
    cut = [samples[at : at + size] for at in range(0, len(samples) - size + 1, size)]
    points = [tuple(sum(x[axis] for x in part) / len(part) for axis in (0, 1)) for part in cut]
    mean_t, mean_m = (sum(point[axis] for point in points) / len(points) for axis in (0, 1))
    over = sum((t - mean_t) ** 2 for t, _ in points)
    if len(points) < 3 or not over:
        return 0.0, math.inf
    slope = sum((t - mean_t) * (m - mean_m) for t, m in points) / over
    rest = sum((m - mean_m - slope * (t - mean_t)) ** 2 for t, m in points)
    return 60 * slope, 120 * math.sqrt(rest / (len(points) - 2) / over)


def memory_row(samples: Sequence[Sample], messages_per_s: float) -> dict[str, object]:
    """Judge whether memory is flat, warm-up left out."""
    warm = [x for x in samples if x.s >= min(WARM_S, samples[-1].s / 3)]
    slope, doubt = growth([(x.s, float(x.kb)) for x in warm])
    objects, blocks = (
        _middle([getattr(x, name) for x in warm[-5:]]) - _middle([getattr(x, name) for x in warm[:5]])
        for name in ("objects", "blocks")
    )
    per_message = slope * 1_024 / 60 / messages_per_s
    is_flat = abs(objects) <= OBJECTS_MAX and abs(blocks) <= BLOCKS_MAX
    if warm[-1].s >= LONG_S:
        is_flat = is_flat and (slope < SLOPE_MAX_KB or slope <= doubt)
    return {
        "rss_kb_warm": warm[0].kb, "rss_kb_last": warm[-1].kb, "rss_slope_kb_per_min": round(slope, 1),
        "rss_slope_doubt": round(doubt, 1), "rss_bytes_per_message": round(per_message, 4),
        "objects_grown": objects, "blocks_grown": blocks, "is_memory_flat": is_flat,
    }  # fmt: skip


def _middle(values: Sequence[int]) -> int:
    return sorted(values)[len(values) // 2]


def percentile(histogram: Sequence[int], share: float) -> int:
    wanted, seen = share * sum(histogram), 0
    for value, count in enumerate(histogram):
        seen += count
        if seen >= wanted:
            return value
    return len(histogram)


# -- the run
def soak(port: int, venue: "subprocess.Popen[str]", seconds: float, trace: Path | None) -> dict[str, object]:
    client = Client(port)
    client.start()
    urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/api/v4/begin", method="POST")).close()
    began, cpu = time.monotonic(), time.process_time()
    samples: list[Sample] = []
    sampled = ordered = 0.0
    while (past := time.monotonic() - began) < seconds:
        client.take()
        if past >= ordered and past < seconds - 6:
            ordered += ORDER_S
            client.place()
        client.cancel_old() if past < seconds - 6 else _cancel_all(client)
        if past >= sampled:
            sampled += SAMPLE_S
            samples.append(Sample(past))
    wall, used = time.monotonic() - began, time.process_time() - cpu
    told = json.loads(venue.stdout.readline())  # type: ignore[union-attr]  # it is a pipe
    ends = time.monotonic() + 10
    while time.monotonic() < ends and (client.orders or client.received.total() < sum(told["sent"].values())):
        client.take()
    if trace is not None:
        trace.write_text("\n".join(f"{x.s:.1f} {x.kb} {x.blocks} {x.objects}" for x in samples) + "\n")
    steps = sum(client.books[pair].update_id == last for pair, last in told["books"].items())
    client.exchange._wait(client.books.close())
    client.exchange.close()
    messages = sum(told["sent"].values())
    lost = sum(abs(count - client.received[channel]) for channel, count in told["sent"].items())
    wrong = abs(told["bars"] - client.bars) + client.bars_wrong + abs(told["traded"] - client.fills)
    wrong += len(client.orders) + len(PAIRS) - steps + client.out_of_step + len(client.failures)
    lag = percentile(client.lags, 0.99)
    row: dict[str, object] = {
        "benchmark": "busy websocket", "seconds": round(wall, 1), "messages": messages,
        "rate": round(messages / wall), "lost_or_wrong": lost + wrong, "bars": client.bars, "quotes": client.quotes,
        "orders": client.placed, "orders_ended": client.orders_ended, "fills": client.fills, "books_in_step": steps,
        "failures": client.failures[:3], "troubles": client.exchange._desk.last_trouble,
        "core_share": round(used / wall, 4), "core_share_max": CPU_MAX, "lag_p99_ms": lag,
    }  # fmt: skip
    row |= memory_row(samples, messages / wall)
    row["holds"] = bool(
        not lost + wrong and used / wall <= CPU_MAX and lag <= LAG_P99_MAX_MS and row["is_memory_flat"]
    )  # fmt: skip
    return row


def _cancel_all(client: Client) -> None:
    for order_id in list(client.orders):
        client.exchange.cancel(order_id, 0, "operator")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=int, default=5_000)
    parser.add_argument("--trace", type=Path, help="write the looks at memory here: s, KB, blocks, objects")
    given = parser.parse_args(arguments)
    script = Path(__file__).with_name("soak_venue.py")
    venue = subprocess.Popen(
        [sys.executable, str(script), "--seconds", str(given.seconds), "--rate", str(given.rate)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        row = soak(int(venue.stdout.readline()), venue, given.seconds, given.trace)  # type: ignore[union-attr]  # it is a pipe
    finally:
        venue.kill()
        venue.wait(30)
    print(json.dumps(row))
    return 0 if row["holds"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

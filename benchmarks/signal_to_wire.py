"""From a closed bar to a signed order, wire to wire: `python benchmarks/signal_to_wire.py` prints a JSON line per row.

Each event is a candle message as Gate.io sends it: read, labelled, shown to the strategy, sized, judged by the gate,
recorded (durable with fsync before anything leaves), made into a request, signed, and written to a loopback socket.
The other end checks each request's signature and body before any time counts. "Compute" is the same with a journal in
memory. A last row sends orders as fast as they come: through gate, journal and signature, with fills in between.
"""

import argparse
import gc
import hashlib
import hmac
import json
import os
import platform
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from holdfast.adapters.exchanges.gateio.auth import sign_rest
from holdfast.adapters.exchanges.gateio.mapping import bounded_request_of, text_of, trigger_request_of
from holdfast.adapters.exchanges.gateio.messages import Candle, read
from holdfast.adapters.exchanges.gateio.requests import body_of
from holdfast.adapters.exchanges.gateio.wire import Pair
from holdfast.adapters.host.clock import SystemClock
from holdfast.adapters.storage.sqlite.journal import SqliteJournal
from holdfast.core.secret import Secret
from holdfast.core.time import HOUR, SECOND
from holdfast.domain.decision import Action, Approved, ApprovedAmend
from holdfast.domain.instrument import Instrument
from holdfast.domain.market import BarClosed, Timeframe
from holdfast.domain.order import (
    Liquidity,
    Order,
    OrderAccepted,
    OrderCanceled,
    OrderEvent,
    OrderFilled,
    OrderSpec,
    OrderType,
    Role,
)
from holdfast.domain.values import Asset, Money, OrderId, Price
from holdfast.ports.journal import Journal
from holdfast.ports.live import AccountReport, Incoming, LinkChanged, Quote
from holdfast.services.assembly import build_engine
from holdfast.services.live import LiveAgent
from holdfast.services.live_config import LiveConfig
from holdfast.testing.builders import make_instrument, make_plan, make_run
from holdfast.testing.memory_journal import MemoryJournal
from holdfast.testing.scripted import Line, ScriptedStrategy

SECRET = Secret("a secret of the benchmark, 32 bytes")
INSTRUMENT = make_instrument("BTC/USDT.GATEIO", fee="0")
PAIR = Pair("BTC_USDT", "BTC", "USDT", 4, 2)
FIRST = 1_700_000_000 // 3_600 * 3_600
PRICE, BETTER = Price(Decimal("30000.00")), Price(Decimal("30010.00"))
P50_NS, P99_NS, COMPUTE_P99_NS, ORDERS_PER_MINUTE = 1_000_000, 5_000_000, 500_000, 10_000
WARM_UP = 50


def candle(number: int) -> bytes:
    ts = FIRST + number * 3_600
    result = {
        "t": str(ts), "v": "2362320.35", "c": "30000.00", "h": "30020.5", "l": "29990.1", "o": "30001.2",
        "n": "1h_BTC_USDT", "a": "83.8283", "w": True,
    }  # fmt: skip
    message = {"time": ts + 3_600, "time_ms": (ts + 3_600) * 1_000 + 376, "channel": "spot.candlesticks",
               "event": "update", "result": result}  # fmt: skip
    return json.dumps(message).encode()


class Door:
    """The other end of the socket: takes requests, and checks what it has taken when it is asked."""

    def __init__(self) -> None:
        self.ours, theirs = socket.socketpair()
        self._received: list[bytes] = []
        self._thread = threading.Thread(target=self._listen, args=(theirs,), daemon=True)
        self._thread.start()

    def _listen(self, theirs: socket.socket) -> None:
        while data := theirs.recv(1 << 16):
            self._received.append(data)

    def check(self) -> int:
        """Return how many requests came, each signed right."""
        self.ours.close()
        self._thread.join()
        count = 0
        for request in b"".join(self._received).split(b"\0")[:-1]:
            head, _, body = request.partition(b"\r\n\r\n")
            lines = head.decode().split("\r\n")
            path = lines[0].split(" ")[1]
            fields = dict(line.split(": ", 1) for line in lines[1:])
            message = f"POST\n{path}\n\n{hashlib.sha512(body).hexdigest()}\n{fields['Timestamp']}"
            expected = hmac.new(SECRET.reveal().encode(), message.encode(), "sha512").hexdigest()
            assert fields["SIGN"] == expected, "a signature is wrong"
            json.loads(body)
            count += 1
        return count


class Wire:
    """Implements `ports.live.LiveExchange` as far as a request on a socket, and fills orders at once."""

    venue = "GATEIO"

    def __init__(self, door: Door) -> None:
        self._door = door
        self._incoming: list[Incoming] = [LinkChanged(0, "market", True), LinkChanged(0, "account", True)]
        self._open: dict[OrderId, OrderSpec] = {}
        self._number = 0
        self.sent_at = 0
        self.roles: list[Role] = []

    def market(self, raw: bytes) -> None:
        self._raw = raw
        self._incoming.append(self._read(raw))

    def _read(self, raw: bytes) -> BarClosed:
        (found,) = read(raw)
        assert isinstance(found, Candle)
        return BarClosed(
            INSTRUMENT.id, found.ts_open + HOUR, found.open, found.high, found.low, found.close, found.base_volume
        )

    def start(self, instruments: Sequence[Instrument], bars: Timeframe) -> None: ...

    def history(self, instrument_id: str, count: int, ts_after: int = 0) -> Sequence[BarClosed]:
        return ()

    def know(self, orders: Sequence[Order]) -> None: ...

    def ask(self, orders: Sequence[Order]) -> None: ...

    def ask_account(self) -> None:
        balances = {Asset("USDT"): Decimal("1e9"), Asset("BTC"): Decimal("1e6")}
        self._incoming.append(AccountReport(0, balances, ()))

    def beat(self, timeout_s: int) -> None: ...

    def amend(self, amend: ApprovedAmend, ts: int) -> Sequence[OrderEvent]:
        return ()

    def cancel(self, order_id: OrderId, ts: int, reason: str) -> Sequence[OrderEvent]:
        return ()

    def submit(self, approved: Approved, ts: int) -> Sequence[OrderEvent]:
        spec = approved.order
        if spec.type is OrderType.STOP_MARKET or spec.role is Role.TARGET:
            path, body = "/api/v4/spot/price_orders", body_of(trigger_request_of(spec, PAIR))
        else:
            path, body = "/api/v4/spot/orders", body_of(bounded_request_of(spec, PAIR, PRICE))
        second = str(int(time.time()))
        sign = sign_rest(SECRET, "POST", path, "", body, second)
        self._door.ours.sendall(
            f"POST {path} HTTP/1.1\r\nKEY: key\r\nTimestamp: {second}\r\nSIGN: {sign}\r\n\r\n".encode() + body + b"\0"
        )
        self.sent_at = time.perf_counter_ns()
        self.roles.append(spec.role)
        self._answer(spec, ts)
        return ()

    def _answer(self, spec: OrderSpec, ts: int) -> None:
        self._incoming.append(OrderAccepted(spec.order_id, ts, text_of(spec.order_id)))
        self._open[spec.order_id] = spec
        if spec.type is not OrderType.STOP_MARKET and spec.role is not Role.TARGET:
            self._number += 1
            price = PRICE if spec.role is Role.ENTRY else BETTER
            fee = Money(Decimal(0), Asset("USDT"))
            self._incoming.append(
                OrderFilled(
                    spec.order_id, ts, f"t{self._number}", price, spec.quantity, fee, Liquidity.TAKER, price
                )
            )  # fmt: skip
            del self._open[spec.order_id]
        if spec.role is Role.EXIT:
            self._incoming += [OrderCanceled(order_id, ts, "group") for order_id in self._open]
            self._open.clear()

    def take(self, timeout_s: float) -> Sequence[Incoming]:
        taken, self._incoming = self._incoming, []
        return taken

    def quote(self, ts: int) -> None:
        self._incoming.append(Quote(INSTRUMENT.id, ts, 29_999.9, 30_000.1, 30_000.0))

    @property
    def is_quiet(self) -> bool:
        return not self._incoming

    def close(self) -> None: ...


def trade(journal: Journal, events: int) -> tuple[list[int], int, float]:
    """Return ns from message to socket for each entry, how many orders left, and the seconds that all of it took."""
    lines = {n: Line(Action.ENTER_LONG, 29_700.0, 30_900.0) if n % 2 == 0 else Line(Action.EXIT_LONG)
             for n in range(2 * events)}  # fmt: skip
    plan = make_plan(INSTRUMENT)
    engine = build_engine(plan, lambda name: ScriptedStrategy(name, lines))
    door = Door()
    wire = Wire(door)
    steady = time.monotonic_ns
    agent = LiveAgent(make_run(plan, mode="live"), engine, wire, journal, LiveConfig(dead_man_s=0), steady)
    agent.start()
    taken: list[int] = []
    messages = [candle(number) for number in range(2 * events)]
    gc.collect()
    gc.freeze()
    began = time.perf_counter()
    for number, raw in enumerate(messages):
        wire.quote((FIRST + (number + 1) * 3_600) * SECOND)
        agent.step()
        before = len(wire.roles)
        started = time.perf_counter_ns()
        wire.market(raw)
        agent.step()
        if number % 2 == 0:
            assert wire.roles[before:] == [Role.ENTRY], (number, wire.roles[before:], agent.take_ticks()[-1:])
            taken.append(wire.sent_at - started)
        while not wire.is_quiet:
            agent.step()
        agent.take_ticks()
    secs = time.perf_counter() - began
    agent.close()
    sent = door.check()
    assert sent == len(wire.roles) == 4 * events, f"{sent} requests for {events} round trips"
    return taken[WARM_UP:], sent, secs


def row(path: str, taken: list[int], **bars: int) -> dict[str, object]:
    ordered = sorted(taken)
    p50, p99 = ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]
    is_met = p50 <= bars.get("p50", p50) and p99 <= bars.get("p99", p99)
    return {
        "benchmark": "signal_to_wire", "path": path, "events": len(taken), "p50_us": round(p50 / 1e3, 1),
        "p99_us": round(p99 / 1e3, 1), "max_us": round(ordered[-1] / 1e3, 1),
        "asked_us": {name: value / 1e3 for name, value in bars.items()}, "is_met": is_met,
        "python": platform.python_version(), "load": round(os.getloadavg()[0], 2),
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=2_500)
    parser.add_argument("--folder", type=Path, help="where the journal lies; default: a temporary folder")
    given = parser.parse_args()
    rows = [row("compute", trade(MemoryJournal(), given.events)[0], p99=COMPUTE_P99_NS)]
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        taken, sent, secs = trade(SqliteJournal(Path(folder) / "journal", SystemClock()), given.events)
    rows.append(row("with fsync", taken, p50=P50_NS, p99=P99_NS))
    rate = sent / secs * 60
    rows.append(
        {
            "benchmark": "signal_to_wire", "path": "orders through gate, journal and signature", "orders": sent,
            "orders_per_minute": round(rate), "asked": ORDERS_PER_MINUTE, "is_met": rate >= ORDERS_PER_MINUTE,
        }
    )  # fmt: skip
    for found in rows:
        print(json.dumps(found))
    return int(not all(found["is_met"] for found in rows))


if __name__ == "__main__":
    sys.exit(main())

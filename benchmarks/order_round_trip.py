"""An order there and back, by REST and over the websocket: `python benchmarks/order_round_trip.py` prints JSON lines.

A simulated venue in a process of its own, on loopback, without its rate limits; the client's limiter waits for nobody.
Limit orders far below the market are placed and taken back, by turns over each way, so that both meet the same machine.
What is timed is the client's own call, from the request to the order that was read from the answer. Before a time
counts, the venue's books must show each order once, and as many over the socket as were sent there.
"""

import argparse
import asyncio
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from holdfast.adapters.exchanges.gateio.auth import Credentials
from holdfast.adapters.exchanges.gateio.config import GateioConfig
from holdfast.adapters.exchanges.gateio.requests import OrderRequest
from holdfast.adapters.exchanges.gateio.rest import GateioRest
from holdfast.adapters.exchanges.gateio.socket import GateioSocket, Handlers
from holdfast.adapters.exchanges.gateio.socket_orders import SocketOrders
from holdfast.adapters.host.clock import SystemClock
from holdfast.core.secret import Secret

KEY, SECRET, PAIR = "bench-key", "bench-secret-of-a-venue", "BTC_USDT"
START = "import sys; from holdfast.cli.main import main; sys.exit(main())"
WARM_UP = 20
Times = dict[str, list[int]]


class Unhurried(GateioRest):
    """The client without its own limits: it is the way that is timed, not the waiting."""

    async def wait_turn(self, endpoint: str, market: str, is_urgent: bool) -> None:
        return


async def measure(url: str, count: int) -> tuple[Times, dict[str, int]]:
    """Return the times (ns) of each way and step, and how many calls went over the socket."""
    config = msgspec.structs.replace(GateioConfig.for_url(url), answer_timeout_ms=20_000)
    rest = Unhurried(config, Credentials(KEY, Secret(SECRET)), SystemClock())
    await rest.open()
    await rest.sync_clock()
    handlers = Handlers(lambda _: None, lambda _up, _why: None, lambda _error, _fatal: None)
    socket = GateioSocket(config, Credentials(KEY, Secret(SECRET)), rest.venue_now, handlers)
    orders = SocketOrders(rest)
    orders.socket = socket
    await socket.login()
    await socket.wait_up(20)
    (ticker,) = await rest.tickers(PAIR)
    price = ((ticker.last or Decimal(0)) * Decimal("0.8")).quantize(Decimal("0.1"))
    times: Times = {f"{way} {step}": [] for way in ("rest", "socket") for step in ("place", "cancel")}
    for number in range(WARM_UP + count):
        for way, client in (("rest", rest), ("socket", orders)):
            request = OrderRequest(f"t-{way}-{number}", PAIR, "limit", "buy", "0.001", price=f"{price:f}")
            begun = time.perf_counter_ns()
            order = await client.place(request)
            placed = time.perf_counter_ns()
            ended = await client.cancel(order.venue_order_id, PAIR)
            gone = time.perf_counter_ns()
            if order.text != request.text or ended.finish_as != "cancelled":
                raise SystemExit(f"{way}: {order.text} ended as {ended.finish_as}")
            if number >= WARM_UP:
                times[f"{way} place"].append(placed - begun)
                times[f"{way} cancel"].append(gone - placed)
    await socket.close()
    await rest.close()
    return times, dict(orders.ways)


def check(url: str, ways: dict[str, int], count: int) -> None:
    """End where the venue's books do not show each order once, or the socket was not used."""
    with urllib.request.urlopen(f"{url}/simulator/state", timeout=20) as answer:
        (account,) = json.load(answer)["accounts"]
    texts = sorted(order["text"] for order in account["orders"] if order["text"].startswith("t-"))
    expected = sorted(f"t-{way}-{number}" for way in ("rest", "socket") for number in range(WARM_UP + count))
    if texts != expected or ways != {"socket": 2 * (WARM_UP + count)}:
        raise SystemExit(f"the venue has {len(texts)} orders of {len(expected)}, ways {ways}")


def main() -> int:
    """Measure both ways."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300, help="orders each way")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder:
        venue = subprocess.Popen(
            [
                *(sys.executable, "-c", START, "simulate-venue", "--market", "synthetic", "--pace", "0", "--no-limits"),
                *("--instrument", "BTC/USDT", "--account", f"{KEY}:{SECRET}", "--balance", "USDT=100000"),
                *("--state", str(Path(folder) / "venue"), "--json"),
            ],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        try:
            url = json.loads(venue.stdout.readline() if venue.stdout else "{}")["url"]
            _post(f"{url}/simulator/advance", {"bars": 1})
            times, ways = asyncio.run(measure(url, given.count))
            check(url, ways, given.count)
        finally:
            venue.terminate()
            venue.wait(30)
    for name, found in times.items():
        cuts = statistics.quantiles(found, n=100)
        row = {
            "bench": f"order round trip on loopback, {name}", "count": len(found),
            "p50_us": round(cuts[49] / 1_000, 1), "p99_us": round(cuts[98] / 1_000, 1),
            "python": platform.python_version(),
        }  # fmt: skip
        print(json.dumps(row))
    return 0


def _post(url: str, body: Any) -> None:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=20).close()


if __name__ == "__main__":
    sys.exit(main())

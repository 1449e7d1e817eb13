"""How long the venue's hot paths take: `python benchmarks/matching.py` prints one JSON line per path, in ns per call.

Each path is first shown to give the right answer. The loop around the call is measured too and taken off.
What counts is processor time: on a shared machine the clock on the wall tells more about the others.
"""

import argparse
import json
import os
import platform
import sys
import time
import timeit
from collections.abc import Callable
from decimal import Decimal

from holdfast.adapters.exchanges.simulated.client import SimulatedVenue
from holdfast.core.time import MINUTE
from holdfast.domain.decision import Approved, ApprovedAmend
from holdfast.domain.instrument import FeeTier, Instrument
from holdfast.domain.market import BarClosed
from holdfast.domain.order import OrderAmended, OrderFilled, OrderSpec, OrderType, Role, TimeInForce
from holdfast.domain.values import Asset, InstrumentId, OrderId, Price, Quantity, Side
from holdfast.matching.config import MatchingConfig

INSTRUMENT = InstrumentId("BTC/USDT.BENCH")
FEES = (FeeTier(Decimal(0), Decimal("0.001"), Decimal("0.001")),)
# What a path may cost; None where nothing was promised.
BARS = {
    "open_phase, no orders": 60,
    "range_phase, no orders": 60,
    "open_phase, stop and target": 100,
    "range_phase, stop and target": 100,
    "amend a stop": 1_500,
    "submit and fill a market order": None,
}


def make_venue() -> SimulatedVenue:
    instrument = Instrument(
        INSTRUMENT, Asset("BTC"), Asset("USDT"), Decimal("0.01"), Decimal("0.0001"), Decimal(5), FEES
    )
    return SimulatedVenue((instrument,), MINUTE, MatchingConfig(), {Asset("USDT"): Decimal(10**9)})


def bar(minute: int) -> BarClosed:
    return BarClosed(INSTRUMENT, minute * MINUTE, 30_000.0, 30_010.0, 29_990.0, 30_005.0, 100.0)


def spec(name: str, side: Side, role: Role, price: str = "") -> OrderSpec:
    quantity = Quantity(Decimal("0.01"))
    if role is Role.STOP:
        kind, trigger, limit = OrderType.STOP_MARKET, Price(Decimal(price)), None
    elif role is Role.TARGET:
        kind, trigger, limit = OrderType.LIMIT, None, Price(Decimal(price))
    else:
        kind, trigger, limit = OrderType.MARKET, None, None
    waits = TimeInForce.GTC if price else TimeInForce.IOC
    group = "g" if price else ""
    return OrderSpec(OrderId(name), INSTRUMENT, side, kind, quantity, role, limit, trigger, None, waits, group=group)


def protected() -> SimulatedVenue:
    venue = make_venue()
    venue.submit(Approved(spec("entry", Side.BUY, Role.ENTRY)), 0)
    filled = venue.open_phase(bar(1))
    assert len(filled) == 1, filled
    assert isinstance(filled[0], OrderFilled), filled
    venue.submit(Approved(spec("stop", Side.SELL, Role.STOP, "29000")), 0)
    venue.submit(Approved(spec("target", Side.SELL, Role.TARGET, "31000")), 0)
    assert venue.range_phase(bar(1)) == ()
    return venue


def nanos_per_call(call: Callable[[int], object], calls: int, repeats: int) -> float:
    def run() -> None:
        for number in range(calls):
            call(number)

    def idle() -> None:
        for number in range(calls):
            nothing(number)

    def nothing(number: int) -> None:
        pass

    # The least of the repeats: whatever else ran on the machine can only have added to it.
    best = min(timeit.repeat(run, number=1, repeat=repeats, timer=time.process_time))
    empty = min(timeit.repeat(idle, number=1, repeat=repeats, timer=time.process_time))
    return (best - empty) / calls * 1e9


def direct(call: Callable[[BarClosed], object], calls: int, repeats: int) -> float:
    """Time a call that takes one bar, without any wrapper of ours around it."""
    names = {"call": call, "bar": bar(2), "numbers": range(calls)}
    best = min(
        timeit.repeat("for _ in numbers: call(bar)", globals=names, number=1, repeat=repeats, timer=time.process_time)
    )
    empty = min(
        timeit.repeat("for _ in numbers: pass", globals=names, number=1, repeat=repeats, timer=time.process_time)
    )
    return (best - empty) / calls * 1e9


class Trader:
    """Buys and sells in turn, one order a bar, on and on: no order id comes twice."""

    def __init__(self) -> None:
        self.venue = make_venue()
        self.minute = 0

    def trade(self, number: int) -> None:
        self.minute += 1
        side, role = (Side.BUY, Role.ENTRY) if self.minute % 2 else (Side.SELL, Role.EXIT)
        self.venue.submit(Approved(spec(f"o{self.minute}", side, role)), (self.minute - 1) * MINUTE)
        if not self.venue.open_phase(bar(self.minute)):
            raise AssertionError(f"nothing filled in bar {self.minute}")


def measure(calls: int, repeats: int) -> dict[str, float]:
    idle, busy, trader = make_venue(), protected(), Trader()
    assert idle.open_phase(bar(2)) is busy.open_phase(bar(2)), "a quiet bar must cost no object"
    amends = [ApprovedAmend(OrderId("stop"), Price(Decimal(29_000) + Decimal(n) / 100)) for n in range(1, 1_001)]
    assert isinstance(busy.amend(amends[0], 0)[0], OrderAmended)
    return {
        "open_phase, no orders": direct(idle.open_phase, calls, repeats),
        "range_phase, no orders": direct(idle.range_phase, calls, repeats),
        "open_phase, stop and target": direct(busy.open_phase, calls, repeats),
        "range_phase, stop and target": direct(busy.range_phase, calls, repeats),
        "amend a stop": nanos_per_call(lambda n: busy.amend(amends[n % 1_000], n), calls // 10, repeats),
        "submit and fill a market order": nanos_per_call(trader.trade, calls // 100, repeats),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Time the hot paths of the matching rules.")
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    for path, nanos in measure(arguments.calls, arguments.repeats).items():
        row = {
            "benchmark": "matching",
            "path": path,
            "ns_per_call": round(nanos, 1),
            "ns_allowed": BARS[path],
            "python": platform.python_version(),
            "load": round(os.getloadavg()[0], 2),
        }
        print(json.dumps(row))
    return 0


if __name__ == "__main__":
    sys.exit(main())

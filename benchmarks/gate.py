"""How long the risk gate takes: `python benchmarks/gate.py` prints one JSON line per path, in ns of CPU per call.

Each path is first shown to give the right answer. Best of many repeats; the loop around the call is taken off.
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

import msgspec

from holdfast.core.time import MINUTE
from holdfast.domain.decision import Approved, ApprovedAmend, Proposal, Refused, StopLevel
from holdfast.domain.instrument import FeeTier, Instrument
from holdfast.domain.market import BarClosed
from holdfast.domain.order import Order, OrderSpec, OrderType, Role
from holdfast.domain.values import Asset, InstrumentId, OrderId, Price, Quantity, Ratio, Side
from holdfast.risk.config import RiskConfig
from holdfast.risk.exits import ExitConfig, Trailing, next_stop
from holdfast.risk.gate import RULES, RiskGate
from holdfast.risk.sizing import Levels
from holdfast.risk.view import Exposure, MarketView, PortfolioView

NOW = 1_700_000_000 * 1_000_000_000
INSTRUMENT = Instrument(
    InstrumentId("BTC/USDT.BENCH"), Asset("BTC"), Asset("USDT"), Decimal("0.01"), Decimal("0.00001"), Decimal(5),
    (FeeTier(Decimal(0), Decimal("0.001"), Decimal("0.001")),),
)  # fmt: skip
# What a path may cost, in ns; None where nothing was promised.
BARS = {
    "review, flat account": 25_000,
    "review, four positions held": 25_000,
    "review, refused": 25_000,
    "review, shrunk by an opinion": 25_000,
    "size, flat account": None,
    "size, four positions held": None,
    "protect": None,
    "amend a stop": 1_000,
    "amend refused": 1_000,
    "next stop, chandelier and break-even": None,
}


class Trade:
    side, entry_price, distance, stop_level, best = Side.BUY, Decimal(30_000), Decimal(300), 29_700.0, 30_400.0


def make_view(names: tuple[str, ...]) -> PortfolioView:
    ids = [InstrumentId(f"{name}/USDT.BENCH") for name in names]
    exposures = tuple(
        Exposure(identity, Asset(name), Decimal(10), Decimal("812.35"), Decimal("20.12"))
        for identity, name in zip(ids, names, strict=True)
    )
    pairs = tuple((a, b, 0.7) for index, a in enumerate(ids) for b in ids[:index])
    money = (Decimal("10012.34"), Decimal("10100.12"), Decimal("10050.5"), Decimal("9900.75"), Decimal("8000.25"))
    return PortfolioView(NOW, *money, exposures, 3, (1.0, -1.0, 2.0, 0.5, -1.0), StopLevel.NONE, NOW - MINUTE, pairs)


def make_market(view: PortfolioView) -> MarketView:
    correlations = tuple((exposure.instrument_id, 0.8) for exposure in view.exposures)
    return MarketView(INSTRUMENT.id, NOW, MINUTE, Decimal("30000.12"), False, 0.0021, 0.0025, 50.0, correlations)


def paths() -> dict[str, Callable[[], object]]:
    gate, config = RiskGate(RiskConfig()), ExitConfig(trailing=Trailing.CHANDELIER, break_even_at_r=1.0)
    flat, held = make_view(()), make_view(("ETH", "SOL", "XRP", "ADA"))
    calm, busy = make_market(flat), make_market(held)
    levels = Levels(Side.BUY, INSTRUMENT.price(30_010.25), INSTRUMENT.price(29_700.75))
    quantity = gate.size(levels, held, busy, INSTRUMENT).quantity
    proposal = Proposal(
        OrderId("p-1"), INSTRUMENT.id, NOW, Side.BUY, quantity, levels.entry, levels.stop, INSTRUMENT.price(30_800.5),
        "bench", "because", 1.0, False, INSTRUMENT.price(30_000.25),
    )  # fmt: skip
    greedy = msgspec.structs.replace(proposal, target=INSTRUMENT.price(30_300.0))
    spec = OrderSpec(
        OrderId("s-1"), INSTRUMENT.id, Side.SELL, OrderType.STOP_MARKET, Quantity(Decimal("0.01")), Role.STOP,
        trigger_price=levels.stop,
    )  # fmt: skip
    stop, half, one = Order.of(spec), Ratio(Decimal("0.5")), Decimal("0.01")
    tighter, looser = Price(Decimal(29_800)), Price(Decimal(29_000))
    bar = BarClosed(INSTRUMENT.id, NOW, 30_350.0, 30_390.0, 30_300.0, 30_380.0, 12.0)
    assert quantity > 0
    for view, market in ((flat, calm), (held, busy)):
        verdict = gate.review(proposal, view, market, INSTRUMENT)
        assert isinstance(verdict, Approved), verdict
        assert len(verdict.checks) == len(RULES)
    refused = gate.review(greedy, held, busy, INSTRUMENT)
    assert isinstance(refused, Refused), refused
    assert refused.rule == "REWARD_TO_RISK", refused
    shrunk = gate.review(proposal, held, busy, INSTRUMENT, half)
    assert isinstance(shrunk, Approved), shrunk
    assert shrunk.order.quantity == INSTRUMENT.quantity(quantity / 2), shrunk
    assert isinstance(gate.protect(spec, one), Approved)
    assert gate.amend_stop(stop, tighter) == ApprovedAmend(spec.order_id, tighter)
    assert gate.amend_stop(stop, looser) is None
    assert next_stop(config, Trade, bar, 0.0, 60.0) == 30_400.0 - 180.0  # type: ignore[arg-type]  # a class is enough
    return {
        "review, flat account": lambda: gate.review(proposal, flat, calm, INSTRUMENT),
        "review, four positions held": lambda: gate.review(proposal, held, busy, INSTRUMENT),
        "review, refused": lambda: gate.review(greedy, held, busy, INSTRUMENT),
        "review, shrunk by an opinion": lambda: gate.review(proposal, held, busy, INSTRUMENT, half),
        "size, flat account": lambda: gate.size(levels, flat, calm, INSTRUMENT),
        "size, four positions held": lambda: gate.size(levels, held, busy, INSTRUMENT),
        "protect": lambda: gate.protect(spec, one),
        "amend a stop": lambda: gate.amend_stop(stop, tighter),
        "amend refused": lambda: gate.amend_stop(stop, looser),
        "next stop, chandelier and break-even": lambda: next_stop(config, Trade, bar, 0.0, 60.0),  # type: ignore[arg-type]  # a class is enough
    }


def nanos_per_call(call: Callable[[], object], calls: int, repeats: int) -> float:
    # CPU time, not wall time, and the least of the repeats: what else ran on the machine can only have added to it.
    idle = min(timeit.repeat(nothing, timer=time.process_time, number=calls, repeat=repeats))
    return (min(timeit.repeat(call, timer=time.process_time, number=calls, repeat=repeats)) - idle) / calls * 1e9


def nothing() -> None:
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=2_000)
    parser.add_argument("--repeats", type=int, default=40)
    arguments = parser.parse_args()
    is_slow = False
    for name, call in paths().items():
        nanos, bar = nanos_per_call(call, arguments.calls, arguments.repeats), BARS[name]
        is_met = bar is None or nanos <= bar
        is_slow = is_slow or not is_met
        row = {
            "benchmark": "gate", "path": name, "nanos_per_call": round(nanos), "bar": bar, "is_met": is_met,
            "rules": len(RULES), "python": platform.python_version(), "load": round(os.getloadavg()[0], 2),
        }  # fmt: skip
        print(json.dumps(row))
    return int(is_slow)


if __name__ == "__main__":
    sys.exit(main())

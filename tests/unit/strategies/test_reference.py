"""The two benchmark jobs give the figures on which six engines agree."""

import importlib.util
import sys
from pathlib import Path

import pytest

from holdfast.domain.decision import Action, Signal
from holdfast.domain.market import BarClosed
from holdfast.domain.values import InstrumentId
from holdfast.strategies.registry import create

FEE_RATE = 0.001
_PATH = Path(__file__).resolve().parents[3] / "benchmarks" / "market.py"
_SPEC = importlib.util.spec_from_file_location("benchmark_market", _PATH)
assert _SPEC is not None
assert _SPEC.loader is not None
market = importlib.util.module_from_spec(_SPEC)
sys.modules["benchmark_market"] = market
_SPEC.loader.exec_module(market)


def outcome(name: str, bars: list[BarClosed]) -> tuple[int, int, float]:
    """Give trades, stops and profit of one unit: signals fill at the next open, stops at the worse of stop and open."""
    strategy = create(name, {})(InstrumentId("A/B.TEST"))
    wanted: Signal | None = None
    entry = stop = profit = 0.0
    trades = stops = 0
    for bar in bars:
        if wanted is not None and wanted.action is Action.ENTER_LONG:
            entry = bar.open
            stop = bar.open - (wanted.entry - wanted.stop) if wanted.is_anchored_to_fill else wanted.stop
            profit -= FEE_RATE * entry
        elif wanted is not None and entry:
            profit += bar.open - entry - FEE_RATE * bar.open
            trades, entry = trades + 1, 0.0
        if entry and bar.low <= stop:
            price = min(bar.open, stop)
            profit += price - entry - FEE_RATE * price
            trades, stops, entry = trades + 1, stops + 1, 0.0
        wanted = strategy.on_bar(bar)
        if entry:
            stop = max(stop, strategy.trail)
    return trades, stops, round(profit, 4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "count", "expected"),
    [
        ("job_a", 100_000, (1_717, 0, -85_010.1135)),
        ("job_c", 100_000, (1_717, 1_042, -87_382.4635)),
        ("job_a", 1_000_000, (17_959, 0, -1_002_431.5787)),
        ("job_c", 1_000_000, (17_958, 10_658, -1_029_368.1011)),
    ],
)
def test_job_gives_the_known_figures(name: str, count: int, expected: tuple[int, int, float]):
    made = market.make_market(count)
    columns = (made.ts, made.open, made.high, made.low, made.close, made.volume)
    bars = [BarClosed(InstrumentId("A/B.TEST"), *row) for row in zip(*(x.tolist() for x in columns), strict=True)]
    assert outcome(name, bars) == expected

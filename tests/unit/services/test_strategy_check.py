"""The check as a user asks for it: a strategy's own file is found and read, the house's own code is not."""

import importlib.util
from pathlib import Path

import numpy as np

from holdfast.domain.market import BarSeries, Timeframe
from holdfast.domain.values import InstrumentId
from holdfast.research.finding import FindingKind
from holdfast.services.strategy_check import check_strategy, sources_of
from holdfast.strategies.registry import create
from holdfast.strategies.stepping import StepStrategy

INSTRUMENT = InstrumentId("A/B.TEST")
SPY = """
import sys
from holdfast.strategies.free import FreeStrategy

class Spy(FreeStrategy):
    def on_bar(self, bar):
        return None
"""


def market() -> BarSeries:
    close = 100 * np.exp(np.cumsum(np.random.default_rng(5).normal(scale=0.01, size=1200)))
    opened = np.concatenate([[100.0], close[:-1]])
    prices = (opened, np.maximum(opened, close) * 1.002, np.minimum(opened, close) * 0.998, close)
    ts = np.arange(1200, dtype=np.int64) * Timeframe.H1.nanos
    return BarSeries(INSTRUMENT, Timeframe.H1, ts, prices, np.full(1200, 10.0), np.zeros(1200, dtype=np.uint8))


def load(path: Path):
    spec = importlib.util.spec_from_file_location("spied", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_source_of_a_users_class_is_read_from_its_file(tmp_path: Path):
    path = tmp_path / "spy.py"
    path.write_text(SPY)
    make = load(path).Spy
    assert [source.origin for source in sources_of(make(INSTRUMENT))] == ["spy.py"]
    report = check_strategy(make, market(), effort=2000)
    assert [(f.kind, f.line) for f in report.findings if f.is_fault] == [(FindingKind.REFUSED, 2)]


def test_source_of_a_users_step_is_read_from_its_file():
    path = Path(__file__).resolve().parents[3] / "examples" / "strategy_in_one_file.py"
    module = load(path)
    strategy = StepStrategy(module.PULLBACK, INSTRUMENT, module.PullbackParameters())
    assert [source.origin for source in sources_of(strategy)] == [path.name]


def test_built_in_is_run_and_not_read():
    assert sources_of(create("macd_trend", {})(INSTRUMENT)) == ()
    assert check_strategy(create("macd_trend", {}), market(), effort=2000).is_clean

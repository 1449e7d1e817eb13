"""A backtest against the reference of the engine benchmark, and what it tells of itself."""

import importlib.util
import math
import random
import sys
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import pytest

from holdfast.adapters.sources.feed import SeriesFeed
from holdfast.domain.decision import Action
from holdfast.domain.instrument import Instrument
from holdfast.domain.market import Timeframe
from holdfast.domain.values import Ratio
from holdfast.engine.config import EngineConfig
from holdfast.engine.recorder import RUN, TICK
from holdfast.matching.config import MatchingConfig
from holdfast.risk.config import RiskConfig
from holdfast.services.assembly import build_engine
from holdfast.services.backtesting import BacktestResult, BacktestRun, run_backtest, run_engine
from holdfast.strategies.registry import create
from holdfast.testing.builders import Row, make_instrument, make_plan, make_run, make_series, make_venue
from holdfast.testing.memory_journal import MemoryJournal
from holdfast.testing.scripted import Line, ScriptedStrategy

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
FEE = "0.001"
BENCH = make_instrument("BTC/USDT.BENCH", tick="0.00000001", lot="0.000001", notional_min="1", fee=FEE)
# One unit, at market, whatever the limits say: the reference knows no gate.
UNIT = RiskConfig(
    quantity_fixed=Decimal(1), is_entry_market=True, is_risk_dynamic=False, cooldown_bars=0,
    volume_share_max=Ratio(Decimal(1)),
)  # fmt: skip


def benchmark(name: str) -> ModuleType:
    """Load one of the benchmark's files, which are no package."""
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", BENCHMARKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def random_rows(bars: int, seed: int) -> list[Row]:
    rng, price, found = random.Random(seed), 30_000.0, []
    for _ in range(bars):
        close = round(price * (1.0 + rng.gauss(0.0, 0.002)), 2)
        high = round(max(price, close) * (1.0 + abs(rng.gauss(0.0, 0.001))), 2)
        low = round(min(price, close) * (1.0 - abs(rng.gauss(0.0, 0.001))), 2)
        found.append((price, high, low, close, 1_000.0))
        price = close
    return found


def run_job(job: str, rows: list[Row], instrument: Instrument = BENCH) -> BacktestRun:
    plan = make_plan(
        instrument, timeframe=Timeframe.M1, engine=EngineConfig(capital=Decimal(10**9)), risk=UNIT,
        matching=MatchingConfig.ideal(),
    )  # fmt: skip
    engine = build_engine(plan, create(f"job_{job.lower()}", {}))
    feed = SeriesFeed([make_series(instrument, rows, timeframe=Timeframe.M1)])
    run, _ = run_engine(engine, feed, make_venue(plan), MemoryJournal())
    return run


def compare(job: str, rows: list[Row]) -> None:
    oracle = benchmark("oracle")
    expected = oracle.run_job(oracle.Job(job), [oracle.Bar(*row[:4]) for row in rows])
    closed = [trade for trade in run_job(job, rows).trades if trade.exit_reason != "end"]
    assert len(closed) == expected.trades
    assert sum("stop" in trade.exit_reason for trade in closed) == expected.stops
    assert float(sum(trade.pnl for trade in closed)) == pytest.approx(expected.pnl, abs=0.01)


@pytest.mark.parametrize("job", ["A", "C"])
def test_the_engine_agrees_with_the_reference_on_a_short_market(job: str):
    compare(job, random_rows(3_000, seed=1))


@pytest.mark.slow
@pytest.mark.parametrize(("job", "stops", "pnl"), [("A", 0, -85_010.1135), ("C", 1_042, -87_382.4635)])
def test_the_engine_agrees_with_the_reference_on_its_own_market(job: str, stops: int, pnl: float):
    market = benchmark("market").make_market(100_000)
    columns = (market.open, market.high, market.low, market.close, market.volume)
    run = run_job(job, list(zip(*(column.tolist() for column in columns), strict=True)))
    assert len(run.trades) == 1_717
    assert sum("stop" in trade.exit_reason for trade in run.trades) == stops
    assert float(sum(trade.pnl for trade in run.trades)) == pytest.approx(pnl, abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_the_engine_agrees_with_the_reference_on_other_markets(seed: int):
    for job in ("A", "C"):
        compare(job, random_rows(5_000, seed=100 + seed))


def test_a_backtest_is_measured_and_its_journal_begins_with_the_run():
    btc = make_instrument()
    plan = make_plan(btc)
    rows = [(100.0, 101.0, 99.0, 100.0, 1e6)] * 10 + [(100.0, 107.0, 99.0, 106.5, 1e6)] * 5
    series = make_series(btc, rows)
    engine = build_engine(plan, lambda name: ScriptedStrategy(name, {2: Line(Action.ENTER_LONG, 98.0, 106.0)}))
    journal, told = MemoryJournal(), []
    result = run_backtest(
        make_run(plan, mode="backtest"), engine, [series], SeriesFeed([series]), make_venue(plan), journal, told.append
    )
    kinds = [record.kind for record in journal.read()]
    assert kinds[0] == RUN
    assert kinds.count(TICK) == result.run.ticks == len(kinds) - 1
    assert [trade.exit_reason for trade in result.run.trades] == ["target"]
    assert result.run.bars == 15
    assert any("SYNTHETIC" in warning for warning in result.warnings)


def test_refusals_are_counted_by_rule_and_open_trades_are_told_at_the_end():
    btc = make_instrument()
    plan = make_plan(btc)
    script = {1: Line(Action.ENTER_LONG, 98.0, 101.0), 3: Line(Action.ENTER_LONG, 98.0, 106.0)}
    engine = build_engine(plan, lambda name: ScriptedStrategy(name, script))
    feed = SeriesFeed([make_series(btc, [(100.0, 101.0, 99.0, 100.0, 1e6)] * 8)])
    run, curve = run_engine(engine, feed, make_venue(plan), MemoryJournal())
    assert run.refusals == {"REWARD_TO_RISK": 1}
    assert run.proposals == 2
    assert [trade.exit_reason for trade in run.trades] == ["end"]
    assert engine.held == 1, "nothing is sold at the end"
    assert len(curve.equity) == 8
    assert curve.exposed == 4


def scripted(lines: dict[int, Line], bars: int = 8, matching: MatchingConfig | None = None) -> BacktestResult:
    """Run a script over bars that go nowhere."""
    btc = make_instrument()
    plan = make_plan(btc, matching=matching)
    engine = build_engine(plan, lambda name: ScriptedStrategy(name, lines))
    series = make_series(btc, [(100.0, 101.0, 99.0, 100.0, 1e6)] * bars)
    run = make_run(plan, mode="backtest")
    return run_backtest(run, engine, [series], SeriesFeed([series]), make_venue(plan), MemoryJournal())


STOP_ABOVE, UNDEFINED = Line(Action.ENTER_LONG, 105.0, 120.0), Line(Action.ENTER_LONG, math.nan, 120.0)
SHORT = Line(Action.ENTER_SHORT, 105.0, 90.0)


def test_signals_that_become_no_proposal_are_counted_by_reason_with_the_first_of_each():
    result = scripted({1: STOP_ABOVE, 2: SHORT, 3: STOP_ABOVE, 5: UNDEFINED})
    counts = {reason: found.count for reason, found in result.run.passed_over.items()}
    assert counts == {"WRONG_SIDE": 2, "NO_SHORT_ON_SPOT": 1, "NO_PRICE": 1}
    first = result.run.passed_over["WRONG_SIDE"]
    assert "stop 105.0 of scripted lies on the wrong side of entry 100" in first.first
    assert first.first_ts < result.run.passed_over["NO_SHORT_ON_SPOT"].first_ts
    assert (result.run.signals, result.run.proposals) == (4, 0)


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ({}, "gave no signal to enter"),
        ({1: STOP_ABOVE, 2: SHORT, 3: STOP_ABOVE}, "none of the 3 signals to enter could become a proposal: WRONG_S"),
        ({1: Line(Action.ENTER_LONG, 98.0, 101.0)}, "the gate refused all 1 proposals: REWARD_TO_RISK 1"),
        ({7: Line(Action.ENTER_LONG, 98.0, 106.0)}, "of 1 proposals the gate allowed 1, and none of these filled"),
    ],
)  # fmt: skip
def test_a_backtest_without_a_trade_says_why(lines, reason):
    result = scripted(lines)
    assert not result.run.trades
    assert reason in result.warnings[0]


def test_a_trade_that_is_still_open_is_told_with_what_its_exit_would_cost():
    result = scripted({1: Line(Action.ENTER_LONG, 98.0, 106.0)})
    trade = result.run.trades[0]
    assert (result.run.open_at_end, trade.exit_reason) == (1, "end")
    least = trade.exit_price * trade.quantity * Decimal("0.001")  # the fee alone
    assert least < result.run.exit_cost_open < 2 * least
    assert any("1 trade was still open at the end" in warning for warning in result.warnings)


def test_where_nothing_costs_anything_the_exit_of_an_open_trade_would_not_either():
    result = scripted({1: Line(Action.ENTER_LONG, 98.0, 106.0)}, matching=MatchingConfig.frictionless())
    assert (result.run.open_at_end, result.run.exit_cost_open) == (1, 0)

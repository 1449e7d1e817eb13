"""The look-ahead check: every planted cheat is refused or exposed, and no honest strategy is accused."""

import importlib.util
import inspect
import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from holdfast.core.errors import DataError
from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed, BarSeries, Timeframe
from holdfast.domain.values import InstrumentId
from holdfast.ports.strategy import Strategy
from holdfast.research.counterfactual import CALENDAR_CYCLE, FUTURES, bars_of, redated
from holdfast.research.finding import FindingKind
from holdfast.research.lookahead import BARS_FED_MAX, LookaheadReport, check_lookahead
from holdfast.research.source_audit import SourceText
from holdfast.strategies.free import FreeStrategy
from holdfast.strategies.registry import BUILT_IN, create
from holdfast.strategies.stepping import StepDefinition, StepStrategy
from holdfast.testing.builders import make_instrument, make_series

HERE = Path(__file__).parent
MARKET = "binance-spot-BTC_USDT-1h-20230101-20231231.parquet"
BARS = 1500
CHEATS = sorted((HERE / "cheats").glob("*.py"))
HONEST = sorted((HERE / "honest").glob("*.py"))
EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "strategy_in_one_file.py"
EFFORT = 12_000  # enough for each of these; the slow test below spends what a user's check does
SHORT = [name for name in BUILT_IN if not name.startswith("job_")]

# What only the reading of the source can find, or only the running of the strategy.
ONLY_REFUSED = {"file_of_the_house"}
ONLY_EXPOSED = {"backdated", "late_signal", "passed_low", "passed_open"}
ONLY_EXPOSED |= {path.stem for path in CHEATS if path.stem.startswith(("memory_", "table_", "step_with_a_table"))}
ONLY_EXPOSED -= {"memory_in_a_format"}
SINGLE_CANDLE = {path.stem for path in CHEATS if path.stem.startswith(("frame_", "only_", "step_with_a_frame"))}
LONG = {"garbage_collector"}  # it walks over every object of the process in each run

Make = Callable[[InstrumentId], Strategy]


@pytest.fixture(scope="module")
def recorded(recorded_market: Path) -> BarSeries:
    """Give real bars: the tables of some cheats are hindsight about just these."""
    table = pq.read_table(recorded_market / MARKET).slice(0, BARS)
    opened, high, low, close, volume = (
        table.column(name).to_numpy().copy() for name in ("open", "high", "low", "close", "volume")
    )
    ts = table.column("ts").to_numpy() * 1_000_000
    flags = np.zeros(BARS, dtype=np.uint8)
    instrument_id = InstrumentId("BTC/USDT.BINANCE")
    return BarSeries(instrument_id, Timeframe.H1, ts, (opened, high, low, close), volume, flags)


@pytest.fixture(scope="module")
def on_disk(recorded: BarSeries, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give the path, without its suffix, of the market as text, Parquet, numpy array and database."""
    path = str(tmp_path_factory.mktemp("recorded") / "market")
    ts, close = recorded.ts_close.tolist(), recorded.close.tolist()
    Path(path + ".csv").write_text("".join(f"{t},{c!r}\n" for t, c in zip(ts, close, strict=True)))
    pq.write_table(pa.table({"ts": ts, "close": close}), path + ".parquet")
    np.save(path + ".npy", np.array([ts, close], dtype=np.float64))
    with sqlite3.connect(path + ".sqlite") as database:
        database.execute("create table bars (ts integer, close real)")
        database.executemany("insert into bars values (?, ?)", zip(ts, close, strict=True))
    return path


def load(path: Path, name: str, recorded_at: str = "") -> Make:
    """Give what makes the strategy called `name` in a file, as new as if it had never run."""
    spec = importlib.util.spec_from_file_location(f"tried_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if hasattr(module, "RECORDED"):
        module.RECORDED = recorded_at
    found = getattr(module, name, None) or module.CHEAT
    if isinstance(found, StepDefinition):
        return lambda instrument_id: StepStrategy(found, instrument_id, found.parameters())
    return found


def source_of(path: Path) -> list[SourceText]:
    return [SourceText(path.name, path.read_text())]


def faults(report: LookaheadReport) -> str:
    return "\n".join(report.sentences())


def test_there_are_enough_of_both():
    assert len(CHEATS) >= 30
    assert len(SINGLE_CANDLE) >= 10
    assert len(HONEST) + len(BUILT_IN) + len(SHORT) + 2 >= 30


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=pytest.mark.slow) if path.stem in LONG else path for path in CHEATS],
    ids=lambda path: path.stem,
)
def test_cheat_is_refused_or_exposed(path: Path, recorded: BarSeries, on_disk: str):
    report = check_lookahead(load(path, "Cheat", on_disk), recorded, source_of(path), effort=EFFORT)
    kinds = {finding.kind for finding in report.findings if finding.is_fault}
    assert not report.is_clean
    assert (FindingKind.REFUSED in kinds) == (path.stem not in ONLY_EXPOSED), faults(report)
    assert (FindingKind.EXPOSED in kinds) == (path.stem not in ONLY_REFUSED), faults(report)
    assert report.sentences()[0].startswith(f"{report.strategy} must not be trusted")
    assert all(sentence.endswith((".", "?")) for sentence in report.sentences())


@pytest.mark.parametrize("name", sorted(SINGLE_CANDLE))
def test_single_candle_cheat_is_exposed_by_another_next_candle(name: str, recorded: BarSeries):
    report = check_lookahead(load(HERE / "cheats" / f"{name}.py", "Cheat"), recorded, effort=EFFORT)
    seen = [finding.sentence for finding in report.findings if finding.test == "other futures"]
    assert seen
    assert any("it sees 1 bar(s) ahead" in sentence for sentence in seen)


@pytest.mark.parametrize("path", HONEST, ids=lambda path: path.stem)
def test_honest_strategy_is_not_accused(path: Path, recorded: BarSeries):
    report = check_lookahead(load(path, "Honest"), recorded, source_of(path), effort=EFFORT)
    assert report.is_clean, faults(report)
    assert report.signals >= 15 or path.stem == "silent"


@pytest.mark.parametrize(
    ("name", "parameters"),
    [*((name, {}) for name in BUILT_IN), *((name, {"allow_short": "true"}) for name in SHORT)],
)
def test_built_in_is_clean_and_leaves_nothing_to_note(name: str, parameters: dict[str, str], recorded: BarSeries):
    module = inspect.getmodule(BUILT_IN[name].step)
    assert module is not None
    source = SourceText(name, inspect.getsource(module))
    report = check_lookahead(create(name, parameters), recorded, [source], effort=EFFORT)
    assert report.findings == (), faults(report)
    assert report.signals >= 15


@pytest.mark.parametrize("name", ["Breakout", "PULLBACK"])
def test_example_for_users_is_clean(name: str, recorded: BarSeries):
    report = check_lookahead(load(EXAMPLE, name), recorded, source_of(EXAMPLE), effort=EFFORT)
    assert report.findings == (), faults(report)


@pytest.mark.slow
@pytest.mark.parametrize("path", HONEST, ids=lambda path: path.stem)
def test_honest_strategy_is_not_accused_however_long_one_looks(path: Path, recorded: BarSeries):
    report = check_lookahead(load(path, "Honest"), recorded, source_of(path), effort=BARS_FED_MAX, seed=2)
    assert report.is_clean, faults(report)


@pytest.mark.slow
def test_compiled_strategy_is_judged_like_the_plain_one(recorded: BarSeries):
    plain = check_lookahead(create("macd_trend", {}), recorded, effort=EFFORT)
    fast = check_lookahead(create("macd_trend", {}, accelerate=True), recorded, effort=EFFORT)
    assert plain == fast


@pytest.mark.parametrize("error", [KeyError, SystemExit, GeneratorExit])
def test_error_of_a_strategy_is_a_finding_and_not_a_crash(recorded: BarSeries, error: type[BaseException]):
    class Broken:
        name = "broken"
        trail = 0.0

        def __init__(self, instrument_id: InstrumentId) -> None:
            self.bars = 0

        def on_bar(self, bar: object) -> None:
            self.bars += 1
            if self.bars == 7:
                raise error("seven")

    report = check_lookahead(Broken, recorded, effort=1000)
    assert [finding.test for finding in report.findings if finding.is_fault] == ["errors"]
    assert f"raises {error.__name__} at bar 7" in faults(report)


def test_no_bars_are_no_proof(recorded: BarSeries):
    with pytest.raises(DataError, match="needs bars"):
        check_lookahead(create("job_a", {}), recorded.slice(0, 0))


@pytest.mark.parametrize("name", FUTURES)
def test_other_future_keeps_the_past_and_changes_what_follows(name: str, recorded: BarSeries):
    bars = bars_of(recorded.slice(0, 60))
    other = FUTURES[name](bars, 30)
    assert other[:31] == bars[:31]
    assert len(other) == 31 or all(there.close != here.close for there, here in zip(other[31:], bars[31:], strict=True))
    assert all(bar.low <= min(bar.open, bar.close) and bar.high >= max(bar.open, bar.close) for bar in other)


def test_calendar_repeats_after_its_cycle(recorded: BarSeries):
    bars = bars_of(recorded.slice(0, 5))
    later = redated(bars, CALENDAR_CYCLE)
    assert [bar.ts_event - CALENDAR_CYCLE for bar in later] == [bar.ts_event for bar in bars]


class StopAbove(FreeStrategy):
    """Wants what no trade can come of."""

    def on_bar(self, bar: BarClosed) -> Signal | None:
        return self.enter_long(bar, bar.close * 1.02, bar.close * 1.1, "always")


def test_a_strategy_with_nothing_but_unusable_signals_is_told_so():
    series = make_series(make_instrument(), [(100.0 + i % 7, 108.0, 99.0, 101.0 + i % 5, 1e3) for i in range(60)])
    report = check_lookahead(StopAbove, series, effort=100)
    assert any(
        "None of its 60 entries can be traded as it stands (WRONG_SIDE 60)" in line for line in report.sentences()
    )
    assert report.is_clean, "it is a mistake, and no look into the future"


@pytest.mark.slow
def test_a_cheat_that_asks_the_collector_is_exposed_whatever_else_lies_in_the_process(recorded: BarSeries):
    # The bars of another test: longer, and of other times. Whoever took these for the future saw none.
    strangers = [
        msgspec.structs.replace(bar, ts_event=bar.ts_event // 7) for _ in range(4) for bar in bars_of(recorded)
    ]
    report = check_lookahead(load(HERE / "cheats" / "garbage_collector.py", "Cheat"), recorded, effort=EFFORT)
    assert len(strangers) > 2 * BARS
    assert FindingKind.EXPOSED in {finding.kind for finding in report.findings}, faults(report)

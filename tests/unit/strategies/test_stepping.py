"""A step as a Strategy: what its signals carry, what it never sees, and that it can be put down and taken up."""

import subprocess
import sys

import msgspec
import pytest

from holdfast.core.errors import DomainError
from holdfast.domain.decision import Action
from holdfast.domain.market import BarClosed, BarFlag
from holdfast.domain.values import InstrumentId
from holdfast.strategies.registry import BUILT_IN, create
from holdfast.strategies.stepping import StepDefinition, StepPlan, StepStrategy

INSTRUMENT = InstrumentId("A/B.TEST")
# Compiling takes seconds each: the fast tests compile one, `make test` all.
plain_and_compiled = pytest.mark.parametrize(
    ("accelerate", "name"),
    [
        pytest.param(accelerate, name, marks=[pytest.mark.slow] if accelerate and name != "macd_trend" else [])
        for accelerate in (False, True)
        for name in BUILT_IN
    ],
)


class _Nothing(msgspec.Struct, frozen=True):
    def plan(self) -> StepPlan:
        return StepPlan((), 8, 0)


def zigzag(count: int) -> list[BarClosed]:
    bars = []
    for i in range(count):
        close = 100.0 + 12.0 * abs(i % 40 - 20) / 20 + 7.0 * abs(i % 14 - 7) / 7 + 0.01 * i
        before = bars[-1].close if bars else close
        high, low = max(before, close) + 0.6, min(before, close) - 0.6
        bars.append(BarClosed(INSTRUMENT, i, before, high, low, close, 10.0 + 9.0 * (i % 3)))
    return bars


@plain_and_compiled
def test_entry_carries_levels_reason_and_figures(name: str, accelerate: bool):
    strategy = create(name, {}, accelerate=accelerate)(INSTRUMENT)
    bars = zigzag(1500)
    signals = [(bar, signal) for bar in bars if (signal := strategy.on_bar(bar))]
    entries = [(bar, signal) for bar, signal in signals if signal.action is Action.ENTER_LONG]
    assert entries
    for bar, signal in entries:
        assert (signal.instrument_id, signal.ts_event, signal.strategy) == (INSTRUMENT, bar.ts_event, name)
        assert signal.stop < signal.entry == bar.close < signal.target
        assert (signal.target - signal.entry) / (signal.entry - signal.stop) >= 1.5 - 1e-9
        assert 0.0 < signal.strength <= 1.0
        assert signal.reason.endswith(".")
        assert "{" not in signal.reason
        assert dict(signal.evidence)
        assert all(type(value) is float for _, value in signal.evidence)
    for _, signal in signals:
        assert signal.action in (Action.ENTER_LONG, Action.EXIT_LONG), "shorts must be asked for"
        if signal.action is Action.EXIT_LONG:
            assert (signal.stop, signal.target) == (0.0, 0.0)


def test_suspect_bar_is_never_seen():
    strategy = create("job_c", {})(INSTRUMENT)
    bars = zigzag(100)
    for bar in bars:
        strategy.on_bar(bar)
    before, trail = list(strategy.snapshot()), strategy.trail
    wick = msgspec.structs.replace(bars[-1], low=0.01, flags=int(BarFlag.SUSPECT | BarFlag.GAP_BEFORE))
    assert strategy.on_bar(wick) is None
    assert (list(strategy.snapshot()), strategy.trail) == (before, trail)


@plain_and_compiled
def test_restored_strategy_goes_on_as_if_nothing_had_happened(name: str, accelerate: bool):
    bars = zigzag(900)
    whole = create(name, {})(INSTRUMENT)
    expected = [(whole.on_bar(bar), whole.trail) for bar in bars]
    first = create(name, {})(INSTRUMENT)
    for bar in bars[:333]:
        first.on_bar(bar)
    second = create(name, {}, accelerate=accelerate)(INSTRUMENT)
    second.restore(msgspec.json.decode(msgspec.json.encode(list(first.snapshot()))))
    assert second.trail == first.trail
    assert [(second.on_bar(bar), second.trail) for bar in bars[333:]] == expected[333:]


def test_state_of_other_parameters_is_refused():
    saved = create("ma_crossover", {"volume_length": 30})(INSTRUMENT).snapshot()
    with pytest.raises(DomainError, match="saved with another strategy or with other parameters"):
        create("ma_crossover", {})(INSTRUMENT).restore(saved)


def test_unknown_code_stops_instead_of_trading():
    definition = StepDefinition("odd", lambda *_: 7, _Nothing, ("never",))
    with pytest.raises(DomainError, match="returns 0 to 4, found 7"):
        StepStrategy(definition, INSTRUMENT, _Nothing()).on_bar(zigzag(1)[0])


def test_situation_says_how_long_it_still_warms_up():
    strategy = create("ma_crossover", {})(INSTRUMENT)
    for bar in zigzag(5):
        strategy.on_bar(bar)
    assert strategy.situation() == (f"Warming up: 5 of {strategy.warmup} bars seen.",)


@plain_and_compiled
def test_situation_is_sentences_with_figures_at_every_bar(name: str, accelerate: bool):
    strategy = create(name, {}, accelerate=accelerate)(INSTRUMENT)
    for bar in zigzag(300):
        strategy.on_bar(bar)
        before = list(strategy.snapshot())
        sentences = strategy.situation()
        assert sentences
        assert all(sentence.endswith(".") and "{" not in sentence for sentence in sentences)
        assert list(strategy.snapshot()) == before, "asking must not change the answer"


@pytest.mark.parametrize("name", [name for name in BUILT_IN if not name.startswith("job_")])
def test_nothing_is_said_before_the_warm_up_is_over(name: str):
    strategy = create(name, {"reward_risk": 1.3})(INSTRUMENT)
    early = [strategy.on_bar(bar) for bar in zigzag(strategy.warmup - 1)]
    assert not any(early)


def test_plain_steps_do_without_numba():
    code = "import sys, holdfast.strategies.registry, holdfast.indicators.fold; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_acceleration_without_numba_falls_back_to_the_same_results():
    code = (
        "import sys; sys.modules['numba'] = None\n"
        "from holdfast.strategies.registry import create\n"
        "assert create('job_c', {}, accelerate=True)('A/B.TEST').situation()\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

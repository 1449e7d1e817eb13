"""Free strategies: what the base class does for them, and that the example file works in both of its forms."""

import importlib.util
import random
from collections import deque
from pathlib import Path

import pytest

from holdfast.core.errors import DomainError
from holdfast.domain.decision import Action
from holdfast.domain.values import InstrumentId
from holdfast.strategies.free import FreeStrategy
from holdfast.strategies.stepping import StepStrategy

INSTRUMENT = InstrumentId("A/B.TEST")
_PATH = Path(__file__).resolve().parents[3] / "examples" / "strategy_in_one_file.py"
_SPEC = importlib.util.spec_from_file_location("strategy_in_one_file", _PATH)
assert _SPEC is not None
assert _SPEC.loader is not None
example = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(example)


class Keeper(FreeStrategy):
    def __init__(self, instrument_id: InstrumentId) -> None:
        super().__init__(instrument_id)
        self.count = 3
        self.level: float | None = None
        self.is_armed = True
        self.seen: deque[float] = deque([1.5, 2.5], maxlen=4)
        self.list = [7.0]


def test_numbers_lists_and_none_survive_a_restart():
    one, other = Keeper(INSTRUMENT), Keeper(INSTRUMENT)
    one.count, one.level, one.is_armed, one.list = 9, None, False, []
    one.seen.extend([3.5, 4.5, 5.5])
    other.count, other.level = 1, 2.0
    other.restore(one.snapshot())
    assert (other.count, other.level, other.is_armed, other.list) == (9, None, False, [])
    assert other.seen == deque([2.5, 3.5, 4.5, 5.5], maxlen=4)
    assert other.seen.maxlen == 4
    assert type(other.count) is int
    assert type(other.is_armed) is bool


@pytest.mark.parametrize("change", [lambda state: state[:-1], lambda state: [*state, 1.0], lambda state: []])
def test_foreign_state_is_refused(change):
    with pytest.raises(DomainError, match="saved state"):
        Keeper(INSTRUMENT).restore(change(list(Keeper(INSTRUMENT).snapshot())))


def test_what_cannot_be_saved_says_so():
    strategy = Keeper(INSTRUMENT)
    strategy.level = "high"  # type: ignore[assignment]  # that is the point
    with pytest.raises(DomainError, match="level is str: write snapshot and restore"):
        strategy.snapshot()


def test_missing_on_bar_is_named(draw):
    with pytest.raises(NotImplementedError, match="Keeper needs a method on_bar"):
        Keeper(INSTRUMENT).on_bar(draw([1.0])[0])


@pytest.mark.parametrize("name", ["Breakout", "PULLBACK"])
def test_example_strategy_trades_and_survives_a_restart(draw, name: str):
    def made():
        if name == "Breakout":
            return example.Breakout(INSTRUMENT, bars=10)
        return StepStrategy(example.PULLBACK, INSTRUMENT, example.PullbackParameters(length=10))

    source = random.Random(3)
    closes = [100.0]
    for _ in range(600):
        closes.append(closes[-1] * (1 + source.gauss(0, 0.01)))
    whole, first, second = made(), made(), made()
    bars = draw(closes)
    signals = [whole.on_bar(bar) for bar in bars]
    assert {signal.action for signal in signals if signal} == {Action.ENTER_LONG, Action.EXIT_LONG}
    assert all(s.stop < s.entry < s.target for s in signals if s and s.action is Action.ENTER_LONG)
    for bar in bars[:300]:
        first.on_bar(bar)
    second.restore(first.snapshot())
    assert [second.on_bar(bar) for bar in bars[300:]] == signals[300:]
    assert whole.situation()

"""Strategies by name, and parameters that are checked before anything runs."""

import pytest

from holdfast.core.errors import ConfigurationError
from holdfast.domain.values import InstrumentId
from holdfast.strategies.registry import BUILT_IN, checked_parameters, create

INSTRUMENT = InstrumentId("A/B.TEST")


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_can_be_made_for_several_instruments(name: str):
    make = create(name, {})
    one, other = make(INSTRUMENT), make(InstrumentId("C/D.TEST"))
    assert one is not other
    assert one.name == name
    assert one.warmup >= 1
    assert one.trail == 0.0


def test_unknown_name_lists_what_there_is():
    with pytest.raises(ConfigurationError, match="unknown strategy 'macd'") as caught:
        create("macd", {})
    assert "macd_trend" in caught.value.hint


def test_unknown_key_lists_the_valid_ones():
    with pytest.raises(ConfigurationError, match="fats") as caught:
        create("ma_crossover", {"fats": 3})
    assert caught.value.hint.startswith("--set key=value")
    assert "volume_ratio" in caught.value.hint
    assert "reward_risk" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("ma_crossover", "fast", "0"),
        ("ma_crossover", "fast", "twelve"),
        ("ma_crossover", "fast", "1.5"),
        ("ma_crossover", "fast", "26"),
        ("ma_crossover", "reward_risk", "1.29"),
        ("ma_crossover", "stop_atr", "nan"),
        ("ma_crossover", "stop_atr", "inf"),
        ("ma_crossover", "allow_short", "perhaps"),
        ("rsi_momentum", "oversold", "70"),
        ("rsi_momentum", "swing_bars", "11"),
        ("macd_trend", "macd_slow", "12"),
        ("fibonacci_retracement", "zone_to", "0.3"),
        ("harmonized", "slow", "12"),
        ("job_c", "slow", "3"),
    ],
)
def test_impossible_value_is_refused_with_what_would_be_possible(name: str, key: str, value: str):
    with pytest.raises(ConfigurationError) as caught:
        create(name, {key: value})
    assert caught.value.hint


def test_texts_are_read_as_the_types_that_they_mean():
    definition = BUILT_IN["ma_crossover"]
    given = checked_parameters(definition, {"fast": "5", "volume_ratio": "2", "allow_short": "true"})
    assert given == checked_parameters(definition, {"fast": 5, "volume_ratio": 2.0, "allow_short": True})
    assert given.plan() != definition.parameters().plan()

"""Every number has a bound; a mistake is named, with what was found and what would be valid."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.errors import ConfigurationError
from holdfast.risk.config import _BOUNDS, DRAWDOWN_STEPS, DrawdownStep, RiskConfig

STEP = "0.001"


def steps(*pairs):
    return tuple(DrawdownStep(Decimal(drawdown), Decimal(factor)) for drawdown, factor in pairs)


def outside(bound):
    unit = Decimal(1) if bound.is_whole else Decimal(STEP)
    below = bound.low - unit if bound.is_low_allowed else bound.low
    values = [below, bound.high + unit]
    return [int(value) for value in values] if bound.is_whole else values


def test_defaults_are_valid_and_what_the_documentation_says():
    config = RiskConfig()
    assert config.risk_per_trade == Decimal("0.02")
    assert (config.risk_min, config.risk_max) == (Decimal("0.0025"), Decimal("0.03"))
    assert config.reward_to_risk_min == Decimal("1.3")


@pytest.mark.parametrize("key", _BOUNDS)
def test_value_outside_its_bound_is_refused_by_name(key):
    for value in outside(_BOUNDS[key]):
        with pytest.raises(ConfigurationError, match=f"risk.{key} is {value}, valid is") as caught:
            RiskConfig(**{key: value})
        assert key in caught.value.hint


@pytest.mark.parametrize("key", [key for key, bound in _BOUNDS.items() if not bound.is_whole])
@pytest.mark.parametrize("text", ["NaN", "sNaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_refused(key, text):
    with pytest.raises(ConfigurationError, match=f"risk.{key}"):
        RiskConfig(**{key: Decimal(text)})


def test_every_number_has_a_bound():
    plain = {"is_risk_dynamic", "is_entry_market", "drawdown_steps", "quantity_fixed"}
    assert set(RiskConfig.__struct_fields__) - plain == set(_BOUNDS)


@pytest.mark.parametrize("value", ["1.2999", "1", "0"])
def test_reward_to_risk_cannot_be_set_below_its_floor(value):
    with pytest.raises(ConfigurationError, match=r"1\.3 <= x"):
        RiskConfig(reward_to_risk_min=Decimal(value))


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"risk_per_trade": "0.001"}, "risk_min"),
        ({"risk_max": "0.01"}, "risk_per_trade"),
        ({"loss_day_max": "0.01"}, "risk_per_trade"),
        ({"loss_day_max": "0.15"}, "loss_day_max"),
        ({"exposure_total_max": "0.3"}, "exposure_asset_max"),
        ({"price_collar": "0.001"}, "entry_slippage_max"),
        ({"risk_open_total_max": "0.01"}, "risk_per_trade"),
    ],
)
def test_values_that_contradict_each_other_are_refused(changes, key):
    with pytest.raises(ConfigurationError, match=f"risk.{key} is .*, valid is at most"):
        RiskConfig(**{name: Decimal(value) for name, value in changes.items()})


@pytest.mark.parametrize(
    "bad",
    [
        (),
        steps(("0.1", "0.5")),  # never stops
        steps(("0.1", "0.5"), ("0.1", "0")),  # drawdown does not rise
        steps(("0.1", "0.5"), ("0.2", "0.6"), ("0.3", "0")),  # factor rises
        steps(("0.1", "1.1"), ("0.2", "0")),
        steps(("0.1", "-0.1")),
        steps(("0.6", "0")),  # too late
        steps(("0", "0")),
        steps(("NaN", "0")),
        steps(("0.1", "NaN")),
    ],
)
def test_drawdown_steps_must_rise_and_fall_and_end(bad):
    with pytest.raises(ConfigurationError, match=r"risk\.drawdown_steps"):
        RiskConfig(drawdown_steps=bad)


@pytest.mark.parametrize("value", ["0", "-1", "NaN", "Infinity"])
def test_fixed_quantity_must_be_positive(value):
    with pytest.raises(ConfigurationError, match=r"risk\.quantity_fixed"):
        RiskConfig(quantity_fixed=Decimal(value))


def test_mapping_gives_the_same_as_the_constructor():
    table = {
        "risk_per_trade": 0.01,
        "positions_max": 3,
        "is_risk_dynamic": False,
        "reward_to_risk_min": "1.5",
        "exposure_total_max": 1,
        "quantity_fixed": 0.5,
        "drawdown_steps": [{"drawdown": 0.1, "factor": 0.5}, {"drawdown": 0.2, "factor": 0}],
    }
    assert RiskConfig.from_mapping(table) == RiskConfig(
        risk_per_trade=Decimal("0.01"), positions_max=3, is_risk_dynamic=False, reward_to_risk_min=Decimal("1.5"),
        exposure_total_max=Decimal(1), quantity_fixed=Decimal("0.5"),
        drawdown_steps=steps(("0.1", "0.5"), ("0.2", "0")),
    )  # fmt: skip
    assert RiskConfig.from_mapping({}) == RiskConfig()
    assert RiskConfig.from_mapping({"drawdown_steps": DRAWDOWN_STEPS}) == RiskConfig()


def test_unknown_key_is_refused_and_the_nearest_one_suggested():
    with pytest.raises(ConfigurationError, match=r"risk\.risk_per_trad is not a setting") as caught:
        RiskConfig.from_mapping({"risk_per_trad": 0.01})
    assert "did you mean risk_per_trade" in caught.value.hint
    with pytest.raises(ConfigurationError) as caught:
        RiskConfig.from_mapping({"zzz": 1})
    assert caught.value.hint.startswith("known: ")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("risk_per_trade", "two percent"), ("risk_per_trade", True), ("risk_per_trade", None), ("risk_per_trade", []),
        ("positions_max", 2.5), ("positions_max", True), ("positions_max", "5"),
        ("is_risk_dynamic", 1), ("is_risk_dynamic", "yes"),
        ("drawdown_steps", 0.2), ("drawdown_steps", [0.2]), ("drawdown_steps", [{"drawdown": 0.2}]),
        ("drawdown_steps", [{"drawdown": "x", "factor": 0}]),
    ],
)  # fmt: skip
def test_value_of_the_wrong_type_is_refused_by_name(key, value):
    with pytest.raises(ConfigurationError, match=f"risk.{key}"):
        RiskConfig.from_mapping({key: value})


@given(
    key=st.sampled_from(sorted(_BOUNDS)),
    value=st.one_of(st.integers(), st.floats(), st.booleans(), st.text(max_size=5), st.decimals(), st.none()),
)
def test_whatever_is_set_is_within_its_bound_or_refused(key, value):
    try:
        config = RiskConfig.from_mapping({key: value})
    except ConfigurationError:
        return
    bound, found = _BOUNDS[key], getattr(config, key)
    assert bound.low <= found <= bound.high
    assert bound.is_low_allowed or found > bound.low

from decimal import Decimal

import msgspec
import pytest

from holdfast.core.errors import ConfigurationError
from holdfast.matching.config import MatchingConfig


def test_defaults_cost_something():
    config = MatchingConfig()
    assert config.spread_bps > 0
    assert config.impact > 0
    assert config.participation_max == Decimal("0.10")
    assert (config.latency_ms, config.latency_bars) == (250, 0)
    assert not config.is_touch_fill


@pytest.mark.parametrize(
    ("name", "border", "beyond"),
    [
        ("spread_bps", Decimal(0), Decimal("-0.1")),
        ("spread_bps", Decimal(1_000), Decimal("1000.1")),
        ("slippage_bps", Decimal(1_000), Decimal(1_001)),
        ("impact", Decimal(1), Decimal("1.01")),
        ("sweep", Decimal(1), Decimal(2)),
        ("sweep", Decimal(0), Decimal(-1)),
        ("participation_max", Decimal(1), Decimal("1.1")),
        ("participation_max", Decimal("0.000001"), Decimal(0)),
        ("latency_ms", 60_000, 60_001),
        ("latency_ms", 0, -1),
        ("latency_bars", 10, 11),
        ("open_window_ms", 30_000, 30_001),
    ],
)
def test_every_number_has_a_bound_that_itself_is_allowed(name: str, border: object, beyond: object):
    MatchingConfig(**{name: border})
    with pytest.raises(ConfigurationError, match=f"matching.{name} must lie in") as caught:
        MatchingConfig(**{name: beyond})
    assert caught.value.hint


def test_nan_is_no_number_within_bounds():
    with pytest.raises(ConfigurationError):
        MatchingConfig(impact=Decimal("NaN"))


def test_ideal_costs_the_fees_and_frictionless_not_even_those():
    ideal, free = MatchingConfig.ideal(), MatchingConfig.frictionless()
    assert not ideal.is_fee_free
    assert free.is_fee_free
    for config in (ideal, free):
        assert config.spread_bps == config.slippage_bps == config.impact == config.sweep == config.latency_ms == 0
        assert config.participation_max is None


def test_no_limit_of_participation_survives_encoding():
    config = MatchingConfig.ideal()
    assert msgspec.json.decode(msgspec.json.encode(config), type=MatchingConfig) == config

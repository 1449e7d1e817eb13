"""Each setting of a live account has bounds, and says them."""

import pytest

from holdfast.core.errors import ConfigurationError
from holdfast.core.time import HOUR, MINUTE
from holdfast.services.live_config import LiveConfig, played_quickly


def test_defaults_are_valid_and_keep_what_rests():
    assert LiveConfig().on_exit == "keep"
    assert LiveConfig().dead_man_s > 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("bar_grace_ms", -1),
        ("bar_age_max_ms", 0),
        ("reconcile_every_s", 0),
        ("history_bars", 0),
        ("cash_tolerance", 0.2),
    ],
)
def test_a_value_out_of_its_range_is_refused_by_name(name: str, value: float):
    with pytest.raises(ConfigurationError, match=f"live.{name} is {value}"):
        LiveConfig(**{name: value})


def test_a_dead_man_timer_that_would_fire_in_a_busy_moment_is_refused():
    assert LiveConfig(dead_man_s=0).dead_man_s == 0
    assert LiveConfig(dead_man_s=10).dead_man_s == 10
    with pytest.raises(ConfigurationError, match="dead_man_s is 9"):
        LiveConfig(dead_man_s=9)


@pytest.mark.parametrize(
    ("minutes", "asked", "fresh"), [(1, 30_000, 30_000), (240, 30_000, 7_200_000), (1, 600_000, 600_000)]
)
def test_in_a_market_that_is_played_quickly_a_bar_is_fresh_for_as_long_as_the_settings_say(
    minutes: int, asked: int, fresh: int
):
    config = played_quickly(LiveConfig(bar_age_max_ms=asked), minutes * MINUTE)
    assert (config.bar_age_max_ms, config.bar_grace_ms) == (fresh, 200)
    assert played_quickly(LiveConfig(), 24 * 365 * HOUR).bar_age_max_ms == 86_400_000

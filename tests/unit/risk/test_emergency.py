"""What each level of the brake allows and takes down."""

from itertools import pairwise

import pytest

from holdfast.domain.decision import StopLevel
from holdfast.domain.order import Role
from holdfast.risk.emergency import allowed, effect

LEVELS = sorted(StopLevel, key=lambda level: level.severity)


@pytest.mark.parametrize("level", StopLevel)
@pytest.mark.parametrize("role", Role)
def test_reducing_is_always_allowed_and_entering_only_without_a_brake(level, role):
    assert allowed(level, role) == (role is not Role.ENTRY or level is StopLevel.NONE)
    assert effect(level).is_entry_allowed == allowed(level, Role.ENTRY)


def test_higher_level_includes_the_lower_ones():
    for lower, higher in pairwise(LEVELS):
        low, high = effect(lower), effect(higher)
        assert set(low.cancels) <= set(high.cancels)
        assert low.is_entry_allowed >= high.is_entry_allowed
        assert low.closes_positions <= high.closes_positions
        assert low.locks <= high.locks


def test_only_flatten_closes_and_no_level_takes_a_stop_away_first():
    assert [effect(level).closes_positions for level in LEVELS] == [False, False, False, True]
    assert all(Role.STOP not in effect(level).cancels for level in LEVELS)


@pytest.mark.parametrize("level", [level for level in StopLevel if level is not StopLevel.NONE])
def test_release_needs_two_steps_and_a_second_factor(level):
    assert "two steps and a second factor" in effect(level).rearming

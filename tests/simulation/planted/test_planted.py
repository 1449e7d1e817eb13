"""The simulation is only worth what it finds: every bug that is planted must be found within a few seeds."""

import pytest
from tests.simulation.planted.bugs import BUGS, LIMIT_BUGS, Plant

from holdfast.testing import simulation
from holdfast.testing.scenario import draw, tightened
from holdfast.testing.simulation import simulate

SEEDS = 400


@pytest.mark.slow
@pytest.mark.parametrize("plant", BUGS, ids=lambda plant: plant.__name__)
def test_a_planted_bug_is_found(plant: Plant, monkeypatch: pytest.MonkeyPatch):
    plant(monkeypatch)
    found = next((seed for seed in range(SEEDS) if simulate(seed).violation is not None), None)
    assert found is not None, f"{plant.__name__} was not found in {SEEDS} seeds"


@pytest.mark.slow
@pytest.mark.parametrize("plant", LIMIT_BUGS, ids=lambda plant: plant.__name__)
def test_a_planted_bug_of_the_loss_limits_is_found_where_they_bind(plant: Plant, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(simulation, "draw", lambda seed: tightened(draw(seed)))
    plant(monkeypatch)
    found = next((violation for seed in range(SEEDS) if (violation := simulate(seed).violation) is not None), None)
    assert found is not None, f"{plant.__name__} was not found in {SEEDS} seeds"
    assert found.invariant in {"no entry under water", "loss per day", "loss per week"}

"""The simulation is only worth what it finds: every bug that is planted must be found within a few seeds."""

import pytest
from tests.simulation.planted.bugs import BUGS, Plant

from holdfast.testing.simulation import simulate

SEEDS = 400


@pytest.mark.slow
@pytest.mark.parametrize("plant", BUGS, ids=lambda plant: plant.__name__)
def test_a_planted_bug_is_found(plant: Plant, monkeypatch: pytest.MonkeyPatch):
    plant(monkeypatch)
    found = next((seed for seed in range(SEEDS) if simulate(seed).violation is not None), None)
    assert found is not None, f"{plant.__name__} was not found in {SEEDS} seeds"

"""Hostile worlds, many of them: `make test` runs a few hundred, `make sim SEEDS=10000` as many as you like."""

import json
import os
import subprocess
import sys

import pytest
from tests.simulation.planted.bugs import fee_is_forgotten
from tests.simulation.worlds import WHAT_TO_DO, name_of

from holdfast.core.errors import HoldfastError
from holdfast.testing import simulation
from holdfast.testing.scenario import draw, tightened
from holdfast.testing.simulation import main, simulate

FAST, ALL = range(60), range(60, 300)
ONCE_FAILED = {
    1610: "0b437cfd3d86",
    106357: "ae7aecda04cb",
    108085: "34e170dcb357",
    497: "85415bf4a418",
    1309: "d1710c456677",
    2879: "e6a3d624889e",
    208621: "cc7a6e55357c",
    219812: "2f0a3d3e7f9c",
}
"""Each seed that once failed, and the name of the world that it failed in."""


@pytest.mark.parametrize("first", FAST[::15])
def test_every_promise_holds_in_a_few_worlds(first: int):
    violations = [simulate(seed).violation for seed in range(first, first + 15)]
    assert not any(violations), violations


@pytest.mark.slow
@pytest.mark.parametrize("first", ALL[::40])
def test_every_promise_holds_in_many_worlds(first: int):
    violations = [simulate(seed).violation for seed in range(first, first + 40)]
    assert not any(violations), violations


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 120, 40))
def test_every_promise_holds_where_the_loss_limits_bind(first: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(simulation, "draw", lambda seed: tightened(draw(seed)))
    violations = [simulate(seed).violation for seed in range(first, first + 40)]
    assert not any(violations), violations


@pytest.mark.parametrize(("seed", "pinned"), ONCE_FAILED.items())
def test_seeds_that_once_failed_hold(seed: int, pinned: str):
    """Of what failed: 1610 the risk as allowed; the others the cause of a loss beyond it.

    106357 and 108085: an entry in parts, of which the later was dearer, was called a gap. 497, 1309 and 2879: a sweep
    and entries that the market had jumped away from were called liquidity, because something was filled in parts.
    """
    found = name_of(draw(seed))
    assert found == pinned, WHAT_TO_DO.format(seed=seed, found=found, pinned=pinned)
    assert simulate(seed).violation is None


def test_a_seed_draws_the_same_world_in_another_process():
    """Sets of texts have another order in each process, unless the hash seed is fixed; nothing may depend on it."""
    code = "from holdfast.testing.simulation import simulate; print(simulate(11).digest)"
    digests = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert digests == {f"{simulate(11).digest}\n".encode()}


def test_worlds_differ_and_are_hostile():
    worlds = [draw(seed) for seed in range(40)]
    flags = 0
    for world in worlds:
        for group in world.groups:
            for bar in group:
                flags |= bar.flags
    assert flags & 0b1111 == 0b1111, "gaps, outages and false prints must all occur"
    assert len({world.strategy for world in worlds}) > 4
    assert any(len(world.plan.instruments) > 1 for world in worlds)
    assert any(world.acts for world in worlds)
    assert any(len(world.kills) > 1 for world in worlds)


def test_the_command_prints_a_summary_and_succeeds(capsys: pytest.CaptureFixture[str]):
    assert main(["--seeds", "3", "--seed", "5", "--json", "--jobs", "1"]) == 0
    printed = capsys.readouterr()
    row = json.loads(printed.out)
    assert (row["seeds"], row["failed"], row["violations"]) == (3, 0, [])
    assert row["bars"] > 0
    assert "3 of 3 seeds" in printed.err


def test_a_failing_seed_names_itself_the_promise_and_the_replay(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    fee_is_forgotten(monkeypatch)
    assert main(["--seed", "0", "--jobs", "1"]) == 1
    printed = capsys.readouterr()
    assert "seed 0: every fill pays its fee" in printed.err
    assert "make sim SEED=0" in printed.err
    assert "1 seeds, 1 failed" in printed.out


def test_an_error_inside_a_world_is_a_violation_and_no_crash(monkeypatch: pytest.MonkeyPatch):
    def fail(seed: int) -> None:
        raise HoldfastError(f"world {seed} is broken")

    monkeypatch.setattr(simulation, "draw", fail)
    violation = simulate(7).violation
    assert violation is not None
    assert (violation.seed, violation.invariant) == (7, "nothing raises")
    assert "world 7 is broken" in violation.detail

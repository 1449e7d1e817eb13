"""The same seed gives the same digest on every machine; `docs/determinism.md` lists them."""

import re
from pathlib import Path

import pytest

from holdfast.strategies.registry import offered

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "determinism.md").read_text("utf-8")
SEEDS = [int(seed) for seed in re.findall(r"`--seed (\d+)` \|", PAGE)]
LISTED = {
    (name, seed): digest
    for name, *digests in re.findall(r"^\| `(\w+)` \| ([0-9a-f]{16}) \| ([0-9a-f]{16}) \|$", PAGE, flags=re.MULTILINE)
    for seed, digest in zip(SEEDS, digests, strict=True)
}


def test_the_page_lists_every_strategy_and_each_digest_once():
    assert {name for name, _ in LISTED} == set(offered())
    assert len(set(LISTED.values())) == len(LISTED) == len(SEEDS) * len(offered()) > 0


@pytest.mark.parametrize(("strategy", "seed"), list(LISTED))
def test_a_seed_has_the_digest_that_it_has_on_other_machines(call, strategy: str, seed: int):
    """Where only this fails, the machine computes otherwise; where decisions are meant to change, so does the page."""
    outcome = call("backtest", "--data", "synthetic", "--strategy", strategy, "--seed", str(seed), "--json")
    assert outcome.code == 0
    assert outcome.document["digest"][:16] == LISTED[strategy, seed]

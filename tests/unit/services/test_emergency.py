"""What a stop promises, and when its proof holds."""

import pytest
from tests.unit.app.standing_agent import ENTRY, POSITION, status

from holdfast.core.errors import RefusedError
from holdfast.domain.decision import StopLevel
from holdfast.services.emergency import proof_of, require_flat


@pytest.mark.parametrize(
    ("wanted", "in_force", "positions", "orders", "is_proven"),
    [
        (StopLevel.NO_ENTRIES, "no_entries", (POSITION,), (), True),
        (StopLevel.NO_ENTRIES, "none", (), (), False),
        (StopLevel.NO_ENTRIES, "flatten", (), (), True),
        (StopLevel.REDUCE_ONLY, "reduce_only", (POSITION,), (), True),
        (StopLevel.REDUCE_ONLY, "reduce_only", (POSITION,), (ENTRY,), False),
        (StopLevel.REDUCE_ONLY, "no_entries", (), (), False),
        (StopLevel.FLATTEN, "flatten", (), (), True),
        (StopLevel.FLATTEN, "flatten", (POSITION,), (), False),
        (StopLevel.FLATTEN, "flatten", (), (ENTRY,), False),
        (StopLevel.FLATTEN, "reduce_only", (), (), False),
        (StopLevel.NONE, "none", (POSITION,), (ENTRY,), True),
        (StopLevel.NONE, "flatten", (), (), False),
    ],
)
def test_a_proof_holds_when_the_promise_of_the_level_does(wanted, in_force, positions, orders, is_proven):
    proof = proof_of(status(stop_level=in_force, positions=positions, orders=orders), wanted)
    assert proof.is_proven is is_proven
    assert bool(proof.note) is (not is_proven or proof.level is not wanted)


def test_exposure_is_told_in_quote_units():
    proof = proof_of(status(positions=(POSITION, POSITION)), StopLevel.NONE)
    assert proof.exposure_left == 2 * POSITION.quantity * POSITION.price_last
    assert (proof.positions_left, proof.quote) == (2, "USDT")


def test_a_stop_below_the_level_in_force_says_that_the_level_stays():
    proof = proof_of(status(stop_level="flatten", positions=(POSITION,)), StopLevel.NO_ENTRIES)
    assert proof.is_proven
    assert "stays at flatten, above no entries" in proof.note


@pytest.mark.parametrize(("positions", "orders"), [((POSITION,), ()), ((), (ENTRY,))])
def test_flatten_is_not_released_before_the_account_is_flat(positions, orders):
    with pytest.raises(RefusedError, match="must be flat") as refusal:
        require_flat(status(stop_level="flatten", positions=positions, orders=orders))
    assert "holdfast run" in refusal.value.hint
    require_flat(status(stop_level="reduce_only", positions=positions, orders=orders))
    require_flat(status(stop_level="flatten"))

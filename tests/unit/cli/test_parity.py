"""How `parity` tells of fills: in words that need no sign."""

import pytest

from holdfast.cli.actions.parity import slippage_told


@pytest.mark.parametrize(
    ("mean_bps", "told"),
    [
        (7.331, "7.33 basis points worse than"),
        (-7.331, "7.33 basis points better than"),
        (-0.001, "neither better nor worse than"),
    ],
)
def test_fills_are_better_or_worse_and_never_less_than_nothing(mean_bps: float, told: str):
    assert told in slippage_told(mean_bps)
    assert "-" not in slippage_told(mean_bps)

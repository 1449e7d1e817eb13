"""An instrument's grid and fees: what is no finite number is refused as the other impossible values are."""

from decimal import Decimal

import pytest

from holdfast.core.errors import ConfigurationError
from holdfast.domain.instrument import FeeTier, Instrument
from holdfast.domain.values import ZERO, Asset, InstrumentId

GOOD = {"tick": Decimal("0.01"), "lot": Decimal("0.001"), "notional_min": Decimal(1)}
FEE = Decimal("0.001")


def made(maker: Decimal = FEE, taker: Decimal = FEE, **changes: Decimal) -> Instrument:
    numbers = {**GOOD, **changes}
    return Instrument(
        InstrumentId("BTC/USDT.X"), Asset("BTC"), Asset("USDT"), numbers["tick"], numbers["lot"],
        numbers["notional_min"], (FeeTier(ZERO, maker, taker),),
    )  # fmt: skip


@pytest.mark.parametrize("key", ["tick", "lot", "notional_min", "maker", "taker"])
@pytest.mark.parametrize("text", ["nan", "snan", "inf", "-inf"])
def test_what_is_no_finite_number_is_refused(key: str, text: str):
    assert made().tick == GOOD["tick"]
    with pytest.raises(ConfigurationError):
        made(**{key: Decimal(text)})

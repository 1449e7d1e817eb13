"""Markets that are drawn by hand, so that a test can say what a strategy should see in them."""

from collections.abc import Callable, Sequence

import pytest

from holdfast.core.time import HOUR
from holdfast.domain.market import BarClosed
from holdfast.domain.values import InstrumentId

INSTRUMENT = InstrumentId("A/B.TEST")
Draw = Callable[..., list[BarClosed]]


@pytest.fixture
def draw() -> Draw:
    """Give a function that draws bars through closes; each opens at the close before and reaches `wick` beyond both."""

    def drawn(closes: Sequence[float], volumes: Sequence[float] | None = None, wick: float = 0.5) -> list[BarClosed]:
        opens = [closes[0], *closes[:-1]]
        volumes = volumes or [10.0] * len(closes)
        return [
            BarClosed(
                INSTRUMENT, (i + 1) * HOUR, before, max(before, close) + wick, min(before, close) - wick, close, volume
            )
            for i, (before, close, volume) in enumerate(zip(opens, closes, volumes, strict=True))
        ]

    return drawn


@pytest.fixture
def path() -> Callable[..., list[float]]:
    """Give a function that walks from corner to corner in steps of at most `step`."""

    def walked(*corners: float, step: float = 1.0) -> list[float]:
        closes = [corners[0]]
        for corner in corners[1:]:
            while abs(corner - closes[-1]) > step:
                closes.append(closes[-1] + (step if corner > closes[-1] else -step))
            closes.append(corner)
        return closes

    return walked

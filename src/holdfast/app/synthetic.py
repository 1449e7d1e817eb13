"""The synthetic market: hands over to its generator."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.adapters.sources.loading import LoadedBars
from holdfast.core.errors import ConfigurationError
from holdfast.domain.market import Timeframe


def synthetic_bars(pairs: Sequence[str], timeframe: Timeframe, seed: int) -> list[LoadedBars]:
    """Refuse: the generator comes in a later commit."""
    raise ConfigurationError(
        f"no synthetic {', '.join(pairs)} {timeframe.value} for seed {seed} yet", hint="name --data"
    )

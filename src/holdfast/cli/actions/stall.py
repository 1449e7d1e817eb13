"""What a person is told while a strategy does not come back from a bar."""

from __future__ import annotations

from holdfast.app.sections import StrategySettings
from holdfast.cli.amounts import minute
from holdfast.cli.output import warn


def warn_of_stall(strategy: StrategySettings, ts: int, way_out: str) -> None:
    """Say that the bar which closed at `ts` takes longer than the settings allow, and how to leave."""
    warn(
        f"{strategy.name} has not come back from the bar that closed at {minute(ts)} UTC for"
        f" {strategy.bar_seconds_max:g} s (strategy.bar_seconds_max); {way_out}"
    )

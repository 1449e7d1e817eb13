"""Answers to a person who looks: why a market is not traded now."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.core.record import Record
from holdfast.domain.decision import StopLevel
from holdfast.portfolio.status import DecisionLine, Status
from holdfast.services.standing import LimitLine

_REFUSALS_MAX = 5


class WhyNot(Record, frozen=True):
    """What stands in the way of an entry: brakes of the account, the strategy's conditions, the last refusals."""

    symbol: str
    ts: int
    brakes: tuple[str, ...]
    situation: tuple[str, ...]
    refusals: tuple[DecisionLine, ...]


def why_not_of(status: Status, symbol: str, situation: Sequence[str], limits: Sequence[LimitLine]) -> WhyNot:
    """Return the answer for `symbol`, from what the account and the strategy say."""
    wanted = symbol.upper().replace("_", "/")
    refusals = [
        line
        for line in status.decisions
        if line.what in ("refused", "passed over", "not filled")
        and wanted in (line.instrument_id, line.instrument_id.rpartition(".")[0])
    ]
    brakes = [
        f"{line.rule.replace('_', ' ')} is used up: {line.used.normalize():f} of {line.limit.normalize():f}"
        for line in limits
        if line.used >= line.limit
    ]
    level = StopLevel(status.stop_level)
    if level is not StopLevel.NONE:
        brakes.insert(0, f"the emergency stop is at {level.value}; `holdfast resume` releases it")
    return WhyNot(symbol, status.ts, tuple(brakes), tuple(situation), tuple(refusals[:_REFUSALS_MAX]))

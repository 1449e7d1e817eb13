"""Everything that can happen to the engine. Past tense, immutable, in one order."""

from __future__ import annotations

from holdfast.core.record import Record
from holdfast.domain.decision import Opinion, OpinionTimedOut, StopLevel
from holdfast.domain.market import BarClosed
from holdfast.domain.order import OrderEvent


class EmergencyStopped(Record, frozen=True, tag=True):
    """A person, a monitor or the risk governor pulled the brake."""

    ts_event: int
    level: StopLevel
    actor: str
    reason: str


class TradingResumed(Record, frozen=True, tag=True):
    """The brake was released, on purpose."""

    ts_event: int
    actor: str
    reason: str


OperatorEvent = EmergencyStopped | TradingResumed
Event = BarClosed | Opinion | OpinionTimedOut | OrderEvent | OperatorEvent

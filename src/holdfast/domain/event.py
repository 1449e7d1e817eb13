"""Everything that can happen to the engine. Past tense, immutable, in one order."""

from __future__ import annotations

from holdfast.core.record import Record
from holdfast.domain.decision import Opinion, OpinionTimedOut, StopLevel
from holdfast.domain.market import BarClosed
from holdfast.domain.order import OrderEvent
from holdfast.domain.values import InstrumentId


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


class ProtectionDue(Record, frozen=True, tag=True):
    """The watch between two bars found that what protects a position cannot wait for the next one.

    `price` is what the market trades at: at or beyond a stop that does not rest at the venue, it is left; else
    a stop or a way out that came to nothing is sent anew.
    """

    instrument_id: InstrumentId
    ts_event: int
    price: float


OperatorEvent = EmergencyStopped | TradingResumed
Event = BarClosed | Opinion | OpinionTimedOut | OrderEvent | OperatorEvent | ProtectionDue

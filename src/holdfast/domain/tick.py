"""One step of the engine: what came in, what was decided, and what is to be done."""

from __future__ import annotations

from holdfast.core.record import Record
from holdfast.domain.command import Command
from holdfast.domain.decision import Proposal, Refused, Signal
from holdfast.domain.event import Event
from holdfast.domain.portfolio import ClosedTrade


class Tick(Record, frozen=True):
    """The unit that the journal keeps. The same input gives the same ticks, in every mode."""

    sequence: int
    event: Event
    signals: tuple[Signal, ...] = ()
    proposal: Proposal | None = None
    refused: Refused | None = None  # an Approved stands in the command that it allows
    commands: tuple[Command, ...] = ()
    closed: ClosedTrade | None = None
    notes: tuple[str, ...] = ()  # why nothing was done, where something could have been

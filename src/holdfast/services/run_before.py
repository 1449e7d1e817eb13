"""What a new run takes over from the run before it in the journal: the emergency stop, which only a person releases.

A new run has capital of its own, and so a drawdown of its own: a loss that had locked the run before does not lock it.
The brake is no figure of an account but somebody's word, and holds until it is taken back.
"""

from __future__ import annotations

from typing import Final

import msgspec

from holdfast.core.errors import UnreadableRecordError
from holdfast.core.record import encode
from holdfast.domain.decision import StopLevel
from holdfast.domain.event import EmergencyStopped, OperatorEvent
from holdfast.engine.recorder import OPERATOR, RUN, Recorder
from holdfast.portfolio.fold import read_body, read_run
from holdfast.portfolio.run import RunStarted
from holdfast.ports.journal import Entry, Journal

_OPERATOR = msgspec.json.Decoder(OperatorEvent)
_UNREAD: Final = "what was ordered last in the run before cannot be read by this version, so it counts as a stop"
_ITSELF: Final = "holdfast"


def stop_in_force(journal: Journal) -> EmergencyStopped | None:
    """Return the stop under which the journal's last run stands, as it was ordered; None where it is not stopped.

    Of a record that cannot be read nobody knows whether it stopped or released: it counts as the highest level.
    """
    found: EmergencyStopped | None = None
    for record in journal.read(kinds=(RUN, OPERATOR)):
        if record.kind == RUN:
            found = None  # what it took over follows as an order of its own
            continue
        try:
            event = read_body(_OPERATOR, record.body, "an operator", record.sequence)
        except UnreadableRecordError:
            event = EmergencyStopped(0, StopLevel.FLATTEN, _ITSELF, _UNREAD)
        if not isinstance(event, EmergencyStopped):
            found = None
        elif event.level.severity > (StopLevel.NONE if found is None else found.level).severity:
            found = event
    return found


def begin_run(journal: Journal, recorder: Recorder, run: RunStarted) -> EmergencyStopped | None:
    """Record that a run begins and, in one piece with it, the stop that it takes over; the engine has yet to take that.

    A crash between the two would have released it.
    """
    entries = [Entry(RUN, encode(run))]
    before = stop_in_force(journal)
    if before is None:
        recorder.write_together(entries)
        return None
    # The new run's market has no time yet, and may lie before that of the old one.
    stop = EmergencyStopped(0, before.level, before.actor, before.reason)
    recorder.write_together([*entries, Entry(OPERATOR, encode(stop))])
    return stop


def own_prefix(run: RunStarted) -> str:
    """Return what the ids of a run's orders begin with; empty where its record does not say."""
    text = run.settings.get("engine.order_prefix")
    return "" if text is None else msgspec.json.decode(text, type=str)


def earlier_prefixes(journal: Journal, run: RunStarted) -> frozenset[str]:
    """Return what the ids of all other runs in the journal begin with, as far as it can be read."""
    found = set()
    for record in journal.read(kinds=(RUN,)):
        try:
            found.add(own_prefix(read_run(record.body, record.sequence)))
        except (UnreadableRecordError, msgspec.MsgspecError):
            continue  # of a version that names them otherwise: its orders are told as a stranger's
    return frozenset(found - {"", own_prefix(run)})


def stays_told(stop: EmergencyStopped) -> str:
    """Return what to tell a person of a stop that was taken over."""
    level = stop.level.value.replace("_", " ")
    return f"the stop of the run before, {level}, stays in force: holdfast resume"

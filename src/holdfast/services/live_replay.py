"""Replays what a live session recorded: history, bars, an operator's orders and the venue's answers, nothing sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from holdfast import __version__
from holdfast.core.errors import JournalError, NotRepeatedError, UnreadableRecordError
from holdfast.core.record import State, encode
from holdfast.domain.command import CancelOrder
from holdfast.domain.event import EmergencyStopped, Event, OperatorEvent, TradingResumed
from holdfast.domain.market import BarClosed
from holdfast.domain.tick import Tick
from holdfast.domain.values import OrderId
from holdfast.engine.engine import QUIET, Engine
from holdfast.engine.recorder import BARS, CHECKPOINT, HISTORY, NOT_REPEATED, OPERATOR, RUN, TICK, Recorder
from holdfast.engine.snapshot import restore
from holdfast.portfolio.fold import read_body, read_run, read_tick
from holdfast.portfolio.run import RunStarted
from holdfast.ports.journal import Journal, JournalRecord
from holdfast.services.paper import Checkpoint, Recovery
from holdfast.services.run_before import begin_run
from holdfast.services.same_run import require_same
from holdfast.services.versions import PROGRAM, ProgramChanged, versions_named, written_by

_BARS = msgspec.json.Decoder(list[BarClosed])
_OPERATOR = msgspec.json.Decoder(OperatorEvent)
_IDS = msgspec.json.Decoder(list[OrderId])
_CHECKPOINT = msgspec.json.Decoder(Checkpoint)
OF_ITSELF: Final = (BarClosed, EmergencyStopped, TradingResumed)
"""Events that have a record of their own: their ticks follow from it. All others came in with the tick."""


class Replayed(State):
    """How far a run has come, and which cancels it has decided on that a crash may have kept from being sent."""

    groups: int = 0
    trades: int = 0
    wins: int = 0
    canceled: set[OrderId] = msgspec.field(default_factory=set)


def begin_or_replay(
    journal: Journal, recorder: Recorder, engine: Engine, run: RunStarted, *, is_fresh: bool
) -> tuple[Recovery, Replayed]:
    """Record the beginning of a run, or bring the engine to where the journal's last run has come.

    Raises
    ------
    ConfigurationError
        The journal's last run traded something else, or under other settings.
    NotRepeatedError
        What is recorded does not repeat: program or strategy are not those that wrote it.
    OtherVersionError
        What is recorded cannot be read, and another version wrote it.
    """
    with versions_named(journal):
        began, checkpoint = (None, None) if is_fresh else _last_run(journal)
        if began is None:
            stop = begin_run(journal, recorder, run)
            if stop is not None:
                recorder.tick(engine.process(stop))
                recorder.sync()
            return Recovery(is_fresh=True, taken_over=stop), Replayed()
        require_same(read_run(began.body, began.sequence), run)
        counts = Replayed()
        after = began.sequence
        if checkpoint is not None and (state := _taken_up(journal, checkpoint)) is not None:
            for record in journal.read(began.sequence, kinds=(TICK,)):
                if record.sequence > checkpoint.sequence:
                    break
                recorder.repeat(record.body)
            restore(engine, state.engine)
            owed = read_body(_IDS, state.exchange, "a checkpoint's", checkpoint.sequence) if state.exchange else []
            counts = Replayed(state.groups, state.trades, state.wins, set(owed))
            after = checkpoint.sequence
        repeated = _Replay(engine, recorder, counts).run(journal.read(after, kinds=(HISTORY, BARS, OPERATOR, TICK)))
        if written_by(journal) != __version__:
            recorder.write(PROGRAM, encode(ProgramChanged(__version__)))
    return Recovery(False, counts.groups, repeated, engine.ts_bar), counts


class _Replay:
    """Feeds records to the engine. A tick that a crash has cut off is written anew, and nothing is sent for it."""

    def __init__(self, engine: Engine, recorder: Recorder, counts: Replayed) -> None:
        self._engine, self._recorder, self._counts = engine, recorder, counts
        self._owed: list[Event] = []  # what a record brought in, and has not been processed yet
        self._repeated = 0

    def run(self, records: Iterator[JournalRecord]) -> int:
        """Return how many ticks were repeated and compared."""
        for record in records:
            if record.kind == TICK:
                self._on_tick(record)
                continue
            self._pay(is_last=False)
            if record.kind == HISTORY:
                for bar in read_body(_BARS, record.body, "a history", record.sequence):
                    self._engine.warm(bar)
            elif record.kind == BARS:
                bars = read_body(_BARS, record.body, "a bars", record.sequence)
                self._owed = [*bars]
                self._counts.groups += 1
            else:
                self._owed = [read_body(_OPERATOR, record.body, "an operator", record.sequence)]
        self._pay(is_last=True)
        self._recorder.sync()
        return self._repeated

    def _on_tick(self, record: JournalRecord) -> None:
        event = read_tick(record.body, record.sequence).event
        self._repeated += 1
        if not isinstance(event, OF_ITSELF):
            self._pay(is_last=False)
            self._recorder.expected.append(record.body)
            if self._process(event) is QUIET:
                raise NotRepeatedError(
                    f"record {record.sequence} changed something, and does so no more", hint=NOT_REPEATED
                )
            return
        self._recorder.expected.append(record.body)
        while self._recorder.expected and self._owed:
            self._process(self._owed.pop(0))
        if self._recorder.expected:
            raise JournalError(
                f"record {record.sequence} is a decision without what led to it", hint="holdfast journal verify"
            )

    def _pay(self, *, is_last: bool) -> None:
        """Process what was brought in and led to no record: only of the last may there be one, cut off by a crash."""
        owed, self._owed = self._owed, []
        for event in owed:
            if self._process(event) is not QUIET and not is_last:
                raise NotRepeatedError(
                    "the journal does not repeat: what led to no decision leads to one now", hint=NOT_REPEATED
                )

    def _process(self, event: Event) -> Tick:
        tick = self._engine.process(event)
        if tick is not QUIET:
            self._recorder.tick(tick)
            if tick.closed is not None:
                self._counts.trades += 1
                self._counts.wins += tick.closed.pnl > 0
            self._counts.canceled.update(x.order_id for x in tick.commands if isinstance(x, CancelOrder))
        return tick


def _last_run(journal: Journal) -> tuple[JournalRecord | None, JournalRecord | None]:
    began: JournalRecord | None = None
    checkpoint: JournalRecord | None = None
    for record in journal.read(kinds=(RUN, CHECKPOINT)):
        began, checkpoint = (record, None) if record.kind == RUN else (began, record)
    return began, checkpoint


def _taken_up(journal: Journal, checkpoint: JournalRecord) -> Checkpoint | None:
    try:
        return read_body(_CHECKPOINT, checkpoint.body, "a checkpoint", checkpoint.sequence)
    except UnreadableRecordError:
        if written_by(journal, checkpoint.sequence) == __version__:
            raise
        return None

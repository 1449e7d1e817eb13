"""The paper agent: one engine, a market at a chosen pace, a simulated venue, and a journal that outlives a crash.

Start-up is recovery. The journal holds the market data that arrived, what the engine decided, and a checkpoint now and
then. A restart takes up the last checkpoint, feeds what arrived after it through the same loop, and compares each tick
with the recorded one. Only when everything repeats does it go on.

A person may have asked for the release of a flatten while the agent did not run and the account was not flat: then
there is a record of kind "release", and the agent grants it when its bars have made the account flat. Anything that an
operator does later takes its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from holdfast import __version__
from holdfast.core.errors import (
    ConfigurationError,
    DataError,
    JournalError,
    NotRepeatedError,
    UnreadableRecordError,
)  # fmt: skip
from holdfast.core.record import Record, State, encode
from holdfast.core.time import rfc3339
from holdfast.domain.decision import StopLevel
from holdfast.domain.event import EmergencyStopped, OperatorEvent, TradingResumed
from holdfast.domain.market import BarClosed, timeframe
from holdfast.domain.tick import Tick
from holdfast.engine.driver import Driver
from holdfast.engine.engine import Engine
from holdfast.engine.recorder import BARS, CHECKPOINT, HISTORY, NOT_REPEATED, OPERATOR, RUN, TICK, Recorder
from holdfast.engine.snapshot import EngineState, restore, snapshot
from holdfast.portfolio.fold import Body, read_body
from holdfast.portfolio.run import RunStarted
from holdfast.ports.exchange import SimulatedExchange
from holdfast.ports.journal import Journal, JournalRecord
from holdfast.ports.market import Feed, LiveFeed
from holdfast.services.abandoning import ABANDONED
from holdfast.services.emergency import ReleaseWish
from holdfast.services.release import RELEASE, can_release, last_wish
from holdfast.services.run_before import begin_run, stays_told
from holdfast.services.same_run import require_same
from holdfast.services.versions import PROGRAM, ProgramChanged, versions_named, written_by

CHECKPOINT_EVERY = 1_000
"""Groups of bars between two checkpoints: a restart repeats at most so many."""

KINDS = (RUN, TICK, BARS, OPERATOR, CHECKPOINT, RELEASE, PROGRAM, HISTORY, ABANDONED)
"""Every kind of record that this house writes."""

_SHOWN = 160
_BARS = msgspec.json.Decoder(list[BarClosed])
_OPERATOR = msgspec.json.Decoder(OperatorEvent)


class Checkpoint(State):
    """Body of a record of kind "checkpoint". `exchange`: what the run's kind of venue needs to go on."""

    engine: EngineState
    exchange: bytes
    groups: int
    trades: int
    wins: int


_RUN = msgspec.json.Decoder(RunStarted)
_CHECKPOINT = msgspec.json.Decoder(Checkpoint)


class Recovery(Record, frozen=True):
    """What a start found: a fresh run, or one that was continued."""

    is_fresh: bool
    groups: int = 0  # of bars since the run began
    repeated: int = 0  # ticks that were done again and compared
    ts: int = 0  # the market's time where it goes on
    taken_over: EmergencyStopped | None = None  # the stop of the run before a fresh one


class PaperAgent:
    """Owns engine, driver and journal of one paper account. One thread only."""

    def __init__(
        self, run: RunStarted, engine: Engine, exchange: SimulatedExchange, feed: Feed, journal: Journal,
        checkpoint_every: int = CHECKPOINT_EVERY, warnings: list[str] | None = None,
    ) -> None:  # fmt: skip
        self.run, self.engine = run, engine
        self._exchange, self._feed, self._journal = exchange, feed, journal
        self._recorder = Recorder(journal, is_durable_first=True, is_input_kept=True)
        self._driver = Driver(engine, exchange, self._recorder, self._observe)
        self._checkpoint_every = checkpoint_every
        self._groups: Iterator[Sequence[BarClosed]] = iter(())
        self.groups_done = 0
        self.trades = self.wins = 0
        self.release_wish: ReleaseWish | None = None
        self.warnings = [] if warnings is None else warnings
        """What a person should see and has not been shown yet; whoever gives the list may add to it."""
        self.recent: list[Tick] = []
        """Ticks since `take_ticks` was last called: what a view or a projection has not seen yet."""

    # -- life --------------------------------------------------------------------------------------
    def start(self, *, is_fresh: bool = False, whole: Feed | None = None) -> Recovery:
        """Begin a run, or continue the journal's last one.

        Parameters
        ----------
        whole
            The same market with all its bars, for a run whose last bar lies before those that a new run begins with.

        Raises
        ------
        ConfigurationError
            The journal's last run traded something else, or under other settings, or the market begins after its bars.
        NotRepeatedError
            What is recorded does not repeat: program or data are not those that wrote it.
        OtherVersionError
            What is recorded cannot be read, and another version wrote it.
        """
        with versions_named(self._journal):
            begun = None if is_fresh else self._last_run()
            recovery = self._begin() if begun is None else self._continue(*begun)
        self.release_wish = last_wish(self._journal)
        self._groups = self._after(self.engine.ts_bar, whole)
        return recovery

    def step(self) -> int | None:
        """Process the next group of bars and return 1; 0 where none has closed yet, None at the market's end."""
        self._grant_release()  # a crash may have cut it off
        group = next(self._groups, None)
        if group is None:
            return None
        if not group:
            return 0
        self._driver.on_group(group)
        self._recorder.sync()
        self.groups_done += 1
        self._grant_release()
        if self.groups_done % self._checkpoint_every == 0:
            self.checkpoint()
        return 1

    def stop(self, level: StopLevel, actor: str, reason: str) -> Tick:
        """Pull the brake; what it closes fills with the next bar."""
        return self._operate(EmergencyStopped(self.engine.ts, level, actor, reason))

    def resume(self, actor: str, reason: str) -> Tick:
        """Release the brake."""
        return self._operate(TradingResumed(self.engine.ts, actor, reason))

    def checkpoint(self) -> None:
        """Write the whole state, so that the next start has little to repeat."""
        state = Checkpoint(snapshot(self.engine), self._exchange.snapshot(), self.groups_done, self.trades, self.wins)
        self._recorder.write(CHECKPOINT, encode(state))

    def close(self) -> None:
        """Write a last checkpoint and let the journal go."""
        self.checkpoint()
        self._journal.close()

    def take_ticks(self) -> list[Tick]:
        """Return the ticks since the last call."""
        ticks, self.recent = self.recent, []
        return ticks

    @property
    def digest(self) -> str:
        """Return the digest of the run so far: the same bars in a backtest give the same."""
        return self._recorder.digest

    @property
    def journal_sequence(self) -> int:
        """Return the sequence of the last durable record."""
        return self._journal.head[0]

    # -- parts -------------------------------------------------------------------------------------
    def _observe(self, tick: Tick) -> None:
        self.recent.append(tick)
        if tick.closed is not None:
            self.trades += 1
            self.wins += tick.closed.pnl > 0

    def _operate(self, event: OperatorEvent) -> Tick:
        self.release_wish = None
        self._recorder.write(OPERATOR, encode(event))
        return self._driver.operate(event)

    def _grant_release(self) -> None:
        wish = self.release_wish
        if wish is not None and can_release(self.engine):
            self.resume(wish.actor, wish.reason)

    def _after(self, ts: int, whole: Feed | None) -> Iterator[Sequence[BarClosed]]:
        if not ts:  # no bar has been seen yet
            return iter(self._feed.groups())
        if isinstance(self._feed, LiveFeed):
            self._feed.go_on_from(ts)
            return self._later_than(self._feed)
        feed = whole if whole is not None and self._left_out(self._feed, ts) is not None else self._feed
        # To jump would be to hold a position, with its stop, through years that are there to be looked at.
        if (first := self._left_out(feed, ts)) is not None:
            raise ConfigurationError(
                f"the journal's run goes on at {rfc3339(ts)}, but the market that the settings give begins at"
                f" {rfc3339(first)}: the bars between would be left out",
                hint="give the same start (--from) as before, or begin a new run with `--fresh`",
            )
        return self._later_than(feed)

    def _later_than(self, feed: Feed) -> Iterator[Sequence[BarClosed]]:
        is_due = self.engine.bars_due()
        for group in feed.groups():
            due = [bar for bar in group if is_due(bar)]
            if due or not group:
                yield due

    def _left_out(self, feed: Feed, ts: int) -> int | None:
        """Return where `feed` begins, if that is later than `ts`: None where it has the bars around, or none at all."""
        first = next(iter(feed.groups()), None)
        if not first:
            return None
        opened = first[0].ts_event - timeframe(self.run.timeframe).nanos
        return opened if opened > ts else None

    def _begin(self) -> Recovery:
        stop = begin_run(self._journal, self._recorder, self.run)
        if stop is not None:
            self._driver.operate(stop)
            self.warnings.append(stays_told(stop))
        return Recovery(is_fresh=True, taken_over=stop)

    def _last_run(self) -> tuple[JournalRecord, JournalRecord | None] | None:
        """Return the record that began the last run, and its last checkpoint."""
        began: JournalRecord | None = None
        checkpoint: JournalRecord | None = None
        for record in self._journal.read(kinds=(RUN, CHECKPOINT)):
            began, checkpoint = (record, None) if record.kind == RUN else (began, record)
        return None if began is None else (began, checkpoint)

    def _continue(self, began: JournalRecord, checkpoint: JournalRecord | None) -> Recovery:
        require_same(_decoded(_RUN, began), self.run)
        resumed_at = began.sequence
        if checkpoint is not None and (state := self._taken_up(checkpoint)) is not None:
            resumed_at = checkpoint.sequence
            # The digest covers the whole run, so the ticks before the checkpoint are counted again, not done again.
            for record in self._journal.read(began.sequence, kinds=(TICK,)):
                if record.sequence > resumed_at:
                    break
                self._recorder.repeat(record.body)
            restore(self.engine, state.engine)
            self.groups_done, self.trades, self.wins = state.groups, state.trades, state.wins
        repeated = self._repeat(resumed_at)
        if written_by(self._journal) != __version__:
            self._recorder.write(PROGRAM, encode(ProgramChanged(__version__)))
        return Recovery(False, self.groups_done, repeated, self.engine.ts_bar)

    def _taken_up(self, checkpoint: JournalRecord) -> Checkpoint | None:
        """Return the state at a checkpoint, which the exchange then has; None where only another version can read it.

        Then the whole run is done again and compared: all that came in is recorded.
        """
        try:
            state = _decoded(_CHECKPOINT, checkpoint)
            self._exchange.restore(state.exchange)
        except (UnreadableRecordError, DataError):
            if written_by(self._journal, checkpoint.sequence) == __version__:
                raise
            return None
        return state

    def _repeat(self, after: int) -> int:
        """Do again what the journal says came in after the checkpoint, and compare."""
        pending: JournalRecord | None = None
        ticks: list[bytes] = []
        repeated = 0
        for record in self._journal.read(after, kinds=(BARS, OPERATOR, TICK)):
            if record.kind == TICK:
                ticks.append(record.body)
                continue
            repeated += self._again(pending, ticks)
            pending, ticks = record, []
        return repeated + self._again(pending, ticks)

    def _again(self, record: JournalRecord | None, ticks: list[bytes]) -> int:
        if record is None:
            if ticks:
                raise JournalError(
                    "the journal holds decisions without what led to them", hint="holdfast journal verify"
                )
            return 0
        recorder = self._recorder
        recorder.expected.extend(ticks)
        kept, recorder.is_input_kept = recorder.is_input_kept, False
        if record.kind == BARS:
            group = _decoded(_BARS, record)
            self._driver.on_group(group)
            self.groups_done += 1
        else:
            self._driver.operate(_decoded(_OPERATOR, record))
        recorder.is_input_kept = kept
        # A crash may have cut the last turn short: what it still owed has just been written anew.
        recorder.sync()
        if recorder.expected:
            first = recorder.expected[0][:_SHOWN].decode(errors="replace")
            raise NotRepeatedError(
                f"the journal does not repeat: {len(recorder.expected)} recorded ticks did not happen again,"
                f" the first is {first}...",
                hint=NOT_REPEATED,
            )
        return len(ticks)


def _decoded(decoder: msgspec.json.Decoder[Body], record: JournalRecord) -> Body:
    return read_body(decoder, record.body, f"a {record.kind}", record.sequence)

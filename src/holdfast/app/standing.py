"""How the agent of a home stands: asked of the running one, or rebuilt from the journal without writing to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from holdfast.adapters.host.clock import SystemClock
from holdfast.adapters.storage.sqlite.folder import segment_numbers, writer_of
from holdfast.adapters.storage.sqlite.journal import SqliteJournal
from holdfast.adapters.storage.sqlite.verify import require_whole
from holdfast.app.agent import Account, RunningAgent
from holdfast.app.home import JOURNAL_NAME, Home, how_to_read
from holdfast.app.pinned import PinnedJournal
from holdfast.app.run_plan import build, risk_config_of
from holdfast.core.errors import (
    ConfigurationError,
    JournalError,
    JournalInUseError,
    NotRepeatedError,
    OtherVersionError,
    RefusedError,
)  # fmt: skip
from holdfast.core.record import encode
from holdfast.domain.decision import StopLevel
from holdfast.domain.event import EmergencyStopped, OperatorEvent, TradingResumed
from holdfast.domain.market import BarClosed
from holdfast.engine.recorder import OPERATOR, RUN
from holdfast.interfaces.control.client import UnheardError, ask
from holdfast.interfaces.control.left import LeftStop
from holdfast.interfaces.control.messages import Reply, Request, Wish
from holdfast.portfolio.fold import read_run
from holdfast.portfolio.run import RunStarted
from holdfast.portfolio.status import Status
from holdfast.ports.journal import Entry, Journal, JournalRecord
from holdfast.services.abandoning import HALF_GIVEN_UP, is_half_given_up
from holdfast.services.emergency import ReleaseWish, StopProof, proof_of, require_flat
from holdfast.services.paper import PaperAgent
from holdfast.services.recorded_standing import RecordedStanding
from holdfast.services.release import RELEASE
from holdfast.services.replayed import ReplayedAgent
from holdfast.services.same_run import require_known_settings
from holdfast.services.standing import LimitLine
from holdfast.services.versions import versions_named

BACKTEST: Final = "backtest"
"""The mode of a run whose journal holds decisions, and not the bars that led to them."""
PAPER: Final = "paper"
"""The mode of a run whose venue is part of the program, so that its fills are done again with the bars."""


_NOT_REPEATED: Final = (NotRepeatedError, OtherVersionError)
_BY_THE_RECORDS: Final = (
    "this is what the recorded fills and bars come to; the engine, which checks them by doing the run again, could not:"
    " limits that rest on its own statistics (correlation, cooldown, the next trade's budget) are left out"
)


class _NoFeed:
    """A market in which nothing more happens."""

    def groups(self) -> Iterator[Sequence[BarClosed]]:
        return iter(())


class BacktestJournalError(ConfigurationError):
    """The journal is that of a backtest: its decisions can be told, but no account stands anywhere now."""

    def __init__(self, run: RunStarted, home: Home) -> None:
        pair = run.instruments[0].id.partition(".")[0]
        super().__init__(
            f"the journal in {home.path} is that of a backtest, which has ended and which no agent continues",
            hint=f"`holdfast why-not {pair} --home {home.path}` tells what came of its last signals, with ids;"
            f" `holdfast explain ID --home {home.path}` tells one of them, or a trade_id of `backtest --trades FILE`;"
            f" `holdfast journal tail|verify|export|replay --home {home.path}` read the records; equity and trades are"
            " in the report of the backtest itself",
        )
        self.run = run


class Standing:
    """Answers questions about the agent of a home. The journal is read at most once, and only if no agent runs."""

    def __init__(self, home: Home, on_wait: Callable[[int], None] = lambda _: None) -> None:
        self._home, self._on_wait = home, on_wait
        self._left = LeftStop(home.left_stop)
        self._rebuilt: RunningAgent | None = None
        self._recorded: RecordedStanding | None = None
        self.warnings: tuple[str, ...] = ()
        """Why what was answered is less than usual: to be shown beside it."""

    @property
    def is_running(self) -> bool:
        """Tell whether an agent answered, or would have."""
        return self._rebuilt is None and self._recorded is None

    def status(self) -> Status:
        """Return how the account stands; by the records alone where the run does not repeat, and `warnings` say so."""
        reply = self._ask(Request(Wish.STATUS))
        if reply is not None and reply.status is not None:
            return reply.status
        found = self._readable().status()
        if (left := self._left.find()) is not None:
            level = left.level.replace("_", " ")
            self._warn(f"a stop at {level} was left for an agent that has ended: the next start obeys it")
        self._warn_if_given_up()
        return found

    def _warn_if_given_up(self) -> None:
        journal = open_reader(self._home)
        try:
            if not is_half_given_up(journal):
                return
        finally:
            journal.close()
        holder = writer_of(self._home.journal)
        self._warn(HALF_GIVEN_UP if holder is None else f"the run is being given up now, by process {holder}")

    def _warn(self, told: str) -> None:
        self.warnings = tuple(dict.fromkeys((*self.warnings, told)))

    def before_stop(self, *, is_look_only: bool = False) -> Status:
        """Return how the account stands, for a person who is about to stop or to release it.

        A stop that was left for an agent which has ended is written into the journal before, unless this is but a look.

        Raises
        ------
        JournalError
            No agent answers, and the journal cannot be believed: says that nothing trades, and that nothing will.
        """
        with _unrecorded(self._home):
            reply = self._ask(Request(Wish.STATUS))
            if reply is not None and reply.status is not None:
                return reply.status
            if not is_look_only and (left := self._left.find()) is not None and writer_of(self._home.journal) is None:
                write(self._home, Entry(OPERATOR, encode(_event(left, self._agent().status().ts))))
                self._left.forget(left)
                self._rebuilt = None
            return self._agent().status()

    def leave_stop(self, request: Request) -> None:
        """Leave a stop for an agent that does not answer: it obeys the moment it wakes, before its next bar."""
        self._left.leave(request)

    def limits(self) -> tuple[LimitLine, ...]:
        """Return the account's limits beside what is used of them; see `status`."""
        reply = self._ask(Request(Wish.LIMITS))
        return reply.limits if reply is not None else self._readable().limits()

    def situation(self, symbol: str) -> tuple[str, ...]:
        """Return what stands in the way of an entry into `symbol`."""
        reply = self._ask(Request(Wish.SITUATION, symbol=symbol))
        return reply.lines if reply is not None else self._agent().situation(symbol)

    def stop(self, request: Request) -> tuple[StopProof, bool]:
        """Stop or resume; return the proof, and whether a running agent gave it.

        Without an agent the wish is written into the journal, under its lock, and the next start begins with it. For
        one that does not answer, or is just starting, a stop is left; what is raised says so.

        Raises
        ------
        UnheardError
            An agent runs, and did not answer.
        JournalInUseError
            An agent is just starting, or about to end.
        RefusedError
            The account was flattened, is not flat yet, and was to be released.
        """
        is_release = request.wish is Wish.RESUME
        try:
            reply = self._ask(request)
        except UnheardError:
            if not is_release:
                self.leave_stop(request)
            raise
        if reply is not None and reply.proof is not None:
            return reply.proof, True
        with _unrecorded(self._home):  # an agent may have ended since the account was looked at
            before = self._agent().status()
        if is_release:
            require_flat(before)
        # A stop is written whatever has happened meanwhile; a release only onto what was looked at.
        entry = Entry(OPERATOR, encode(_event(request, before.ts)))
        try:
            write(self._home, entry, before.journal_sequence if is_release else 0)
        except JournalInUseError as error:
            if is_release:
                raise
            self.leave_stop(request)
            raise JournalInUseError(
                f"{error}; the stop is left for it, and takes effect as soon as it listens", hint="holdfast status"
            ) from error
        self._rebuilt = None
        wanted = StopLevel.NONE if is_release else request.level
        is_anew = is_release and before.is_drawdown_locked
        return proof_of(self._agent().status(), wanted, is_drawdown_anew=is_anew), False

    def wish_release(self, request: Request) -> StopProof:
        """Write down that the stop is to be released when the account is flat; the next start honours it then.

        Raises
        ------
        RefusedError
            An agent runs, whose bars close what is open; or one has run since the account was looked at.
        JournalError
            An agent has just started and holds the journal.
        """
        if self._ask(Request(Wish.STATUS)) is not None:
            raise RefusedError(
                "the account is not flat yet, and an agent is running",
                hint="resume again when `holdfast positions` shows none; if its market has ended, end the agent first",
            )
        before = self._agent().status()
        body = encode(ReleaseWish(before.ts, request.actor, request.reason))
        write(self._home, Entry(RELEASE, body), before.journal_sequence)
        self._rebuilt = None
        return proof_of(self._agent().status(), StopLevel.NONE)

    def _ask(self, request: Request) -> Reply | None:
        return ask(self._home.socket, request, self._on_wait) if self.is_running else None

    def _readable(self) -> RunningAgent | RecordedStanding:
        """Return the agent, or what the records alone say where this program does not repeat what it did."""
        if self._recorded is not None:
            return self._recorded
        try:
            return self._agent()
        except _NOT_REPEATED as error:
            self._recorded = recorded_standing(self._home)
            self.warnings = (f"{error}", _BY_THE_RECORDS, f"next: {error.hint}")
            return self._recorded

    def _agent(self) -> RunningAgent:
        if self._rebuilt is None:
            self._rebuilt = rebuilt_agent(self._home)
        return self._rebuilt


@contextmanager
def _unrecorded(home: Home) -> Iterator[None]:
    """Let an error say what a damaged journal means to a person at the brake: does anything trade meanwhile?"""
    try:
        yield
    except JournalInUseError:
        raise
    except JournalError as error:
        writer = writer_of(home.journal)
        if writer is None and isinstance(error, _NOT_REPEATED):
            raise type(error)(
                f"{error}; no agent runs in {home.path}, and nothing was recorded: what wrote the journal trades on"
                " when it is started, and so does `holdfast run --fresh`",
                hint=error.hint,
            ) from error
        if writer is None:
            raise JournalError(
                f"{error}; no agent runs in {home.path}, so nothing trades, and none will start until the journal is"
                " repaired; nothing was recorded",
                hint=error.hint,
            ) from error
        raise JournalError(
            f"{error}; process {writer} holds the journal and does not answer; nothing was recorded",
            hint=f"if it is just starting, try again in a few seconds; `kill {writer}` ends it, and no other starts",
        ) from error


def rebuilt_agent(home: Home, journal: PinnedJournal | None = None) -> RunningAgent:
    """Return the agent of the journal's last run as it stood at the last record; nothing is written.

    Every record's hash is checked before, unless a `journal` is given: then its owner has done so.

    Raises
    ------
    ConfigurationError
        Nothing has run in this home yet.
    BacktestJournalError
        What ran was a backtest.
    JournalError
        The journal is damaged, cannot be read, or does not repeat; or its run has settings that are not known here.
    """
    if journal is None:
        journal = PinnedJournal(open_reader(home))
        require_whole(home.journal)
    run = last_run(journal, home)
    if run.mode == BACKTEST:
        raise BacktestJournalError(run, home)
    require_known_settings(run)
    try:
        agent = RunningAgent(journal, _account(run, journal))
    except ConfigurationError as error:
        raise NotRepeatedError(
            f"what traded cannot be loaded any more: {error}",
            hint=f"put back what the run was begun with (strategy {run.strategy}), or begin a new run with"
            " `holdfast run --fresh`, which keeps the old one in the journal",
        ) from error
    agent.start()
    return agent


def _account(run: RunStarted, journal: PinnedJournal) -> Account:
    built = build(run)
    if run.mode == PAPER:
        return PaperAgent(run, built.engine, built.exchange, _NoFeed(), journal)
    return ReplayedAgent(run, built.engine, journal)


def recorded_standing(home: Home) -> RecordedStanding:
    """Return how the last run stands by its records alone; the caller has checked their hashes.

    Raises
    ------
    JournalError
        The records cannot be read, or contradict each other.
    """
    journal = PinnedJournal(open_reader(home))
    run = last_run(journal, home)
    with versions_named(journal):
        return RecordedStanding(run, risk_config_of(run), journal)


def open_reader(home: Home) -> SqliteJournal:
    """Return the journal of `home` for reading. Its hashes are not checked: see `require_whole`.

    Raises
    ------
    ConfigurationError
        There is none yet.
    """
    require_recorded(home)
    return SqliteJournal(home.journal, SystemClock(), is_read_only=True)


def require_recorded(home: Home) -> None:
    """Refuse a home without a journal; tell of one that is a journal itself, as a backtest may have left it.

    Raises
    ------
    ConfigurationError
        There is none.
    """
    if home.journal.is_dir() and any(home.journal.iterdir()):
        return
    if home.path.is_dir() and segment_numbers(home.path):
        raise ConfigurationError(
            f"{home.path} is a journal, and no home that has one in a folder called {JOURNAL_NAME}",
            hint=how_to_read(home.path, "the same command"),
        )
    raise ConfigurationError(
        f"nothing has been recorded in {home.path} yet", hint="start the agent with `holdfast run`, or name --home"
    )


def last_run(journal: Journal, home: Home) -> RunStarted:
    """Return how the journal's last run began."""
    last: JournalRecord | None = None
    for record in journal.read(kinds=(RUN,)):
        last = record
    if last is None:
        raise ConfigurationError(f"the journal in {home.path} has no run yet", hint="start one with `holdfast run`")
    with versions_named(journal):
        return read_run(last.body, last.sequence)


def write(home: Home, entry: Entry, after: int = 0) -> None:
    """Write an operator's wish into the journal of an agent that does not run: behind record `after`, if that is given.

    Raises
    ------
    JournalError
        An agent started meanwhile and holds the journal.
    RefusedError
        One has run meanwhile, and more than record `after` is there.
    """
    with SqliteJournal(home.journal, SystemClock()) as journal:
        if after and journal.head[0] != after:
            raise RefusedError("an agent has run since the account was looked at; nothing was done", hint="try again")
        journal.append([entry]).wait()


def _event(request: Request, ts: int) -> OperatorEvent:
    if request.wish is Wish.RESUME:
        return TradingResumed(ts, request.actor, request.reason)
    return EmergencyStopped(ts, request.level, request.actor, request.reason)

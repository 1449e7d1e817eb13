"""How the agent of a home stands: asked of the running one, or rebuilt from the journal without writing to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from holdfast.adapters.host.clock import SystemClock
from holdfast.adapters.storage.sqlite.journal import SqliteJournal
from holdfast.adapters.storage.sqlite.verify import require_whole
from holdfast.app.agent import RunningAgent
from holdfast.app.home import Home
from holdfast.app.pinned import PinnedJournal
from holdfast.core.errors import ConfigurationError
from holdfast.core.record import encode
from holdfast.domain.decision import StopLevel
from holdfast.domain.event import EmergencyStopped, OperatorEvent, TradingResumed
from holdfast.domain.market import BarClosed
from holdfast.engine.recorder import OPERATOR, RUN
from holdfast.interfaces.control.client import ask
from holdfast.interfaces.control.messages import Reply, Request, Wish
from holdfast.portfolio.fold import read_run
from holdfast.portfolio.run import RunStarted
from holdfast.portfolio.status import Status
from holdfast.ports.journal import Entry, Journal, JournalRecord
from holdfast.services.emergency import StopProof, proof_of, require_flat
from holdfast.services.standing import LimitLine

BACKTEST: Final = "backtest"
"""The mode of a run whose journal holds decisions, and not the bars that led to them."""


class _NoFeed:
    """A market in which nothing more happens."""

    def groups(self) -> Iterator[Sequence[BarClosed]]:
        return iter(())


class Standing:
    """Answers questions about the agent of a home. The journal is read at most once, and only if no agent runs."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._rebuilt: RunningAgent | None = None

    @property
    def is_running(self) -> bool:
        """Tell whether an agent answered, or would have."""
        return self._rebuilt is None

    def status(self) -> Status:
        """Return how the account stands."""
        reply = self._ask(Request(Wish.STATUS))
        return reply.status if reply is not None and reply.status is not None else self._agent().status()

    def limits(self) -> tuple[LimitLine, ...]:
        """Return the account's limits beside what is used of them."""
        reply = self._ask(Request(Wish.LIMITS))
        return reply.limits if reply is not None else self._agent().limits()

    def situation(self, symbol: str) -> tuple[str, ...]:
        """Return what stands in the way of an entry into `symbol`."""
        reply = self._ask(Request(Wish.SITUATION, symbol=symbol))
        return reply.lines if reply is not None else self._agent().situation(symbol)

    def stop(self, request: Request) -> tuple[StopProof, bool]:
        """Stop or resume; return the proof, and whether a running agent gave it.

        Without an agent the wish is written into the journal, under its lock, and the next start begins with it.

        Raises
        ------
        RefusedError
            The account was flattened, is not flat yet, and was to be released.
        """
        reply = self._ask(request)
        if reply is not None and reply.proof is not None:
            return reply.proof, True
        before = self._agent().status()
        is_release = request.wish is Wish.RESUME
        if is_release:
            require_flat(before)
        record_operator(self._home, _event(request, before.ts))
        self._rebuilt = None
        wanted = StopLevel.NONE if is_release else request.level
        is_anew = is_release and before.is_drawdown_locked
        return proof_of(self._agent().status(), wanted, is_drawdown_anew=is_anew), False

    def _ask(self, request: Request) -> Reply | None:
        return None if self._rebuilt is not None else ask(self._home.socket, request)

    def _agent(self) -> RunningAgent:
        if self._rebuilt is None:
            self._rebuilt = rebuilt_agent(self._home)
        return self._rebuilt


def rebuilt_agent(home: Home, journal: PinnedJournal | None = None) -> RunningAgent:
    """Return the agent of the journal's last run as it stood at the last record; nothing is written.

    Every record's hash is checked before, unless a `journal` is given: then its owner has done so.

    Raises
    ------
    ConfigurationError
        Nothing has run in this home yet.
    JournalError
        The journal is damaged, cannot be read, or does not repeat.
    """
    if journal is None:
        journal = PinnedJournal(open_reader(home))
        require_whole(home.journal)
    run = last_run(journal, home)
    if run.mode == BACKTEST:
        raise ConfigurationError(
            f"the journal in {home.path} is that of a backtest, which no agent continues",
            hint="read it with `holdfast explain ID` and `holdfast journal tail|verify|export|replay`",
        )
    agent = RunningAgent(run, journal, _NoFeed())
    agent.start()
    return agent


def open_reader(home: Home) -> SqliteJournal:
    """Return the journal of `home` for reading. Its hashes are not checked: see `require_whole`.

    Raises
    ------
    ConfigurationError
        There is none yet.
    """
    if not home.journal.is_dir() or not any(home.journal.iterdir()):
        raise ConfigurationError(
            f"nothing has been recorded in {home.path} yet", hint="start the agent with `holdfast run`, or name --home"
        )
    return SqliteJournal(home.journal, SystemClock(), is_read_only=True)


def last_run(journal: Journal, home: Home) -> RunStarted:
    """Return how the journal's last run began."""
    last: JournalRecord | None = None
    for record in journal.read(kinds=(RUN,)):
        last = record
    if last is None:
        raise ConfigurationError(f"the journal in {home.path} has no run yet", hint="start one with `holdfast run`")
    return read_run(last.body, last.sequence)


def record_operator(home: Home, event: OperatorEvent) -> None:
    """Write an operator's wish into the journal of an agent that does not run.

    Raises
    ------
    JournalError
        An agent started meanwhile and holds the journal.
    """
    with SqliteJournal(home.journal, SystemClock()) as journal:
        journal.append([Entry(OPERATOR, encode(event))]).wait()


def _event(request: Request, ts: int) -> OperatorEvent:
    if request.wish is Wish.RESUME:
        return TradingResumed(ts, request.actor, request.reason)
    return EmergencyStopped(ts, request.level, request.actor, request.reason)

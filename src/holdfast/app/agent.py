"""The running agent: an account with its journal, its fold and its doors, behind one object that a loop drives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import msgspec

from holdfast.adapters.host.clock import SystemClock
from holdfast.adapters.storage.sqlite.journal import SqliteJournal
from holdfast.adapters.storage.sqlite.verify import OnProgress, require_whole
from holdfast.app.home import Home
from holdfast.app.market import TradedMarket
from holdfast.app.run_plan import build
from holdfast.domain.decision import StopLevel
from holdfast.engine.recorder import RUN, TICK
from holdfast.portfolio.fold import JournalFold
from holdfast.portfolio.run import RunStarted
from holdfast.portfolio.status import DecisionLine, Status
from holdfast.ports.journal import Journal
from holdfast.ports.market import Feed
from holdfast.services.emergency import is_stopped, require_flat
from holdfast.services.live import LiveAgent
from holdfast.services.paper import PaperAgent, Recovery
from holdfast.services.replayed import ReplayedAgent
from holdfast.services.standing import LimitLine, Progress, limits_of, situation_of, status_of
from holdfast.services.versions import versions_named

Account = PaperAgent | LiveAgent | ReplayedAgent
"""What trades, or has traded, one account."""


class RunningAgent:
    """One agent, on paper or live, and the fold over its journal; owned by one thread."""

    def __init__(self, journal: Journal, agent: Account) -> None:
        self._journal, self._agent = journal, agent
        self._fold = JournalFold()
        self._fresh: list[DecisionLine] = []
        self._is_busy = False

    @property
    def busy_with(self) -> int | None:
        """Return the closing time (ns) of the bars that are being processed, None between two groups of them.

        Of a live agent only the time of its strategies counts: a venue that is silent makes none of them slow.
        """
        agent = self._agent
        is_busy = agent.is_deciding if isinstance(agent, LiveAgent) else self._is_busy
        return agent.engine.ts_bar or None if is_busy else None

    def start(self, *, is_fresh: bool = False, whole: Feed | None = None) -> Recovery:
        """Begin a run or go on with the journal's last one; see `PaperAgent.start`.

        Raises
        ------
        DomainError
            The ledger and the positions that the journal leads to contradict each other.
        """
        self._is_busy = True
        agent = self._agent
        if isinstance(agent, PaperAgent):
            recovery = agent.start(is_fresh=is_fresh, whole=whole)
        else:
            recovery = agent.start(is_fresh=is_fresh)
        self._is_busy = False
        # What was done again since the last checkpoint has not been looked at yet.
        self._agent.engine.account.portfolio.require_agreement()
        with versions_named(self._journal):
            self._fold.replay((record.kind, record.body) for record in self._journal.read(kinds=(RUN, TICK)))
        # A reader's journal does not take the ticks that a crash has cut off; they happened all the same.
        for tick in self._agent.take_ticks():
            if tick.sequence > self._fold.sequence:
                self._fold.apply(tick)
        return recovery

    def step(self) -> int | None:
        """Process the next group of bars, or what has come in; the number of groups, None at the end of the market."""
        self._is_busy = True
        done = self._agent.step()
        self._is_busy = False
        self._follow()
        return done

    def heed(self, look: Callable[[], None]) -> None:
        """Let a live agent call `look` before the bars of a step; one on paper does nothing else in a step."""
        if isinstance(self._agent, LiveAgent):
            self._agent.before_bars = look

    def stop(self, level: StopLevel, actor: str, reason: str) -> None:
        """Pull the brake."""
        self._agent.stop(level, actor, reason)
        self._follow()

    def resume(self, actor: str, reason: str) -> None:
        """Release the brake, if it is pulled; refused until the account is flat, if it was flattened."""
        status = self.status()
        require_flat(status)
        if not is_stopped(status):
            return  # a record of each key that was pressed would say that there had been something to release
        self._agent.resume(actor, reason)
        self._follow()

    def status(self) -> Status:
        """Return how the account stands now."""
        agent = self._agent
        progress = Progress(agent.trades, agent.wins, agent.groups_done, agent.digest, agent.journal_sequence)
        status = status_of(agent.engine, agent.run, tuple(reversed(self._fold.decisions)), progress)
        links = agent.links_down if isinstance(agent, LiveAgent) else ()
        return msgspec.structs.replace(status, is_release_wished=agent.release_wish is not None, links_down=links)

    def decisions(self) -> Sequence[DecisionLine]:
        """Return what was decided since the last call, oldest first, and what a live account has to warn of."""
        lines, self._fresh = self._fresh, []
        if warnings := list(self._agent.warnings):
            self._agent.warnings.clear()
            ts = self._agent.engine.ts
            lines += [DecisionLine("", ts, "", "warning", text) for text in warnings]
        return lines

    def warn(self, text: str) -> None:
        """Let a person see `text` with the next decisions."""
        self._agent.warnings.append(text)

    def limits(self) -> tuple[LimitLine, ...]:
        """Return the account's limits beside what is used of them."""
        return limits_of(self._agent.engine)

    def situation(self, symbol: str) -> tuple[str, ...]:
        """Return what the strategy waits for on one instrument."""
        return situation_of(self._agent.engine, symbol)

    def close(self) -> None:
        """Write a checkpoint and let the journal go."""
        self._agent.close()

    def _follow(self) -> None:
        decisions = self._fold.decisions
        for tick in self._agent.take_ticks():
            before = decisions[-1] if decisions else None
            self._fold.apply(tick)
            self._fresh += _after(decisions, before)


def _after(decisions: Sequence[DecisionLine], before: DecisionLine | None) -> list[DecisionLine]:
    """Return what stands behind `before`, which is compared by identity: equal lines may come twice."""
    fresh: list[DecisionLine] = []
    for line in reversed(decisions):
        if line is before:
            break
        fresh.append(line)
    return fresh[::-1]


ShowCheck = Callable[[], AbstractContextManager[OnProgress | None]]
"""Gives what is told how far the check of the journal is, while that lasts."""


@contextmanager
def checked_journal(home: Home, show_check: ShowCheck = nullcontext) -> Iterator[SqliteJournal]:
    """Give the journal of `home` for writing, after every record of it was checked; its lock makes it the only one.

    Raises
    ------
    JournalError
        A record of the journal was changed or is missing: nothing is traded on top of it, and nothing is written.
    """

    def check(folder: Path) -> None:
        # All of it: a checkpoint is a state without the records that led to it, so that nothing else would miss them.
        with show_check() as on_progress:
            require_whole(folder, refusal="nothing is traded on it", on_progress=on_progress)

    with SqliteJournal(home.journal, SystemClock(), check=check) as journal:
        yield journal


@contextmanager
def running_agent(
    home: Home, run: RunStarted, market: TradedMarket, show_check: ShowCheck = nullcontext
) -> Iterator[RunningAgent]:
    """Give the agent of `home` while its journal is open; the journal's lock makes it the only one.

    Raises
    ------
    JournalError
        A record of the journal was changed or is missing: nothing is traded on top of it, and nothing is written.
    """
    home.create()
    with checked_journal(home, show_check) as journal:
        built = build(run)
        yield RunningAgent(
            journal, PaperAgent(run, built.engine, built.exchange, market.feed, journal, warnings=market.warnings)
        )

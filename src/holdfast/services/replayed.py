"""A live account as its journal tells it, for a reader while no agent runs: nothing is asked, and nothing is sent."""

from __future__ import annotations

from holdfast.core.errors import RefusedError
from holdfast.domain.decision import StopLevel
from holdfast.domain.tick import Tick
from holdfast.engine.engine import Engine
from holdfast.engine.recorder import Recorder
from holdfast.portfolio.run import RunStarted
from holdfast.ports.journal import Journal
from holdfast.services.emergency import ReleaseWish
from holdfast.services.live_replay import begin_or_replay
from holdfast.services.paper import Recovery
from holdfast.services.release import last_wish


class ReplayedAgent:
    """Stands where the journal ends. What it is told to do is refused: only an agent that runs can do it."""

    def __init__(self, run: RunStarted, engine: Engine, journal: Journal) -> None:
        self.run, self.engine, self._journal = run, engine, journal
        self._recorder = Recorder(journal, is_durable_first=True, is_input_kept=False)
        self.groups_done = self.trades = self.wins = 0
        self.release_wish: ReleaseWish | None = None
        self.warnings: list[str] = []

    def start(self, *, is_fresh: bool = False) -> Recovery:
        """Replay the journal's last run; see `begin_or_replay`."""
        recovery, state = begin_or_replay(self._journal, self._recorder, self.engine, self.run, is_fresh=is_fresh)
        self.groups_done, self.trades, self.wins = state.groups, state.trades, state.wins
        self.release_wish = last_wish(self._journal)
        return recovery

    def step(self) -> int:
        """Do nothing: the market is not heard."""
        return 0

    def stop(self, level: StopLevel, actor: str, reason: str) -> Tick:
        """Refuse."""
        raise RefusedError(f"no agent runs that {actor} could stop", hint="holdfast stop")

    def resume(self, actor: str, reason: str) -> Tick:
        """Refuse."""
        raise RefusedError(f"no agent runs that {actor} could release", hint="holdfast resume")

    def close(self) -> None:
        """Let the journal go."""
        self._journal.close()

    def take_ticks(self) -> list[Tick]:
        """Return nothing: all that was decided is in the journal."""
        return []

    @property
    def digest(self) -> str:
        """Return the digest of the run so far."""
        return self._recorder.digest

    @property
    def journal_sequence(self) -> int:
        """Return the sequence of the last record."""
        return self._journal.head[0]

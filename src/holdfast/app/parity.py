"""The parity report of a home: its journal, and a fresh engine and venue of the same plan."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from holdfast.adapters.storage.sqlite.verify import require_whole
from holdfast.app.home import Home
from holdfast.app.run_plan import build
from holdfast.app.standing import BACKTEST, open_reader
from holdfast.core.errors import ConfigurationError
from holdfast.engine.engine import Engine
from holdfast.engine.recorder import RUN
from holdfast.portfolio.fold import read_run
from holdfast.portfolio.run import RunStarted
from holdfast.ports.exchange import SimulatedExchange
from holdfast.ports.journal import Entry, JournalRecord
from holdfast.services.parity import ParityReport, check_parity
from holdfast.services.same_run import require_known_settings


class _Nowhere:
    """A journal that keeps nothing."""

    def append(self, entries: Sequence[Entry]) -> _Nowhere:
        return self

    def wait(self) -> int:
        return 0

    def flush(self) -> None:
        """Do nothing."""

    def read(self, after: int = 0, kinds: Sequence[str] = ()) -> Iterator[JournalRecord]:
        return iter(())

    @property
    def head(self) -> tuple[int, bytes]:
        return 0, bytes(32)

    def close(self) -> None:
        """Do nothing."""


def parity_of(
    home: Home, run_id: str | None, *, with_operator: bool = True,
    change: Callable[[RunStarted], RunStarted] = lambda run: run,
) -> ParityReport:  # fmt: skip
    """Return the parity report of a run, the last one unless it is named.

    Parameters
    ----------
    change
        What to do to the run before it is compared: for controls, which must find it different.

    Raises
    ------
    ConfigurationError
        There is no such run, or it was a backtest.
    JournalError
        The journal is damaged, or holds what this version does not know.
    """
    journal = open_reader(home)
    try:
        require_whole(home.journal)
        record, run = _find(journal.read(kinds=(RUN,)), run_id, home)
        if run.mode == BACKTEST:
            raise ConfigurationError(
                f"run {run.run_id} is a backtest itself", hint="name a paper, practice or live run with --run"
            )
        require_known_settings(run)
        run = change(run)

        def make() -> tuple[Engine, SimulatedExchange]:
            built = build(run)
            return built.engine, built.exchange

        return check_parity(run, journal, record.sequence, make, _Nowhere(), with_operator=with_operator)
    finally:
        journal.close()


def _find(records: Iterator[JournalRecord], run_id: str | None, home: Home) -> tuple[JournalRecord, RunStarted]:
    runs = [(record, read_run(record.body, record.sequence)) for record in records]
    found = [item for item in runs if run_id is None or item[1].run_id.startswith(run_id)]
    if not found:
        names = ", ".join(run.run_id for _, run in runs) or "none"
        raise ConfigurationError(f"there is no run {run_id or ''} in {home.path}", hint=f"its runs are: {names}")
    return found[-1]

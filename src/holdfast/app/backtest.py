"""A backtest put together: settings and market in, engine, venue and journal out, result back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from holdfast.adapters.host.clock import SystemClock
from holdfast.adapters.storage.sqlite.config import MEBIBYTE, JournalConfig
from holdfast.adapters.storage.sqlite.journal import SqliteJournal
from holdfast.app.market import TradedMarket
from holdfast.app.run_plan import build, run_of
from holdfast.app.settings import Settings
from holdfast.app.watch import LOOKS, watching
from holdfast.core.errors import ConfigurationError
from holdfast.core.record import Record
from holdfast.matching.config import MatchingConfig
from holdfast.portfolio.run import RunStarted
from holdfast.ports.journal import Entry, Journal, JournalRecord
from holdfast.services.backtesting import BacktestResult, run_backtest

# Nobody waits for a backtest's records, so that a batch may wait for company. It may hand over ticks faster than the
# disk takes them: a short queue makes it wait instead of growing.
_JOURNAL = JournalConfig(linger_ms=20, batch_records_max=2_000, queue_bytes_max=4 * MEBIBYTE)


class FinishedBacktest(Record, frozen=True):
    """A result with what made it."""

    began: RunStarted
    result: BacktestResult
    seconds: float
    is_frictionless: bool


def backtest(
    settings: Settings, market: TradedMarket, journal_folder: Path | None,
    on_progress: Callable[[int], None] | None = None, *, is_frictionless: bool = False,
    on_stall: Callable[[int], None] | None = None,
) -> FinishedBacktest:  # fmt: skip
    """Run the settings' strategy over `market`; keep the journal in `journal_folder` where one is named.

    `on_stall` is told the closing time of a bar (ns) that takes longer than the settings allow, again and again.

    Raises
    ------
    ConfigurationError
        The strategy or its parameters are unknown, or the folder holds something already.
    """
    if is_frictionless:
        settings = msgspec.structs.replace(settings, matching=MatchingConfig.frictionless())
    began = run_of(settings, market, "backtest")
    built = build(began)

    def stalled(looks: int) -> None:
        if on_stall is not None and looks % LOOKS == 0:
            on_stall(built.engine.ts_bar)

    with _journal(journal_folder) as journal:
        started = time.perf_counter()
        with watching(lambda: built.engine.ts_bar or None, settings.strategy.bar_seconds_max, stalled):
            result = run_backtest(began, built.engine, market.series, market.feed, built.exchange, journal, on_progress)
        seconds = time.perf_counter() - started
    return FinishedBacktest(began, result, seconds, is_frictionless)


class _Durable:
    """The receipt of a journal that keeps nothing."""

    def wait(self) -> int:
        return 0


class _NoJournal:
    """What a backtest writes to when nobody asked for its journal: no effect leaves the process."""

    @property
    def head(self) -> tuple[int, bytes]:
        return 0, bytes(32)

    def append(self, entries: Sequence[Entry]) -> _Durable:
        return _Durable()

    def flush(self) -> None:
        """Do nothing."""

    def read(self, after: int = 0, kinds: Sequence[str] = ()) -> Iterator[JournalRecord]:
        return iter(())

    def close(self) -> None:
        """Do nothing."""


@contextmanager
def _journal(folder: Path | None) -> Iterator[Journal]:
    if folder is None:
        yield _NoJournal()
        return
    if folder.exists() and any(folder.iterdir()):
        raise ConfigurationError(
            f"the folder {folder} holds something already", hint="name a new folder for the journal of this backtest"
        )
    with SqliteJournal(folder, SystemClock(), config=_JOURNAL) as journal:
        yield journal

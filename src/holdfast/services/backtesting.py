"""Backtest: the engine over recorded bars, with the venue simulated, as fast as the machine goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from holdfast.core.record import Record
from holdfast.domain.portfolio import ClosedTrade
from holdfast.domain.tick import Tick
from holdfast.engine.driver import Curve, Driver
from holdfast.engine.engine import Engine
from holdfast.engine.recorder import Recorder
from holdfast.ports.exchange import SimulatedExchange
from holdfast.ports.journal import Journal
from holdfast.ports.market import Feed

JOURNAL_BATCH = 500
"""Ticks handed to the journal at once: nothing leaves the process, so that nothing has to wait for the disk."""

PROGRESS_EVERY = 2_000
"""Groups of bars between two reports of progress."""


class BacktestRun(Record, frozen=True):
    """What happened: closed trades in the order of their exits, what was still open at the end, and the digest."""

    trades: tuple[ClosedTrade, ...]
    bars: int
    digest: str
    ticks: int
    refusals: Mapping[str, int]  # how often each rule of the gate said no
    proposals: int


class _Tally:
    """Collects from the ticks as they pass what the report needs."""

    def __init__(self) -> None:
        self.trades: list[ClosedTrade] = []
        self.refusals: dict[str, int] = {}
        self.proposals = 0

    def __call__(self, tick: Tick) -> None:
        if tick.closed is not None:
            self.trades.append(tick.closed)
        if tick.proposal is not None:
            self.proposals += 1
            if tick.refused is not None:
                self.refusals[tick.refused.rule] = self.refusals.get(tick.refused.rule, 0) + 1


def run_engine(
    engine: Engine, feed: Feed, exchange: SimulatedExchange, journal: Journal,
    on_progress: Callable[[int], Any] | None = None,
) -> tuple[BacktestRun, Curve]:  # fmt: skip
    """Run `feed` through the engine and return what happened and the equity after each bar.

    `on_progress` is told the number of groups done, every now and then.
    """
    tally = _Tally()
    recorder = Recorder(journal, is_durable_first=False, is_input_kept=False, batch=JOURNAL_BATCH)
    driver = Driver(engine, exchange, recorder, tally)
    done = 0

    def tell() -> None:
        nonlocal done
        done += PROGRESS_EVERY
        if on_progress is not None:
            on_progress(done)

    bars = driver.run(feed, tell, PROGRESS_EVERY)
    run = BacktestRun(
        (*tally.trades, *engine.open_trades()), bars, recorder.digest, recorder.ticks, tally.refusals, tally.proposals
    )
    return run, driver.curve

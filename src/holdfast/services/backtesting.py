"""Backtest: the engine over recorded bars, with the venue simulated, as fast as the machine goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from holdfast.core.record import Record, encode
from holdfast.core.time import rfc3339
from holdfast.domain.amount import amount_text
from holdfast.domain.false_prints import believed, trusted
from holdfast.domain.instrument import Market
from holdfast.domain.market import BarFlag, BarSeries
from holdfast.domain.passed_over import reason_of
from holdfast.domain.portfolio import ClosedTrade
from holdfast.domain.tick import Tick
from holdfast.domain.trade_log import TradeLog
from holdfast.domain.values import ZERO
from holdfast.engine.curve import Curve
from holdfast.engine.driver import Driver
from holdfast.engine.engine import Engine
from holdfast.engine.planner import LOCKED
from holdfast.engine.recorder import RUN, Recorder
from holdfast.portfolio.run import RunStarted
from holdfast.ports.exchange import SimulatedExchange
from holdfast.ports.journal import Entry, Journal
from holdfast.ports.market import Feed
from holdfast.research.performance import Performance, measure

JOURNAL_BATCH = 500
"""Ticks handed to the journal at once: nothing leaves the process, so that nothing has to wait for the disk."""

PROGRESS_EVERY = 2_000
"""Groups of bars between two reports of progress."""


class PassedOverCount(Record, frozen=True):
    """How many signals to enter became no proposal for one reason, and what was noted on the first of them."""

    count: int
    first_ts: int
    first: str


class BacktestRun(Record, frozen=True):
    """What happened: closed trades in the order of their exits, what was still open at the end, and the digest."""

    trades: Sequence[ClosedTrade]
    bars: int
    digest: str
    ticks: int
    refusals: Mapping[str, int]  # how often each rule of the gate said no
    proposals: int
    ts_locked: int = 0  # when the drawdown governor first left no budget at all; 0 = never
    passed_over: Mapping[str, PassedOverCount] = {}  # signals that the gate never saw, by `PassedOver`
    open_at_end: int = 0  # of the trades; these are valued at the last price, as if their exit were free
    exit_cost_open: Decimal = ZERO  # about what their exits would cost

    @property
    def signals(self) -> int:
        """Return how many signals to enter came while nothing was held: each was proposed or passed over."""
        return self.proposals + sum(passed.count for passed in self.passed_over.values())


class _Tally:
    """Collects from the ticks as they pass what the report needs."""

    def __init__(self) -> None:
        self.trades = TradeLog()
        self.refusals: dict[str, int] = {}
        self.proposals = 0
        self.ts_locked = 0
        self.passed_over: dict[str, PassedOverCount] = {}

    def __call__(self, tick: Tick) -> None:
        if tick.closed is not None:
            self.trades.append(tick.closed)
        if tick.proposal is not None:
            self.proposals += 1
            if tick.refused is not None:
                rule = tick.refused.rule
                self.refusals[rule] = self.refusals.get(rule, 0) + 1
                if rule == LOCKED and not self.ts_locked:
                    self.ts_locked = tick.event.ts_event
        for note in tick.notes:
            # Counted as they pass, not kept: a strategy may say at every bar what can never be done.
            reason = reason_of(note).value
            known = self.passed_over.get(reason) or PassedOverCount(0, tick.event.ts_event, note)
            self.passed_over[reason] = PassedOverCount(known.count + 1, known.first_ts, known.first)


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
    still_open = engine.open_trades()
    tally.trades.extend(still_open)
    run = BacktestRun(
        tally.trades, bars, recorder.digest, recorder.ticks, tally.refusals, tally.proposals, tally.ts_locked,
        tally.passed_over, len(still_open), _exit_cost(engine, exchange),
    )  # fmt: skip
    return run, driver.curve


def _exit_cost(engine: Engine, exchange: SimulatedExchange) -> Decimal:
    """Return about what it would cost to leave what is held now."""
    return sum(
        (
            exchange.exit_cost(name, desk.instrument.price(desk.close), desk.trade.held, desk.tape.volume_average)
            for name, desk in engine.desks.items()
            if desk.trade is not None and desk.trade.held
        ),
        ZERO,
    )


class BacktestResult(Record, frozen=True):
    """A finished backtest: what happened, how good that was, and what a careful person should know of it."""

    run: BacktestRun
    performance: Performance
    warnings: tuple[str, ...]


def run_backtest(
    began: RunStarted, engine: Engine, series: Sequence[BarSeries], feed: Feed, exchange: SimulatedExchange,
    journal: Journal, on_progress: Callable[[int], Any] | None = None,
) -> BacktestResult:  # fmt: skip
    """Run `feed` over `series` through the engine, journal and all, and measure it.

    The journal begins with `began`, so that `explain` and `journal replay` work on a backtest as on a paper run.
    """
    journal.append([Entry(RUN, encode(began))])
    run, curve = run_engine(engine, feed, exchange, journal, on_progress)
    journal.flush()
    performance = measure(
        run.trades, curve.ts, curve.equity, began.capital, curve.exposed,
        [_ends(item) for item in series if len(item)], engine.equity_exact,
    )  # fmt: skip
    return BacktestResult(run, performance, (*_cautions(began, series, run), *performance.warnings))


def why_no_trade(run: BacktestRun) -> str:
    """Return in one sentence why a run without a trade has none."""
    refused, passed = sum(run.refusals.values()), run.signals - run.proposals
    if not run.signals:
        return "there is no trade, for the strategy gave no signal to enter"
    if not run.proposals:
        told = counted({reason: found.count for reason, found in run.passed_over.items()})
        return f"there is no trade, for none of the {passed} signals to enter could become a proposal: {told}"
    allowed = run.proposals - refused
    if not allowed:
        others = f" (of {run.signals} signals to enter)" if passed else ""
        return f"there is no trade, for the gate refused all {refused} proposals{others}: {counted(run.refusals)}"
    return f"there is no trade, for of {run.proposals} proposals the gate allowed {allowed}, and none of these filled"


def counted(counts: Mapping[str, int]) -> str:
    """Return names with how often each was, the most frequent first; empty for none."""
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items(), key=lambda item: -item[1]))


def _ends(series: BarSeries) -> tuple[float, float]:
    """Return what buying and holding would have paid and got, without false prints."""
    first, last = trusted(series.slice(0, 1)), trusted(series.slice(len(series) - 1, len(series)))
    return float(first.open[0]), float(last.close[0])


def _cautions(began: RunStarted, series: Sequence[BarSeries], run: BacktestRun) -> list[str]:
    found: list[str] = []
    if not run.trades:
        found.append(why_no_trade(run))
    if run.open_at_end:
        were, them = ("trade was", "its exit") if run.open_at_end == 1 else ("trades were", "their exits")
        found.append(
            f"{run.open_at_end} {were} still open at the end: counted among the trades, at the last price, and no fee,"
            f" spread or slippage was charged for {them}, which would cost about"
            f" {amount_text(run.exit_cost_open, began.quote)} {began.quote}"
        )
    if run.ts_locked:
        found.append(
            f"the drawdown governor stopped all entries on {rfc3339(run.ts_locked)} and refused"
            f" {run.refusals[LOCKED]} proposals; a person would have had to resume"
        )
    if began.is_synthetic:
        found.append("SYNTHETIC market: made by a seeded model, it says nothing about any real one")
    if any(instrument.market is Market.PERPETUAL for instrument in began.instruments):
        found.append("perpetuals: funding payments are not charged, so the real result would differ")
    for item in series:
        late = int(believed(item).sum())
        suspect = int((item.flags & BarFlag.SUSPECT).astype(bool).sum()) - late
        if suspect:
            found.append(f"{item.instrument_id}: {suspect} false prints; nothing was filled or sized from them")
        if late:
            found.append(
                f"{item.instrument_id}: {late} closes at less than half or more than twice the price before; each was"
                " acted on only when the next bar had confirmed it"
            )
        gaps = int((item.flags & BarFlag.GAP_BEFORE).astype(bool).sum())
        if gaps:
            found.append(f"{item.instrument_id}: {gaps} gaps in the bars; no entry was filled across them")
    return found

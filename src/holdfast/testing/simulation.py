"""The simulation: one seed, one hostile world, every invariant, and three ways through it that must agree.

`python -m holdfast.testing.simulation --seeds N` runs N seeds from `--seed` on. A seed that fails prints itself, the
promise that was broken, and how to see it again; the exit code is then 1.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections.abc import Iterator, Sequence

import msgspec

from holdfast.adapters.exchanges.simulated.client import SimulatedVenue
from holdfast.core.errors import HoldfastError
from holdfast.core.record import Record, encode
from holdfast.domain.decision import StopLevel
from holdfast.domain.event import EmergencyStopped, OperatorEvent, TradingResumed
from holdfast.engine.driver import Driver
from holdfast.engine.engine import Engine
from holdfast.engine.recorder import OPERATOR, RUN, TICK, Recorder
from holdfast.engine.snapshot import EngineState, restore, snapshot
from holdfast.portfolio.fold import JournalFold, PortfolioOnlyFold
from holdfast.services.assembly import build_engine
from holdfast.services.paper import PaperAgent
from holdfast.testing.builders import make_run, make_venue
from holdfast.testing.invariants import Watch
from holdfast.testing.memory_journal import MemoryJournal, MemoryRecords, PowerCutError
from holdfast.testing.promise import InvariantError
from holdfast.testing.scenario import Act, Scenario, draw

FAILURES_SHOWN = 20
_SEEDS_PER_TASK = 8


class Violation(Record, frozen=True):
    """A broken promise."""

    seed: int
    invariant: str
    detail: str


class Outcome(Record, frozen=True):
    """What one seed came to."""

    seed: int
    digest: str
    bars: int = 0
    ticks: int = 0
    entries: int = 0
    trades: int = 0
    kills: int = 0
    causes: dict[str, int] = msgspec.field(default_factory=dict)
    violation: Violation | None = None


class Run(Record, frozen=True):
    """One way through a world: its digest, and its ticks as the journal has them."""

    digest: str
    ticks: tuple[bytes, ...]
    kills: int = 0


def simulate(seed: int) -> Outcome:
    """Return what happened in the world of `seed`; a broken promise is part of the outcome, never an exception."""
    try:
        return _simulate(seed)
    except InvariantError as error:
        return Outcome(seed, "", violation=Violation(seed, error.name, str(error)))
    except (HoldfastError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError, PowerCutError) as error:
        return Outcome(seed, "", violation=Violation(seed, "nothing raises", f"{type(error).__name__}: {error}"))


def _simulate(seed: int) -> Outcome:
    world = draw(seed)
    watch, straight, records = run_watched(world)
    check_folds(world, watch.engine, records)
    # The world is drawn anew for the second run: the drawing must repeat, too.
    again = run_restored(draw(seed))
    _same(straight, again, "a restored run goes on as if nothing had been")
    killed = run_killed(world, len(straight.ticks))
    _same(straight, killed, "paper and backtest agree")
    return Outcome(
        seed, straight.digest, sum(map(len, world.groups)), len(straight.ticks), watch.entries, watch.trades,
        killed.kills, watch.causes,
    )  # fmt: skip


# -- three ways through ----------------------------------------------------------------------------
def run_watched(world: Scenario) -> tuple[Watch, Run, MemoryRecords]:
    """Backtest the world with every invariant checked after every group."""
    engine, venue = build_engine(world.plan, world.factory), make_venue(world.plan)
    watch = Watch(world.plan, engine, venue)
    journal = MemoryJournal()
    recorder = Recorder(journal, is_durable_first=False, is_input_kept=False, batch=50)
    driver = Driver(engine, venue, recorder, watch.observe)
    acts = _by_group(world.acts)
    for number, group in enumerate(world.groups):
        watch.group(group)
        driver.on_group(group)
        watch.after_group()
        for act in acts.get(number, ()):
            driver.operate(_event(act, engine.ts))
            watch.after_group()
    watch.at_end()
    return watch, _finished(recorder, journal), journal.records


def run_restored(world: Scenario) -> Run:
    """Backtest the world; half-way, everything is thrown away but a snapshot of engine and venue."""
    engine, venue = build_engine(world.plan, world.factory), make_venue(world.plan)
    journal = MemoryJournal()
    recorder = Recorder(journal, is_durable_first=False, is_input_kept=False, batch=50)
    driver = Driver(engine, venue, recorder)
    acts = _by_group(world.acts)
    for number, group in enumerate(world.groups):
        if number == world.restore_after:
            engine, venue = _rebuilt(world, engine, venue)
            driver = Driver(engine, venue, recorder)
        driver.on_group(group)
        for act in acts.get(number, ()):
            driver.operate(_event(act, engine.ts))
    return _finished(recorder, journal)


def _rebuilt(world: Scenario, engine: Engine, venue: SimulatedVenue) -> tuple[Engine, SimulatedVenue]:
    state, there = encode(snapshot(engine)), venue.snapshot()
    fresh, market = build_engine(world.plan, world.factory), make_venue(world.plan)
    restore(fresh, msgspec.json.decode(state, type=EngineState))
    market.restore(there)
    return fresh, market


def run_killed(world: Scenario, ticks: int) -> Run:
    """Trade the world on paper; the power goes where the seed says, and the agent is started again each time."""
    records = MemoryRecords()
    writes = ticks + len(world.groups) + len(world.acts)
    kills = [int(share * writes) for share in world.kills]
    begun = 0
    for kill in (*kills, None):
        journal = MemoryJournal(records, None if kill is None else max(kill - begun, 0))
        try:
            digest = _trade(world, journal)
        except PowerCutError:
            begun = kill or 0
            continue
        bodies = tuple(record.body for record in journal.read(kinds=(TICK,)))
        return Run(digest, bodies, len(kills))
    raise AssertionError("the last start has all the power that it needs")


def _trade(world: Scenario, journal: MemoryJournal) -> str:
    plan = world.plan
    agent = PaperAgent(
        make_run(plan, world.strategy), build_engine(plan, world.factory), make_venue(plan), world.feed, journal,
        world.checkpoint_every,
    )  # fmt: skip
    agent.start()
    done = sum(1 for _ in journal.read(kinds=(OPERATOR,)))
    for act in world.acts[done:]:
        while agent.groups_done <= act.after and agent.step():
            pass
        if act.level is StopLevel.NONE:
            agent.resume("test", "simulated")
        else:
            agent.stop(act.level, "test", "simulated")
    while agent.step():
        pass
    return agent.digest


def check_folds(world: Scenario, engine: Engine, records: MemoryRecords) -> None:
    """Compare what the journal's folds say with the engine."""
    run = make_run(world.plan, world.strategy)
    whole, small = JournalFold(), PortfolioOnlyFold()
    bodies = [(RUN, encode(run)), *((record.kind, record.body) for record in records.durable)]
    whole.replay(bodies)
    small.replay(bodies)
    portfolio = engine.account.portfolio
    for fold in (whole, small):
        folded = fold.portfolio
        if folded is None:
            raise InvariantError("a replay of the journal gives the same portfolio", "there is none")
        is_same = folded.positions == portfolio.positions and folded.ledger.balances() == portfolio.ledger.balances()
        if not is_same:
            found = f"{type(fold).__name__}: {folded.positions}, engine {portfolio.positions}"
            raise InvariantError("a replay of the journal gives the same portfolio", found)
    if {i: o.state for i, o in whole.orders.items()} != {i: o.state for i, o in engine.orders.items()}:
        raise InvariantError("a replay of the journal gives the same orders", str(whole.orders))
    if whole.stop_level is not engine.account.stop_level:
        raise InvariantError("a replay of the journal gives the same brake", whole.stop_level)


def _by_group(acts: Sequence[Act]) -> dict[int, list[Act]]:
    found: dict[int, list[Act]] = {}
    for act in acts:
        found.setdefault(act.after, []).append(act)
    return found


def _event(act: Act, ts: int) -> OperatorEvent:
    if act.level is StopLevel.NONE:
        return TradingResumed(ts, "test", "simulated")
    return EmergencyStopped(ts, act.level, "test", "simulated")


def _finished(recorder: Recorder, journal: MemoryJournal) -> Run:
    recorder.sync()
    return Run(recorder.digest, tuple(record.body for record in journal.read(kinds=(TICK,))))


def _same(one: Run, other: Run, name: str) -> None:
    for number, (first, second) in enumerate(zip(one.ticks, other.ticks, strict=False), 1):
        if first != second:
            raise InvariantError(name, f"tick {number} is {_text(second)}, was {_text(first)}")
    if len(one.ticks) != len(other.ticks):
        raise InvariantError(name, f"{len(other.ticks)} ticks, were {len(one.ticks)}")
    if one.digest != other.digest:
        raise InvariantError(name, f"digest {other.digest}, was {one.digest}")


def _text(body: bytes) -> str:
    return body[:400].decode()


# -- command line ----------------------------------------------------------------------------------
class Summary(Record, frozen=True):
    """What all seeds came to."""

    seeds: int
    failed: int
    bars: int
    ticks: int
    entries: int
    trades: int
    kills: int
    excess: dict[str, int]
    secs: float
    violations: tuple[Violation, ...]


def run_seeds(seeds: Sequence[int], jobs: int = 1) -> Iterator[Outcome]:
    """Yield the outcome of each seed, in order."""
    if jobs <= 1:
        yield from map(simulate, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap(simulate, seeds, _SEEDS_PER_TASK)


def summarise(outcomes: Iterator[Outcome], total: int, begun: float) -> Summary:
    """Count the outcomes, telling on stderr how far it is and what has failed."""
    violations: list[Violation] = []
    causes: dict[str, int] = {}
    bars = ticks = entries = trades = kills = 0
    done = 0
    for outcome in outcomes:
        done += 1
        bars, ticks, entries = bars + outcome.bars, ticks + outcome.ticks, entries + outcome.entries
        trades, kills = trades + outcome.trades, kills + outcome.kills
        for cause, count in outcome.causes.items():
            causes[cause] = causes.get(cause, 0) + count
        if outcome.violation is not None:
            violations.append(outcome.violation)
            _tell(outcome.violation, len(violations))
        if done % 100 == 0 or done == total:
            _say(
                f"{done} of {total} seeds, {len(violations)} failed, {done / (time.perf_counter() - begun):.1f} seeds/s"
            )
    secs = round(time.perf_counter() - begun, 2)
    return Summary(
        done, len(violations), bars, ticks, entries, trades, kills, dict(sorted(causes.items())), secs,
        tuple(violations),
    )  # fmt: skip


def _tell(violation: Violation, count: int) -> None:
    if count <= FAILURES_SHOWN:
        _say(f"seed {violation.seed}: {violation.invariant}\n  {violation.detail}\n  make sim SEED={violation.seed}")


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the seeds that were asked for; 1 if any of them broke a promise."""
    parser = argparse.ArgumentParser(prog="holdfast.testing.simulation", description="Simulate hostile worlds.")
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="the first of them")
    parser.add_argument("--jobs", type=int, default=min(2, multiprocessing.cpu_count()), help="processes")
    parser.add_argument("--json", action="store_true", help="print the summary as one JSON line")
    given = parser.parse_args(arguments)
    begun = time.perf_counter()
    seeds = range(given.seed, given.seed + max(given.seeds, 0))
    outcomes = run_seeds(seeds, given.jobs if len(seeds) > _SEEDS_PER_TASK else 1)
    summary = summarise(outcomes, len(seeds), begun)
    if given.json:
        sys.stdout.write(json.dumps(msgspec.to_builtins(summary)) + "\n")
    else:
        excess = ", ".join(f"{count} by {cause}" for cause, count in summary.excess.items()) or "none"
        sys.stdout.write(
            f"{summary.seeds} seeds, {summary.failed} failed: {summary.trades} trades of {summary.entries} entries over"
            f" {summary.bars} bars, {summary.kills} power cuts; losses beyond the risk: {excess}; {summary.secs} s\n"
        )
    return 1 if summary.failed else 0


if __name__ == "__main__":
    sys.exit(main())

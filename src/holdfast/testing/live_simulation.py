"""The live agent in a hostile world: a seed decides what the wire loses and when the agent dies.

`python -m holdfast.testing.live_simulation --seeds N --seed FIRST` prints one line; 1 says that a promise broke.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass

from holdfast.core.errors import HoldfastError
from holdfast.domain.decision import StopLevel
from holdfast.domain.order import OrderState
from holdfast.domain.values import ZERO
from holdfast.engine.engine import Engine
from holdfast.matching.venue import decode_state
from holdfast.services.assembly import build_engine
from holdfast.services.live import LiveAgent
from holdfast.services.live_config import LiveConfig
from holdfast.services.reproduction import Replay
from holdfast.testing.builders import make_run, make_venue
from holdfast.testing.dice import Dice
from holdfast.testing.faulty_wire import FaultyWire, VenueSide
from holdfast.testing.memory_journal import MemoryJournal, MemoryRecords, PowerCutError
from holdfast.testing.promise import InvariantError, require
from holdfast.testing.scenario import Scenario, draw

CONFIG = LiveConfig(bar_grace_ms=100, dead_man_s=0, reconcile_every_s=1, recovery_wait_s=600)
_QUIET_STEPS = 400
_LIVES_MAX = 40
# Where the wire loses every other order, so are many stops in a row; else three in a row are hardly ever.
_FAULT_RATE_CALM = 0.2
_BARE_STEPS_MAX = 110  # 2.2 s of the steady clock


@dataclass
class Result:
    """What the world of one seed came to."""

    seed: int
    orders: int = 0
    fills: int = 0
    lives: int = 0
    never_arrived: int = 0
    in_doubt: int = 0
    violation: str = ""


def simulate(seed: int) -> Result:
    """Return what happened; a broken promise is part of the result, never an exception."""
    result = Result(seed)
    try:
        _simulate(seed, result)
    except (InvariantError, HoldfastError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        result.violation = f"{type(error).__name__}: {error}"
    return result


def _simulate(seed: int, result: Result) -> None:
    world, dice = draw(seed), Dice(f"live {seed}")
    side = VenueSide(make_venue(world.plan), world.groups)
    records = MemoryRecords()
    fault_rate = dice.choice((0.0, 0.05, 0.2, 0.5))
    while True:
        result.lives += 1
        is_last = result.lives >= _LIVES_MAX or side.done >= len(side.groups)
        calls = None if is_last else int(dice.expovariate(1.0 / dice.choice((30, 300, 1_500))))
        cut = None if is_last or dice.random() < 0.5 else int(dice.expovariate(1.0 / 60))
        wire = FaultyWire(side, dice, 0.0 if is_last else fault_rate, calls)
        try:
            agent = _live(world, wire, MemoryJournal(records, cut), dice)
        except PowerCutError:
            continue
        if agent is not None:
            _check(world, agent, side, result)
            _check_reproduction(world, records)
            return


def _live(world: Scenario, wire: FaultyWire, journal: MemoryJournal, dice: Dice) -> LiveAgent | None:
    side = wire.side
    engine = build_engine(world.plan, world.factory)
    run = make_run(world.plan, world.strategy, mode="live")
    agent = LiveAgent(run, engine, wire, journal, CONFIG, lambda: side.steady)
    agent.start()
    _check_protection(agent)
    wire.is_market_held = False
    quiet = bare = 0
    while quiet < _QUIET_STEPS:
        agent.step()
        if dice.random() < 0.002:
            agent.stop(dice.choice((StopLevel.NO_ENTRIES, StopLevel.REDUCE_ONLY, StopLevel.FLATTEN)), "test", "drawn")
        elif dice.random() < 0.004 and engine.account.stop_level is not StopLevel.NONE:
            agent.resume("test", "drawn")
        if dice.random() < 0.01:
            agent.checkpoint()
        bare = bare + 1 if _is_bare(engine) else 0
        if wire.fault_rate <= _FAULT_RATE_CALM:
            require(bare <= _BARE_STEPS_MAX, "a position is never long without a stop", f"{bare} steps")
        quiet += side.done >= len(side.groups) and wire.is_quiet
        if side.done >= len(side.groups):
            wire.fault_rate, wire.calls_left, journal.writes_left = 0.0, None, None
    return agent


def _is_bare(engine: Engine) -> bool:
    """Tell whether a position has neither a stop that was sent nor a way out."""
    return any(
        trade.unguarded or any(part.quantity and part.stop_id not in engine.orders for part in trade.brackets)
        for desk in engine.desks.values()
        if (trade := desk.trade) is not None and not trade.is_exiting
    )


def _check_protection(agent: LiveAgent) -> None:
    """Require that each position found at a start is guarded: by its stop at the venue, or by the software stop."""
    for desk in agent.engine.desks.values():
        trade = desk.trade
        if trade is None or trade.is_exiting:
            continue
        for bracket in trade.brackets:
            is_guarded = bracket.quantity == ZERO or bracket.is_stop_resting or trade.is_unprotected
            require(is_guarded, "a position is never without a stop", f"{trade.trade_id}: {bracket}")


def _check(world: Scenario, agent: LiveAgent, side: VenueSide, result: Result) -> None:
    engine = agent.engine
    result.orders, result.fills = engine.orders_made, sum(len(order.trade_ids) for order in engine.finished.values())
    finished = engine.finished.values()
    result.never_arrived = sum(order.reason == "never_arrived" for order in finished)
    doubled = {order_id: count for order_id, count in side.arrivals.items() if count > 1}
    require(not doubled, "no order arrives twice", str(doubled))
    at_venue = set(side.venue.open_orders())
    known = set(engine.orders)
    require(at_venue <= known, "no order rests that the agent does not know", str(at_venue - known))
    require(known <= at_venue, "no order is believed to rest that does not", str(known - at_venue))
    undecided = [
        x.spec.order_id for x in engine.orders.values() if x.state in (OrderState.IN_DOUBT, OrderState.SUBMITTED)
    ]
    require(not undecided, "every doubt ends", str(undecided))
    _check_money(engine, side)
    _check_levels(world, engine, side)
    for desk in engine.desks.values():
        if desk.trade is not None:
            require(not desk.trade.unguarded, "every part has a bracket", f"{desk.trade.trade_id}")
        if desk.trade is not None and not desk.trade.is_exiting:
            lacking = [b.group for b in desk.trade.brackets if b.quantity and b.stop_id not in at_venue]
            require(not lacking, "a position has its stop at the venue", str(lacking))


def _check_reproduction(world: Scenario, records: MemoryRecords) -> None:
    """Require that one straight replay of what all lives were told sends the same orders: deaths leave no trace."""
    replay = Replay(build_engine(world.plan, world.factory), world.plan.timeframe.nanos)
    for record in MemoryJournal(records).read():
        replay.take(record)
    found = replay.outcome()
    is_equal = found.is_whole or not found.decisions
    require(is_equal, "told the same once more, it sends the same orders", str(found)[:2_000])


def _check_levels(world: Scenario, engine: Engine, side: VenueSide) -> None:
    if world.plan.matching.latency_bars:
        return  # the market has ended before the last change could arrive
    there = {order.spec.order_id: order.trigger_price for order in decode_state(side.venue.snapshot()).orders}
    for order_id, order in engine.orders.items():
        is_same = order.trigger_price is None or there[order_id] == order.trigger_price
        require(is_same, "the stop at the venue is the one in the books", f"{order_id} {there[order_id]} {order}")


def _check_money(engine: Engine, side: VenueSide) -> None:
    balances, portfolio = side.venue.balances(), engine.account.portfolio
    require(
        balances[portfolio.quote] == portfolio.cash, "cash agrees to the last digit",
        f"venue {balances[portfolio.quote]}, books {portfolio.cash}",
    )  # fmt: skip
    for name, position in portfolio.positions.items():
        there = balances.get(engine.desks[name].instrument.base, ZERO)
        require(there == position.quantity, "positions agree", f"{name}: venue {there}, books {position.quantity}")


def main() -> int:
    """Run the seeds that were asked for."""
    parser = argparse.ArgumentParser(prog="holdfast.testing.live_simulation", description="Simulate live agents.")
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="the first of them")
    given = parser.parse_args()
    begun = time.perf_counter()
    results = [simulate(seed) for seed in range(given.seed, given.seed + given.seeds)]
    failed = [result for result in results if result.violation]
    for result in failed[:20]:
        sys.stderr.write(f"seed {result.seed}: {result.violation}\n")
    sys.stdout.write(
        f"{len(results)} seeds, {len(failed)} failed: {sum(r.orders for r in results)} orders,"
        f" {sum(r.lives for r in results)} lives, {sum(r.never_arrived for r in results)} never arrived,"
        f" {time.perf_counter() - begun:.1f} s\n"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

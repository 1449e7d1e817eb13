"""One agent at two venues in a hostile world: a seed decides what each wire loses, which client gives up, and who dies.

`python -m holdfast.testing.two_venues --seeds N --seed FIRST` prints one line; 1 says that a promise broke.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

import msgspec

from holdfast.adapters.exchanges.simulated.client import SimulatedVenue
from holdfast.adapters.sources.feed import SeriesFeed
from holdfast.core.errors import HoldfastError, VenueError
from holdfast.domain.decision import StopLevel
from holdfast.domain.instrument import Instrument
from holdfast.domain.market import BarSeries
from holdfast.domain.order import OrderState, Role
from holdfast.domain.values import ZERO, Asset, InstrumentId, Side, VenueCash, venue_of
from holdfast.engine.engine import Engine
from holdfast.matching.checks import Rejection
from holdfast.ports.live import Failure, Incoming
from holdfast.services.assembly import AccountPlan, build_engine
from holdfast.services.lane import Lane
from holdfast.services.live import LiveAgent
from holdfast.services.routing import RoutedExchange
from holdfast.testing.builders import make_run
from holdfast.testing.dice import Dice
from holdfast.testing.faulty_wire import FaultyWire, VenueSide
from holdfast.testing.live_simulation import CONFIG
from holdfast.testing.market import draw_series
from holdfast.testing.memory_journal import MemoryJournal, MemoryRecords, PowerCutError
from holdfast.testing.promise import InvariantError, require
from holdfast.testing.scenario import Scenario, draw

_QUIET_STEPS = 400
_LIVES_MAX = 30
_BARE_STEPS_MAX = 110  # 2.2 s of the steady clock
_FAULT_RATE_CALM = 0.2
_LOCKED = "the account is locked"


@dataclass
class Result:
    """What the world of one seed came to."""

    seed: int
    orders: int = 0
    fills: int = 0
    lives: int = 0
    falls: int = 0
    away: int = 0  # orders that were refused because their venue was out of reach
    at_both: int = 0  # steps at which something was held at both
    violation: str = ""


class Beside(threading.Thread):
    """Stands for a thread, and is over before it has begun: so that a seed repeats."""

    def start(self) -> None:
        """Do the work."""
        self.run()

    def is_alive(self) -> bool:
        """Tell that it is done."""
        return False

    def join(self, timeout: float | None = None) -> None:
        """Return at once."""


class WireOfTwo(FaultyWire):
    """A wire whose market does not run away from the other's, and whose client may say that nothing more will come."""

    def __init__(self, world: World, venue: str, dice: Dice, fault_rate: float, calls_left: int | None) -> None:
        self._world, self._is_held = world, True
        super().__init__(world.sides[venue], dice, fault_rate, calls_left)
        self.venue = venue

    @property
    def is_market_held(self) -> bool:
        """Tell whether the other venue's bars come first."""
        return self._is_held or self._world.is_ahead(self.side)

    @is_market_held.setter
    def is_market_held(self, value: bool) -> None:
        self._is_held = value

    def take(self, timeout_s: float) -> Sequence[Incoming]:
        """Return what has come in, or the last word."""
        if self.fault_rate and self.dice.random() < self._world.fall_rate:
            self._world.result.falls += 1
            return [Failure(self.side.ts, _LOCKED, is_fatal=True)]
        return super().take(timeout_s)

    def close(self) -> None:
        """Let go; nothing is left on this wire."""


class World:
    """What outlives the agent: both venues, the journal, and what is counted."""

    def __init__(self, seed: int, result: Result) -> None:
        self.result, self.dice = result, Dice(f"two {seed}")
        self.drawn: Scenario = draw(seed)
        self.plan, series = _split(self.drawn, self.dice)
        self.sides: dict[str, VenueSide] = {}
        for instrument, there, bars in zip(self.plan.instruments, self.plan.capital_at, series, strict=True):
            purse = {self.plan.engine.quote: there.amount}
            venue = SimulatedVenue((instrument,), self.plan.timeframe.nanos, self.plan.matching, purse)
            self.sides[there.venue] = VenueSide(venue, tuple(SeriesFeed([bars]).groups()))
        self.records = MemoryRecords()
        self.fault_rate = self.dice.choice((0.0, 0.05, 0.2, 0.5))
        self.fall_rate = self.dice.choice((0.0, 0.0005, 0.002))
        self.wires: dict[str, WireOfTwo] = {}

    @property
    def steady(self) -> int:
        """Return the time of the agent's steady clock."""
        return max(side.steady for side in self.sides.values())

    @property
    def has_ended(self) -> bool:
        """Tell whether no market has bars left."""
        return all(side.done >= len(side.groups) for side in self.sides.values())

    def is_ahead(self, side: VenueSide) -> bool:
        """Tell whether another venue has a bar that closes before this one's next."""
        if side.done >= len(side.groups):
            return False
        mine = side.groups[side.done][0].ts_event
        return any(x.groups[x.done][0].ts_event < mine for x in self.sides.values() if x.done < len(x.groups))

    def exchange(self, calls: int | None, fault_rate: float) -> tuple[RoutedExchange, dict[str, Lane]]:
        """Return the wires of one life behind one port."""
        lanes = {}
        for venue in self.sides:
            wire = WireOfTwo(self, venue, self.dice, fault_rate, calls)
            self.wires[venue] = wire
            lanes[venue] = Lane(venue, partial(self._again, venue), wire, lambda: self.steady, Beside)
        return RoutedExchange(lanes), lanes

    def _again(self, venue: str) -> WireOfTwo:
        old = self.wires[venue]
        wire = WireOfTwo(self, venue, self.dice, old.fault_rate, old.calls_left)
        wire.is_market_held = old._is_held
        self.wires[venue] = wire
        return wire


def _split(world: Scenario, dice: Dice) -> tuple[AccountPlan, tuple[BarSeries, BarSeries]]:
    """Return the plan with its first market at one venue and another at a second, and the bars of both."""
    first, plan = world.plan.instruments[0], world.plan
    base = dice.choice((first.base, Asset("XRP")))
    name = str(first.id).replace(f"{first.base}/", f"{base}/").replace(".SIM", ".OTHER")
    second: Instrument = msgspec.structs.replace(first, id=InstrumentId(name), base=base)
    bars = world.series[0]
    other = draw_series(
        dice, second, len(bars), plan.timeframe, int(bars.ts[0]), float(bars.open[0]) * dice.uniform(0.8, 1.2)
    )
    # So little at one of them that its cash keeps orders down, and not only the limits over both.
    share = (plan.engine.capital * Decimal(dice.choice((1, 1, 4, 10, 50, 90))) / 100).quantize(Decimal("0.01"))
    capital_at = (VenueCash("SIM", share), VenueCash("OTHER", plan.engine.capital - share))
    return msgspec.structs.replace(plan, instruments=(first, second), capital_at=capital_at), (bars, other)


def simulate(seed: int) -> Result:
    """Return what happened; a broken promise is part of the result, never an exception."""
    result = Result(seed)
    try:
        _simulate(World(seed, result), result)
    except (InvariantError, HoldfastError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        result.violation = f"{type(error).__name__}: {error}"
    return result


def _simulate(world: World, result: Result) -> None:
    dice = world.dice
    while True:
        result.lives += 1
        is_last = result.lives >= _LIVES_MAX or world.has_ended
        calls = None if is_last else int(dice.expovariate(1.0 / dice.choice((60, 600, 3_000))))
        cut = None if is_last or dice.random() < 0.5 else int(dice.expovariate(1.0 / 60))
        try:
            agent = _live(world, MemoryJournal(world.records, cut), 0.0 if is_last else world.fault_rate, calls)
        except PowerCutError:
            continue
        except VenueError as error:
            require(_LOCKED in str(error), "an agent ends only when both venues have failed", str(error))
            continue
        _check(world, agent, result)
        return


def _live(world: World, journal: MemoryJournal, fault_rate: float, calls: int | None) -> LiveAgent:
    dice = world.dice
    exchange, lanes = world.exchange(calls, fault_rate)
    engine = build_engine(world.plan, world.drawn.factory)
    run = make_run(world.plan, world.drawn.strategy, mode="live")
    agent = LiveAgent(run, engine, exchange, journal, CONFIG, lambda: world.steady)
    agent.start()
    for wire in world.wires.values():
        wire.is_market_held = False
    quiet = bare = 0
    while quiet < _QUIET_STEPS:
        agent.step()
        _look(world, engine)
        if dice.random() < 0.002:
            agent.stop(dice.choice((StopLevel.NO_ENTRIES, StopLevel.REDUCE_ONLY, StopLevel.FLATTEN)), "test", "drawn")
        elif dice.random() < 0.004 and engine.account.stop_level is not StopLevel.NONE:
            agent.resume("test", "drawn")
        if dice.random() < 0.01:
            agent.checkpoint()
        bare = bare + 1 if _is_bare(engine, lanes) else 0
        if world.fault_rate <= _FAULT_RATE_CALM:
            require(bare <= _BARE_STEPS_MAX, "a position is never long without a stop", f"{bare} steps")
        is_whole = all(lane.is_up for lane in lanes.values()) and agent.is_unlocked
        is_still = world.has_ended and is_whole and all(wire.is_quiet for wire in world.wires.values())
        quiet += is_still
        if world.has_ended:
            journal.writes_left = None
            for wire in world.wires.values():
                wire.fault_rate, wire.calls_left = 0.0, None
    return agent


def _look(world: World, engine: Engine) -> None:
    """Require at every step that no venue is drawn upon for more than lies there."""
    portfolio = engine.account.portfolio
    for venue, amount in portfolio.cash_at.items():
        require(amount >= ZERO, "cash at a venue is never negative", f"{venue}: {amount}")
    require(sum(portfolio.cash_at.values()) == portfolio.cash, "the parts are the whole", f"{portfolio.cash_at}")
    world.result.at_both += all(position.quantity for position in portfolio.positions.values())


def _is_bare(engine: Engine, lanes: dict[str, Lane]) -> bool:
    """Tell whether a position at a venue that is reached has neither a stop that was sent nor a way out."""
    return any(
        bracket.quantity and bracket.stop_id not in engine.orders
        for name, desk in engine.desks.items()
        if desk.trade is not None and not desk.trade.is_exiting and lanes[venue_of(name)].is_up
        for bracket in desk.trade.brackets
    )


def _check(world: World, agent: LiveAgent, result: Result) -> None:
    engine = agent.engine
    result.orders, finished = engine.orders_made, engine.finished.values()
    result.fills = sum(len(order.trade_ids) for order in finished)
    result.away = sum(order.reason.startswith("venue_down") for order in finished)
    # A short that sells better than its limit needs more than was approved, a market order in a jump, too.
    bought = [x for x in finished if x.spec.role is Role.ENTRY and x.spec.side is Side.BUY and x.spec.limit_price]
    poor = [x.spec.order_id for x in bought if x.reason in ("balance", Rejection.BALANCE)]
    require(not poor, "no entry is approved beyond the cash of its venue", str(poor))
    undecided = [
        x.spec.order_id for x in engine.orders.values() if x.state in (OrderState.IN_DOUBT, OrderState.SUBMITTED)
    ]
    require(not undecided, "every doubt ends", str(undecided))
    for venue, side in world.sides.items():
        doubled = {order_id: count for order_id, count in side.arrivals.items() if count > 1}
        require(not doubled, "no order arrives twice", f"{venue}: {doubled}")
        at_venue = set(side.venue.open_orders())
        known = {x for x, order in engine.orders.items() if venue_of(order.spec.instrument_id) == venue}
        require(at_venue == known, "what rests is what is known", f"{venue}: {at_venue ^ known}")
        strange = [x for x, sent in side.specs.items() if venue_of(sent.order.instrument_id) != venue]
        require(not strange, "no order goes to another venue", f"{venue}: {strange}")
        _check_money(engine, venue, side)
        for name, desk in engine.desks.items():
            if venue_of(name) == venue and desk.trade is not None and not desk.trade.is_exiting:
                lacking = [b.group for b in desk.trade.brackets if b.quantity and b.stop_id not in at_venue]
                require(not lacking, "a position has its stop at the venue", str(lacking))


def _check_money(engine: Engine, venue: str, side: VenueSide) -> None:
    balances, portfolio = side.venue.balances(), engine.account.portfolio
    there, ours = balances[portfolio.quote], portfolio.cash_at[venue]
    require(there == ours, "cash agrees at each venue to the last digit", f"{venue}: {there}, books {ours}")
    for name, position in portfolio.positions.items():
        if venue_of(name) == venue:
            held = balances.get(engine.desks[name].instrument.base, ZERO)
            require(held == position.quantity, "positions agree", f"{name}: {held}, books {position.quantity}")


def main() -> int:
    """Run the seeds that were asked for."""
    parser = argparse.ArgumentParser(prog="holdfast.testing.two_venues", description="Simulate agents at two venues.")
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
        f" {sum(r.fills for r in results)} fills, {sum(r.lives for r in results)} lives,"
        f" {sum(r.falls for r in results)} falls, {sum(r.away for r in results)} refused while away,"
        f" {sum(r.at_both for r in results)} steps with positions at both, {time.perf_counter() - begun:.1f} s\n"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

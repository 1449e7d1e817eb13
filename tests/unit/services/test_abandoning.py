"""What a live run has left at its venue keeps a new one from beginning, until it is taken back there."""

import copy
from collections.abc import Sequence

import msgspec
import pytest

from holdfast.core.errors import RefusedError, VenueError
from holdfast.core.record import encode
from holdfast.core.time import SECOND
from holdfast.domain.order import OrderEvent, OrderFilled, OrderState, Role
from holdfast.domain.values import ZERO, InstrumentId, OrderId, Side
from holdfast.engine.recorder import RUN, TICK
from holdfast.matching.venue import decode_state
from holdfast.ports.journal import Entry
from holdfast.ports.live import AccountReport, Failure, Incoming, OrderAtVenue
from holdfast.services.abandoning import (
    ABANDONED,
    LeftAtVenue,
    is_half_given_up,
    left_at_venue,
    require_nothing_left,
    take_back,
)
from holdfast.services.assembly import build_engine
from holdfast.services.live import LiveAgent
from holdfast.testing.builders import make_run, make_venue
from holdfast.testing.dice import Dice
from holdfast.testing.faulty_wire import FaultyWire, VenueSide
from holdfast.testing.live_simulation import CONFIG
from holdfast.testing.memory_journal import MemoryJournal, MemoryRecords
from holdfast.testing.scenario import Scenario, draw


class World:
    """A live run that was left with a position, its stop and its target."""

    def __init__(self) -> None:
        for seed in range(400):
            if self._is_left(draw(seed)):
                return
        raise AssertionError("no world holds anything")

    def _is_left(self, world: Scenario) -> bool:
        # The venues that are traded live are spot, and take a cancel between two bars.
        if any("PERP" in x.id for x in world.plan.instruments) or world.plan.matching.latency_bars:
            return False
        self.records = MemoryRecords()
        self.side = VenueSide(make_venue(world.plan), world.groups)
        wire = FaultyWire(self.side, Dice("abandoned"), 0.0)
        engine = build_engine(world.plan, world.factory)
        run = make_run(world.plan, world.strategy, mode="live")
        self.run = msgspec.structs.replace(run, settings={"engine.order_prefix": '"sim"'})
        agent = LiveAgent(self.run, engine, wire, MemoryJournal(self.records), CONFIG, lambda: self.side.steady)
        agent.start()
        wire.is_market_held = False
        while self.side.done < len(self.side.groups):
            agent.step()
            roles = {order.spec.role for order in engine.orders.values()}
            if engine.held and {Role.STOP, Role.TARGET} <= roles:
                break
        wire.is_market_held = True
        for _ in range(100):
            agent.step()
        agent.close()
        self.engine = engine
        states = {order.state for order in engine.orders.values() if order.spec.role is not Role.ENTRY}
        return bool(engine.held) and states == {OrderState.OPEN}

    @property
    def journal(self) -> MemoryJournal:
        return MemoryJournal(self.records)

    @property
    def left(self) -> LeftAtVenue:
        left = left_at_venue(self.journal)
        assert left is not None
        return left

    def wire(self, kind: type[FaultyWire] = FaultyWire, fault_rate: float = 0.0) -> FaultyWire:
        return kind(self.side, Dice("taken back"), fault_rate)

    def take_back(self, wire: FaultyWire, wait_s: int = 60):
        return take_back(self.left, wire, ("",), lambda: self.side.steady, wait_s)


@pytest.fixture
def world() -> World:
    return World()


def test_what_a_live_run_has_left_is_read_from_its_records_and_refuses_a_new_one(world: World):
    left, engine = world.left, world.engine
    held = {name: x.quantity for name, x in engine.account.portfolio.positions.items() if x.quantity}
    assert {x.instrument_id: x.quantity for x in left.held} == held
    assert {order.spec.order_id: order for order in left.orders} == engine.orders
    with pytest.raises(RefusedError) as refused:
        require_nothing_left(left)
    for part in (*held, *engine.orders):
        assert part in str(refused.value)
    for way in ("without --fresh", "holdfast stop --level flatten", "holdfast run --fresh --abandon"):
        assert way in refused.value.hint


def test_where_nothing_is_left_a_new_run_may_begin():
    assert left_at_venue(MemoryJournal(MemoryRecords())) is None
    require_nothing_left(None)


@pytest.mark.parametrize("mode", ["paper", "practice"])
def test_a_run_of_another_mode_in_between_hides_nothing(world: World, mode: str):
    other = msgspec.structs.replace(world.run, run_id="another", mode=mode)
    left = world.left
    world.journal.append([Entry(RUN, encode(other))]).wait()
    assert left_at_venue(world.journal) == left


def test_a_newer_live_run_is_the_one_that_counts(world: World):
    world.journal.append([Entry(RUN, encode(msgspec.structs.replace(world.run, run_id="another")))]).wait()
    assert left_at_venue(world.journal) is None


@pytest.mark.parametrize("fault_rate", [0.0, 0.3])
def test_every_order_is_taken_back_and_the_coins_are_left(world: World, fault_rate: float):
    assert world.side.venue.open_orders()
    done = world.take_back(world.wire(fault_rate=fault_rate))
    assert not world.side.venue.open_orders()
    assert done.is_taken_back
    assert set(done.orders) == {order.spec.order_id for order in world.left.orders}
    assert {x.instrument_id: x.quantity for x in done.held} == {x.instrument_id: x.quantity for x in world.left.held}
    balances = decode_state(world.side.venue.snapshot()).balances
    assert any(balances[x.base] for x in world.run.instruments)


def test_what_was_filled_while_nobody_looked_is_counted(world: World):
    """Targets or stops that have sold leave nothing to the owner."""
    before = world.left
    while world.side.venue.open_orders() and world.side.done < len(world.side.groups):
        world.side.advance()
    done = world.take_back(world.wire())
    assert not world.side.venue.open_orders()
    fills = [event for log in world.side.log.values() for event in log if isinstance(event, OrderFilled)]
    held = dict.fromkeys((x.id for x in world.run.instruments), ZERO)
    for fill in fills:
        spec = world.side.specs[fill.order_id].order
        held[spec.instrument_id] += spec.side.sign * fill.quantity
    assert {x.instrument_id: x.quantity for x in done.held} == {name: held[name] for name in held if held[name]}
    assert done.held != before.held, "something has happened"


class Deaf(FaultyWire):
    """The venue takes no cancel."""

    def cancel(self, order_id: OrderId, ts: int, reason: str) -> Sequence[OrderEvent]:
        return ()


class Clinging(FaultyWire):
    """An order of ours that the books do not know rests there for ever."""

    def take(self, timeout_s: float) -> Sequence[Incoming]:
        unknown = OrderAtVenue("v", InstrumentId("BTC/USDT.SIM"), Side.SELL, ZERO, OrderId("sim-999s"))
        return [
            msgspec.structs.replace(item, orders=(*item.orders, unknown)) if isinstance(item, AccountReport) else item
            for item in super().take(timeout_s)
        ]


class Locked(FaultyWire):
    """The key is not taken any more."""

    def take(self, timeout_s: float) -> Sequence[Incoming]:
        super().take(timeout_s)
        return [Failure(1, "the key was refused", "make another", is_fatal=True)]


def test_a_venue_that_confirms_nothing_is_an_error_that_names_what_rests(world: World):
    began = world.side.steady
    with pytest.raises(VenueError, match="not confirmed") as refused:
        world.take_back(world.wire(Deaf), wait_s=5)
    for order in world.left.orders:
        assert order.spec.order_id in str(refused.value)
    assert "nothing new was begun" in refused.value.hint
    assert world.side.steady - began >= 5 * SECOND


def test_while_the_venue_is_waited_for_it_says_every_ten_seconds_what_for(world: World):
    said: list[str] = []
    with pytest.raises(VenueError, match="not confirmed"):
        take_back(world.left, world.wire(Deaf), ("",), lambda: world.side.steady, 35, said.append)
    assert [line.partition(" of 35 s: ")[0] for line in said] == ["10", "20", "30"]
    assert all(order.spec.order_id in line for order in world.left.orders for line in said)


def test_what_was_begun_and_not_finished_is_told_until_the_run_goes_on(world: World):
    assert not is_half_given_up(world.journal)
    begun = world.left.record()
    world.journal.append([Entry(ABANDONED, encode(begun))]).wait()
    assert is_half_given_up(world.journal)
    done = msgspec.structs.replace(begun, is_taken_back=True)
    for later in (Entry(ABANDONED, encode(done)), Entry(RUN, encode(world.run))):
        records = copy.deepcopy(world.records)
        MemoryJournal(records).append([later]).wait()
        assert not is_half_given_up(MemoryJournal(records))
    tick = next(iter(world.journal.read(kinds=(TICK,))))
    world.journal.append([Entry(TICK, tick.body)]).wait()
    assert not is_half_given_up(world.journal), "it goes on, and looks after its stops"


def test_an_order_with_our_ids_that_the_books_do_not_know_is_not_overlooked(world: World):
    with pytest.raises(VenueError, match="sim-999s"):
        world.take_back(world.wire(Clinging), wait_s=5)


def test_a_key_that_is_refused_ends_it_at_once(world: World):
    with pytest.raises(VenueError, match="the key was refused") as refused:
        world.take_back(world.wire(Locked))
    assert refused.value.hint == "nothing new was begun; make another"

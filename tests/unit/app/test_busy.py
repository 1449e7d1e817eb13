"""What a live agent says that it is busy with: the strategy's time is counted, the silence of the wire is not."""

from collections.abc import Sequence

from holdfast.app.agent import RunningAgent
from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.domain.values import InstrumentId
from holdfast.ports.live import Incoming
from holdfast.ports.strategy import Strategy
from holdfast.services.assembly import build_engine
from holdfast.services.live import LiveAgent
from holdfast.testing.builders import make_run, make_venue
from holdfast.testing.dice import Dice
from holdfast.testing.faulty_wire import FaultyWire, VenueSide
from holdfast.testing.live_simulation import CONFIG
from holdfast.testing.memory_journal import MemoryJournal, MemoryRecords
from holdfast.testing.scenario import draw


def test_only_the_strategy_makes_a_live_agent_busy_with_a_bar_not_the_wait_for_the_venue():
    world = next(x for x in map(draw, range(500)) if len(x.groups) > 60)
    agents: list[RunningAgent] = []
    on_the_wire: list[int | None] = []
    in_the_strategy: list[int | None] = []

    class Wire(FaultyWire):
        def take(self, timeout_s: float) -> Sequence[Incoming]:
            on_the_wire.append(agents[0].busy_with)
            return super().take(timeout_s)

        def history(self, instrument_id: InstrumentId, count: int, ts_after: int = 0) -> Sequence[BarClosed]:
            on_the_wire.append(agents[0].busy_with)
            return super().history(instrument_id, count, ts_after)

    def make(instrument_id: InstrumentId) -> Strategy:
        strategy = world.factory(instrument_id)
        inner = strategy.on_bar

        def on_bar(bar: BarClosed) -> Signal | None:
            in_the_strategy.append(agents[0].busy_with)
            return inner(bar)

        strategy.on_bar = on_bar  # type: ignore[method-assign]  # the one place that sees the agent from inside
        return strategy

    side = VenueSide(make_venue(world.plan), world.groups)
    records = MemoryRecords()
    for _ in range(2):  # the second one repeats what the first has done
        for _ in range(20):
            side.advance()
        engine = build_engine(world.plan, make)
        wire = Wire(side, Dice("busy"), 0.0)
        journal = MemoryJournal(records)
        run = make_run(world.plan, world.strategy, mode="live")
        agents[:] = [RunningAgent(journal, LiveAgent(run, engine, wire, journal, CONFIG, lambda: side.steady))]
        agents[0].start()
        for _ in range(20):
            agents[0].step()
        journal.flush()
    assert on_the_wire
    assert set(on_the_wire) == {None}
    assert in_the_strategy
    assert None not in in_the_strategy

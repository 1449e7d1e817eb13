"""The bars that a live agent begins with: however long the venue takes to tell them, none is lost and time goes on."""

from collections.abc import Sequence

import msgspec
import pytest

from holdfast.domain.market import BarClosed
from holdfast.domain.values import InstrumentId
from holdfast.engine.recorder import BARS, HISTORY
from holdfast.services.assembly import build_engine
from holdfast.services.live import LiveAgent
from holdfast.testing.builders import make_run, make_venue
from holdfast.testing.dice import Dice
from holdfast.testing.faulty_wire import FaultyWire, VenueSide
from holdfast.testing.live_simulation import CONFIG
from holdfast.testing.memory_journal import MemoryJournal, MemoryRecords
from holdfast.testing.scenario import Scenario, draw

READ = msgspec.json.Decoder(list[BarClosed]).decode


def whole_world() -> Scenario:
    """Return one in which several instruments have every bar."""
    return next(
        world
        for world in map(draw, range(500))
        if len(world.plan.instruments) > 1
        and len(world.groups) > 80
        and all(len(group) == len(world.plan.instruments) for group in world.groups[:80])
    )


WORLD = whole_world()


class Moving(FaultyWire):
    """A market that moves on while each history is on its way."""

    bars_meanwhile = 0

    def history(self, instrument_id: InstrumentId, count: int, ts_after: int = 0) -> Sequence[BarClosed]:
        found = super().history(instrument_id, count, ts_after)
        for _ in range(self.bars_meanwhile):
            self._queue += self.side.advance()
        return found


def life(
    world: Scenario, side: VenueSide, records: MemoryRecords, moves: int, history_bars: int = 500
) -> None:  # fmt: skip
    """Start an agent, let it take in what there is, and drop it."""
    wire = Moving(side, Dice("history"), 0.0)
    wire.bars_meanwhile = moves
    run = make_run(world.plan, world.strategy, mode="live")
    engine = build_engine(world.plan, world.factory)
    journal = MemoryJournal(records)
    config = msgspec.structs.replace(CONFIG, history_bars=history_bars)
    agent = LiveAgent(run, engine, wire, journal, config, lambda: side.steady)
    agent.start()
    for _ in range(20):
        agent.step()
    journal.flush()


@pytest.mark.parametrize("moves", [0, 1, 2, 5])
def test_bars_that_close_while_histories_are_fetched_come_once_each_and_in_order(moves: int):
    side = VenueSide(make_venue(WORLD.plan), WORLD.groups)
    records = MemoryRecords()
    for _ in range(20):
        side.advance()
    life(WORLD, side, records, moves)
    for _ in range(7):
        side.advance()
    life(WORLD, side, records, moves)
    bars = [bar for record in records.durable if record.kind in (HISTORY, BARS) for bar in READ(record.body)]
    times = [bar.ts_event for bar in bars]
    assert times == sorted(times)
    expected = {(bar.instrument_id, bar.ts_event) for group in side.groups[: side.done] for bar in group}
    found = [(bar.instrument_id, bar.ts_event) for bar in bars]
    assert len(found) == len(set(found))
    assert set(found) == expected


def test_an_agent_that_was_away_for_longer_than_a_new_run_looks_back_sees_all_that_it_has_missed():
    side = VenueSide(make_venue(WORLD.plan), WORLD.groups)
    records = MemoryRecords()
    for _ in range(20):
        side.advance()
    life(WORLD, side, records, 0)
    for _ in range(40):
        side.advance()
    life(WORLD, side, records, 0, history_bars=5)
    bars = [bar for record in records.durable if record.kind in (HISTORY, BARS) for bar in READ(record.body)]
    assert len(bars) == 60 * len(WORLD.plan.instruments)

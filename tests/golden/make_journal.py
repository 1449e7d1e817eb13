"""Writes the golden journal of this version: `python tests/golden/make_journal.py` (see README.md beside it).

Two runs of hand-made bars. The first is a paper agent at the simulated venue; the second is an engine that is told by
hand what that venue never says: opinions, time-outs, a rejection. (OrderSubmitted is the folds' own, and no record.)
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import msgspec

from holdfast import __version__
from holdfast.adapters.sources.feed import SeriesFeed
from holdfast.core.record import encode
from holdfast.domain.command import SubmitOrder
from holdfast.domain.decision import Action, Opinion, OpinionTimedOut, StopLevel
from holdfast.domain.event import EmergencyStopped, Event, ProtectionDue
from holdfast.domain.order import (
    Liquidity,
    OrderAccepted,
    OrderAmended,
    OrderCanceled,
    OrderFilled,
    OrderRejected,
    OrderTimedOut,
    OrderTriggered,
    Role,
)  # fmt: skip
from holdfast.domain.tick import Tick
from holdfast.domain.values import Money, OrderId, Price, Quantity, Ratio
from holdfast.engine.config import EngineConfig
from holdfast.engine.engine import QUIET, Engine
from holdfast.engine.recorder import HISTORY, RUN, TICK
from holdfast.portfolio.fold import JournalFold
from holdfast.ports.journal import Entry
from holdfast.services.assembly import build_engine
from holdfast.services.emergency import ReleaseWish
from holdfast.services.paper import PaperAgent
from holdfast.services.release import RELEASE
from holdfast.services.versions import PROGRAM, ProgramChanged
from holdfast.testing.builders import Row, make_bar, make_instrument, make_plan, make_run, make_series, make_venue
from holdfast.testing.memory_journal import MemoryJournal, MemoryRecords
from holdfast.testing.scripted import Line, ScriptedStrategy

HERE = Path(__file__).parent
BTC = make_instrument()
LONG = Action.ENTER_LONG
SCRIPT = {
    2: Line(LONG, 98.0, 106.0),  # a gap opens below the stop
    6: Line(LONG, 98.0, 104.0),  # reaches its target
    10: Line(LONG, 97.0, 115.0),  # its stop is trailed, and hit
    15: Line(LONG, 99.9, 100.05),  # refused: too little to win
    16: Line(LONG, 98.0, 110.0, is_anchored=True),  # fills in part, and is left in an emergency
    22: Line(LONG, 98.0, 110.0),  # still held at the end
}
TRAILS = {11: 99.4}
LAST = 24


def rows() -> list[Row]:
    """Return the first run's bars: quiet around 100, but for what the script needs."""
    found = [(100.0, 100.6, 99.6, 100.0 + number % 2 * 0.2, 1e5) for number in range(LAST)]
    found[3] = (100.0, 100.5, 99.8, 100.1, 1e5)
    found[4] = (96.5, 97.5, 96.2, 97.0, 1e5)
    found[5] = (97.0, 100.2, 97.0, 100.0, 1e5)
    found[8] = (100.0, 104.6, 99.9, 101.0, 1e5)
    found[13] = (100.0, 100.4, 99.1, 99.9, 1e5)
    found[17] = (100.0, 100.6, 99.6, 100.2, 200.0)
    return found


def traded() -> Iterator[Entry]:
    """Yield the records of the paper agent."""
    plan, records = make_plan(BTC), MemoryRecords()
    engine = build_engine(plan, lambda name: ScriptedStrategy(name, SCRIPT, TRAILS))
    feed = SeriesFeed([make_series(BTC, rows())])
    agent = PaperAgent(make_run(plan), engine, make_venue(plan), feed, MemoryJournal(records))
    agent.start()
    for number in range(LAST):
        agent.step()
        if number == 18:
            agent.stop(StopLevel.FLATTEN, "golden", "a drill")
        elif number == 20:
            agent.resume("golden", "it is over")
    agent.checkpoint()
    yield from (Entry(record.kind, record.body) for record in records.durable)
    yield Entry(RELEASE, encode(ReleaseWish(engine.ts, "golden", "when it is flat")))
    yield Entry(PROGRAM, encode(ProgramChanged(__version__)))


def told() -> Iterator[Entry]:
    """Yield the records of the engine that is told by hand."""
    plan = make_plan(BTC, engine=EngineConfig(opinion_timeout_ms=5_000))
    script = {2: Line(LONG, 98.0, 106.0), 3: Line(LONG, 98.0, 106.0)}
    engine = build_engine(plan, lambda name: ScriptedStrategy(name, script))
    yield Entry(RUN, encode(make_run(plan, run_id="run-2")))
    yield Entry(HISTORY, encode([make_bar(BTC, -1, (100.0, 100.6, 99.6, 100.0, 1e5))]))
    ticks = [*_process(engine, _bars(3))]
    asked = _proposed(ticks[-1])
    ticks += _process(engine, [OpinionTimedOut(asked, engine.ts)])
    ticks += _process(engine, _bars(4, 3))
    asked = _proposed(ticks[-1])
    ticks += _process(engine, [Opinion(asked, engine.ts, Ratio(Decimal("0.5")), "half of it", "a model")])
    entry, ts = asked, engine.ts
    quantity = _sent(ticks[-1], Role.ENTRY)[1]
    part = Quantity(quantity / 4)
    ticks += _process(
        engine,
        [
            OrderTimedOut(entry, ts),
            OrderAccepted(entry, ts, "venue-1"),
            OrderTriggered(entry, ts),
            OrderAmended(entry, ts, quantity=Quantity(part * 2)),
            _fill(entry, ts, "t-1", part),
        ],
    )
    stop, target = _sent(ticks[-1], Role.STOP)[0], _sent(ticks[-1], Role.TARGET)[0]
    ticks += _process(
        engine,
        [
            OrderAccepted(stop, ts),
            OrderRejected(target, ts, "too far"),
            EmergencyStopped(ts, StopLevel.REDUCE_ONLY, "golden", "the rest of the entry is taken back"),
            OrderCanceled(entry, ts, "operator"),
            OrderCanceled(stop, ts, "expired"),
            ProtectionDue(BTC.id, ts, 100.0),
        ],
    )
    yield from (Entry(TICK, encode(tick)) for tick in ticks)


def _bars(count: int, first: int = 0) -> list[Event]:
    return [make_bar(BTC, number, (100.0, 100.6, 99.6, 100.0, 1e5)) for number in range(first, count)]


def _process(engine: Engine, events: Sequence[Event]) -> Iterator[Tick]:
    return (tick for event in events if (tick := engine.process(event)) is not QUIET)


def _proposed(tick: Tick) -> OrderId:
    assert tick.proposal is not None
    return tick.proposal.proposal_id


def _sent(tick: Tick, role: Role) -> tuple[OrderId, Quantity]:
    specs = [command.approved.order for command in tick.commands if isinstance(command, SubmitOrder)]
    return next((spec.order_id, spec.quantity) for spec in specs if spec.role is role)


def _fill(order_id: OrderId, ts: int, trade_id: str, quantity: Quantity) -> OrderFilled:
    price = Price(Decimal("100.10"))
    fee = Money(price * quantity / 1_000, BTC.quote)
    return OrderFilled(order_id, ts, trade_id, price, quantity, fee, Liquidity.TAKER, Price(Decimal(100)))


def outcomes(entries: Iterable[Entry]) -> list[dict[str, object]]:
    """Return what each run of a journal comes to by its records, in JSON's own types."""
    found: list[dict[str, object]] = []
    fold = JournalFold()
    trades: list[object] = []
    for entry in entries:
        if entry.kind == RUN:
            fold, trades = JournalFold(), []
            found.append({})
        fold.take(entry.kind, entry.body)
        if entry.kind == TICK and (closed := msgspec.json.decode(entry.body, type=Tick).closed) is not None:
            trades.append(f"{closed.trade_id} {closed.exit_reason} {closed.pnl}")
        portfolio, run = fold.portfolio, fold.run
        assert portfolio is not None
        assert run is not None
        found[-1] = {
            "run": run.run_id, "ticks": fold.sequence, "cash": str(portfolio.cash), "trades": trades,
            "positions": {x.instrument_id: f"{x.quantity} at {x.entry_price}" for x in portfolio.positions.values()},
            "orders": {str(order_id): order.state.value for order_id, order in fold.orders.items()},
            "stop_level": fold.stop_level.value,
        }  # fmt: skip
    return found


class GoldenLine(msgspec.Struct):
    """One record in the file: the bytes of `body` are those of the journal."""

    kind: str
    body: msgspec.Raw


def main() -> int:
    """Write both files of this version; an older version's are never touched."""
    entries = [*traded(), *told()]
    lines = [msgspec.json.encode(GoldenLine(entry.kind, msgspec.Raw(entry.body))) for entry in entries]
    target = HERE / f"journal-{__version__}.jsonl"
    if target.exists():
        sys.stderr.write(
            f"{target.name} exists: a golden journal is written once, by the release that it is named for\n"
        )
        return 1
    target.write_bytes(b"\n".join(lines) + b"\n")
    expected = msgspec.json.format(msgspec.json.encode(outcomes(entries)), indent=2)
    (HERE / f"journal-{__version__}.expected.json").write_bytes(expected + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

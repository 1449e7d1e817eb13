"""A real engine on a made market, driven by a strategy that acts by a script: every kind of tick that there is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
import pytest

from holdfast.adapters.exchanges.simulated.client import SimulatedVenue
from holdfast.core.record import encode
from holdfast.core.time import MINUTE
from holdfast.domain.decision import Action, Signal, StopLevel
from holdfast.domain.event import EmergencyStopped, TradingResumed
from holdfast.domain.instrument import FeeTier, Instrument, Market
from holdfast.domain.market import BarClosed, Timeframe
from holdfast.domain.tick import Tick
from holdfast.domain.values import Asset, InstrumentId, Ratio
from holdfast.engine.config import EngineConfig
from holdfast.engine.driver import Driver
from holdfast.engine.engine import Engine
from holdfast.engine.recorder import Recorder
from holdfast.matching.config import MatchingConfig
from holdfast.portfolio.run import RunStarted
from holdfast.ports.journal import Entry, JournalRecord
from holdfast.ports.projection import Change, Row
from holdfast.risk.config import RiskConfig
from holdfast.risk.exits import ExitConfig, PartialTarget, Trailing
from holdfast.services.assembly import AccountPlan, build_engine

CAPITAL = Decimal(100_000)
START = 1_700_000_000 // 60 * 60 * 1_000_000_000
FEE = Decimal("0.001")


def make_instrument(base: str) -> Instrument:
    return Instrument(
        InstrumentId(f"{base}/USDT.TEST"), Asset(base), Asset("USDT"), Decimal("0.01"), Decimal("0.001"), Decimal(5),
        (FeeTier(Decimal(0), FEE / 2, FEE),), Market.PERPETUAL,
    )  # fmt: skip


INSTRUMENTS = (make_instrument("AAA"), make_instrument("BBB"))


class ListJournal:
    """A journal in a list; hashes are left out."""

    def __init__(self) -> None:
        self.records: list[JournalRecord] = []

    def append(self, entries: Sequence[Entry]) -> "ListJournal":
        for entry in entries:
            self.records.append(JournalRecord(len(self.records) + 1, 0, entry.kind, entry.body, bytes(32)))
        return self

    def wait(self) -> int:
        return len(self.records)

    def flush(self) -> None: ...

    def read(self, after: int = 0, kinds: Sequence[str] = ()) -> Iterator[JournalRecord]:
        return (r for r in self.records[after:] if not kinds or r.kind in kinds)

    @property
    def head(self) -> tuple[int, bytes]:
        return len(self.records), bytes(32)

    def close(self) -> None: ...


class DictStore:
    """A projection store in a dictionary."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], bytes] = {}
        self.applied_sequence = 0
        self.batches = 0

    def apply(self, batch: Sequence[Change], sequence: int, journal_id: str = "", record_hash: bytes = b"") -> None:
        assert sequence >= self.applied_sequence
        self.batches += 1
        for change in batch:
            if change.body is None:
                self.rows.pop((change.table_kind, change.key), None)
            else:
                self.rows[change.table_kind, change.key] = change.body
        self.applied_sequence = sequence

    def get(self, table_kind: str, key: str) -> bytes | None:
        return self.rows.get((table_kind, key))

    def scan(self, table_kind: str) -> Iterator[Row]:
        return iter([Row(key, body) for (kind, key), body in sorted(self.rows.items()) if kind == table_kind])


class Dice:
    """A strategy that enters, leaves and trails at random, from a seed."""

    name, warmup = "dice", 0

    def __init__(self, instrument_id: InstrumentId, seed: int) -> None:
        self.instrument_id, self.trail = instrument_id, 0.0
        self._random = np.random.default_rng([seed, len(instrument_id), ord(instrument_id[0])])

    def on_bar(self, bar: BarClosed) -> Signal | None:
        draw, close = self._random.random(), bar.close
        self.trail = close * 0.99 if draw > 0.5 else 0.0
        if draw < 0.30:
            return self._signal(bar, Action.ENTER_LONG, close * 0.98, close * 1.04)
        if draw < 0.40:
            return self._signal(bar, Action.ENTER_SHORT, close * 1.02, close * 0.96)
        if draw < 0.44:
            return self._signal(bar, Action.EXIT_LONG, 0.0, 0.0)
        return self._signal(bar, Action.EXIT_SHORT, 0.0, 0.0) if draw < 0.46 else None

    def _signal(self, bar: BarClosed, action: Action, stop: float, target: float) -> Signal:
        reason = f"The dice say {action.value}."
        return Signal(
            bar.instrument_id,
            bar.ts_event,
            self.name,
            action,
            0.6,
            bar.close,
            stop,
            target,
            reason,
            (("close", bar.close),),
        )

    def situation(self) -> Sequence[str]:
        return ("The dice lie on the table.",)

    def snapshot(self) -> Sequence[float]:
        return ()

    def restore(self, state: Sequence[float]) -> None: ...


@dataclass(repr=False)
class Played:
    """A run that has ended: its engine, its journal and its ticks."""

    engine: Engine
    journal: ListJournal
    run: RunStarted
    ticks: list[Tick] = field(default_factory=list)

    @property
    def records(self) -> list[tuple[str, bytes]]:
        return [(record.kind, record.body) for record in self.journal.records]


def make_bars(seed: int, count: int) -> Iterator[list[BarClosed]]:
    """Yield groups of wild bars with gaps, so that stops are jumped and limits are missed."""
    random = np.random.default_rng(seed)
    closes = dict.fromkeys((instrument.id for instrument in INSTRUMENTS), 100.0)
    for at in range(1, count + 1):
        group = []
        for name in closes:
            begun = closes[name] * float(np.exp(random.normal(0, 0.02 if random.random() < 0.05 else 0.001)))
            close = begun * float(np.exp(random.normal(0, 0.008)))
            high, low = (
                max(begun, close) * (1 + random.random() * 0.006),
                min(begun, close) * (1 - random.random() * 0.006),
            )
            closes[name] = close
            volume = 30_000.0 if random.random() > 0.1 else 300.0
            prices = [round(price, 2) for price in (begun, high, low, close)]
            group.append(BarClosed(name, START + at * MINUTE, *prices, volume))
        yield group


def play(seed: int, count: int = 300, run_id: str = "run-1", opinion_ms: int = 0) -> Played:
    """Return a run of `count` bars on two instruments, with a brake in the middle of some."""
    plan = AccountPlan(
        INSTRUMENTS, Timeframe.M1, EngineConfig(capital=CAPITAL, opinion_timeout_ms=opinion_ms),
        RiskConfig(cooldown_bars=0, loss_day_max=Ratio(Decimal("0.2")), loss_week_max=Ratio(Decimal("0.4"))),
        ExitConfig(
            trailing=Trailing.PERCENT, trail_share=0.015,
            partial_targets=(PartialTarget(Decimal("0.5"), Decimal("0.4")),) if seed % 2 else (),
        ),
        MatchingConfig(latency_ms=0),
    )  # fmt: skip
    engine = build_engine(plan, lambda name: Dice(name, seed))
    venue = SimulatedVenue(INSTRUMENTS, Timeframe.M1.nanos, plan.matching, {Asset("USDT"): CAPITAL})
    journal = ListJournal()
    run = RunStarted(
        run_id,
        "backtest",
        Asset("USDT"),
        CAPITAL,
        INSTRUMENTS,
        "dice",
        {},
        "1m",
        "made",
        True,
        "0",
        {"seed": str(seed)},
    )
    played = Played(engine, journal, run)
    journal.append([Entry("run", encode(run))])
    driver = Driver(engine, venue, Recorder(journal, is_durable_first=False, is_input_kept=True), played.ticks.append)
    for at, group in enumerate(make_bars(seed, count)):
        driver.on_group(group)
        if seed % 3 == 0 and at == count // 2:
            driver.operate(EmergencyStopped(engine.ts, list(StopLevel)[1 + seed % 2 * 2], "operator", "a test"))
        if seed % 3 == 0 and at == count // 2 + 10:
            driver.operate(TradingResumed(engine.ts, "operator", "the test is over"))
    driver.recorder.sync()
    return played


@pytest.fixture(scope="session")
def played() -> Played:
    """A run with everything in it."""
    return play(3, 600)

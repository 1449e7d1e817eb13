"""The small things that every test of the flow needs, with defaults that only a test would choose."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from holdfast import __version__
from holdfast.adapters.exchanges.simulated.client import SimulatedVenue
from holdfast.core.record import Record
from holdfast.core.time import HOUR
from holdfast.domain.bar_quality import label
from holdfast.domain.instrument import FeeTier, Instrument, Market
from holdfast.domain.market import BarClosed, BarSeries, Timeframe
from holdfast.domain.values import Asset, InstrumentId, VenueCash
from holdfast.engine.config import EngineConfig
from holdfast.matching.config import MatchingConfig
from holdfast.portfolio.run import RunStarted
from holdfast.risk.config import RiskConfig
from holdfast.risk.exits import ExitConfig
from holdfast.services.assembly import AccountPlan
from holdfast.services.same_run import settings_text

TS = 1_600_000_000 // 3_600 * HOUR
"""When the first bar of a test opens: a full hour in September 2020."""

Row = tuple[float, float, float, float, float]
"""Open, high, low, close, volume."""


def make_instrument(
    name: str = "BTC/USDT.SIM", *, tick: str = "0.01", lot: str = "0.0001", notional_min: str = "5",
    fee: str = "0.001", market: Market = Market.SPOT,
) -> Instrument:  # fmt: skip
    """Return an instrument whose assets follow from its name; maker and taker pay the same `fee`."""
    base, _, rest = name.partition("/")
    tier = FeeTier(Decimal(0), Decimal(fee), Decimal(fee))
    quote = Asset(rest.partition(".")[0].partition(":")[0])
    return Instrument(
        InstrumentId(name), Asset(base), quote, Decimal(tick), Decimal(lot), Decimal(notional_min), (tier,), market
    )


def make_bar(
    instrument: Instrument, number: int, row: Row, *, flags: int = 0, timeframe: Timeframe = Timeframe.H1
) -> BarClosed:
    """Return bar `number` (from 0) of a market that begins at `TS`."""
    ts = TS + (number + 1) * timeframe.nanos
    return BarClosed(instrument.id, ts, *row, flags)


def make_series(
    instrument: Instrument, rows: Sequence[Row], *, timeframe: Timeframe = Timeframe.H1, ts: Sequence[int] = ()
) -> BarSeries:
    """Return labelled bars: one after the other from `TS` on, or at the opening times `ts`."""
    times = np.array(ts or [TS + i * timeframe.nanos for i in range(len(rows))], np.int64)
    columns = [np.array([row[i] for row in rows], np.float64) for i in range(5)]
    prices = (columns[0], columns[1], columns[2], columns[3])
    return label(BarSeries(instrument.id, timeframe, times, prices, columns[4], np.zeros(len(rows), np.uint8)))


def make_plan(
    *instruments: Instrument, timeframe: Timeframe = Timeframe.H1, engine: EngineConfig | None = None,
    risk: RiskConfig | None = None, exits: ExitConfig | None = None, matching: MatchingConfig | None = None,
    capital_at: tuple[VenueCash, ...] = (),
) -> AccountPlan:  # fmt: skip
    """Return a plan; what is left out is the default of the house, and the market BTC/USDT."""
    return AccountPlan(
        instruments or (make_instrument(),), timeframe, engine or EngineConfig(), risk or RiskConfig(),
        exits or ExitConfig(), matching or MatchingConfig(), capital_at,
    )  # fmt: skip


def make_venue(plan: AccountPlan) -> SimulatedVenue:
    """Return the venue that `plan` trades at, with the plan's capital in it."""
    return SimulatedVenue(
        plan.instruments, plan.timeframe.nanos, plan.matching, {plan.engine.quote: plan.engine.capital}
    )


def make_run(plan: AccountPlan, strategy: str = "test", *, mode: str = "paper", run_id: str = "run-1") -> RunStarted:
    """Return how a run of `plan` begins."""
    parts: dict[str, Record] = {
        "engine": plan.engine, "risk": plan.risk, "exits": plan.exits, "matching": plan.matching
    }  # fmt: skip
    settings = {key: text for name, part in parts.items() for key, text in settings_text(name, part).items()}
    return RunStarted(
        run_id, mode, plan.engine.quote, plan.engine.capital, plan.instruments, strategy, {}, plan.timeframe.value,
        "test", True, __version__, settings, capital_at=plan.capital_at,
    )  # fmt: skip

"""Job A or C through the event engine, with gate and journal on; prints one JSON line.

The jobs and their oracle: trades, stops and P&L are known for the seeded data set of `market.py`. The instrument's tick
is 1e-8, so that the strategy's unrounded stops stay within 0.01 of the oracle's P&L: finer than any cent.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from holdfast.adapters.exchanges.simulated.client import SimulatedVenue
from holdfast.adapters.host.clock import SystemClock
from holdfast.adapters.sources.feed import StreamFeed
from holdfast.adapters.sources.parquet_candles import iter_candles
from holdfast.adapters.storage.sqlite.config import JournalConfig
from holdfast.adapters.storage.sqlite.journal import SqliteJournal
from holdfast.domain.instrument import FeeTier, Instrument
from holdfast.domain.market import BarClosed, BarSeries, Timeframe
from holdfast.domain.values import Asset, InstrumentId, Ratio
from holdfast.engine.config import EngineConfig
from holdfast.matching.config import MatchingConfig
from holdfast.research.performance import measure
from holdfast.risk.config import RiskConfig
from holdfast.risk.exits import ExitConfig
from holdfast.services.assembly import AccountPlan, build_engine
from holdfast.services.backtesting import run_engine
from holdfast.strategies.registry import create

# A backtest may hand over ticks faster than the disk takes them: a short queue makes it wait instead of growing.
JOURNAL = JournalConfig(linger_ms=20, batch_records_max=2_000, queue_bytes_max=4 << 20)
SLICE = 5_000
FEE = Decimal("0.001")
CAPITAL = Decimal(1_000_000_000)

INSTRUMENT = Instrument(
    InstrumentId("BTC/USDT.BENCH"), Asset("BTC"), Asset("USDT"), tick=Decimal("0.00000001"), lot=Decimal("0.000001"),
    notional_min=Decimal(1), fee_tiers=(FeeTier(Decimal(0), FEE, FEE),),
)  # fmt: skip

RISK = RiskConfig(
    quantity_fixed=Decimal(1), is_entry_market=True, is_risk_dynamic=False, cooldown_bars=0,
    volume_share_max=Ratio(Decimal(1)),
)  # fmt: skip


def slices(path: Path) -> Iterator[BarSeries]:
    """Yield the bars of a Parquet file in slices, as the product reads them, so that memory stays flat."""
    return iter_candles(path, INSTRUMENT.id, Timeframe.M1, SLICE)


def main() -> int:
    """Run one job and print its line; exit 1 if the journal does not hold every tick."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--job", choices=("A", "C"), default="C")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--accelerate", action="store_true", help="compile the step with numba, if it is installed")
    arguments = parser.parse_args()
    plan = AccountPlan(
        (INSTRUMENT,), Timeframe.M1, EngineConfig(capital=CAPITAL), RISK, ExitConfig(), MatchingConfig.ideal()
    )
    factory = create(f"job_{arguments.job.lower()}", {}, accelerate=arguments.accelerate)
    if arguments.accelerate:
        # The first call compiles; like an import it is no part of the run.
        factory(INSTRUMENT.id).on_bar(BarClosed(INSTRUMENT.id, 1, 1.0, 1.0, 1.0, 1.0, 1.0))
    with tempfile.TemporaryDirectory() as folder:
        engine = build_engine(plan, factory)
        exchange = SimulatedVenue((INSTRUMENT,), Timeframe.M1.nanos, plan.matching, {Asset("USDT"): CAPITAL})
        journal = SqliteJournal(Path(folder) / "journal", SystemClock(), config=JOURNAL)
        begun, cpu = time.perf_counter(), time.process_time()
        run, curve = run_engine(engine, StreamFeed(lambda: slices(arguments.data)), exchange, journal)
        journal.flush()
        # What the user waits for, too: peers' times hold their statistics.
        measured = measure(run.trades, curve.ts, curve.equity, CAPITAL, curve.exposed)
        seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
        recorded = journal.head[0]
        journal.close()
    row = {
        "engine": "holdfast" + ("+numba" if arguments.accelerate else ""), "job": arguments.job, "bars": run.bars,
        "secs": round(seconds, 4), "cpu_secs": round(cpu, 4), "bars_per_sec": round(run.bars / seconds),
        "trades": len(run.trades), "stops": sum("stop" in trade.exit_reason for trade in run.trades),
        "pnl": float(sum(trade.pnl for trade in run.trades)), "equity": curve.equity[-1] - float(CAPITAL),
        "max_drawdown": measured.drawdown.share_max, "journal_records": recorded, "digest": run.digest,
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }  # fmt: skip
    print(json.dumps(row))
    return 0 if recorded == run.ticks else 1


if __name__ == "__main__":
    sys.exit(main())

"""What the peer scripts share: the command line, a silent peer, the clock, and the one JSON line at the end.

It runs inside each peer's own environment, so it may use nothing but the standard library, numpy and pyarrow.
"""

import argparse
import gc
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

FEE_RATE = 0.001
FAST_BARS, SLOW_BARS = 12, 26
WILDER_BARS = 14
STOP_RANGES = 3.0
STRENGTH_NEEDED = 50.0
CASH = 1e9

PNL_DECIMALS = 4
# Enough for the peer to compile, import lazily and fill its caches before the clock starts.
BARS_TO_WARM_UP = 2_000


@dataclass(frozen=True)
class Market:
    """Columns of equal length, oldest bar first; `ts` is the opening time in milliseconds."""

    ts: npt.NDArray[np.int64]
    open: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    close: npt.NDArray[np.float64]
    volume: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.ts)

    def head(self, bars: int) -> "Market":
        """Return the first `bars` bars."""
        return Market(*(getattr(self, name)[:bars].copy() for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Outcome:
    """Closed trades, exits by stop (None: the engine does not tell), profit after fees in quote currency."""

    trades: int
    stops: int | None
    pnl: float


@dataclass(frozen=True)
class Prepared:
    """A run that is ready to start: `run` is timed, `outcome` reads the figures off its result and is not."""

    run: Callable[[], Any]
    outcome: Callable[[Any], Outcome]


def read_market(path: Path) -> Market:
    """Return the market stored in a Parquet file of `benchmarks/market.py`."""
    table = pq.read_table(path)
    return Market(*(table.column(name).to_numpy() for name in Market.__dataclass_fields__))


def main(
    engine: str,
    distribution: str,
    prepare: Callable[[str, Market], Prepared],
    jobs: Sequence[str] = ("A", "C"),
) -> None:
    """Measure one engine as the command line asks and print its row.

    Parameters
    ----------
    engine
        Name in the row.
    distribution
        Installed distribution whose version stands in the row.
    prepare
        Called before every run with the job and the market; whatever it does is loading and is not timed.
    jobs
        The jobs that this engine can do.
    """
    parser = argparse.ArgumentParser(description=f"Run {engine} on a job of the engine benchmark.")
    parser.add_argument("--job", choices=jobs, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=1, help="timed runs; the row tells of the fastest")
    arguments = parser.parse_args()
    if arguments.repeats < 1:
        parser.error("--repeats must be at least 1")

    answer = _take_standard_output()
    market = read_market(arguments.data)
    _timed(prepare(arguments.job, market.head(BARS_TO_WARM_UP)))
    runs = []
    peak_rss_mb = 0.0
    for _ in range(arguments.repeats):
        runs.append(_timed(prepare(arguments.job, market)))
        # Of the first full run: what later runs pile up is not what a user's one run needs.
        peak_rss_mb = peak_rss_mb or _peak_rss_mb()
    outcomes = {outcome for _, _, outcome in runs}
    if len(outcomes) > 1:
        raise RuntimeError(f"equal runs must give equal outcomes, found {outcomes}")
    secs, cpu_secs, outcome = min(runs, key=lambda run: run[0])
    row = {
        "engine": engine,
        "version": version(distribution),
        "job": arguments.job,
        "bars": len(market),
        "secs": round(secs, 6),
        "cpu_secs": round(cpu_secs, 6),
        "trades": outcome.trades,
        "stops": outcome.stops,
        "pnl": outcome.pnl,
        "peak_rss_mb": round(peak_rss_mb, 1),
    }
    os.write(answer, (json.dumps(row) + "\n").encode())


def _take_standard_output() -> int:
    """Send all that is printed from now on to standard error, also by compiled code; return where the row goes."""
    sys.stdout.flush()
    answer = os.dup(1)
    os.dup2(2, 1)
    return answer


def _timed(prepared: Prepared) -> tuple[float, float, Outcome]:
    gc.collect()
    processor, wall = time.process_time(), time.perf_counter()
    result = prepared.run()
    secs, cpu_secs = time.perf_counter() - wall, time.process_time() - processor
    outcome = prepared.outcome(result)
    # Some engines answer with numpy scalars, which json does not know.
    stops = None if outcome.stops is None else int(outcome.stops)
    return secs, cpu_secs, Outcome(int(outcome.trades), stops, round(float(outcome.pnl), PNL_DECIMALS))


def _peak_rss_mb() -> float:
    # Linux counts in kilobytes, macOS in bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)

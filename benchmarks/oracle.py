"""What every engine must find: jobs A and C of the engine benchmark, in plain Python, and their expected figures.

`python benchmarks/oracle.py --job C --data FILE` prints one JSON line. The rules, in the order of events within a bar:

1. A buy or a sale that was decided at the previous close fills at this open. A buy sets the stop three average true
   ranges below its price, with the range known at the previous close.
2. In job C a long position whose stop lies at or above the low is closed at the stop, or at the open if that is lower;
   this holds in the bar of entry too.
3. The indicators take in this bar.
4. If still long, the stop rises to three average true ranges below this close; it never falls.
5. At the close, decide for the next bar: buy when flat and the fast average has just come above the slow one (in job C
   only with a relative strength above 50), sell when long and it has just ceased to be above. After a stop there is no
   new entry before the next upward cross.

One unit, long only, a fee on each leg, no slippage; cash is never short. Bar 0 only starts the indicators.
"""

import argparse
import json
import platform
import resource
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

FEE_RATE = 0.001
FAST_BARS, SLOW_BARS = 12, 26
WILDER_BARS = 14
STOP_RANGES = 3.0
STRENGTH_NEEDED = 50.0
PNL_DECIMALS = 4


class Job(StrEnum):
    """A: crossing averages alone. C: also a strength filter at entry and a ratcheting stop."""

    A = "A"
    C = "C"


class Bar(NamedTuple):
    """The four prices of one minute."""

    open: float
    high: float
    low: float
    close: float


@dataclass(frozen=True)
class Outcome:
    """Closed trades, how many of them by the stop, and the profit after fees in quote currency."""

    trades: int
    stops: int
    pnl: float


EXPECTED = {
    (Job.A, 100_000): Outcome(trades=1_717, stops=0, pnl=-85_010.1135),
    (Job.A, 1_000_000): Outcome(trades=17_959, stops=0, pnl=-1_002_431.5787),
    (Job.C, 100_000): Outcome(trades=1_717, stops=1_042, pnl=-87_382.4635),
    (Job.C, 1_000_000): Outcome(trades=17_958, stops=10_658, pnl=-1_029_368.1011),
}


@dataclass
class Average:
    """An exponential average that moves towards each new value by a fixed share of the distance."""

    value: float
    share: float

    def update(self, value: float) -> None:
        """Take in one more value."""
        self.value += self.share * (value - self.value)


class Indicators:
    """The five running averages, and what the rules read off them at the close of a bar."""

    def __init__(self, first: Bar) -> None:
        self._fast = Average(first.close, 2 / (FAST_BARS + 1))
        self._slow = Average(first.close, 2 / (SLOW_BARS + 1))
        self._gain = Average(0.0, 1 / WILDER_BARS)
        self._loss = Average(0.0, 1 / WILDER_BARS)
        self._range = Average(first.high - first.low, 1 / WILDER_BARS)
        self._close = first.close

    def update(self, bar: Bar) -> None:
        """Take in one closed bar."""
        change = bar.close - self._close
        self._fast.update(bar.close)
        self._slow.update(bar.close)
        self._gain.update(max(change, 0.0))
        self._loss.update(max(-change, 0.0))
        self._range.update(max(bar.high, self._close) - min(bar.low, self._close))
        self._close = bar.close

    @property
    def is_above(self) -> bool:
        """Whether the fast average lies strictly above the slow one."""
        return self._fast.value > self._slow.value

    @property
    def strength(self) -> float:
        """Wilder's relative strength index, 0 to 100; 50 while nothing has moved yet."""
        moved = self._gain.value + self._loss.value
        return 100.0 * self._gain.value / moved if moved else 50.0

    @property
    def stop_distance(self) -> float:
        """How far below a price its stop belongs."""
        return STOP_RANGES * self._range.value


@dataclass
class Account:
    """One unit or none, and the running result."""

    entry: float | None = None
    stop: float = 0.0
    trades: int = 0
    stops: int = 0
    profits: list[float] = field(default_factory=list)

    @property
    def is_long(self) -> bool:
        """Whether the unit is held."""
        return self.entry is not None

    def buy(self, price: float, stop: float) -> None:
        """Open the position."""
        self.entry, self.stop = price, stop

    def sell(self, price: float) -> None:
        """Close the position and book its profit, less the fees of both legs."""
        if self.entry is None:
            raise ValueError(f"a sale at {price} needs a position, found none")
        self.profits.append(price - self.entry - FEE_RATE * (price + self.entry))
        self.trades += 1
        self.entry = None


def run_job(job: Job, bars: Iterable[Bar]) -> Outcome:
    """Return the outcome of `job` over `bars`, oldest first; a position left open at the end is not counted."""
    stream = iter(bars)
    indicators = Indicators(next(stream))
    account = Account()
    has_stops = job is Job.C
    was_above = is_buying = is_selling = False
    for bar in stream:
        if is_buying:
            account.buy(bar.open, stop=bar.open - indicators.stop_distance)
        elif is_selling:
            account.sell(bar.open)
        if has_stops and account.is_long and bar.low <= account.stop:
            account.sell(min(bar.open, account.stop))
            account.stops += 1
        indicators.update(bar)
        if account.is_long:
            account.stop = max(account.stop, bar.close - indicators.stop_distance)
        is_above = indicators.is_above
        is_strong = job is Job.A or indicators.strength > STRENGTH_NEEDED
        is_buying = is_above and not was_above and not account.is_long and is_strong
        is_selling = was_above and not is_above and account.is_long
        was_above = is_above
    return Outcome(account.trades, account.stops, round(sum(account.profits), PNL_DECIMALS))


def read_bars(path: Path) -> list[Bar]:
    """Return the bars of a Parquet file written by `market.py`."""
    table = pq.read_table(path, columns=list(Bar._fields))
    columns: Iterator[list[float]] = (table.column(name).to_pylist() for name in Bar._fields)
    return [Bar(*prices) for prices in zip(*columns, strict=True)]


def main() -> int:
    """Run one job and print its row; fail if the row is not the expected one."""
    parser = argparse.ArgumentParser(description="Run the reference of the engine benchmark.")
    parser.add_argument("--job", type=Job, choices=list(Job), required=True)
    parser.add_argument("--data", type=Path, required=True)
    arguments = parser.parse_args()
    bars = read_bars(arguments.data)
    wall, processor = time.perf_counter(), time.process_time()
    outcome = run_job(arguments.job, bars)
    row = {
        "engine": "oracle",
        "version": f"python {platform.python_version()}",
        "job": arguments.job,
        "bars": len(bars),
        "secs": round(time.perf_counter() - wall, 6),
        "cpu_secs": round(time.process_time() - processor, 6),
        "trades": outcome.trades,
        "stops": outcome.stops,
        "pnl": outcome.pnl,
        # Linux counts in kilobytes, macOS in bytes.
        "peak_rss_mb": round(
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10), 1
        ),
    }
    print(json.dumps(row))
    expected = EXPECTED.get((arguments.job, len(bars)))
    if expected is not None and outcome != expected:
        print(f"error: expected {expected}, found {outcome}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

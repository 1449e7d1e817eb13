"""The one market that every engine of the benchmark runs on: seeded 1-minute bars, written as Parquet.

`python benchmarks/market.py --bars 100000 --out FILE` writes the file; without `--out` it goes to the cache. The
columns are `ts` (int64, milliseconds, the bar's opening time) and `open`, `high`, `low`, `close`, `volume` (float64).

Each open is the previous close, so that an engine which fills at the close of the signal bar and one which fills at the
next open must agree. The price of that: this market has no gaps, and says nothing about how an engine fills across one.
"""

import argparse
import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

Prices = npt.NDArray[np.float64]

CACHE = Path(__file__).resolve().parent / ".cache"

SEED = 20251120
# The shorter data set is the beginning of the longer one: the draws are made for all bars, column by column.
BARS_DRAWN = 1_000_000
CLOSE_SHA256 = {
    100_000: "05ac0ab743fc5d0e38fcfe8413dee198b2bb07a1e9144ef19dc28b75a919c432",
    1_000_000: "007c7a1b22d1a0acae6b2a0bf7e0fef19f4ff6628ad7087510fb13cbaf7ab634",
}

START_PRICE = 30_000.0
START_SECONDS = 1_609_459_200  # 2021-01-01 00:00 UTC
BAR_SECONDS = 60
MINUTES_PER_YEAR = 525_600
VOLATILITY_PER_YEAR = 0.6
VOLATILITY_PERSISTENCE = 0.995
VOLATILITY_NOISE = 0.06
WICK_SHARE = 0.5
VOLUME_LOG_MEAN, VOLUME_LOG_DEVIATION = 2.0, 1.0
TICK_DECIMALS, VOLUME_DECIMALS = 2, 4


class MarketError(ValueError):
    """The data differ from those that the expected figures belong to."""


@dataclass(frozen=True)
class Market:
    """Columns of equal length, oldest bar first; `ts` in milliseconds."""

    ts: npt.NDArray[np.int64]
    open: Prices
    high: Prices
    low: Prices
    close: Prices
    volume: Prices


def make_market(bars: int) -> Market:
    """Return the first `bars` bars of the seeded market.

    Raises
    ------
    MarketError
        `bars` is not a known length, or the closes differ from the recorded ones: another numpy or another processor
        may round `exp` differently, and then no expected figure holds.
    """
    if bars not in CLOSE_SHA256:
        raise MarketError(f"bars must be one of {sorted(CLOSE_SHA256)}, found {bars}")
    random = np.random.default_rng(SEED)
    # The order of the five draws is part of the recipe.
    sigma = _clustered_sigma(random.normal(size=BARS_DRAWN))
    log_returns = sigma * random.normal(size=BARS_DRAWN) - 0.5 * sigma * sigma
    upper_wick = 1 + WICK_SHARE * sigma * np.abs(random.normal(size=BARS_DRAWN))
    lower_wick = 1 - WICK_SHARE * sigma * np.abs(random.normal(size=BARS_DRAWN))
    volume: Prices = np.exp(random.normal(VOLUME_LOG_MEAN, VOLUME_LOG_DEVIATION, BARS_DRAWN))

    closes = np.round(START_PRICE * np.exp(np.cumsum(log_returns)), TICK_DECIMALS)
    opens = np.concatenate([[START_PRICE], closes[:-1]])
    seconds = START_SECONDS + BAR_SECONDS * np.arange(bars, dtype=np.int64)
    market = Market(
        ts=seconds * 1000,
        open=opens[:bars],
        high=np.round(np.maximum(opens, closes) * upper_wick, TICK_DECIMALS)[:bars],
        low=np.round(np.minimum(opens, closes) * lower_wick, TICK_DECIMALS)[:bars],
        close=closes[:bars],
        volume=np.round(volume, VOLUME_DECIMALS)[:bars],
    )
    check_closes(market.close)
    return market


def check_closes(closes: Prices) -> None:
    """Raise `MarketError` unless `closes` are exactly the recorded ones for their number."""
    expected = CLOSE_SHA256.get(len(closes))
    found = hashlib.sha256(np.ascontiguousarray(closes, dtype="<f8").tobytes()).hexdigest()
    if found != expected:
        raise MarketError(
            f"SHA-256 of the {len(closes)} closes must be {expected}, found {found} (numpy {np.__version__}): "
            "the expected figures of the oracle do not apply to these data"
        )


def write_market(market: Market, out: Path) -> None:
    """Write `market` to `out` as Parquet; a reader never sees half a file."""
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(f"{out.name}.{os.getpid()}.part")
    columns = {name: getattr(market, name) for name in ("ts", "open", "high", "low", "close", "volume")}
    pq.write_table(pa.table(columns), unfinished)
    unfinished.replace(out)


def cached_market(bars: int) -> Path:
    """Return the Parquet file of the first `bars` bars, made on first use and checked on every use."""
    path = CACHE / f"market-{bars}.parquet"
    if path.exists():
        check_closes(pq.read_table(path, columns=["close"]).column("close").to_numpy())
    else:
        write_market(make_market(bars), path)
    return path


def _clustered_sigma(noise: Prices) -> Prices:
    log_volatility = np.empty(len(noise))
    level = 0.0
    for index, shock in enumerate(noise.tolist()):
        level = VOLATILITY_PERSISTENCE * level + VOLATILITY_NOISE * shock
        log_volatility[index] = level
    sigma: Prices = np.exp(log_volatility) * (VOLATILITY_PER_YEAR / MINUTES_PER_YEAR**0.5)
    return sigma


def main() -> int:
    """Write the data set and print its path."""
    parser = argparse.ArgumentParser(description="Write the seeded market of the engine benchmark as Parquet.")
    parser.add_argument("--bars", type=int, choices=sorted(CLOSE_SHA256), default=100_000)
    parser.add_argument("--out", type=Path, help="file to write (default: in the cache, made only once)")
    arguments = parser.parse_args()
    try:
        if arguments.out is None:
            path = cached_market(arguments.bars)
        else:
            path = arguments.out
            write_market(make_market(arguments.bars), path)
    except MarketError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The bar store beside freqtrade's format on every recorded 1m set: size, exactness, speed; and a stream's memory.

freqtrade keeps candles as Feather: Arrow IPC, LZ4, columns date (ms, UTC), open, high, low, close, volume (float64).
The file to compare with is written here with the same writer and level; pandas adds some 2 kB of its own metadata to
it, left out, in its favour. One JSON line per row, with `holds` where something is demanded; exits with 1 when a
file is larger than 40 % of the other, or a single bit of it differs. Times are processor time, best of a few runs, so
that a busy machine does not count. `--all` takes the other timeframes too.
HOLDFAST_DATA is the folder that contains market/.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather as feather

from holdfast.adapters.sources.feed import SeriesFeed
from holdfast.adapters.sources.parquet_candles import read_candles
from holdfast.adapters.sources.synthetic import SyntheticMarket
from holdfast.adapters.storage.parquet.store import ParquetBarStore
from holdfast.domain.market import BarSeries, Timeframe

ROOT = Path(__file__).resolve().parents[1]
RATIO_MAX = 0.40
STREAM_BARS = 1_000_000
STREAM_PEAK_MB_MAX = 150
FEED_MICROSECONDS_MAX = 0.25
COLUMNS = ("ts", "open", "high", "low", "close", "volume", "flags")
# Read in a process of its own, so that nothing else counts. VmHWM: ru_maxrss would be inherited from this one.
STREAM = """
import sys, time
from pathlib import Path
from holdfast.adapters.sources.feed import StreamFeed
from holdfast.adapters.storage.parquet.store import ParquetBarStore
from holdfast.domain.market import Timeframe
store = ParquetBarStore(Path(sys.argv[1]))
feed = StreamFeed(lambda: store.iter_slices(sys.argv[2], Timeframe.M1))
began = time.process_time()
count = sum(1 for _ in feed.groups())
taken = time.process_time() - began
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(count, taken, int(peak.split()[1]) / 1024)
"""

Row = dict[str, Any]


def recorded_market() -> Path:
    """Return the folder of recorded candles."""
    data = Path(os.environ.get("HOLDFAST_DATA") or ROOT.parent / "shared" / "data").expanduser()
    folder = data / "market" if (data / "market").is_dir() else data
    if not any(folder.glob("*-1m-*.parquet")):
        sys.exit(f"error: no 1m candles in {folder}: set HOLDFAST_DATA (folder that contains market/)")
    return folder


def best_of(repeats: int, work: Callable[[], object]) -> float:
    """Return the least processor time of a few runs, in seconds."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def write_feather(series: BarSeries, path: Path) -> int:
    """Write the series as freqtrade does, and return its size."""
    date = pa.array(series.ts // 1_000_000).cast(pa.timestamp("ms", "UTC"))
    prices = {name: getattr(series, name) for name in COLUMNS[1:6]}
    feather.write_feather(pa.table({"date": date, **prices}), str(path), compression="lz4", compression_level=9)
    return path.stat().st_size


def is_exact(one: BarSeries, other: BarSeries) -> bool:
    """Tell whether all columns are the same, bit for bit."""
    return all(getattr(one, name).tobytes() == getattr(other, name).tobytes() for name in COLUMNS)


def measure_file(path: Path, folder: Path, repeats: int) -> Row:
    """Return one row: our size and freqtrade's, exactness, speed."""
    series = read_candles(path)
    store = ParquetBarStore(folder)
    info = store.save(series, path.name)
    found = store.load(series.instrument_id, series.timeframe)
    theirs = write_feather(series, folder / "candles.feather")
    encode = best_of(repeats, lambda: store.save(series, path.name))
    decode = best_of(repeats, lambda: store.load(series.instrument_id, series.timeframe))
    day = 86_400_000_000_000
    middle = int(series.ts[len(series) // 2])
    stretch = best_of(repeats, lambda: store.load_between(series.instrument_id, series.timeframe, middle, middle + day))
    ratio, exact = round(info.bytes_stored / theirs, 4), is_exact(series, found)
    return {
        "bench": "bars", "file": path.stem, "bars": len(series),
        "bytes_ours": info.bytes_stored, "bytes_feather_lz4": theirs,
        "ratio": ratio,
        "bytes_per_bar": round(info.bytes_stored / len(series), 3),
        "bytes_per_bar_feather": round(theirs / len(series), 3),
        "is_bit_exact": exact,
        "encode_bars_per_sec": round(len(series) / encode), "decode_bars_per_sec": round(len(series) / decode),
        "read_one_day_ms": round(stretch * 1e3, 2),
        "holds": exact and (ratio <= RATIO_MAX or "-1m-" not in path.name),
    }  # fmt: skip


def measure_feed(repeats: int) -> Row:
    """Return what it costs to make groups of events from a series in memory."""
    (series,) = SyntheticMarket(("BTC/USDT",), Timeframe.M1, 1).series(200_000)
    # A run takes milliseconds only, so more of them are needed to meet a quiet moment.
    taken = best_of(5 * repeats, lambda: deque(SeriesFeed([series]).groups(), maxlen=0))
    cost = round(taken / len(series) * 1e6, 3)
    return {"bench": "feed", "bars": len(series), "us_per_bar": cost, "holds": cost <= FEED_MICROSECONDS_MAX}


def measure_stream(folder: Path) -> Row:
    """Return what a million stored bars cost on their way through a feed, in a process of its own."""
    (series,) = SyntheticMarket(("BTC/USDT",), Timeframe.M1, 1).series(STREAM_BARS)
    info = ParquetBarStore(folder).save(series, "synthetic")
    command = [sys.executable, "-c", STREAM, str(folder), series.instrument_id]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    count, taken, peak = done.stdout.split()
    return {
        "bench": "stream", "bars": int(count), "bytes_per_bar": round(info.bytes_stored / len(series), 3),
        "us_per_bar": round(float(taken) / int(count) * 1e6, 3), "peak_rss_mb": round(float(peak), 1),
        "holds": int(count) == STREAM_BARS and float(peak) <= STREAM_PEAK_MB_MAX,
    }  # fmt: skip


def main() -> int:
    """Print the rows; return 1 when a demand does not hold."""
    parser = argparse.ArgumentParser(description="Measure the bar store beside Feather with LZ4.")
    parser.add_argument("--all", action="store_true", help="take every recorded candle file, not only 1m")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    names = "*.parquet" if arguments.all else "*-1m-*.parquet"
    paths = [path for path in sorted(recorded_market().glob(names)) if "-funding-" not in path.name]
    holds = True
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        works: list[Callable[[], Row]] = [partial(measure_file, path, scratch, arguments.repeats) for path in paths]
        works += [partial(measure_feed, arguments.repeats), partial(measure_stream, scratch)]
        for work in works:
            row = work()
            holds &= row["holds"]
            print(json.dumps(row), flush=True)
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())

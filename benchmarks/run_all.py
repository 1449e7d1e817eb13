"""Every figure of the house, one JSON line each: answers are checked first, then time counts.

`make bench` runs it. Rows of other engines appear where `make bench-peers` has installed them. At the end stands one
line per bar that the project has set itself: what was asked, what was measured, and whether it holds. One thing runs at
a time. `--only NAME` runs one part; `--short` takes 1/10 of the counts and leaves out the runs of 1,000,000 bars.
The websocket is soaked for a minute, or for as many seconds as the variable SOAK says: `make bench SOAK=600`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from peers.run import disagreements, installed_peers, run_peer

HERE = Path(__file__).resolve().parent
CACHE = HERE / ".cache"
TIMEOUT_SECS = 1_800
PNL_TOLERANCE = 0.01
REPEATS = 3

ORACLE = {
    ("A", 100_000): {"trades": 1717, "stops": 0, "pnl": -85_010.1135},
    ("C", 100_000): {"trades": 1717, "stops": 1042, "pnl": -87_382.4635},
    ("A", 1_000_000): {"trades": 17_959, "stops": 0, "pnl": -1_002_431.5787},
    ("C", 1_000_000): {"trades": 17_958, "stops": 10_658, "pnl": -1_029_368.1011},
}
RATIOS = {"backtesting_py": 3.0, "jesse_engine": 10.0, "nautilus": 15.0, "freqtrade_engine": 30.0}
PEAK_RSS_MB = 150.0

Row = dict[str, Any]


class Book:
    """Collects rows and verdicts, and prints them as they come."""

    def __init__(self) -> None:
        self.verdicts: list[Row] = []

    def row(self, row: Row) -> Row:
        """Print a measured row."""
        print(json.dumps(row), flush=True)
        return row

    def bar(self, name: str, asked: str, measured: object, holds: bool) -> None:
        """Note whether a bar holds."""
        self.verdicts.append({"bar": name, "asked": asked, "measured": measured, "holds": holds})


def run(script: str, *arguments: str, timeout: int = TIMEOUT_SECS) -> list[Row]:
    """Run a script of this folder and return its JSON lines; a failure becomes a row of its own."""
    done = subprocess.run(
        [sys.executable, str(HERE / script), *arguments],
        capture_output=True, text=True, timeout=timeout, check=False, cwd=HERE.parent,
    )  # fmt: skip
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not rows:
        rows.append({"script": script, "error": f"exit {done.returncode}", "stderr": done.stderr[-400:]})
    return rows


def market(bars: int) -> Path:
    """Return the seeded market of so many bars, made once."""
    path = CACHE / f"market-{bars}.parquet"
    if not path.exists():
        run("market.py", "--bars", str(bars), "--out", str(path))
    return path


def engine_rows(book: Book, is_short: bool) -> None:
    """Jobs A and C: the oracle first, then our engine beside every installed peer."""
    for bars in (100_000,) if is_short else (100_000, 1_000_000):
        for job in ("A", "C"):
            expected, data = ORACLE[job, bars], market(bars)
            repeats = REPEATS if bars == 100_000 else 1
            best = _best(book, [run("engines.py", "--job", job, "--data", str(data))[-1] for _ in range(repeats)])
            fast = _best(book, [run("engines.py", "--job", job, "--data", str(data), "--accelerate")[-1]])
            for row in (best, fast):
                holds = (
                    row.get("trades") == expected["trades"] and row.get("stops") == expected["stops"]
                    and abs(row.get("pnl", 0.0) - expected["pnl"]) <= PNL_TOLERANCE
                )  # fmt: skip
                found = {key: row.get(key) for key in ("engine", "trades", "stops", "pnl")}
                book.bar(f"oracle {job} {bars}", json.dumps(expected), found, holds)
            if bars == 1_000_000 and job == "C":
                peak = best.get("peak_rss_mb", 1e9)
                book.bar("memory C 1M, without numba", f"<= {PEAK_RSS_MB} MB", peak, peak <= PEAK_RSS_MB)
            if bars == 100_000:
                _beside_peers(book, job, data, expected, best)


def _best(book: Book, rows: Sequence[Row]) -> Row:
    return book.row(min(rows, key=lambda row: row.get("secs", 1e9)))


def _beside_peers(book: Book, job: str, data: Path, expected: Row, ours: Row) -> None:
    installed = installed_peers(job)
    for name, ratio in RATIOS.items():
        if name not in installed:
            book.bar(f"{job} 100k against {name}", f">= {ratio}x", "peer not installed: make bench-peers", False)
            continue
        row = book.row(run_peer(name, job, data, repeats=REPEATS))
        wrong = disagreements(name, row, expected) if "error" not in row else [row["error"]]
        if job != "C":
            continue
        measured = round(row["secs"] / ours["secs"], 2) if not wrong and "secs" in ours else wrong
        holds = not wrong and isinstance(measured, float) and measured >= ratio
        book.bar(f"job C 100k against {name}", f">= {ratio}x", measured, holds)


def scripts(book: Book, names: Sequence[tuple[str, tuple[str, ...]]]) -> None:
    """Run benchmarks that judge themselves: each row may carry `bar` and `holds`."""
    for script, arguments in names:
        rows = run(script, *arguments)
        for row in rows:
            book.row(row)
        broken = [row for row in rows if misses(row)]
        book.bar(
            script.removesuffix(".py"), "answer right, every bar of its own holds", broken or len(rows), not broken
        )


def misses(row: Row) -> bool:
    """Tell whether a row failed, gave a wrong answer, or lies on the wrong side of the bar that it names."""
    verdicts = ("holds", "is_met", "is_target_met", "is_answer_right", "is_bit_exact")
    counts = ("differences", "cuts_failed", "lost_or_wrong")
    if "error" in row or any(row.get(name) is False for name in verdicts) or any(row.get(name) for name in counts):
        return True
    if row.get("ns_allowed") is not None:
        return bool(row["ns_per_call"] > row["ns_allowed"])
    if row.get("bar") is None or "value" not in row:
        return False
    # A rate must reach its bar; a time must stay below it.
    return bool(row["value"] < row["bar"]) if row["unit"].endswith("/s") else bool(row["value"] > row["bar"])


def main() -> int:
    """Run the parts and print the verdicts; exit 1 if a bar does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("engines", "steps", "journal", "cuts", "replay", "bars", "parts", "wire"))
    parser.add_argument("--short", action="store_true")
    arguments = parser.parse_args()
    short, book = arguments.short, Book()
    count = "100" if short else "1000"
    parts: dict[str, Callable[[], None]] = {
        "engines": lambda: engine_rows(book, short),
        "steps": lambda: scripts(book, [("three_forms.py", ("--cases", "1000" if short else "10000"))]),
        "journal": lambda: scripts(book, [("journal.py", ())]),
        "cuts": lambda: scripts(
            book, [("powercut.py", ("--cuts", count, "--seed", "1")), ("kill9.py", ("--kills", count))]
        ),
        "replay": lambda: scripts(book, [("replay.py", ())]),
        "bars": lambda: scripts(book, [("bars.py", ())]),
        "parts": lambda: scripts(
            book, [("matching.py", ()), ("gate.py", ()), ("gateio_wire.py", ()), ("signal_to_wire.py", ())]
        ),
        "wire": lambda: scripts(
            book,
            [
                ("socket_soak.py", ("--seconds", "20" if short else os.environ.get("SOAK") or "60")),
                ("recovery.py", ("--starts", "5" if short else "100")),
                ("order_round_trip.py", ("--count", "100" if short else "1000")),
            ],
        ),
    }
    CACHE.mkdir(exist_ok=True)
    for name, part in parts.items():
        if arguments.only in (None, name):
            part()
    for verdict in book.verdicts:
        print(json.dumps(verdict))
    return 0 if all(verdict["holds"] for verdict in book.verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())

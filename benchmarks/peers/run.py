"""Run the peers that are installed, each in its own environment and process, one at a time.

`python benchmarks/peers/run.py --job C --data FILE [PEER ...]` prints one JSON line per peer; our own benchmark calls
`run_peer`. Uses the standard library alone. Install the peers first, with `benchmarks/peers/install.sh`.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).resolve().parent
ENVIRONMENTS = Path(os.environ.get("PEER_HOME", SCRIPTS.parent / ".cache" / "peers"))

# In which figures each peer must equal the oracle before its speed counts. freqtrade trades for an amount of money, so
# its profit is another; nautilus_trader rounds stops to the tick, and fills what a thin bar cannot take one tick worse;
# jesse starts its average true range otherwise, which moves the first stop; vectorbt tells of no stops.
EXACT_FIGURES = {
    "backtesting_py": ("trades", "stops", "pnl"),
    "jesse_engine": ("trades", "stops"),
    "nautilus": ("trades", "stops"),
    "freqtrade_engine": ("trades", "stops"),
    "vectorbt_engine": ("trades", "pnl"),
}
JOBS = ("A", "C")
JOBS_BEYOND = {"vectorbt_engine": ("C",)}
TIMEOUT_SECS = 900.0
# What is kept of a failing peer's complaint.
COMPLAINT_CHARS = 800


def installed_peers(job: str | None = None) -> list[str]:
    """Return the names of the peers whose installation is complete, and which can do `job` if one is given."""
    return [
        name
        for name in EXACT_FIGURES
        if (ENVIRONMENTS / name / "complete").is_file() and job not in JOBS_BEYOND.get(name, ())
    ]


def run_peer(
    name: str, job: str, data: Path | str, *, repeats: int = 1, timeout_secs: float = TIMEOUT_SECS
) -> dict[str, Any]:
    """Run one job on one peer and return its row, or a dictionary with the key `error`.

    Parameters
    ----------
    name
        One of `EXACT_FIGURES`.
    data
        Parquet file of `benchmarks/market.py`.
    repeats
        Timed runs in the one process; the row tells of the fastest.
    """
    failure = {"engine": name, "job": str(job)}
    if name not in EXACT_FIGURES:
        return failure | {"error": f"peer must be one of {sorted(EXACT_FIGURES)}, found {name}"}
    if name not in installed_peers():
        return failure | {"error": "not installed: run benchmarks/peers/install.sh"}
    if job in JOBS_BEYOND.get(name, ()):
        return failure | {"error": f"this engine cannot do job {job}"}
    python = ENVIRONMENTS.absolute() / name / "bin" / "python"
    command = [str(python), str(SCRIPTS / f"{name}.py"), "--job", str(job), "--data", str(Path(data).absolute())]
    command += ["--repeats", str(repeats)]
    try:
        status, answer, complaint = _run_bounded(command, timeout_secs)
    except subprocess.TimeoutExpired:
        return failure | {"error": f"no answer within {timeout_secs:g} s"}
    if status != 0:
        return failure | {"error": f"exit status {status}: {complaint.strip()[-COMPLAINT_CHARS:]}"}
    try:
        row = json.loads(answer)
    except json.JSONDecodeError:
        row = None
    if not isinstance(row, dict):
        return failure | {"error": f"one JSON line expected, found {answer[:COMPLAINT_CHARS]!r}"}
    return row


def disagreements(name: str, row: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """Return in which figures `row` differs from `expected` though this peer must not; empty if it holds.

    `expected` has the keys `trades`, `stops` and `pnl`. A figure that the peer does not tell is no disagreement.
    """
    return [
        f"{figure} must be {expected[figure]}, found {row.get(figure)}"
        for figure in EXACT_FIGURES[name]
        if row.get(figure) is not None and row[figure] != expected[figure]
    ]


def _run_bounded(command: list[str], timeout_secs: float) -> tuple[int, str, str]:
    # Our own Python settings must not reach into the peer's environment.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}
    # An empty folder: some peers take settings from files that they find where they start.
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            answer, complaint = process.communicate(timeout=timeout_secs)
        finally:
            if process.poll() is None:
                # It leads its own session, so that what it started ends with it.
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
    return process.returncode, answer, complaint


def main() -> int:
    """Run the chosen peers and print their rows."""
    parser = argparse.ArgumentParser(description="Run the installed peers on a job of the engine benchmark.")
    parser.add_argument("--job", choices=JOBS, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=TIMEOUT_SECS, help="seconds allowed to each peer")
    parser.add_argument("peers", nargs="*", metavar="PEER", help="default: all that are installed")
    arguments = parser.parse_args()
    has_failed = False
    for name in arguments.peers or installed_peers(arguments.job):
        row = run_peer(name, arguments.job, arguments.data, repeats=arguments.repeats, timeout_secs=arguments.timeout)
        print(json.dumps(row), flush=True)
        has_failed |= "error" in row
    return int(has_failed)


if __name__ == "__main__":
    sys.exit(main())

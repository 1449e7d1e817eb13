"""The kill drill: an agent and a venue as two processes, faults on the wire, and kill -9 at random moments.

`python -m holdfast.testing.kill_drill --runs N --seed FIRST`: each run is one account and one seed. The agent is killed
one to three times, started again each time, and at last asked to flatten and leave. Then what the venue really has is
compared with what the journal says. Prints one JSON line, and exits with 1 if a promise broke.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from holdfast.adapters.host.clock import SystemClock
from holdfast.adapters.storage.sqlite.journal import SqliteJournal
from holdfast.app.run_plan import plan_of
from holdfast.core.errors import HoldfastError
from holdfast.domain.command import SubmitOrder
from holdfast.engine.recorder import RUN, TICK
from holdfast.portfolio.fold import read_run, read_tick
from holdfast.research.reproduction import Reproduction
from holdfast.services.assembly import build_engine
from holdfast.services.reproduction import Replay
from holdfast.testing.dice import Dice
from holdfast.testing.drill_agent import BusyStrategy
from holdfast.testing.matrix_watch import BareWatch

VENUE = "import sys; from holdfast.cli.main import main; sys.exit(main())"
BATCH = 8
"""Runs that share one venue process, one after the other, each with an account of its own."""
BARE_MAX_S = 2.0
BARE_TOLD_S = 1.0
"""From here on a run says which faults made it so, although it is allowed."""
_PATIENCE_S = 120.0
_CAPITAL = 10_000


@dataclass
class Outcome:
    """What one run came to; `broken` are sentences, none when every promise held."""

    seed: int
    orders: int = 0
    kills: int = 0
    faults: int = 0
    reproduced: int = 0  # orders that one straight replay of the journal sends again
    never_arrived: int = 0
    bare_s: float = 0.0  # without a stop at the venue, by its own books, while an agent had recovered
    bare_story: list[str] = field(default_factory=list)  # which faults happened then, for whoever asks why
    looks_holding: int = 0  # looks at which something was held: without any, the times say nothing
    recoveries: list[float] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


def run_batch(seeds: Sequence[int]) -> list[Outcome]:
    """Run seeds at one venue."""
    with tempfile.TemporaryDirectory(prefix="holdfast-drill-") as name:
        folder = Path(name)
        keys = {seed: (f"key-{seed}", f"secret-{seed}-of-a-drill") for seed in seeds}
        with _venue(folder, keys, seeds[0]) as url:
            return [_run(url, folder, seed, keys[seed]) for seed in seeds]


def _run(url: str, folder: Path, seed: int, key: tuple[str, str]) -> Outcome:
    outcome, dice = Outcome(seed), Dice(f"kill {seed}")
    key_file = folder / f"{seed}.toml"
    key_file.touch(0o600)
    key_file.write_text(f'key = "{key[0]}"\nsecret = "{key[1]}"\n')
    home = folder / str(seed)
    home.mkdir()
    try:
        _arm(url, seed)
        for _ in range(dice.randint(1, 3)):
            _live_until_killed(url, key_file, home, outcome, dice)
        _ask(url, "DELETE", "/simulator/faults")
        beliefs = _last_life(url, key_file, home, outcome, dice)
        _compare(url, home, key[0], beliefs, outcome)
    except (HoldfastError, OSError, ValueError, KeyError, AssertionError, subprocess.SubprocessError) as error:
        outcome.broken.append(f"{type(error).__name__}: {error}")
    return outcome


class _Lines:
    """Reads what an agent prints while it lives, so that it is known from when on it trades."""

    def __init__(self, agent: subprocess.Popen[str]) -> None:
        self.agent, self.lines = agent, list[str]()
        self.is_ready = threading.Event()
        self._threads = (threading.Thread(target=self._read), threading.Thread(target=self._read_errors))
        self.errors = ""
        for thread in self._threads:
            thread.start()

    def _read(self) -> None:
        for line in self.agent.stdout or ():
            self.lines.append(line)
            if '"ready"' in line:
                self.is_ready.set()

    def _read_errors(self) -> None:
        self.errors = "" if self.agent.stderr is None else self.agent.stderr.read()

    def is_trading(self) -> bool:
        return self.is_ready.is_set() and self.agent.poll() is None

    def end(self) -> tuple[str, str]:
        """Wait for the end, and return all that was said."""
        self.agent.wait(_PATIENCE_S)
        for thread in self._threads:
            thread.join(_PATIENCE_S)
        return "".join(self.lines), self.errors


@contextmanager
def _watched(url: str, key_file: Path, agent: _Lines, outcome: Outcome) -> Iterator[None]:
    key = f"key-{key_file.stem}"

    def look() -> dict[str, Any]:
        (account,) = [one for one in _ask(url, "GET", "/simulator/state")["accounts"] if one["key"] == key]
        return dict(account)

    to_wall = time.time() - time.monotonic()
    with BareWatch(look, agent.is_trading, agent.is_trading) as watch:
        yield
    if watch.without_stop_s > outcome.bare_s:
        outcome.bare_s = watch.without_stop_s
        outcome.bare_story = _story(url, to_wall + watch.without_stop_since, watch.without_stop_s)
    outcome.looks_holding += watch.looks_holding


def _story(url: str, began: float, lasted: float) -> list[str]:
    """Return which faults happened around a time without a stop, in ms from its beginning."""
    first, last = began * 1_000 - 2_000, (began + lasted) * 1_000
    return [
        f"{found['ts_ms'] - began * 1_000:+.0f} {found['kind']} {found['endpoint']}"
        for found in _ask(url, "GET", "/simulator/faults").get("injected", ())
        if first <= found["ts_ms"] <= last and not str(found["kind"]).startswith("push_")
    ]


def _live_until_killed(url: str, key_file: Path, home: Path, outcome: Outcome, dice: Dice) -> None:
    agent = _agent(url, key_file, home, outcome.seed)
    lines = _Lines(agent)
    with _watched(url, key_file, lines, outcome):
        # From the first moments of a start to some seconds of trading: every phase of an order's life is met.
        time.sleep(dice.choice((dice.uniform(0.3, 1.0), dice.uniform(1.0, 3.0), dice.uniform(3.0, 6.0))))
        is_alive = agent.poll() is None
        agent.kill()
        told, errors = lines.end()
    outcome.kills += 1
    _note(told, outcome)
    if not is_alive and "Traceback" in errors:
        # A start that finds no venue may give up; anything else that ends an agent is a finding.
        last = errors.strip().splitlines()[-1]
        if "VenueError" not in last:
            outcome.broken.append(f"it ended by itself: {last[:300]}")


def _last_life(url: str, key_file: Path, home: Path, outcome: Outcome, dice: Dice) -> dict[str, Any]:
    agent = _agent(url, key_file, home, outcome.seed)
    lines = _Lines(agent)
    with _watched(url, key_file, lines, outcome):
        lines.is_ready.wait(_PATIENCE_S)
        time.sleep(dice.uniform(0.5, 2.0))
        agent.terminate()
        told, errors = lines.end()
    found = _note(told, outcome)
    if found is None:
        raise ValueError(f"the last life ended with {agent.returncode}: {errors.strip()[-400:]}")
    return found


def _note(told: str, outcome: Outcome) -> dict[str, Any] | None:
    end: dict[str, Any] | None = None
    for line in told.splitlines():
        said = json.loads(line)
        if said["what"] == "ready" and not said["is_fresh"]:
            outcome.recoveries.append(said["recovery_s"])
        if said["what"] == "end":
            end = said
    return end


def _compare(url: str, home: Path, key: str, beliefs: dict[str, Any], outcome: Outcome) -> None:
    """Compare the venue's own state with the journal and with what the agent believed last."""
    broken = outcome.broken
    state = _ask(url, "GET", "/simulator/state")
    (account,) = [one for one in state["accounts"] if one["key"] == key]
    there = [order["text"] for order in account["orders"] if order["text"].startswith("t-")]
    sent = _submitted(home)
    outcome.orders = len(sent)
    outcome.never_arrived = len(sent) - len(there)
    if len(set(there)) != len(there):
        broken.append("an order is at the venue twice")
    if unknown := [text for text in there if text.removeprefix("t-") not in sent]:
        broken.append(f"orders at the venue that no journal knows: {unknown[:5]}")
    resting = [order["text"] for order in account["orders"] if order["status"] == "open"]
    waiting = [trigger["id"] for trigger in account["triggers"] if trigger["status"] == "open"]
    if resting or waiting or beliefs["open"]:
        broken.append(
            f"left at the end: {resting[:3]} {waiting[:3]} believed {beliefs['open'][:3]} {beliefs['desk'][:3]}"
        )
    cash = sum(Decimal(part) for part in account["balances"]["USDT"].values())
    if cash != Decimal(beliefs["cash"]):
        broken.append(f"cash is {cash}, believed {beliefs['cash']}")
    held = sum((Decimal(part) for part in account["balances"].get("BTC", {}).values()), Decimal(0))
    if not Decimal(beliefs["held"]) <= held < Decimal(beliefs["held"]) + Decimal("0.00002") * max(len(sent), 1):
        broken.append(f"{held} BTC are there, believed {beliefs['held']}")
    found = _told_again(home, outcome.seed)
    outcome.reproduced = found.reproduced
    if not found.is_whole:
        first = found.stopped or str(found.differences[:1])
        broken.append(f"told the same once more, {found.reproduced} of {found.orders} orders come again: {first}")
    if outcome.bare_s > BARE_MAX_S:
        why = ", ".join(outcome.bare_story) or "no fault"
        broken.append(f"a position was without a stop at the venue for {outcome.bare_s:.1f} s; meanwhile (ms): {why}")
    outcome.faults = _ask(url, "GET", "/simulator/faults").get("total", 0)


def _told_again(home: Path, seed: int) -> Reproduction:
    """Return what one straight replay of all that the lives were told comes to."""
    journal = SqliteJournal(home / "journal", SystemClock(), is_read_only=True)
    try:
        (began,) = journal.read(kinds=(RUN,))
        plan = plan_of(read_run(began.body, began.sequence))
        replay = Replay(build_engine(plan, lambda name: BusyStrategy(name, seed)), plan.timeframe.nanos)
        for record in journal.read(began.sequence):
            replay.take(record)
    finally:
        journal.close()
    return replay.outcome()


def _submitted(home: Path) -> set[str]:
    journal = SqliteJournal(home / "journal", SystemClock(), is_read_only=True)
    try:
        return {
            str(command.approved.order.order_id)
            for record in journal.read(kinds=(TICK,))
            for command in read_tick(record.body, record.sequence).commands
            if isinstance(command, SubmitOrder)
        }
    finally:
        journal.close()


def _agent(url: str, key_file: Path, home: Path, seed: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "holdfast.testing.drill_agent", url, str(key_file), str(home), str(seed)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def _arm(url: str, seed: int) -> None:
    kinds = {
        "lost_before": 0.03, "lost_after": 0.05, "error_after": 0.03, "busy_after": 0.02, "error_before": 0.02,
        "rate_limited": 0.01, "slow_after": 0.02, "truncated": 0.01, "wrong_types": 0.01, "push_lost": 0.05,
        "push_duplicated": 0.05, "push_late": 0.05, "push_reordered": 0.05, "disconnect": 0.002, "partial_fill": 0.02,
    }  # fmt: skip
    amounts = {"slow_after": 300.0, "push_late": 300.0, "partial_fill": 0.5}
    rules = [
        {"kind": kind, "rate": rate, "times": 1 << 30, "amount": amounts.get(kind, 0.0)} for kind, rate in kinds.items()
    ]
    _ask(url, "POST", "/simulator/faults", {"faults": rules, "seed": seed})


@contextmanager
def _venue(folder: Path, keys: dict[int, tuple[str, str]], seed: int) -> Iterator[str]:
    accounts = [word for key, secret in keys.values() for word in ("--account", f"{key}:{secret}")]
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", VENUE, "simulate-venue", "--market", "synthetic", "--instrument", "BTC/USDT"),
            *("--timeframe", "1m", "--pace", "5", "--no-limits", "--seed", str(seed), "--balance", f"USDT={_CAPITAL}"),
            *("--state", str(folder / "venue"), "--json", *accounts),
        ],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        if process.stdout is None:
            raise ValueError("the venue has no output")
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.kill()
        process.wait(_PATIENCE_S)


def _ask(url: str, method: str, path: str, body: object = None) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(  # noqa: S310  # a loopback address of our own process
        url + path, data, {"Content-Type": "application/json"}, method=method
    )
    with urllib.request.urlopen(request, timeout=_PATIENCE_S) as answer:  # noqa: S310  # as above
        found = json.load(answer)
    return found if isinstance(found, dict) else {}


def main() -> int:
    """Run the seeds that were asked for."""
    parser = argparse.ArgumentParser(prog="holdfast.testing.kill_drill", description="Kill live agents.")
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    seeds = list(range(given.seed, given.seed + given.runs))
    batches = [seeds[first : first + BATCH] for first in range(0, len(seeds), BATCH)]
    began = time.monotonic()
    with ThreadPoolExecutor(given.jobs) as pool:
        outcomes = []
        for batch in pool.map(run_batch, batches):
            outcomes += batch
            for outcome in batch:
                for told in outcome.broken:
                    sys.stderr.write(f"seed {outcome.seed}: {told}\n")
                if outcome.bare_s > BARE_TOLD_S and not outcome.broken:
                    sys.stderr.write(f"seed {outcome.seed}: bare for {outcome.bare_s:.2f} s: {outcome.bare_story}\n")
            sys.stderr.flush()
    recoveries = sorted(x for outcome in outcomes for x in outcome.recoveries)
    row = {
        "drill": "kill -9 with faults on the wire", "runs": len(outcomes),
        "failed": sum(bool(x.broken) for x in outcomes),
        "kills": sum(x.kills for x in outcomes), "orders": sum(x.orders for x in outcomes),
        "reproduced": sum(x.reproduced for x in outcomes),
        "never_arrived_or_triggers": sum(x.never_arrived for x in outcomes),
        "bare_max_s": round(max((x.bare_s for x in outcomes), default=0.0), 3),
        "bare_over_2_s": sum(x.bare_s > BARE_MAX_S for x in outcomes),
        "looks_holding": sum(x.looks_holding for x in outcomes),
        "recovery_p50_s": round(recoveries[len(recoveries) // 2], 3) if recoveries else None,
        "recovery_p99_s": round(recoveries[len(recoveries) * 99 // 100], 3) if recoveries else None,
        "secs": round(time.monotonic() - began, 1),
    }  # fmt: skip
    sys.stdout.write(json.dumps(row) + "\n")
    return 1 if row["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())

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
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from holdfast.core.errors import HoldfastError
from holdfast.testing.dice import Dice
from holdfast.testing.drill_agent import BusyStrategy
from holdfast.testing.drill_parts import (
    PATIENCE_S,
    Account,
    AgentProcess,
    Bare,
    DrillVenue,
    Watched,
    contradictions,
    quick_market,
    submitted,
    told_again,
)

BATCH = 8
"""Runs that share one venue process, one after the other, each with an account of its own."""
BARE_MAX_S = 2.0
BARE_TOLD_S = 1.0
"""From here on a run says which faults made it so, although it is allowed."""


@dataclass
class Outcome:
    """What one run came to; `broken` are sentences, none when every promise held."""

    seed: int
    orders: int = 0
    kills: int = 0
    faults: int = 0
    reproduced: int = 0  # orders that one straight replay of the journal sends again
    never_arrived: int = 0
    by_socket: int = 0  # calls about orders over the websocket, in the last life
    bare: Bare = field(default_factory=Bare)
    recoveries: list[float] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


def run_batch(seeds: Sequence[int], way: str = "rest") -> list[Outcome]:
    """Run seeds at one venue; `way` is the one that orders take: rest or socket."""
    with tempfile.TemporaryDirectory(prefix="holdfast-drill-") as name:
        folder = Path(name)
        accounts = [Account.make(folder, str(seed)) for seed in seeds]
        with DrillVenue(folder, accounts, quick_market(seeds[0])) as venue:
            return [
                _Run(venue, account, folder / str(seed), seed, way).live()
                for seed, account in zip(seeds, accounts, strict=True)
            ]


class _Run:
    """One account's lives."""

    def __init__(self, venue: DrillVenue, account: Account, home: Path, seed: int, way: str) -> None:
        self._venue, self._account, self._home, self._way = venue, account, home, way
        self._outcome, self._dice = Outcome(seed), Dice(f"kill {seed}")
        home.mkdir()

    def live(self) -> Outcome:
        """Live all of them, and compare."""
        outcome = self._outcome
        try:
            _arm(self._venue, outcome.seed)
            for _ in range(self._dice.randint(1, 3)):
                self._live_until_killed()
            self._venue.disarm()
            self._compare(self._last_life())
        except (HoldfastError, OSError, ValueError, KeyError, AssertionError, subprocess.SubprocessError) as error:
            outcome.broken.append(f"{type(error).__name__}: {error}")
        return outcome

    def _agent(self) -> AgentProcess:
        return AgentProcess(self._venue.url, self._account, self._home, str(self._outcome.seed), "busy", self._way)

    def _live_until_killed(self) -> None:
        agent, dice, outcome = self._agent(), self._dice, self._outcome
        with Watched(self._venue, self._account.key, lambda: agent.is_trading, outcome.bare):
            # From the first moments of a start to some seconds of trading: every phase of an order's life is met.
            time.sleep(dice.choice((dice.uniform(0.3, 1.0), dice.uniform(1.0, 3.0), dice.uniform(3.0, 6.0))))
            is_alive = agent.process.poll() is None
            agent.process.kill()
            said, errors = agent.end()
        outcome.kills += 1
        self._note(said)
        if not is_alive and "Traceback" in errors:
            # A start that finds no venue may give up; anything else that ends an agent is a finding.
            last = errors.strip().splitlines()[-1]
            if said or "VenueError" not in last:
                outcome.broken.append(f"it ended by itself: {last[:300]}")

    def _last_life(self) -> dict[str, Any]:
        agent = self._agent()
        with Watched(self._venue, self._account.key, lambda: agent.is_trading, self._outcome.bare):
            agent.is_ready.wait(PATIENCE_S)
            time.sleep(self._dice.uniform(0.5, 2.0))
            agent.process.terminate()
            said, errors = agent.end()
        found = self._note(said)
        if found is None:
            raise ValueError(f"the last life ended with {agent.process.returncode}: {errors.strip()[-400:]}")
        return found

    def _note(self, lines: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
        end: dict[str, Any] | None = None
        for said in lines:
            if said["what"] == "ready" and not said["is_fresh"]:
                self._outcome.recoveries.append(said["recovery_s"])
            if said["what"] == "end":
                end = said
        return end

    def _compare(self, beliefs: dict[str, Any]) -> None:
        """Compare the venue's own state with the journal and with what the agent believed last."""
        outcome, account, sent = self._outcome, self._venue.account(self._account.key), submitted(self._home)
        outcome.orders = len(sent)
        outcome.never_arrived = len(sent) - sum(order["text"].startswith("t-") for order in account["orders"])
        outcome.by_socket = int(beliefs["ways"].get("socket", 0))
        outcome.broken += contradictions(account, sent, beliefs)
        found = told_again(self._home, lambda name: BusyStrategy(name, outcome.seed))
        outcome.reproduced = found.reproduced
        if not found.is_whole:
            first = found.stopped or str(found.differences[:1])
            outcome.broken.append(
                f"told the same once more, {found.reproduced} of {found.orders} orders come again: {first}"
            )
        if outcome.bare.worst_s > BARE_MAX_S:
            why = ", ".join(outcome.bare.story) or "no fault"
            outcome.broken.append(
                f"a position was without a stop at the venue for {outcome.bare.worst_s:.1f} s; meanwhile (ms): {why}"
            )
        outcome.faults = self._venue.ask("GET", "/simulator/faults").get("total", 0)


def _arm(venue: DrillVenue, seed: int) -> None:
    kinds = {
        "lost_before": 0.03, "lost_after": 0.05, "error_after": 0.03, "busy_after": 0.02, "error_before": 0.02,
        "rate_limited": 0.01, "slow_after": 0.02, "truncated": 0.01, "wrong_types": 0.01, "push_lost": 0.05,
        "push_duplicated": 0.05, "push_late": 0.05, "push_reordered": 0.05, "disconnect": 0.002, "partial_fill": 0.02,
    }  # fmt: skip
    amounts = {"slow_after": 300.0, "push_late": 300.0, "partial_fill": 0.5}
    venue.arm(
        [
            {"kind": kind, "rate": rate, "times": 1 << 30, "amount": amounts.get(kind, 0.0)}
            for kind, rate in kinds.items()
        ],
        seed,
    )


def main() -> int:
    """Run the seeds that were asked for."""
    parser = argparse.ArgumentParser(prog="holdfast.testing.kill_drill", description="Kill live agents.")
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--orders", choices=("rest", "socket"), default="rest", help="the way that orders take")
    given = parser.parse_args()
    seeds = list(range(given.seed, given.seed + given.runs))
    batches = [seeds[first : first + BATCH] for first in range(0, len(seeds), BATCH)]
    began = time.monotonic()
    with ThreadPoolExecutor(given.jobs) as pool:
        outcomes = []
        for batch in pool.map(partial(run_batch, way=given.orders), batches):
            outcomes += batch
            for outcome in batch:
                for told in outcome.broken:
                    sys.stderr.write(f"seed {outcome.seed}: {told}\n")
                bare = outcome.bare
                if bare.worst_s > BARE_TOLD_S and not outcome.broken:
                    sys.stderr.write(f"seed {outcome.seed}: bare for {bare.worst_s:.2f} s: {bare.story}\n")
            sys.stderr.flush()
    recoveries = sorted(x for outcome in outcomes for x in outcome.recoveries)
    row = {
        "drill": "kill -9 with faults on the wire", "orders_over": given.orders, "runs": len(outcomes),
        "calls_by_socket_in_last_lives": sum(x.by_socket for x in outcomes),
        "failed": sum(bool(x.broken) for x in outcomes),
        "kills": sum(x.kills for x in outcomes), "orders": sum(x.orders for x in outcomes),
        "reproduced": sum(x.reproduced for x in outcomes),
        "never_arrived_or_triggers": sum(x.never_arrived for x in outcomes),
        "bare_max_s": round(max((x.bare.worst_s for x in outcomes), default=0.0), 3),
        "bare_over_2_s": sum(x.bare.worst_s > BARE_MAX_S for x in outcomes),
        "looks_holding": sum(x.bare.looks_holding for x in outcomes),
        "recovery_p50_s": round(recoveries[len(recoveries) // 2], 3) if recoveries else None,
        "recovery_p99_s": round(recoveries[len(recoveries) * 99 // 100], 3) if recoveries else None,
        "secs": round(time.monotonic() - began, 1),
    }  # fmt: skip
    sys.stdout.write(json.dumps(row) + "\n")
    # Where nothing went over the socket it was not tried.
    is_idle = given.orders == "socket" and not row["calls_by_socket_in_last_lives"]
    return 1 if row["failed"] or is_idle else 0


if __name__ == "__main__":
    sys.exit(main())

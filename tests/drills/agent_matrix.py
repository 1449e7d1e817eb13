"""The fault matrix of the whole agent: what can go wrong on the wire, at each phase of a trade, judged by the venue.

`python -m tests.drills.agent_matrix [--fault NAME] [--phase NAME] [--jobs N] [--json]`: each cell is one account, a
live agent (engine, gate, journal, client) in a process of its own, and a venue in another one. The agent trades: it
enters, is filled, guards, moves its stop, leaves, and is killed with -9 and started again. The fault comes in one
phase, as the venue's own books tell it. Then the agent is asked to flatten and leave, and what the venue has is
compared with what the journal says and what the agent believed. A position without a stop that rests at the venue for
more than 2 s breaks a promise, too. A fault that never happened, by the venue's own count, is no green cell.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from tests.drills.fault_matrix import ALL_FAULTS, Fault
from tests.drills.matrix_life import Phase

from holdfast.core.errors import HoldfastError
from holdfast.testing.drill_agent import SteadyStrategy
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
from holdfast.testing.matrix_watch import DUST

_ORDER: Final = "POST /spot/orders"
PHASES: Final = (
    Phase("entering", _ORDER),
    Phase("filling", "GET /spot/my_trades"),
    Phase("guarding", "POST /spot/price_orders"),
    Phase("moving", "POST /spot/price_orders"),
    Phase("recovering", "GET /spot/price_orders"),  # the first question of a recovery that is about orders
    Phase("leaving", _ORDER),
)
BARE_MAX_S: Final = 2.0
_PACE: Final = 12.0  # bars a second
_HIT_S: Final = 12.0  # a whole period of the strategy, and more: then nothing came that the fault could hit
_AFTER_S: Final = 1.0  # for what the fault leads to; then it must come to a guarded position again
_POLL_S: Final = 0.02
_SEEN_S: Final = 0.3  # several looks at the books: else a position may be over before one has seen it
_SLOW_MS: Final = 5_000.0  # a venue that is killed has acted, and its answer is on its way
_CUT_MS: Final = 15_000  # the order that fills in part may come that late
_NEVER: Final[dict[tuple[str, str], str]] = {
    **{("partial_fill", phase): "a trigger is sent here, and only orders fill" for phase in ("guarding", "moving")},
    **{
        (fault.name, phase): "triggers and questions go over REST alone, however orders go"
        for fault in ALL_FAULTS
        if fault.scope == "socket"
        for phase in ("filling", "guarding", "moving", "recovering")
    },
}
"""Cells whose fault cannot happen, with the reason; any other that was not injected is a failure."""


@dataclass
class Cell:
    """What one fault in one phase came to; `broken` is empty when every promise held."""

    fault: str
    phase: str
    broken: str = ""
    orders: int = 0
    is_injected: bool = False
    bare: Bare = field(default_factory=Bare)

    @property
    def is_bare(self) -> bool:
        """Tell whether a position was without a stop for longer than it may be."""
        return self.bare.worst_s > BARE_MAX_S

    @property
    def is_green(self) -> bool:
        """Tell whether the fault happened, or cannot, and every promise held."""
        return self.mark.startswith(("ok", "n/a"))

    @property
    def mark(self) -> str:
        """Return what the table says."""
        if self.broken:
            return "BROKEN"
        if self.is_bare:
            return f"BARE {self.bare.worst_s:.1f}"
        if not self.is_injected:
            return "n/a" if (self.fault, self.phase) in _NEVER else "NOT HIT"
        return f"ok {self.bare.worst_s:.1f}"


def rules_of(fault: Fault, phase: Phase) -> list[dict[str, object]]:
    """Return what the venue is to do from the beginning of a phase on; the first rule is the fault itself."""
    sent = phase.endpoint.replace(_ORDER, "WS spot.order_place") if fault.orders == "socket" else phase.endpoint
    rule = fault.rule(phase)
    endpoint, since, duration_ms, others = rule.endpoint, "", rule.duration_ms, list[dict[str, object]]()
    match fault.scope:
        case "venue" if fault.kind == "partial_fill":
            endpoint, duration_ms = _ORDER, _CUT_MS
        case "venue":
            endpoint = sent
        case "push" if phase.name == "filling":
            endpoint = "spot.usertrades"
        case "push":
            since = sent
        case "read" if phase.name == "filling":
            since = _ORDER
        case "read" if phase.name != "entering":  # there it begins before the entry is sent
            since = sent
        case _:
            pass
    if phase.name == "filling" and fault.scope in ("order", "venue"):
        # What a push has told need not be asked for: then nothing would be there to go wrong.
        others.append({"kind": "push_lost", "endpoint": "spot.usertrades", "times": 50})
    first = {"kind": rule.kind, "times": rule.times, "amount": rule.amount, "duration_ms": duration_ms}
    if not fault.kind:  # it is killed while it owes the answer
        first |= {"kind": "slow_after", "amount": _SLOW_MS}
    return [first | {"endpoint": endpoint, "since": since}, *others]


class Trial:
    """One cell: an agent's lives at one account."""

    def __init__(self, venue: DrillVenue, account: Account, folder: Path, fault: Fault, phase: Phase) -> None:
        self._venue, self._account, self._fault, self._phase = venue, account, fault, phase
        self._rules = rules_of(fault, phase)
        self._home = folder / account.file.stem
        self._home.mkdir()
        self.cell = Cell(fault.name, phase.name)

    def run(self) -> Cell:
        """Live it, and compare."""
        cell = self.cell
        if (self._fault.name, self._phase.name) in _NEVER:
            return cell
        try:
            self._live()
        except (HoldfastError, OSError, ValueError, KeyError, AssertionError, subprocess.SubprocessError) as error:
            cell.broken = f"{type(error).__name__}: {error}"
        finally:
            self._venue.disarm()
        return cell

    def _live(self) -> None:
        agent = self._agent()
        try:
            if self._phase.name == "recovering":
                with self._watched(agent):
                    self._reach(agent, self._is_guarded)
                    agent.process.kill()
                    agent.end()
                before = self._strike()
                agent = self._agent()
                with self._watched(agent):
                    self._await_hit(before)
                    said, errors = self._leave(agent)
            else:
                with self._watched(agent):
                    self._reach(agent, self._is_guarded if self._phase.name in ("moving", "leaving") else self._is_flat)
                    self._await_hit(self._strike())
                    said, errors = self._leave(agent)
        finally:
            if agent.process.poll() is None:
                agent.process.kill()
        self._judge(said, errors)

    def _agent(self) -> AgentProcess:
        return AgentProcess(self._venue.url, self._account, self._home, "1", "steady", self._fault.orders)

    def _watched(self, agent: AgentProcess) -> Watched:
        return Watched(self._venue, self._account.key, lambda: agent.is_trading, self.cell.bare)

    # -- where the trade stands, by the venue's books ------------------------------------------------
    def _reach(self, agent: AgentProcess, is_there: Callable[[dict[str, Any]], bool]) -> None:
        ends = time.monotonic() + PATIENCE_S
        while not (agent.is_trading and is_there(self._venue.account(self._account.key))):
            if time.monotonic() > ends or agent.process.poll() is not None:
                raise ValueError("the agent never came to trade as it should")
            time.sleep(_POLL_S)

    @staticmethod
    def _is_flat(account: dict[str, Any]) -> bool:
        return _held(account) <= DUST and not _waiting(account)

    @staticmethod
    def _is_guarded(account: dict[str, Any]) -> bool:
        return _held(account) > DUST and any(trigger["trigger"]["rule"] == "<=" for trigger in _waiting(account))

    # -- the fault ------------------------------------------------------------------------------------
    def _strike(self) -> int:
        """Let it go wrong; return how often it had before."""
        before = self._venue.injected(str(self._rules[0]["kind"]))
        self._venue.arm(self._rules)
        return before

    def _await_hit(self, before: int) -> None:
        kind, ends = str(self._rules[0]["kind"]), time.monotonic() + _HIT_S
        while not self.cell.is_injected and time.monotonic() < ends:
            time.sleep(_POLL_S)
            self.cell.is_injected = self._venue.injected(kind) > before
        is_elsewhere = self._phase.name == "moving" and not self._is_guarded(self._venue.account(self._account.key))
        if self.cell.is_injected and is_elsewhere:
            raise ValueError("it hit something else than a move: no stop rests")
        if self.cell.is_injected and not self._fault.kind:
            self._venue.kill_and_restart()

    # -- the end --------------------------------------------------------------------------------------
    def _leave(self, agent: AgentProcess) -> tuple[list[dict[str, Any]], str]:
        agent.is_ready.wait(PATIENCE_S)
        time.sleep(_AFTER_S)
        self._reach(agent, self._is_guarded)
        time.sleep(_SEEN_S)
        self._venue.disarm()
        agent.process.terminate()
        return agent.end()

    def _judge(self, said: list[dict[str, Any]], errors: str) -> None:
        cell = self.cell
        beliefs = next((line for line in said if line["what"] == "end"), None)
        if beliefs is None:
            raise ValueError(f"the agent did not leave in order: {errors.strip()[-400:]}")
        sent = submitted(self._home)
        cell.orders = len(sent)
        found = contradictions(self._venue.account(self._account.key), sent, beliefs)
        again = told_again(self._home, lambda name: SteadyStrategy(name, 1))
        if not again.is_whole:
            found.append(f"told the same once more, {again.reproduced} of {again.orders} orders come again")
        if not cell.bare.looks_holding:
            found.append("nothing was ever held: the cell says nothing")
        cell.broken = "; ".join(found)


def _held(account: dict[str, Any]) -> Decimal:
    return sum((Decimal(part) for part in account["balances"].get("BTC", {}).values()), Decimal(0))


def _waiting(account: dict[str, Any]) -> list[dict[str, Any]]:
    return [trigger for trigger in account["triggers"] if trigger["status"] == "open"]


def run_cells(pairs: Sequence[tuple[Fault, Phase]], on_cell: Callable[[Cell], None] = lambda _: None) -> list[Cell]:
    """Run cells at one venue, one after the other: its faults would hit whoever else is there."""
    cells: list[Cell] = []
    with tempfile.TemporaryDirectory(prefix="holdfast-agents-") as name:
        folder = Path(name)
        accounts = [Account.make(folder, f"cell-{number}") for number in range(len(pairs))]
        with DrillVenue(folder, accounts, quick_market(seed=1, pace=_PACE)) as venue:
            for (fault, phase), account in zip(pairs, accounts, strict=True):
                cells.append(Trial(venue, account, folder, fault, phase).run())
                on_cell(cells[-1])
    return cells


def table(cells: Sequence[Cell]) -> str:
    """Return rows of faults and columns of phases; `ok` stands before the longest time without a stop (s)."""
    names = [phase.name for phase in PHASES]
    found = {(cell.fault, cell.phase): cell for cell in cells}
    faults = [fault.name for fault in ALL_FAULTS if any(cell.fault == fault.name for cell in cells)]
    width = max(map(len, faults))
    lines = [" " * width + "  " + "".join(f"{name:<12}" for name in names)]
    for fault in faults:
        marks = [found[fault, name].mark if (fault, name) in found else "-" for name in names]
        lines.append(f"{fault:<{width}}  " + "".join(f"{mark:<12}" for mark in marks))
    return "\n".join(line.rstrip() for line in lines)


def _tell(cell: Cell) -> None:
    if cell.is_green:
        return
    bare = cell.bare
    told = [cell.broken] if cell.broken else []
    if not cell.is_injected:
        told.append("the fault never happened")
    if cell.is_bare:
        told.append(f"without a stop at the venue for {bare.worst_s:.2f} s; meanwhile (ms): {', '.join(bare.story)}")
        told.append(f"looks were up to {bare.gap_s:.2f} s apart, the load was {os.getloadavg()[0]:.0f}")
    sys.stderr.write(f'--fault "{cell.fault}" --phase {cell.phase}: {"; ".join(told)}\n')
    sys.stderr.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cells that were asked for."""
    parser = argparse.ArgumentParser(prog="tests.drills.agent_matrix", description="Faults at each phase of a trade.")
    parser.add_argument("--fault", choices=[fault.name for fault in ALL_FAULTS], metavar="NAME", help="only this one")
    parser.add_argument("--phase", choices=[phase.name for phase in PHASES], help="only this one")
    parser.add_argument("--orders", choices=("rest", "socket"), default="rest", help="the way that orders take")
    parser.add_argument("--jobs", type=int, default=4, help="venues at a time")
    parser.add_argument("--json", action="store_true", help="a line of JSON instead of the table")
    given = parser.parse_args(arguments)
    asked = [
        (fault, phase)
        for fault in ALL_FAULTS
        for phase in PHASES
        if given.fault in ((None, fault.name) if fault.orders == given.orders else (fault.name,))
        and given.phase in (None, phase.name)
    ]
    jobs = min(given.jobs, len(asked))
    began = time.monotonic()
    with ThreadPoolExecutor(jobs) as pool:
        parts = pool.map(lambda part: run_cells(part, _tell), [asked[first::jobs] for first in range(jobs)])
        cells = [cell for part in parts for cell in part]
    row = {
        "drill": "faults on the wire x phases of a trade, whole agents", "faults": len({cell.fault for cell in cells}),
        "phases": len({cell.phase for cell in cells}), "cells": len(cells),
        "broken": sum(bool(cell.broken) for cell in cells),
        "bare_over_2_s": sum(cell.is_bare for cell in cells),
        "not_injected": sum(cell.mark == "NOT HIT" for cell in cells),
        "not_applicable": sum(cell.mark == "n/a" for cell in cells),
        "orders": sum(cell.orders for cell in cells),
        "bare_max_s": round(max(cell.bare.worst_s for cell in cells), 3),
        # Long ones say that the machine had too much to do, and that times without a stop are as much its own.
        "look_gap_max_s": round(max(cell.bare.gap_s for cell in cells), 3), "load": round(os.getloadavg()[0], 1),
        "secs": round(time.monotonic() - began, 1),
    }  # fmt: skip
    sys.stdout.write(("" if given.json else table(cells) + "\n") + json.dumps(row) + "\n")
    return 0 if all(cell.is_green for cell in cells) else 1


if __name__ == "__main__":
    sys.exit(main())

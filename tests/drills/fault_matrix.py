"""The fault matrix: what can go wrong on the wire, at each phase of an order's life, at a real simulated venue.

`python -m tests.drills.fault_matrix [--fault NAME] [--phase NAME] [--jobs N] [--json]`: each cell is one account,
the Gate.io client, and a venue in a process of its own. A life of orders is lived: an entry is placed and rests,
another one fills, a stop guards it and is moved, a second client takes over, and everything is left again. The fault
acts in one phase. Then what is really at the venue is compared with what the client has told. A cell whose fault never
happened, by the venue's own count, is no green one: it says `n/a`. 1 says that a promise broke.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.drills.matrix_life import PHASES, Life, Phase
from tests.drills.matrix_venue import Rule, Venue

from holdfast.core.errors import HoldfastError

_LONG, _SKEW = 2_500.0, 1_500.0  # ms: longer than the client waits; off, but within what a signature may be


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong.

    `scope`: "order" (the requests that a phase is about), "socket" (calls about orders), "read", "push" or "venue";
    `orders` is the way that orders take.
    """

    name: str
    kind: str
    scope: str = "order"
    times: int = 1
    amount: float = 0.0
    duration_ms: int = 1_500
    orders: str = "rest"

    def rule(self, phase: Phase) -> Rule:
        """Return what the venue is to do in a phase."""
        endpoint = {"order": phase.endpoint, "read": "GET*", "socket": "WS spot.order_*"}.get(self.scope, "")
        return Rule(self.kind, endpoint, self.times, self.amount, self.duration_ms)


_ORDER = (
    *("lost_before", "lost_after", "error_before", "error_after", "busy_before", "busy_after", "rate_limited"),
    *("drip", "silent_before", "silent_after", "truncated", "wrong_types"),
)
_READ = ("lost_before", "error_before", "busy_before", "rate_limited", "silent_before", "truncated", "wrong_types")
_PUSH = ("push_lost", "push_duplicated", "push_reordered", "push_truncated", "push_wrong_types")
# In a phase whose requests go over REST alone, such as guarding, the next call over the socket is hit.
_SOCKET = ("lost_before", "lost_after", "error_after", "busy_after", "silent_before", "silent_after", "truncated")
KILLED = "venue killed"

FAULTS: tuple[Fault, ...] = (
    *(Fault(f"order {kind}", kind) for kind in _ORDER),
    Fault("order slow_before", "slow_before", amount=_LONG),
    Fault("order slow_after", "slow_after", amount=_LONG),
    *(Fault(f"order {kind} twice", kind, times=2) for kind in ("lost_before", "lost_after", "error_after")),
    *(Fault(f"read {kind} 3 times", kind, "read", times=3) for kind in _READ),
    *(Fault(kind, kind, "push", times=50) for kind in _PUSH),
    Fault("push_late", "push_late", "push", times=50, amount=400.0),
    Fault("disconnect", "disconnect", "push", times=2),
    Fault("half_open", "half_open", "push"),
    Fault("maintenance", "maintenance", "venue"),
    Fault("clock ahead", "clock_skew", "venue", amount=_SKEW),
    Fault("clock behind", "clock_skew", "venue", amount=-_SKEW),
    Fault("stale_book", "stale_book", "venue"),
    Fault("partial_fill", "partial_fill", "venue", amount=0.5),
    Fault(KILLED, "", "venue"),
)
SOCKET_FAULTS: tuple[Fault, ...] = (
    *(Fault(f"socket {kind}", kind, "socket", orders="socket") for kind in (*_SOCKET, "wrong_types")),
    Fault("socket slow_before", "slow_before", "socket", amount=_LONG, orders="socket"),
    Fault("socket slow_after", "slow_after", "socket", amount=_LONG, orders="socket"),
    *(
        Fault(f"socket {kind} twice", kind, "socket", times=2, orders="socket")
        for kind in ("lost_before", "lost_after")
    ),
    Fault("socket disconnect", "disconnect", "push", times=2, orders="socket"),
    Fault("socket, venue killed", "", "venue", orders="socket"),
)
ALL_FAULTS = (*FAULTS, *SOCKET_FAULTS)


@dataclass
class Cell:
    """What one fault in one phase came to; empty when every promise held."""

    fault: str
    phase: str
    broken: str = ""
    orders: int = 0
    is_injected: bool = True  # did the fault really happen? else the cell says nothing


def run_cell(fault: Fault, phase: Phase) -> Cell:
    """Live one life."""
    cell = Cell(fault.name, phase.name)
    try:
        with Venue() as venue:
            strike = None if fault.kind else venue.kill_and_restart
            life = Life(venue, phase.name, strike, fault.rule(phase), fault.orders)
            try:
                life.live()
                cell.is_injected = not fault.kind or venue.injected(fault.kind) > 0
                cell.orders = len(life.orders)
                cell.broken = "; ".join(life.broken())
                if fault.orders == "socket" and not life.by_socket:
                    cell.is_injected = False  # what goes another way was not tried
            finally:
                life.close()
    except (HoldfastError, OSError, ValueError, KeyError, ArithmeticError, AssertionError) as error:
        cell.broken = f"{type(error).__name__}: {error}"
    return cell


def table(cells: Sequence[Cell]) -> str:
    """Return rows of faults and columns of phases."""
    phases = [phase.name for phase in PHASES]
    found = {(cell.fault, cell.phase): cell for cell in cells}
    width = max(len(cell.fault) for cell in cells)
    lines = [" " * width + "  " + "".join(f"{name:<12}" for name in phases)]
    for fault in dict.fromkeys(cell.fault for cell in cells):
        marks = [found.get((fault, name)) for name in phases]
        lines.append(f"{fault:<{width}}  " + "".join(f"{_mark(cell):<12}" for cell in marks))
    return "\n".join(line.rstrip() for line in lines)


def _mark(cell: Cell | None) -> str:
    return "-" if cell is None else "BROKEN" if cell.broken else "ok" if cell.is_injected else "n/a"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cells that were asked for."""
    parser = argparse.ArgumentParser(prog="tests.drills.fault_matrix", description="Faults at each phase.")
    parser.add_argument("--fault", choices=[fault.name for fault in ALL_FAULTS], metavar="NAME", help="only this one")
    parser.add_argument("--phase", choices=[phase.name for phase in PHASES], help="only this one")
    parser.add_argument("--jobs", type=int, default=4, help="cells at a time")
    parser.add_argument("--json", action="store_true", help="a line of JSON instead of the table")
    given = parser.parse_args(arguments)
    asked = [
        (fault, phase)
        for fault in ALL_FAULTS
        for phase in PHASES
        if given.fault in (None, fault.name) and given.phase in (None, phase.name)
    ]
    began = time.monotonic()
    with ThreadPoolExecutor(given.jobs) as pool:
        cells = []
        for cell in pool.map(lambda pair: run_cell(*pair), asked):
            cells.append(cell)
            if cell.broken:
                sys.stderr.write(f'--fault "{cell.fault}" --phase {cell.phase}: {cell.broken}\n')
            elif not cell.is_injected:
                sys.stderr.write(f'--fault "{cell.fault}" --phase {cell.phase}: n/a, nothing came that it could hit\n')
    row = {
        "drill": "faults on the wire x phases of an order's life", "faults": len({cell.fault for cell in cells}),
        "phases": len({cell.phase for cell in cells}), "cells": len(cells),
        "broken": sum(bool(cell.broken) for cell in cells),
        "not_injected": sum(not cell.broken and not cell.is_injected for cell in cells),
        "orders": sum(cell.orders for cell in cells),
        "secs": round(time.monotonic() - began, 1),
    }  # fmt: skip
    sys.stdout.write(("" if given.json else table(cells) + "\n") + json.dumps(row) + "\n")
    return 1 if row["broken"] else 0


if __name__ == "__main__":
    sys.exit(main())

"""The emergency stop as a use case: what a level promises, and the proof that it was kept."""

from __future__ import annotations

from decimal import Decimal
from typing import assert_never

from holdfast.core.record import Record
from holdfast.domain.decision import StopLevel
from holdfast.domain.order import Role
from holdfast.domain.values import ZERO
from holdfast.portfolio.status import Status


class StopProof(Record, frozen=True):
    """What is left after a stop. `is_proven` says that the level's promise holds; `note` says what is missing."""

    level: StopLevel
    is_proven: bool
    orders_left: int
    entries_left: int  # orders among them that could still open something
    positions_left: int
    exposure_left: Decimal  # quote units, at the last prices
    quote: str
    ts: int  # the market's time
    note: str = ""


def proof_of(status: Status, wanted: StopLevel) -> StopProof:
    """Return what `status` proves about a stop at `wanted`."""
    entries = sum(order.role == Role.ENTRY for order in status.orders)
    exposure = sum((abs(p.quantity) * p.price_last for p in status.positions), ZERO)
    in_force = StopLevel(status.stop_level)
    note = _missing(wanted, in_force, entries, len(status.positions))
    return StopProof(
        in_force, not note, len(status.orders), entries, len(status.positions), exposure, status.quote, status.ts, note
    )


def _missing(wanted: StopLevel, in_force: StopLevel, entries: int, positions: int) -> str:
    if in_force.severity < wanted.severity:
        return f"level {in_force.value} is in force, not {wanted.value}"
    match wanted:
        case StopLevel.NONE:
            return "" if in_force is StopLevel.NONE else f"level {in_force.value} is still in force"
        case StopLevel.NO_ENTRIES:
            return ""
        case StopLevel.REDUCE_ONLY:
            return f"{entries} entries still rest at the venue" if entries else ""
        case StopLevel.FLATTEN:
            if positions or entries:
                return f"{positions} positions and {entries} entries are left: the exits fill with the next bar"
            return ""
        case _:
            assert_never(wanted)

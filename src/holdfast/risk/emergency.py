"""What each level of the emergency stop allows, what it takes down, and how it is released."""

from __future__ import annotations

from typing import Final

from holdfast.core.record import Record
from holdfast.domain.decision import StopLevel
from holdfast.domain.order import Role


class StopEffect(Record, frozen=True):
    """What a level changes at once, beside refusing entries."""

    is_entry_allowed: bool
    cancels: tuple[Role, ...]  # resting orders of these roles are cancelled
    closes_positions: bool  # every position is closed by an EMERGENCY order
    locks: bool  # until it is re-armed nothing but closing happens
    rearming: str


_BY_FACTOR: Final = (
    "two steps and a second factor: name the account, then confirm with the factor; open orders and positions are"
    " compared with the venue's first, and a difference keeps the brake on"
)
EFFECTS: Final = {
    StopLevel.NONE: StopEffect(True, (), False, False, "nothing to release"),
    StopLevel.NO_ENTRIES: StopEffect(False, (), False, False, _BY_FACTOR),
    StopLevel.REDUCE_ONLY: StopEffect(False, (Role.ENTRY,), False, False, _BY_FACTOR),
    # Stops and targets stay until the position is closed: cancelled by its closing, never before it.
    StopLevel.FLATTEN: StopEffect(False, (Role.ENTRY,), True, True, _BY_FACTOR + "; the account must be flat"),
}


def allowed(level: StopLevel, role: Role) -> bool:
    """Tell whether an order of `role` may be sent at `level`: reducing always, entries only without a brake."""
    return role is not Role.ENTRY or level is StopLevel.NONE


def effect(level: StopLevel) -> StopEffect:
    """Return what `level` changes; a higher level includes the lower ones."""
    return EFFECTS[level]

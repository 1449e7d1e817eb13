"""The emergency stop as a use case: what a level promises, the proof that it was kept, and when it may be released."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, assert_never

from holdfast.core.errors import RefusedError
from holdfast.core.record import Record
from holdfast.domain.decision import StopLevel
from holdfast.domain.order import Role
from holdfast.domain.values import ZERO, InstrumentId, venue_of
from holdfast.portfolio.status import LinkLine, Status

DRAWDOWN_ANEW: Final = "the drawdown counts anew from here"
"""What a release says when it accepts the loss that had locked the account."""


_NEXT_BAR: Final = "the exits fill with the next bar"


class ReleaseWish(Record, frozen=True):
    """Body of a record of kind "release": a person asks for the stop's release as soon as the account is flat."""

    ts: int  # the market's time when it was asked
    actor: str
    reason: str


class StopProof(Record, frozen=True):
    """What is left after a stop, or a release of it.

    `is_proven` says that the level's promise holds; `note` says what is missing, or why the level is a higher one.
    """

    level: StopLevel
    is_proven: bool
    orders_left: int
    entries_left: int  # orders among them that could still open something
    positions_left: int
    exposure_left: Decimal  # quote units, at the last prices
    quote: str
    ts: int  # the market's time
    note: str = ""
    is_drawdown_anew: bool = False  # the release accepted the loss
    links_down: tuple[LinkLine, ...] = ()  # what is left may wait for these


def require_flat(status: Status) -> None:
    """Let a release pass, unless the account is locked by a flatten that has not closed everything yet.

    Raises
    ------
    RefusedError
        The level is flatten, and a position or an entry is left.
    """
    if not is_releasable(status):
        raise RefusedError(
            f"the account must be flat before flatten is released; still open: {len(status.positions)} positions"
            f" and {_entries_left(status)} entries",
            hint="let `holdfast run` close them with its next bars; when `holdfast positions` shows none, resume again."
            " Where the recorded market has ended: holdfast resume --when-flat, while no agent runs",
        )


def is_releasable(status: Status) -> bool:
    """Tell whether the stop may be released now: always, but for a flatten that has not closed everything yet."""
    return StopLevel(status.stop_level) is not StopLevel.FLATTEN or not (status.positions or _entries_left(status))


def is_stopped(status: Status) -> bool:
    """Tell whether there is anything that a release would undo: a stop, or a loss that has locked the account."""
    return StopLevel(status.stop_level) is not StopLevel.NONE or status.is_drawdown_locked


def stays_at(in_force: StopLevel, wanted: StopLevel) -> str:
    """Return the sentence for a stop at `wanted` below the level in force; empty when it is not below it."""
    if wanted is StopLevel.NONE or in_force.severity <= wanted.severity:
        return ""
    return f"the stop stays at {_words(in_force)}, above {_words(wanted)}: only a resume lowers it"


def proof_of(status: Status, wanted: StopLevel, *, is_drawdown_anew: bool = False) -> StopProof:
    """Return what `status` proves about a stop at `wanted`."""
    entries = _entries_left(status)
    exposure = sum((abs(p.quantity) * p.price_last for p in status.positions), ZERO)
    in_force = StopLevel(status.stop_level)
    names = [line.instrument_id for line in status.positions] + [line.instrument_id for line in status.orders]
    needed = {venue_of(InstrumentId(name)) for name in names}
    away = tuple(link for link in status.links_down if not link.venue or link.venue in needed)
    missing = _missing(wanted, in_force, entries, len(status.positions), links_told(away))
    return StopProof(
        in_force, not missing, len(status.orders), entries, len(status.positions), exposure, status.quote, status.ts,
        missing or stays_at(in_force, wanted), is_drawdown_anew, away,
    )  # fmt: skip


def links_told(links: Sequence[LinkLine]) -> str:
    """Return which links are down, as one clause; empty where none is."""
    return ", and ".join(link.told for link in links)


def _entries_left(status: Status) -> int:
    return sum(order.role == Role.ENTRY for order in status.orders)


def _words(level: StopLevel) -> str:
    return level.value.replace("_", " ")


def _missing(wanted: StopLevel, in_force: StopLevel, entries: int, positions: int, away: str) -> str:
    if in_force.severity < wanted.severity:
        return f"level {in_force.value} is in force, not {wanted.value}"
    match wanted:
        case StopLevel.NONE:
            return "" if in_force is StopLevel.NONE else f"level {in_force.value} is still in force"
        case StopLevel.NO_ENTRIES:
            return ""
        case StopLevel.REDUCE_ONLY:
            later = f": {away}; cancels are sent, and heard of, when it is back" if away else ""
            return f"{entries} entries still rest at the venue{later}" if entries else ""
        case StopLevel.FLATTEN:
            if positions or entries:
                later = f"{away}; exits there are sent, and heard of, when it is back" if away else _NEXT_BAR
                return f"{positions} positions and {entries} entries are left: {later}"
            return ""
        case _:
            assert_never(wanted)

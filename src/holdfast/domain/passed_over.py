"""Why a signal to enter became no proposal, in words and as a short name to count by.

The words are recorded, so the name is read from them: a run's digest does not depend on how its notes are counted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from holdfast.domain.decision import Action
from holdfast.domain.values import InstrumentId, Price, Side


class PassedOver(StrEnum):
    """What kept a signal to enter from becoming a proposal, so that the gate had nothing to judge."""

    ENTRY_PENDING = "ENTRY_PENDING"  # an earlier entry into the instrument has not filled yet
    NO_SHORT_ON_SPOT = "NO_SHORT_ON_SPOT"
    NO_PRICE = "NO_PRICE"  # entry, stop or target is undefined, infinite, not positive, or less than half a tick
    WRONG_SIDE = "WRONG_SIDE"  # the stop lies where the trade would gain
    UNFIT_MARKET = "UNFIT_MARKET"  # the bar came late, or quotes around it were stale or crossed
    OTHER = "OTHER"  # noted by another version of the program


_MARKS: Final[Mapping[PassedOver, str]] = {
    PassedOver.ENTRY_PENDING: " is already on its way",
    PassedOver.NO_SHORT_ON_SPOT: " is a spot market: what is not held cannot be sold short",
    PassedOver.NO_PRICE: " gave levels that are no prices: ",
    PassedOver.WRONG_SIDE: " lies on the wrong side of entry ",
    PassedOver.UNFIT_MARKET: " is not entered on a bar that came late, or between stale or crossed quotes",
}
"""The words of each sentence that stand in no other."""


def reason_of(note: str) -> PassedOver:
    """Return what a note says, from its words: of this run, or from a journal."""
    return next((reason for reason, mark in _MARKS.items() if mark in note), PassedOver.OTHER)


def unusable(action: Action, entry: float, stop: float, target: float, *, is_spot: bool) -> PassedOver | None:
    """Return what alone would keep a signal to enter from becoming a proposal, whatever the account and the grid."""
    if action is Action.ENTER_SHORT and is_spot:
        return PassedOver.NO_SHORT_ON_SPOT
    if not all(math.isfinite(level) and level > 0.0 for level in (entry, stop, target)):
        return PassedOver.NO_PRICE
    is_wrong = stop >= entry if action is Action.ENTER_LONG else stop <= entry
    return PassedOver.WRONG_SIDE if is_wrong else None


def entry_pending(instrument_id: InstrumentId) -> str:
    """Return the note on a signal that came while an entry was on its way."""
    return f"an entry into {instrument_id}{_MARKS[PassedOver.ENTRY_PENDING]}"


def unfit_market(instrument_id: InstrumentId) -> str:
    """Return the note on a signal whose bar may not be entered on."""
    return f"{instrument_id}{_MARKS[PassedOver.UNFIT_MARKET]}"


def no_short_on_spot(instrument_id: InstrumentId) -> str:
    """Return the note on a signal to sell short what can only be held."""
    return f"{instrument_id}{_MARKS[PassedOver.NO_SHORT_ON_SPOT]}"


def no_price(strategy: str, error: Exception) -> str:
    """Return the note on levels of which the instrument makes no price."""
    return f"{strategy}{_MARKS[PassedOver.NO_PRICE]}{error}"


def wrong_side(strategy: str, side: Side, entry: Price, stop: Price) -> str:
    """Return the note on a stop that does not lie on the losing side of the entry."""
    return f"stop {stop} of {strategy}{_MARKS[PassedOver.WRONG_SIDE]}{entry} for a {side}"

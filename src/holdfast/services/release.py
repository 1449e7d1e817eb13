"""The wish for a release that a person left while no agent ran and the account was not flat: when it is granted."""

from __future__ import annotations

from typing import Final

import msgspec

from holdfast.domain.order import Role
from holdfast.engine.engine import Engine
from holdfast.engine.recorder import OPERATOR, RUN
from holdfast.portfolio.fold import read_body
from holdfast.ports.journal import Journal, JournalRecord
from holdfast.services.emergency import ReleaseWish

RELEASE: Final = "release"
"""The kind of the record that holds a ReleaseWish."""

_RELEASE = msgspec.json.Decoder(ReleaseWish)


def last_wish(journal: Journal) -> ReleaseWish | None:
    """Return the wish for a release, unless something was done after it."""
    last: JournalRecord | None = None
    for record in journal.read(kinds=(RUN, OPERATOR, RELEASE)):
        last = record
    if last is None or last.kind != RELEASE:
        return None
    return read_body(_RELEASE, last.body, f"a {last.kind}", last.sequence)


def can_release(engine: Engine) -> bool:
    """Tell whether the account is flat, and to resume would accept no loss that nobody has seen."""
    if engine.held or any(order.spec.role is Role.ENTRY for order in engine.orders.values()):
        return False
    # To resume would accept the loss, and who asked has not seen it as it is now: that needs a word of its own.
    return not engine.is_locked_by_drawdown

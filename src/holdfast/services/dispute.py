"""Whether the venue's account really contradicts our books: looks that lie apart say so, and no order explains it."""

from __future__ import annotations

from typing import Final

from holdfast.core.time import SECOND
from holdfast.portfolio.status import LinkLine
from holdfast.ports.live import LinkChanged

LOOKS: Final = 3
"""So many looks in a row must contradict our books: one alone may have been made between a fill and its news."""
PAUSE: Final = SECOND
"""What lies between two looks that count: answers that a venue held back come together, and say one thing once."""
EXPLAINED_MAX: Final = 90 * SECOND
"""An order that is in doubt explains what is missing for so long: a little more than any doubt lasts."""


class Dispute:
    """Counts the looks that contradict our books. Times are those of any steady clock (ns)."""

    def __init__(self) -> None:
        self._looks = 0
        self._began: int | None = None
        self._counted = 0

    @property
    def is_open(self) -> bool:
        """Tell whether the last look contradicted our books."""
        return self._began is not None

    def settle(self) -> None:
        """Note that venue and books agree."""
        self._looks, self._began = 0, None

    def is_proven(self, now: int, *, is_explained: bool) -> bool:
        """Take in a look that contradicts; True where it is one too many.

        Parameters
        ----------
        is_explained
            An order is under way whose outcome, not known yet, may be all that is missing.
        """
        if self._began is None:
            self._began = now
        if is_explained and now - self._began < EXPLAINED_MAX:
            self._looks = 0
            return False
        if self._looks and now - self._counted < PAUSE:
            return False
        self._looks, self._counted = self._looks + 1, now
        return self._looks >= LOOKS


class VenueStanding:
    """How a live agent stands with one venue: its links, and whether its account and our books agree."""

    def __init__(self) -> None:
        self.down: dict[str, LinkLine] = {}  # by link
        self.dispute = Dispute()
        self.is_reconciled = False  # a look at its account has agreed with our books since the start

    @property
    def is_up(self) -> bool:
        """Tell whether none of its links is known to be down."""
        return not self.down

    def hear(self, change: LinkChanged, ts: int) -> None:
        """Take in that a link came up or went down; `ts` stands for the time of one that has seen nothing yet."""
        if change.is_up:
            self.down.pop(change.link, None)
        elif change.link not in self.down:  # one that tries again and fails has been down all the time
            line = LinkLine(change.venue, change.link, change.ts_event or ts, change.detail)
            self.down[change.link] = line

"""What a check of a strategy found, and how much that weighs."""

from __future__ import annotations

from enum import StrEnum

from holdfast.core.record import Record


class FindingKind(StrEnum):
    """How a finding came about, and whether it condemns."""

    REFUSED = "refused"  # the source does what no strategy needs and a cheat does
    EXPOSED = "exposed"  # it behaved in a way that it could not without the future
    NOTED = "noted"  # worth a look, and no fault by itself


class Finding(Record, frozen=True):
    """One thing that was found. `line` is a line of the source, 0 where it was seen at run time."""

    kind: FindingKind
    test: str  # "imports", "other futures", ...
    sentence: str
    line: int = 0

    @property
    def is_fault(self) -> bool:
        """Tell whether a strategy with this finding must not be trusted."""
        return self.kind is not FindingKind.NOTED

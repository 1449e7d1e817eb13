"""Where folds over the journal are kept, so that a door need not replay it: a cache that can be thrown away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from holdfast.core.record import Record


class Change(Record, frozen=True):
    """The state of one thing after some journal record; an empty body means that the thing is gone."""

    kind: str  # "order", "position", "trade", "decision", "account"
    key: str  # unique within its kind
    body: bytes  # canonical JSON


class ProjectionStore(Protocol):
    """Keeps the latest body of every kind and key, and how far in the journal it has come."""

    def apply(self, changes: Sequence[Change], sequence: int) -> None:
        """Write the changes, in order, and the journal sequence that they reach: both or neither.

        Raises
        ------
        DomainError
            `sequence` lies below the applied one: the changes are old and would undo newer ones.
        """
        ...

    def get(self, kind: str, key: str) -> bytes | None:
        """Return the body, None if there is none."""
        ...

    def scan(self, kind: str, limit: int) -> Sequence[Change]:
        """Return at most `limit` things of a kind, newest first by when each was first written; all when 0."""
        ...

    @property
    def applied_sequence(self) -> int:
        """Return the journal sequence that the store has come to; 0 when it is empty."""
        ...

    def clear(self) -> None:
        """Forget everything, for a rebuild from the first journal record."""
        ...

"""Where folds over the journal are kept, so that no door need replay it: state that can be thrown away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from holdfast.core.record import Record


class Change(Record, frozen=True):
    """One row to be stored, or removed when it has no body. Keys are unique within their kind."""

    table_kind: str
    key: str
    body: bytes | None = None  # canonical JSON


class Row(Record, frozen=True):
    """One stored row."""

    key: str
    body: bytes


class ProjectionStore(Protocol):
    """Rows by kind and key, in step with one journal up to `applied_sequence`."""

    @property
    def applied_sequence(self) -> int:
        """Return the sequence of the last journal record that is folded in, 0 for none."""
        ...

    def apply(self, batch: Sequence[Change], sequence: int, journal_id: str = "", record_hash: bytes = b"") -> None:
        """Store the changes, in order, and that they are the fold up to `sequence`, in one transaction.

        With the journal's id and the hash of record `sequence`, the store can tell a foreign journal later.

        Raises
        ------
        DomainError
            `sequence` goes back.
        """
        ...

    def get(self, table_kind: str, key: str) -> bytes | None:
        """Return the body that stands under `key`, None where there is none."""
        ...

    def scan(self, table_kind: str) -> Iterator[Row]:
        """Yield every row of a kind as it is now, by key."""
        ...

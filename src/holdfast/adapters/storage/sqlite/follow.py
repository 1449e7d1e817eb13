"""Reading a journal as it grows, each record checked against the one before it when it arrives."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from holdfast.adapters.storage.sqlite.chain import pack_header, record_hash, stored_frame
from holdfast.adapters.storage.sqlite.reader import read_records
from holdfast.core.errors import JournalError
from holdfast.ports.journal import JournalRecord

_HINT = "holdfast journal verify names all that is wrong; believe nothing that came after this record"


class Follower:
    """What is written behind record `sequence`, whose hash is `digest`; the caller has checked all up to it."""

    def __init__(self, path: Path | str, sequence: int, digest: bytes) -> None:
        self._folder, self._sequence, self._hash = Path(path), sequence, digest

    def read(self) -> Iterator[JournalRecord]:
        """Yield the records that have come since the last call, of every kind: a chain has no holes.

        Raises
        ------
        JournalError
            A record does not follow the one before it, or the last one that was given has changed or is gone.
        """
        # The last known record is read again: a tail that was cut leaves no new record that could tell.
        records = read_records(self._folder, max(self._sequence - 1, 0))
        if self._sequence:
            last = next(records, None)
            if last is None or (last.sequence, last.hash) != (self._sequence, self._hash):
                raise JournalError(
                    f"the journal is damaged: record {self._sequence} was there and is gone or was replaced", hint=_HINT
                )
        for record in records:
            if not self._follows(record):
                raise JournalError(
                    f"the journal is damaged: record {record.sequence} does not follow record {self._sequence}, which"
                    " was checked: one between them is missing, or it was changed",
                    hint=_HINT,
                )
            self._sequence, self._hash = record.sequence, record.hash
            yield record

    def _follows(self, record: JournalRecord) -> bool:
        try:
            header = pack_header(record.sequence, record.ts_journal, len(record.body))
            frame = stored_frame(record.kind.encode())
            found = record_hash(self._hash, header, frame, record.body)
        except (TypeError, ValueError, AttributeError, struct.error):
            return False  # a damaged file yields anything
        return record.sequence == self._sequence + 1 and found == record.hash

"""Proof that a journal is whole: every hash, every sequence, every segment, and the tail as far as it is known.

What this finds: any changed, inserted, removed or moved record; a missing or replaced segment; a journal that ends
before its last known head. What it cannot find: a tail cut behind the note in `journal.head`, which is at most a second
old while the journal is written and exact once it is closed; and an attacker who rewrites every later hash *and* that
note. Against the second, heads are signed and kept elsewhere.
"""

from __future__ import annotations

import hashlib
import sqlite3
import struct
import time
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

from holdfast.adapters.storage.sqlite.chain import GENESIS, pack_header, record_hash, stored_frame
from holdfast.adapters.storage.sqlite.folder import (
    HEAD_NAME,
    HeadNote,
    Ownership,
    read_head_note,
    segment_numbers,
    segment_path,
    sync_folder,
    write_head_note,
)
from holdfast.adapters.storage.sqlite.reader import existing_segments, read_head
from holdfast.adapters.storage.sqlite.schema import (
    BULK_KINDS,
    DAMAGE,
    NOT_BULK,
    SegmentMeta,
    connect_reader,
    read_meta,
    select_records,
)
from holdfast.adapters.storage.sqlite.segments import Sealed, manifest_of
from holdfast.core.errors import JournalError
from holdfast.core.record import Record

PROBLEMS_MAX = 20
WHOLE_MAX = 2_000_000  # records that a reader checks in full before it believes them: about ten seconds
_PAGE = 5_000
_SMALL = 2_048 - 64
_BEFORE_ALL = -(1 << 63)

_RESTORE = "restore the journal from a backup made before this record, or show it to whoever audits you"
Row = tuple[Any, ...]  # what a damaged file yields may be anything
OnProgress = Callable[[int, int], None]
"""Is told how many records are checked, and how many there are (0: unknown)."""


class Damage(StrEnum):
    """What can be wrong with a journal."""

    RECORD_ALTERED = "record_altered"
    RECORDS_MISSING = "records_missing"
    RECORD_MISPLACED = "record_misplaced"
    SEGMENT_MISSING = "segment_missing"
    SEGMENT_REPLACED = "segment_replaced"
    SEGMENT_UNREADABLE = "segment_unreadable"
    SEGMENT_DAMAGED = "segment_damaged"
    INDEX_WRONG = "index_wrong"
    TAIL_CUT = "tail_cut"
    TAIL_REPLACED = "tail_replaced"
    HEAD_UNKNOWN = "head_unknown"


class Problem(Record, frozen=True):
    """One thing that is wrong, where it is, and what to do next."""

    damage: Damage
    sequence: int  # the first record concerned
    message: str
    hint: str


class VerifyReport(Record, frozen=True):
    """What `verify` found. The journal is whole if there are no problems."""

    records: int
    head_hash: str  # hex
    seconds: float
    problems: tuple[Problem, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Return whether nothing is wrong."""
        return not self.problems


def verify(path: Path | str) -> VerifyReport:
    """Check every record of the journal in the folder `path`; a writer may be running.

    Raises
    ------
    JournalError
        There is no such folder.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise JournalError(f"there is no journal in {folder}", hint="name the folder that holds journal-000001.db")
    started = time.perf_counter()
    check = _Check(folder)
    check.run()
    return VerifyReport(
        check.records, check.previous.hex(), round(time.perf_counter() - started, 6), tuple(check.problems)
    )


def accept(path: Path | str) -> VerifyReport:
    """Take a whole journal without a note of its head as it is: write the note anew.

    Raises
    ------
    JournalError
        Something else is wrong, or a writer is running.
    """
    folder = Path(path)
    report = verify(folder)
    first = next((problem for problem in report.problems if problem.damage is not Damage.HEAD_UNKNOWN), None)
    if first is not None:
        raise JournalError(f"this journal cannot be accepted: {first.message}", hint=first.hint)
    ownership = Ownership(folder)
    try:
        head = read_head(folder)
        write_head_note(folder, HeadNote(head.journal_id, head.sequence, head.hash.hex()))
        sync_folder(folder)
    finally:
        ownership.release()
    return verify(folder)


def require_whole(
    path: Path | str,
    after: int = 0,
    *,
    refusal: str = "nothing is shown from it",
    on_progress: OnProgress | None = None,
) -> None:
    """Refuse a damaged journal before anything that it says is shown, or done; a writer may be running.

    Every record is checked. Of a journal with more than `WHOLE_MAX` records only the segments are that hold records
    after `after`, which are those that the caller is about to read; all of them for 0.

    Parameters
    ----------
    refusal
        What does not happen because of a damage, as the message says it.

    Raises
    ------
    JournalError
        It is damaged; the message names the first record concerned.
    """
    folder = Path(path)
    existing_segments(folder)
    check = _Check(folder, on_progress)
    check.run(_first_to_check(folder, after))
    if not check.problems:
        return
    first = check.problems[0]
    where = f" (record {first.sequence})" if first.sequence and f"record {first.sequence}" not in first.message else ""
    raise JournalError(
        f"the journal is damaged, so {refusal}: {first.message}{where}",
        hint=f"holdfast journal verify names all that is wrong; then {first.hint}",
    )


def _first_to_check(folder: Path, after: int) -> int:
    """Return the number of the first segment whose records must be checked."""
    try:
        if not after or read_head(folder).sequence <= WHOLE_MAX:
            return 1
        for number in reversed(segment_numbers(folder)):
            connection = connect_reader(segment_path(folder, number))
            try:
                if read_meta(connection).sequence_first <= after + 1:
                    return number
            finally:
                connection.close()
    except (*DAMAGE, JournalError):
        pass  # the check itself says what is damaged
    return 1


def _records_in(folder: Path) -> int:
    """Return how many records there are, for a display; 0 where that cannot be read."""
    try:
        return read_head(folder).sequence
    except (*DAMAGE, JournalError):
        return 0


class _Check:
    """One pass over a journal; goes on after damage, so that a report names all of it."""

    def __init__(self, folder: Path, on_progress: OnProgress | None = None) -> None:
        self.folder = folder
        self._on_progress, self._total = on_progress, _records_in(folder) if on_progress else 0
        self.records = 0
        self.previous = GENESIS
        self.problems: list[Problem] = []
        self._expected = 1
        self._first = 1  # the first record that is checked
        self._journal_id = ""
        self._sealed: list[Sealed] = []
        self._frames: dict[str, bytes] = {}

    def run(self, first: int = 1) -> None:
        """Check the segments from number `first` on."""
        # The note is read first: what a running writer adds meanwhile lies behind it.
        note = self._note()
        numbers = segment_numbers(self.folder)
        # What is not checked cannot be compared: like a segment that is missing, and was reported.
        self._sealed = [Sealed(number, 0, "") for number in range(1, first)]
        for number in range(first, (numbers[-1] if numbers else 1) + 1):
            if number in numbers:
                self._segment(number)
            else:
                name = segment_path(self.folder, number).name
                self._report(
                    Damage.SEGMENT_MISSING,
                    self._expected,
                    f"segment {name} is missing; it begins with record {self._expected}",
                    f"restore {name} from a backup",
                )
                self._sealed.append(Sealed(number, 0, ""))
        if note is not None:
            self._tail(note)

    def _report(self, damage: Damage, sequence: int, message: str, hint: str = _RESTORE) -> None:
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(Problem(damage, sequence, message, hint))

    def _note(self) -> HeadNote | None:
        try:
            note = read_head_note(self.folder)
        except JournalError as error:
            self._report(Damage.HEAD_UNKNOWN, 0, str(error), error.hint)
            return None
        if note is None:
            self._report(
                Damage.HEAD_UNKNOWN,
                0,
                f"{HEAD_NAME} is missing, so a cut tail cannot be noticed",
                f"restore {HEAD_NAME} from a backup, or accept the journal as it is: holdfast journal verify --accept",
            )
        return note

    def _segment(self, number: int) -> None:
        path = segment_path(self.folder, number)
        try:
            connection = connect_reader(path)
        except DAMAGE as error:
            self._unreadable(path, error)
            self._sealed.append(Sealed(number, 0, ""))
            return
        is_read = False
        try:
            meta = read_meta(connection)
            self._succession(meta, number, path)
            indexed = self._scan(connection, meta)
            self._index(connection, meta, indexed, path)
            self._structure(connection, meta, path)
            is_read = True
        except (*DAMAGE, JournalError) as error:
            self._unreadable(path, error)
        finally:
            connection.close()
        self._sealed.append(
            Sealed(number, self._expected - 1, self.previous.hex()) if is_read else Sealed(number, 0, "")
        )

    def _unreadable(self, path: Path, error: Exception) -> None:
        self._report(
            Damage.SEGMENT_UNREADABLE,
            self._expected,
            f"segment {path.name} cannot be read from record {self._expected} on: {error}",
            f"restore {path.name} from a backup",
        )

    def _succession(self, meta: SegmentMeta, number: int, path: Path) -> None:
        """The segment says that it follows what we have just read."""
        self._journal_id = self._journal_id or meta.journal_id
        before = bytes.fromhex(meta.hash_before)
        is_gap = bool(self._sealed) and not self._sealed[-1].hash_last
        follows = is_gap or (meta.sequence_first == self._expected and before == self.previous)
        is_own = meta.number == number and meta.journal_id == self._journal_id
        # A line about a segment that is missing or damaged cannot be compared; the others can.
        is_listed = len(known := manifest_of(meta)) == len(self._sealed) and all(
            not mine.hash_last or mine == theirs for mine, theirs in zip(self._sealed, known, strict=True)
        )
        if not (follows and is_own and is_listed):
            self._report(
                Damage.SEGMENT_REPLACED,
                self._expected,
                f"segment {path.name} does not continue the journal at record {self._expected}: "
                f"it, or a segment before it, was replaced",
                f"restore {path.name} and the segments before it from one backup",
            )
        if is_gap:
            self._expected, self.previous = meta.sequence_first, before
            if not self.records and not self.problems:
                self._first = meta.sequence_first

    def _scan(self, connection: sqlite3.Connection, meta: SegmentMeta) -> int:
        """Check every record of the segment; return a sum over those that belong into its index."""
        sha256, join, frames = hashlib.sha256, b"".join, self._frames
        previous, expected, indexed = self.previous, self._expected, 0
        for page in self._pages(connection, meta):
            for row in page:
                sequence, ts, kind, body, digest = row
                try:
                    frame = frames.get(kind) or self._frame(kind)
                    header = pack_header(sequence, ts, len(body))
                    if len(body) < _SMALL:
                        found = sha256(join((previous, header, frame, body))).digest()
                    else:
                        found = record_hash(previous, header, frame, body)
                    is_whole = found == digest and sequence == expected
                except (TypeError, struct.error):
                    is_whole = False
                if not is_whole:
                    self._diagnose(row, expected)
                    digest = digest if isinstance(digest, bytes) else b""
                if kind not in BULK_KINDS:
                    indexed += hash((kind, sequence))
                previous, expected = digest, sequence + 1
            self.records += len(page)
            # Kept up to date, so that an error in the next page is reported where it is.
            self.previous, self._expected = previous, expected
            if self._on_progress is not None:
                self._on_progress(self.records, self._total)
        return indexed

    def _pages(self, connection: sqlite3.Connection, meta: SegmentMeta) -> Iterator[list[Row]]:
        query = f"{select_records(meta.schema_version, 'sequence > ?')} LIMIT {_PAGE}"
        after = _BEFORE_ALL
        while True:
            try:
                page = connection.execute(query, (after,)).fetchall()
            except (sqlite3.OperationalError, UnicodeDecodeError):
                # A kind that is no text any more: read it as well as possible, its hash will not be right.
                connection.text_factory = _decode_damaged
                page = connection.execute(query, (after,)).fetchall()
            if page:
                yield page
                after = page[-1][0]
            if len(page) < _PAGE:
                return

    def _frame(self, kind: object) -> bytes:
        if not isinstance(kind, str):
            raise TypeError("a kind is text")
        return self._frames.setdefault(kind, stored_frame(kind.encode(errors="replace")))

    def _diagnose(self, row: Row, expected: int) -> None:
        sequence = row[0]
        if sequence > expected:
            until = f" to {sequence - 1}" if sequence - 1 > expected else ""
            self._report(Damage.RECORDS_MISSING, expected, f"record {expected}{until} is missing before {sequence}")
        elif sequence < expected:
            self._report(Damage.RECORD_MISPLACED, sequence, f"record {sequence} stands where {expected} belongs")
        else:
            self._report(
                Damage.RECORD_ALTERED,
                sequence,
                f"record {sequence} or the hash before it was changed: its hash is not the one that its content has",
            )

    def _index(self, connection: sqlite3.Connection, meta: SegmentMeta, indexed: int, path: Path) -> None:
        """The index names the same records as the table, in order: a search by kind neither hides nor invents one."""
        if meta.schema_version == 1:
            return
        query = f"SELECT kind, sequence FROM record INDEXED BY record_kind WHERE {NOT_BULK}"  # noqa: S608
        total, before, is_ordered = 0, ("", _BEFORE_ALL), True
        for entry in connection.execute(query):
            if entry[1] < self._expected:  # a running writer may have added more
                total += hash(entry)
            is_ordered = is_ordered and before < entry
            before = entry
        if total != indexed or not is_ordered:
            self._report(
                Damage.INDEX_WRONG,
                meta.sequence_first,
                f"the index of {path.name} does not name the records that are there",
                f"restore {path.name} from a backup",
            )

    def _structure(self, connection: sqlite3.Connection, meta: SegmentMeta, path: Path) -> None:
        """The pages hang together: what a scan has found, a search for its sequence finds too."""
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            self._report(
                Damage.SEGMENT_DAMAGED,
                meta.sequence_first,
                f"the pages of {path.name} are damaged: {' '.join(str(found).split())}",
                f"restore {path.name} from a backup",
            )

    def _tail(self, note: HeadNote) -> None:
        last = self._expected - 1
        if self._journal_id and note.journal_id != self._journal_id:
            self._report(
                Damage.HEAD_UNKNOWN,
                0,
                f"{HEAD_NAME} belongs to another journal",
                f"restore {HEAD_NAME} from the backup that belongs to this journal",
            )
        elif note.sequence > last:
            self._report(
                Damage.TAIL_CUT,
                last + 1,
                f"the journal ends at record {last}, but record {note.sequence} was durable: its tail is cut",
            )
        elif note.sequence >= self._first and self._hash_of(note.sequence) != note.hash:
            self._report(
                Damage.TAIL_REPLACED,
                note.sequence,
                f"record {note.sequence} is not the one that {HEAD_NAME} knows: the tail was replaced",
            )

    def _hash_of(self, sequence: int) -> str:
        number = next((sealed.number for sealed in self._sealed if sealed.sequence_last >= sequence), 0)
        if not number:
            return ""
        try:
            connection = connect_reader(segment_path(self.folder, number))
        except DAMAGE:
            return ""
        try:
            row = connection.execute("SELECT hash FROM record WHERE sequence = ?", (sequence,)).fetchone()
            return row[0].hex() if row and isinstance(row[0], bytes) else ""
        except DAMAGE:
            return ""
        finally:
            connection.close()


def _decode_damaged(raw: bytes) -> str:
    return raw.decode(errors="replace")

"""The segments of a journal: made, opened, sealed, and checked to belong together."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

import msgspec

from holdfast.adapters.storage.sqlite.chain import GENESIS, pack_header, record_hash, stored_frame
from holdfast.adapters.storage.sqlite.config import JournalConfig
from holdfast.adapters.storage.sqlite.folder import (
    HEAD_NAME,
    HeadNote,
    read_head_note,
    segment_numbers,
    segment_path,
    sync_file,
    sync_folder,
    write_head_note,
)
from holdfast.adapters.storage.sqlite.schema import (
    CREATE,
    SCHEMA_VERSION,
    SegmentMeta,
    connect,
    last_record,
    read_meta,
    select_records,
    write_meta,
)
from holdfast.core.errors import JournalError
from holdfast.core.record import Record, encode

TAIL_CHECKED = 1_000  # records whose hashes are checked at every start; `verify` checks them all
DRAFT_SUFFIX = ".new"


class Sealed(Record, frozen=True):
    """One line of a manifest: how a finished segment ended."""

    number: int
    sequence_last: int
    hash_last: str  # hex


class Tail(Record, frozen=True):
    """The segment that is being written, and the head of the journal."""

    meta: SegmentMeta
    sequence: int
    hash: bytes


def manifest_of(meta: SegmentMeta) -> list[Sealed]:
    """Return what the segment knows about those before it."""
    try:
        return msgspec.json.decode(meta.manifest, type=list[Sealed])
    except msgspec.DecodeError as error:
        raise JournalError(
            f"the manifest in segment {meta.number} is damaged: {error}", hint="restore that segment from a backup"
        ) from error


def create_segment(folder: Path, meta: SegmentMeta) -> None:
    """Make an empty segment; after a crash it is either there, whole, or not there."""
    path = segment_path(folder, meta.number)
    draft = path.with_name(path.name + DRAFT_SUFFIX)
    draft.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    connection = sqlite3.connect(draft, isolation_level=None)
    try:
        # A rollback journal in memory: a draft that a crash damages is thrown away, and sync_file makes it durable.
        connection.execute("PRAGMA journal_mode=MEMORY")
        connection.execute("BEGIN")
        for statement in CREATE[meta.schema_version]:
            connection.execute(statement)
        write_meta(connection, meta)
        connection.execute("COMMIT")
    finally:
        connection.close()
    sync_file(draft)
    draft.replace(path)
    sync_folder(folder)


def create_first(folder: Path) -> None:
    """Make the first segment and the note of an empty head, with a new journal id."""
    journal_id = os.urandom(16).hex()
    write_head_note(folder, HeadNote(journal_id, 0, GENESIS.hex()))
    create_segment(folder, SegmentMeta(SCHEMA_VERSION, journal_id, 1, 1, GENESIS.hex()))


def create_next(folder: Path, tail: Tail) -> SegmentMeta:
    """Make the segment that follows `tail`, whose records are all durable."""
    sealed = [*manifest_of(tail.meta), Sealed(tail.meta.number, tail.sequence, tail.hash.hex())]
    meta = SegmentMeta(
        SCHEMA_VERSION,
        tail.meta.journal_id,
        tail.meta.number + 1,
        tail.sequence + 1,
        tail.hash.hex(),
        encode(sealed).decode(),
    )
    create_segment(folder, meta)
    return meta


def check_numbers(folder: Path, numbers: list[int]) -> None:
    """Refuse a folder whose segments have a hole, and name the hole.

    Raises
    ------
    JournalError
        A segment is missing.
    """
    last = numbers[-1] if numbers else 0
    for number in range(1, last + 1):
        if number not in numbers:
            name = segment_path(folder, number).name
            raise JournalError(f"segment {name} is missing in {folder}", hint=f"restore {name} from a backup")


def prepare_folder(folder: Path) -> list[int]:
    """Return the numbers of the segments, at least one; drafts of a crashed start are removed.

    Raises
    ------
    JournalError
        A segment is missing, or the note of the head is.
    """
    for draft in (*folder.glob(f"*{DRAFT_SUFFIX}"), *folder.glob(f"*{DRAFT_SUFFIX}-*")):
        draft.unlink()
    numbers = segment_numbers(folder)
    check_numbers(folder, numbers)
    note = read_head_note(folder)
    if not numbers:
        if note is not None and note.sequence:
            raise JournalError(
                f"{folder} holds no segment, but its journal had {note.sequence} records",
                hint="restore the segments from a backup",
            )
        create_first(folder)
        return [1]
    if note is None:
        raise JournalError(
            f"{HEAD_NAME} is missing in {folder}, so a lost tail could not be noticed",
            hint=f"restore {HEAD_NAME} from a backup, or accept the journal as it is: holdfast journal verify --accept",
        )
    return numbers


def open_tail(folder: Path, number: int, config: JournalConfig) -> tuple[sqlite3.Connection, Tail]:
    """Open the last segment for writing and check that it continues the journal up to its last known head.

    Raises
    ------
    JournalError
        It does not chain on the segment before, its last records do not verify, or the tail is lost.
    """
    path = segment_path(folder, number)
    connection = connect(path, is_exclusive=config.is_exclusive, checkpoint_pages=config.checkpoint_pages)
    with contextlib.ExitStack() as undo:
        undo.callback(connection.close)
        meta = read_meta(connection)
        sequence, head = last_record(connection) or (meta.sequence_first - 1, bytes.fromhex(meta.hash_before))
        _check_succession(folder, meta, config)
        _check_tail(connection, meta, path)
        check_head_note(folder, connection, meta, sequence)
        undo.pop_all()
    return connection, Tail(meta, sequence, head)


def _check_succession(folder: Path, meta: SegmentMeta, config: JournalConfig) -> None:
    if meta.number == 1:
        return
    before = segment_path(folder, meta.number - 1)
    connection = connect(before, is_exclusive=config.is_exclusive)
    try:
        last = last_record(connection)
        journal_id = read_meta(connection).journal_id
    finally:
        connection.close()
    if journal_id != meta.journal_id or last != (meta.sequence_first - 1, bytes.fromhex(meta.hash_before)):
        raise JournalError(
            f"segment {before.name} is not the one that segment {meta.number} continues",
            hint=f"restore {before.name} from the backup of this journal",
        )


def _check_tail(connection: sqlite3.Connection, meta: SegmentMeta, path: Path) -> None:
    row = connection.execute("SELECT max(sequence) FROM record").fetchone()
    start = max(meta.sequence_first, (row[0] or 0) - TAIL_CHECKED)
    previous = bytes.fromhex(meta.hash_before)
    if start > meta.sequence_first:
        found = connection.execute("SELECT hash FROM record WHERE sequence = ?", (start - 1,)).fetchone()
        previous = found[0] if found else b""
    expected = start
    connection.text_factory = bytes  # a damaged kind need not be text
    for sequence, ts, kind, body, digest in connection.execute(
        select_records(meta.schema_version, "sequence >= ?"), (start,)
    ):
        found_hash = record_hash(previous, pack_header(sequence, ts, len(body)), stored_frame(kind), body)
        if sequence != expected or found_hash != digest:
            raise JournalError(
                f"record {expected} in {path.name} does not verify",
                hint="see what is damaged: holdfast journal verify; then restore the journal from a backup",
            )
        expected, previous = sequence + 1, digest
    connection.text_factory = str


def check_head_note(folder: Path, connection: sqlite3.Connection, meta: SegmentMeta, sequence: int) -> None:
    """Refuse a last segment that ends before the last known head, or that has another record in its place.

    Raises
    ------
    JournalError
        Records that were durable are lost or replaced.
    """
    note = read_head_note(folder)
    if note is None:
        return
    if note.journal_id != meta.journal_id:
        raise JournalError(
            f"{HEAD_NAME} belongs to another journal ({note.journal_id})",
            hint=f"restore {HEAD_NAME} from the backup that belongs to this journal",
        )
    if note.sequence > sequence:
        raise JournalError(
            f"the journal ends at record {sequence}, but record {note.sequence} was durable: its tail is cut",
            hint="restore the journal from a backup; do not trade on this one",
        )
    if note.sequence < meta.sequence_first:
        return
    row = connection.execute("SELECT hash FROM record WHERE sequence = ?", (note.sequence,)).fetchone()
    if row is None or row[0].hex() != note.hash:
        raise JournalError(
            f"record {note.sequence} is not the one that {HEAD_NAME} knows: the tail was replaced",
            hint="restore the journal from a backup; do not trade on this one",
        )

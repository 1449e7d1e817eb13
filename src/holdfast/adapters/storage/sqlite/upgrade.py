"""Older segments brought to the current layout: copied, changed, verified, swapped; a crash harms nothing."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec

from holdfast.adapters.storage.sqlite.config import JournalConfig
from holdfast.adapters.storage.sqlite.folder import segment_path, sync_file, sync_folder
from holdfast.adapters.storage.sqlite.schema import (
    SCHEMA_VERSION,
    UPGRADE,
    connect,
    connect_reader,
    read_meta,
    select_records,
    write_meta,
)
from holdfast.adapters.storage.sqlite.segments import DRAFT_SUFFIX
from holdfast.core.errors import JournalError


def upgrade_segments(folder: Path, numbers: list[int], config: JournalConfig) -> None:
    """Bring every segment to the current layout. The caller owns the journal.

    Opening each one for writing also folds in the log that a reader may have kept from being folded when it was sealed.

    The original stays in place until its copy is complete, equal and durable; then one rename swaps them.

    Raises
    ------
    JournalError
        A copy differs from its original, a reader holds the original, or a newer holdfast wrote it.
    """
    for number in numbers:
        path = segment_path(folder, number)
        connection = connect(path, is_exclusive=config.is_exclusive)
        try:
            version = read_meta(connection).schema_version
        finally:
            connection.close()
        if version < SCHEMA_VERSION:
            _upgrade(path, version)


def _upgrade(path: Path, version: int) -> None:
    draft = path.with_name(path.name + DRAFT_SUFFIX)
    _fold_log(path)
    source, copy = connect_reader(path), sqlite3.connect(draft, isolation_level=None)
    try:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
        copy.execute("BEGIN")
        for step in range(version, SCHEMA_VERSION):
            for statement in UPGRADE[step]:
                copy.execute(statement)
        write_meta(copy, msgspec.structs.replace(read_meta(copy), schema_version=SCHEMA_VERSION))
        copy.execute("COMMIT")
        _compare(source, copy, version, path)
    finally:
        copy.close()
        source.close()
    sync_file(draft)
    # The log and the index of the original must be gone before the swap: they would be applied to the copy.
    _fold_log(path)
    draft.chmod(0o600)
    draft.replace(path)
    sync_folder(path.parent)


def _fold_log(path: Path) -> None:
    connect(path).close()
    if Path(f"{path}-wal").exists():
        raise JournalError(
            f"{path.name} must be upgraded, but another process is reading it",
            hint="stop whatever reads the journal, then start again",
        )


def _compare(source: sqlite3.Connection, copy: sqlite3.Connection, version: int, path: Path) -> None:
    """Every field of every record is equal; so every hash is still right."""
    original = source.execute(select_records(version, "TRUE"))
    changed = copy.execute(select_records(SCHEMA_VERSION, "TRUE"))
    for before, after in zip(original, changed, strict=True):
        if before != after:
            raise JournalError(
                f"record {before[0]} of {path.name} changed while it was copied",
                hint="check the disk and the memory; the original is untouched",
            )

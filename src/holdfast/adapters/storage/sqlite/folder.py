"""The folder of a journal: its files, its owner, and how a file in it becomes durable."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from pathlib import Path

import msgspec

from holdfast.core.errors import JournalError, JournalInUseError
from holdfast.core.record import Record, encode

HEAD_NAME = "journal.head"
LOCK_NAME = "journal.lock"
_segment_form = re.compile(r"journal-(\d{6,})\.db")


class HeadNote(Record, frozen=True):
    """The last head that is known to be durable: a journal that ends before it has lost its tail."""

    journal_id: str
    sequence: int
    hash: str  # hex


def segment_path(folder: Path, number: int) -> Path:
    """Return the path of segment `number`, from 1."""
    return folder / f"journal-{number:06d}.db"


def segment_numbers(folder: Path) -> list[int]:
    """Return the numbers of the segments in the folder, ascending."""
    matches = (_segment_form.fullmatch(path.name) for path in folder.iterdir())
    return sorted(int(match[1]) for match in matches if match)


def sync_folder(folder: Path) -> None:
    """Make created, renamed and removed names in the folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Make the content of a file durable."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_head_note(folder: Path) -> HeadNote | None:
    """Return the note of the last known head, None where there is none.

    Raises
    ------
    JournalError
        The note is there and cannot be read.
    """
    path = folder / HEAD_NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=HeadNote)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise JournalError(
            f"{path} is damaged: {error}", hint=f"restore {HEAD_NAME} from the backup that belongs to this journal"
        ) from error


def write_head_note(folder: Path, note: HeadNote) -> None:
    """Replace the note. What it names must be durable already: it may lag behind the journal, never run ahead."""
    draft = folder / f"{HEAD_NAME}.new"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, encode(note))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    draft.replace(folder / HEAD_NAME)


def writer_of(folder: Path) -> str | None:
    """Return the number of the process that writes the journal now, None where none does."""
    try:
        descriptor = os.open(folder / LOCK_NAME, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _holder(descriptor)
    finally:
        os.close(descriptor)
    return None


def _holder(descriptor: int) -> str:
    return os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"


class Ownership:
    """The right to write a journal. One process at a time has it; the kernel takes it from a dead one."""

    def __init__(self, folder: Path) -> None:
        path = folder / LOCK_NAME
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        with contextlib.ExitStack() as undo:
            undo.callback(os.close, self._descriptor)
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                holder = _holder(self._descriptor)
                raise JournalInUseError(
                    f"the journal {folder} is already being written by process {holder}",
                    hint=f"`holdfast status` reads beside it; end process {holder} first, or name another --home",
                ) from error
            os.ftruncate(self._descriptor, 0)
            os.write(self._descriptor, f"{os.getpid()}\n".encode())
            undo.pop_all()

    def release(self) -> None:
        """Let the next writer in. The lock file stays: removing it would let two writers hold two files."""
        os.close(self._descriptor)

"""Which version of holdfast wrote what the journal holds, and what to say where two versions do not agree.

The record of a run names the version that began it. A version that goes on with the run of another one writes a record
of kind "program" first, so that whoever reads later knows whose bytes they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec

from holdfast import __version__
from holdfast.core.errors import NotRepeatedError, OtherVersionError, UnreadableRecordError
from holdfast.core.record import Record
from holdfast.engine.recorder import RUN
from holdfast.ports.journal import Journal
from holdfast.services.same_run import FRESH

PROGRAM: Final = "program"
"""The kind of the record that holds a ProgramChanged."""


class ProgramChanged(Record, frozen=True):
    """Body of a record of kind "program": what follows in this run was written by this version of holdfast."""

    version: str


class _Writer(msgspec.Struct):
    # Of a body that may be too new to be read in full, this much is kept for ever: see core.record.
    version: str = ""


_WRITER = msgspec.json.Decoder(_Writer)


def written_by(journal: Journal, until: int = 0) -> str:
    """Return the version that wrote record `until`, or the last one; empty where no record tells."""
    version = ""
    for record in journal.read(kinds=(RUN, PROGRAM)):
        if until and record.sequence > until:
            break
        try:
            version = _WRITER.decode(record.body).version
        except msgspec.MsgspecError:
            version = ""
    return version


@contextmanager
def versions_named(journal: Journal) -> Iterator[None]:
    """Let the block read and repeat what `journal` holds; where it fails, say which version wrote it, if another did.

    Raises
    ------
    OtherVersionError
        A record cannot be read, and another version wrote it.
    NotRepeatedError
        What is recorded did not happen again; the message names both versions where they differ.
    """
    try:
        yield
    except UnreadableRecordError as error:
        version = written_by(journal, error.record)
        if version in ("", __version__):
            raise
        newer = f"holdfast {version} or newer" if is_newer(version) else f"holdfast {version}"
        raise OtherVersionError(
            f"{error}; it was written by holdfast {version}, this is holdfast {__version__}",
            hint=f"use {newer} to read it",
        ) from error
    except NotRepeatedError as error:
        version = written_by(journal)
        if version in ("", __version__):
            raise
        raise NotRepeatedError(
            f"{error}; it was written by holdfast {version}, this is holdfast {__version__}",
            hint=f"go on with holdfast {version}, let it stop in order (Ctrl-C, or q in the live view), and upgrade"
            f" then; or {FRESH}",
        ) from error


def is_newer(version: str) -> bool:
    """Tell whether `version` is above this one's; what is no version with numbers is not."""
    try:
        theirs, mine = (tuple(int(part) for part in text.split(".")) for text in (version, __version__))
    except ValueError:
        return False
    return theirs > mine

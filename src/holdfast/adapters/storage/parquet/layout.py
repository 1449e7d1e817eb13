"""What a bar file says about itself: the scale of its columns, its row groups and their checksums, under a seal."""

from __future__ import annotations

import zlib

import msgspec

from holdfast.core.errors import DataError
from holdfast.core.record import Record

VERSION = 2
# Its flags were set when only wicks were judged: open and close of its bars are judged when they are read.
VERSION_OF_WICKS = 1
KEY_HEADER, KEY_SEAL = b"holdfast.bars", b"holdfast.bars.crc32"


class Scale(Record, frozen=True):
    """How float columns became integers of 10**-places; None where they did not, and are kept as floats.

    `patched` names the columns that have a companion, because some of their floats lie off the grid.
    """

    price_places: int | None
    volume_places: int | None
    patched: tuple[str, ...] = ()


class Group(Record, frozen=True, array_like=True):
    """One row group, readable alone: where it starts, the scaled close before it, and the CRC-32 of its columns.

    `reference` is the last trusted close before it, 0.0 where there is none.
    """

    bars: int
    ts_first: int
    ts_last: int
    close_before: int
    crc32: int
    reference: float = 0.0


class Header(Record, frozen=True):
    """Everything about a file but its rows; in the footer, so that a list of files needs no row."""

    version: int
    instrument_id: str
    timeframe: str
    bars: int
    missing: int
    gaps: int
    no_trade: int
    suspect: int
    is_synthetic: bool
    sha256: str
    source: str
    scale: Scale
    groups: tuple[Group, ...]


def sealed(header: Header) -> dict[bytes, bytes]:
    """Return the footer's entries: the header and its seal."""
    text = msgspec.json.encode(header)
    return {KEY_HEADER: text, KEY_SEAL: b"%08x" % zlib.crc32(text)}


def opened(entries: dict[bytes, bytes] | None, where: str) -> Header:
    """Return the header of a file whose seal is whole.

    Raises
    ------
    DataError
        This is no bar file of ours, it was written by a newer version, or a byte of its header has changed.
    """
    text, seal = (entries or {}).get(KEY_HEADER), (entries or {}).get(KEY_SEAL)
    if text is None or seal is None:
        raise DataError(f"{where}: this is no bar file of holdfast", hint="import it: holdfast data import <file>")
    if seal != b"%08x" % zlib.crc32(text):
        raise damaged(where, "its header does not match its checksum")
    try:
        version = msgspec.json.decode(text, type=_Version).version
        if version not in (VERSION, VERSION_OF_WICKS):
            raise DataError(
                f"{where}: written in format {version}, this holdfast reads format {VERSION}",
                hint="use the holdfast that wrote it, or import the bars again",
            )
        return msgspec.json.decode(text, type=Header)
    except msgspec.DecodeError as error:
        raise damaged(where, f"its header cannot be read: {error}") from error


def damaged(where: str, what: str) -> DataError:
    """Return the error for a file that is not what was written."""
    return DataError(
        f"{where}: the file is damaged: {what}",
        hint="delete this file and import its bars again, or restore it from a backup; then run: holdfast data verify",
    )


class _Version(msgspec.Struct):
    version: int

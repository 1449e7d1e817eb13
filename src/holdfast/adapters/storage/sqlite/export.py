"""The journal as JSON lines, for whoever wants to read or keep it without us."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from holdfast.adapters.storage.sqlite.reader import read_records
from holdfast.core.errors import ConfigurationError
from holdfast.core.time import rfc3339
from holdfast.ports.journal import JournalRecord

FORMATS = ("jsonl",)


def export(
    path: Path | str, out: BinaryIO, *, export_format: str = "jsonl", after: int = 0, kinds: Sequence[str] = ()
) -> int:
    """Write the records to `out`, one at a time however many there are, and return how many.

    Raises
    ------
    ConfigurationError
        There is no such format.
    JournalError
        There is no journal, or it cannot be read.
    """
    if export_format not in FORMATS:
        raise ConfigurationError(f"there is no format {export_format!r}", hint=f"one of: {', '.join(FORMATS)}")
    count = 0
    for line in lines(path, after=after, kinds=kinds):
        out.write(line)
        count += 1
    return count


def lines(path: Path | str, *, after: int = 0, kinds: Sequence[str] = ()) -> Iterator[bytes]:
    """Yield each record as one line of JSON with its line feed.

    The body stands in the line byte for byte, so that the hash can be checked from the export alone; a body that is not
    JSON on one line stands as `body_base64`.
    """
    for record in read_records(Path(path), after, kinds):
        yield _line(record)


def _line(record: JournalRecord) -> bytes:
    head = msgspec.json.encode(
        {
            "sequence": record.sequence,
            "ts_journal": record.ts_journal,
            "time": rfc3339(record.ts_journal),
            "kind": record.kind,
            "hash": record.hash.hex(),
        }
    )
    if _is_one_line_of_json(record.body):
        return head[:-1] + b',"body":' + record.body + b"}\n"
    return head[:-1] + b',"body_base64":"' + base64.b64encode(record.body) + b'"}\n'


def _is_one_line_of_json(body: bytes) -> bool:
    if b"\n" in body or b"\r" in body:
        return False
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
        body.decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True

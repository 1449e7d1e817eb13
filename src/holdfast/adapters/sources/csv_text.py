"""CSV text as columns of plain numbers: plain, gzip or zip; every fault names its line."""

from __future__ import annotations

import csv
import gzip
import io
import math
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TextIO, TypeVar

import numpy as np

from holdfast.adapters.sources.columns import nanoseconds, require_file
from holdfast.core.errors import DataError
from holdfast.core.time import SECOND
from holdfast.domain.market import Floats, Ints

_T = TypeVar("_T", int, float)

_CHUNK_ROWS = 20_000
_DELIMITERS = ",;\t"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INTEGER_MAX = float(1 << 63)
_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"


@dataclass(frozen=True)
class Table:
    """The rows of a file as text columns, the header that stood above them, and the line that each row came from."""

    header: tuple[str, ...]
    columns: tuple[list[str], ...]
    lines: Ints

    def __len__(self) -> int:
        return len(self.lines)


def read_table(path: Path) -> Table:
    """Return a file's rows; what stands above the header (a link, comments) is skipped.

    Raises
    ------
    DataError
        The file is missing, empty, cut off or no text, or a row has more or fewer fields than the first one.
    """
    require_file(path)
    try:
        with _text(path) as text:
            return _parse(path, text)
    except (EOFError, OSError, zlib.error, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path.name}: the file is cut off or damaged: {error}", hint="fetch it again and compare its checksum"
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path.name}: this is no text file: {error.reason}", hint="give a .csv or .csv.gz file"
        ) from error
    except csv.Error as error:
        raise DataError(f"{path.name}: this is no CSV file: {error}", hint="give a .csv or .csv.gz file") from error


def floats(path: Path, table: Table, index: int, role: str) -> Floats:
    """Return one column as floats.

    Raises
    ------
    DataError
        A field is empty, no number, or not finite.
    """
    values = _converted(path, table, index, role, _finite)
    return np.array(values, dtype=np.float64)


def times(path: Path, table: Table, index: int) -> Ints:
    """Return one column as ns since the epoch: Unix times in any unit, or ISO 8601; without a zone it is UTC.

    Raises
    ------
    DataError
        A field is no time.
    """
    if _is_number(table.columns[index][0]):
        return nanoseconds(np.array(_converted(path, table, index, "time", _integer), dtype=np.int64), path.name)
    return np.array(_converted(path, table, index, "time", _iso), dtype=np.int64)


def is_header(row: Sequence[str]) -> bool:
    """Tell whether a row names columns: none of its fields is a number."""
    return not any(_is_number(field) for field in row)


@contextmanager
def _text(path: Path) -> Iterator[TextIO]:
    with path.open("rb") as raw:
        magic = raw.read(4)
        raw.seek(0)
        if magic.startswith(_GZIP):
            with gzip.open(raw, "rt", encoding="utf-8-sig", newline="") as text:
                yield text
        elif magic == _ZIP:
            with zipfile.ZipFile(raw) as archive:
                names = [name for name in archive.namelist() if name.endswith(".csv")]
                if len(names) != 1:
                    raise DataError(f"{path.name}: holds {len(names)} CSV files, expected one", hint="unpack it first")
                with archive.open(names[0]) as member, io.TextIOWrapper(member, "utf-8-sig", newline="") as text:
                    yield text
        else:
            with io.TextIOWrapper(raw, "utf-8-sig", newline="") as text:
                yield text


def _parse(path: Path, text: TextIO) -> Table:
    first = _first_line(text)
    if first is None:
        raise DataError(f"{path.name}: the file is empty", hint="fetch it again")
    line, skipped = first
    delimiter = max(_DELIMITERS, key=line.count)
    reader = csv.reader(_rest(line, text), delimiter=delimiter)
    head = next(reader)
    header: tuple[str, ...] = ()
    columns: tuple[list[str], ...] = tuple([] for _ in head)
    lines: list[int] = []
    if is_header(head):
        header = tuple(head)
    else:
        _append(columns, lines, [(skipped + 1, head)])
    while rows := [(skipped + reader.line_num, row) for row in islice(reader, _CHUNK_ROWS)]:
        whole = [(number, row) for number, row in rows if row]
        for number, row in whole:
            if len(row) != len(head):
                raise DataError(
                    f"{path.name}: line {number} has {len(row)} fields, expected {len(head)}",
                    hint="the file may be cut off there: fetch it again, or remove that line",
                )
        _append(columns, lines, whole)
    if not lines:
        raise DataError(f"{path.name}: there is a header but no row", hint="fetch the file again")
    return Table(header, columns, np.array(lines, dtype=np.int64))


def _first_line(text: TextIO) -> tuple[str, int] | None:
    """Return the first line with fields, and how many stand above it."""
    for skipped, line in enumerate(text):
        plain = line.strip()
        if plain and not plain.startswith(("#", "http://", "https://")):
            return line, skipped
    return None


def _rest(first: str, text: TextIO) -> Iterator[str]:
    yield first
    yield from text


def _append(columns: tuple[list[str], ...], lines: list[int], rows: list[tuple[int, list[str]]]) -> None:
    lines.extend(number for number, _ in rows)
    for column, fields in zip(columns, zip(*(row for _, row in rows), strict=True), strict=False):
        column.extend(fields)


def _converted(path: Path, table: Table, index: int, role: str, convert: Callable[[str], _T]) -> list[_T]:
    column = table.columns[index]
    try:
        return [convert(field) for field in column]
    except ValueError:
        for row, field in enumerate(column):
            try:
                convert(field)
            except ValueError as error:
                raise DataError(
                    f"{path.name}: line {table.lines[row]}: {role} is {field!r}, expected a {_KIND[role == 'time']}",
                    hint="mend or remove that line, or fetch the file again; nothing is filled in silently",
                ) from error
        raise


def _finite(field: str) -> float:
    value = float(field)
    if not math.isfinite(value):
        raise ValueError(field)
    return value


def _integer(field: str) -> int:
    """Return a whole number, also from `1609459200.0`."""
    value = float(field)
    if not value.is_integer() or abs(value) >= _INTEGER_MAX:
        raise ValueError(field)
    return int(field) if field.strip().isdigit() else int(value)


def _iso(field: str) -> int:
    moment = datetime.fromisoformat(field.strip().removesuffix(" UTC"))
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    gone = moment - _EPOCH
    return (gone.days * 86_400 + gone.seconds) * SECOND + gone.microseconds * 1_000


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


_KIND = {False: "number", True: "Unix time or a date like 2021-05-19T12:00:00Z"}

"""What commands print: JSON for programs, tables for people."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import Enum

import click
import msgspec

from holdfast.core.time import rfc3339
from holdfast.research.report import plain as shortest

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]


def plain(value: object, name: str = "") -> Json:
    """Return `value` for JSON: money as text, times (`ts...`, `..._ts`) as RFC 3339 or null, records as objects."""
    if isinstance(value, Enum):
        return plain(value.value, name)
    if isinstance(value, Decimal):
        return shortest(value)
    if isinstance(value, int) and not isinstance(value, bool) and _is_time(name):
        return rfc3339(value) if value else None
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, msgspec.Struct):
        return {key: plain(getattr(value, key), key) for key in value.__struct_fields__}
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name), field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item, str(key)) for key, item in value.items()}
    if isinstance(value, Sequence | set | frozenset):
        return [plain(item, name) for item in value]
    return str(value)


def print_json(value: object) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(plain(value), ensure_ascii=False, indent=2))


def fitting(
    titles: Sequence[str], rows: Sequence[Sequence[str]], width: int, spare: Sequence[str], gap: int = 2
) -> list[int]:
    """Return which columns to show in `width` characters: those of `spare` are left out, the first of them first."""
    widths = [max(len(row[index]) for row in (titles, *rows)) for index in range(len(titles))]
    kept = list(range(len(titles)))
    for title in spare:
        if sum(widths[index] + gap for index in kept) - gap <= width:
            break
        kept.remove(titles.index(title))
    return kept


def print_table(titles: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1, spare: Sequence[str] = ()) -> None:
    """Print aligned columns, the first `left` to the left and the others to the right; nothing is cut off.

    On a terminal that is too narrow the columns in `spare` are left out, the first of them first.
    """
    if spare and sys.stdout.isatty():
        kept = fitting(titles, rows, shutil.get_terminal_size().columns, spare)
        left = sum(1 for index in kept if index < left)
        titles, rows = [titles[index] for index in kept], [[row[index] for index in kept] for row in rows]
    table = [tuple(titles), *(tuple(row) for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(titles))]
    for number, row in enumerate(table):
        cells = [
            text.ljust(width) if column < left else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        line = "  ".join(cells).rstrip()
        click.echo(click.style(line, bold=True) if number == 0 else line)


def print_pairs(pairs: Sequence[tuple[str, str]]) -> None:
    """Print names and values in two columns."""
    width = max((len(name) for name, _ in pairs), default=0)
    for name, value in pairs:
        click.echo(f"{click.style(name.ljust(width), fg='bright_black')}  {value}")


def warn(message: str) -> None:
    """Print a warning to standard error."""
    click.echo(f"{click.style('warning:', fg='yellow', bold=True)} {message}", err=True)


def _is_time(name: str) -> bool:
    return name == "ts" or name.startswith("ts_") or name.endswith("_ts")

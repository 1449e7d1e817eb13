"""What commands print: JSON for programs, tables for people."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import textwrap
from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import Enum
from typing import Final

import click
import msgspec

from holdfast.core.time import rfc3339
from holdfast.research.report import plain as shortest

_GAP: Final = 2
_HANG: Final = 2
_DOT: Final = " · "
_COLUMNS_MIN: Final = 20  # narrower than any telephone
_COLUMNS_USUAL: Final = 80  # of a terminal that says 0: it does not know

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


def print_json_line(value: object) -> None:
    """Print one JSON document as a line, for a stream of them."""
    click.echo(json.dumps(plain(value), ensure_ascii=False))


def columns(*, err: bool = False) -> int | None:
    """Return how many columns the reader sees; None for a file or a program, which wrap nothing.

    COLUMNS, where it is set, speaks for whoever reads.
    """
    stated = os.environ.get("COLUMNS", "")
    if stated.isdigit() and int(stated) > 0:
        return max(int(stated), _COLUMNS_MIN)
    stream = sys.stderr if err else sys.stdout
    if stream is None or not stream.isatty():
        return None
    return max(os.get_terminal_size(stream.fileno()).columns or _COLUMNS_USUAL, _COLUMNS_MIN)


def folded(text: str, width: int | None, hang: int = _HANG) -> list[str]:
    """Return `text` in lines of at most `width` columns, parted between words; what follows the first hangs deeper.

    A word that is longer stays whole: whoever copies a path or a digest needs all of it.
    """
    indent = len(text) - len(text.lstrip(" "))
    if width is None or len(text) <= width or not text.strip():
        return [text]
    return textwrap.wrap(
        text.strip(" "), width, initial_indent=" " * indent, subsequent_indent=" " * (indent + hang),
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def say(text: str, *, hang: int = _HANG, bold: bool = False, err: bool = False) -> None:
    """Print a sentence, parted between words where the reader's terminal is too narrow for it."""
    for line in folded(text, columns(err=err), hang):
        click.echo(click.style(line, bold=True) if bold else line, err=err)


def print_table(titles: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> None:
    """Print aligned columns, the first `left` to the left and the others to the right.

    On a terminal that is too narrow each row becomes a block of its own: nothing is cut off or left out.
    """
    table = [tuple(titles), *(tuple(row) for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(titles))]
    width = columns()
    if width is not None and sum(widths) + _GAP * (len(widths) - 1) > width:
        for row in rows:
            _print_block(titles, row, width)
        return
    for number, row in enumerate(table):
        cells = [
            text.ljust(width) if column < left else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        line = (" " * _GAP).join(cells).rstrip()
        click.echo(click.style(line, bold=True) if number == 0 else line)


def _print_block(titles: Sequence[str], row: Sequence[str], width: int) -> None:
    """Print the first cell as a heading, and below it the others with their titles, as many to a line as there fit."""
    click.echo(click.style(f"{titles[0]} {row[0]}", bold=True))
    line = ""
    for title, text in zip(titles[1:], row[1:], strict=True):
        if not text:
            continue
        pair = f"{title} {text}"
        if line and len(line) + len(_DOT) + len(pair) > width:
            click.echo(line)
            line = ""
        line = f"{line}{_DOT}{pair}" if line else f"{' ' * _HANG}{pair}"
        if len(line) > width:  # one pair alone
            *whole, line = folded(line, width)
            for part in whole:
                click.echo(part)
    if line:
        click.echo(line)


def print_pairs(pairs: Sequence[tuple[str, str]]) -> None:
    """Print names and values in two columns."""
    width, reader = max((len(name) for name, _ in pairs), default=0), columns()
    indent = " " * (width + _GAP)
    for name, value in pairs:
        # The names take room of their own: what is left is for the value.
        lines = folded(value, None if reader is None else max(reader - len(indent), _COLUMNS_MIN // 2), 0)
        click.echo(f"{click.style(name.ljust(width), fg='bright_black')}{' ' * _GAP}{lines[0]}")
        for line in lines[1:]:
            click.echo(f"{indent}{line}")


def say_waiting(pid: int) -> None:
    """Say on standard error what is waited for: an agent that is busy, or hangs."""
    say(f"waiting for the agent (pid {pid})", err=True)


def warn(message: str) -> None:
    """Print a warning to standard error."""
    mark = "warning:"
    first, *others = folded(f"{mark} {message}", columns(err=True))
    click.echo(click.style(mark, fg="yellow", bold=True) + first.removeprefix(mark), err=True)
    for line in others:
        click.echo(line, err=True)


def _is_time(name: str) -> bool:
    return name == "ts" or name.startswith("ts_") or name.endswith("_ts")

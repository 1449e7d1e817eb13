"""Answers of the wrong types: what a client must refuse instead of believing it."""

from __future__ import annotations

import msgspec


def distorted(body: bytes) -> bytes:
    """Return the same JSON with its numbers as words, its texts as lists, its lists as objects and the reverse."""
    return msgspec.json.encode(_wrong(msgspec.json.decode(body), 0))


_DEPTH = 3


def _wrong(value: object, depth: int) -> object:
    if depth >= _DEPTH:
        return [value]
    match value:
        case bool() | None:
            return "maybe"
        case int() | float():
            return "not a number"
        case str():
            return [value]
        case list():
            return {str(at): _wrong(item, depth + 1) for at, item in enumerate(value)}
        case dict() if not value:
            return []
        case dict():
            # The names stay, so that a client looks into them; what it looks for is something else.
            return {str(name): _wrong(item, depth + 1) for name, item in value.items()}
        case _:
            return None

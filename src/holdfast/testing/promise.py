"""A promise that was broken: what the simulation looks for."""

from __future__ import annotations


class InvariantError(AssertionError):
    """Something that must never happen has happened; `name` says which promise was broken."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(f"{name}: {detail}")
        self.name = name


def require(is_kept: bool, name: str, detail: str) -> None:
    """Raise InvariantError unless the promise `name` is kept."""
    if not is_kept:
        raise InvariantError(name, detail)

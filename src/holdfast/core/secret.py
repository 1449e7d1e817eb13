"""A text that must not be seen: it prints as ***, is never encoded, and is read in one place only."""

from __future__ import annotations

from typing import Final

_HIDDEN: Final = "***"


class Secret:
    """Holds a key or a password. `reveal` is the only way to it, so that a search finds every use."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the text itself, for signing and for nothing else."""
        return self._value

    def __repr__(self) -> str:
        return _HIDDEN

    def __str__(self) -> str:
        return _HIDDEN

    def __format__(self, spec: str) -> str:
        return _HIDDEN

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a secret is not copied into files or other processes")

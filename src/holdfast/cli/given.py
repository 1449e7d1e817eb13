"""Options as they were typed, turned into the Record of a command; and what many commands do with them first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec

from holdfast.app.home import Home, home_at
from holdfast.app.settings import Given, flag
from holdfast.core.errors import ConfigurationError
from holdfast.core.record import Record

Options = TypeVar("Options", bound=Record)


class Place(Record, frozen=True):
    """Options that every command has."""

    home: str | None = None
    debug: bool = False
    is_json: bool = False

    @property
    def folder(self) -> Home:
        """Return the home that the options name."""
        return home_at(self.home)


def read(options: Mapping[str, object], kind: type[Options]) -> Options:
    """Return the options as a Record of `kind`; a fault here is ours, not the user's."""
    return msgspec.convert(dict(options), kind)


def parameters(pairs: Sequence[str]) -> list[Given]:
    """Return what `--set key=value` sets.

    Raises
    ------
    ConfigurationError
        A pair has no `=`.
    """
    found: list[Given] = []
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not (equals and key.strip() and value.strip()):
            raise ConfigurationError(f"--set {pair!r} is no key=value", hint="write it like --set fast=12")
        found += flag(f"strategy.parameters.{key.strip()}", value.strip(), f"--set {pair}")
    return found

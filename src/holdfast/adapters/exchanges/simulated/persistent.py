"""A simulated venue whose orders and balances outlive the process, as those of a real venue would."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path

from holdfast.adapters.exchanges.simulated.client import SimulatedVenue
from holdfast.core.errors import DataError
from holdfast.domain.instrument import Instrument
from holdfast.domain.values import Asset, InstrumentId
from holdfast.matching.config import MatchingConfig


def save(state: bytes, path: Path) -> None:
    """Write a venue's snapshot to `path`; after a crash at any point there is the old state or the new, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.part")
    with open(unfinished, "wb", opener=_private) as file:  # Path.open takes no opener
        file.write(state)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    # The new name is durable only when its folder is.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def load(venue: SimulatedVenue, path: Path) -> bool:
    """Restore the venue from `path`; False, and the venue as it was, if there is no such file.

    Raises
    ------
    DataError
        The file is no state of this venue.
    """
    try:
        state = path.read_bytes()
    except FileNotFoundError:
        return False
    try:
        venue.restore(state)
    except DataError as error:
        hint = "restore it from a backup, or move it away to begin with a fresh account"
        raise DataError(f"{path.name}: {error}", hint=hint) from error
    return True


class PersistentVenue(SimulatedVenue):
    """A SimulatedVenue that goes on where its file left off; call `persist` after each batch of changes."""

    __slots__ = ("_path", "_saved")

    def __init__(
        self, instruments: Iterable[Instrument], bar_nanos: int | Mapping[InstrumentId, int], config: MatchingConfig,
        balances: Mapping[Asset, Decimal], path: Path,
    ) -> None:  # fmt: skip
        super().__init__(instruments, bar_nanos, config, balances)
        self._path = path
        self._saved = self.snapshot() if load(self, path) else b""

    def persist(self) -> bool:
        """Save what has changed since the last call; False if nothing has."""
        state = self.snapshot()
        if state == self._saved:
            return False
        save(state, self._path)
        self._saved = state
        return True


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)

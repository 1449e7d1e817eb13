"""Space on the disk: a journal that cannot grow must not be relied on."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from holdfast.core.errors import HoldfastError

MEBIBYTE: Final = 1 << 20


def free_mb(path: Path) -> int:
    """Return the free space (MiB) where `path` is, or would be."""
    place = path
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free // MEBIBYTE


def require_space(path: Path, least_mb: int, reason: str, hint: str) -> None:
    """Refuse to start on a disk that is nearly full; `reason` says what the space is for.

    Raises
    ------
    HoldfastError
        Less than `least_mb` is free.
    """
    free = free_mb(path)
    if free < least_mb:
        raise HoldfastError(f"the disk of {path} has {free} MiB left, {least_mb} are needed: {reason}", hint=hint)

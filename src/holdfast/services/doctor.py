"""Checks an installation: each thing that a run needs is looked at, and what fails says how it is repaired."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from holdfast.core.errors import HoldfastError
from holdfast.core.record import Record

PYTHON_MIN: Final = (3, 11)
_MEBIBYTE: Final = 1 << 20
_DISK_WARN_MB: Final = 2_048
# Before this the clock is surely wrong: this program did not exist.
_YEAR_MIN: Final = 2026
_YEAR_MAX: Final = 2100
_OPEN_TO_OTHERS: Final = 0o077


class State(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class CheckResult(Record, frozen=True):
    """One thing that was checked; `next` is what to type or change when it is not well.

    `is_away` says that all there is to find fault with is a venue that does not answer.
    """

    name: str
    state: State
    message: str
    next: str = ""
    is_away: bool = False


Check = Callable[[], CheckResult]


def examine(checks: Sequence[tuple[str, Check]]) -> tuple[CheckResult, ...]:
    """Return the result of each named check; one that raises an error of ours has failed, and the others go on."""
    return tuple(_guarded(name, check) for name, check in checks)


def waiting(name: str) -> CheckResult:
    """Return what stands for a check that needs settings while these cannot be read; their own check says why."""
    return CheckResult(name, State.WARN, "not checked: it waits for sound settings", "repair the settings first")


def is_healthy(results: Sequence[CheckResult]) -> bool:
    """Tell whether nothing failed; a warning is no failure."""
    return all(result.state is not State.FAIL for result in results)


def python_version() -> CheckResult:
    """Check the interpreter."""
    found = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info[:2] < PYTHON_MIN:
        return CheckResult("python", State.FAIL, f"Python {found} is too old", "install Python 3.11 or newer")
    return CheckResult("python", State.OK, f"Python {found}")


def accelerator() -> CheckResult:
    """Check whether compiled strategies are possible; nothing needs them."""
    if find_spec("numba") is None:
        return CheckResult("numba", State.OK, "not installed: strategies run as plain Python, with the same results")
    return CheckResult("numba", State.OK, "installed: sweeps run compiled")


def home_folder(path: Path) -> CheckResult:
    """Check that the home can be written, and by its owner alone."""
    if not path.exists():
        return CheckResult("home", State.OK, f"{path} does not exist yet; the first command that needs it creates it")
    if not os.access(path, os.W_OK | os.X_OK):
        return CheckResult("home", State.FAIL, f"{path} cannot be written", f"become its owner: chown {path}")
    if path.stat().st_mode & _OPEN_TO_OTHERS:
        return CheckResult("home", State.WARN, f"{path} can be read by other users", f"chmod 700 {path}")
    return CheckResult("home", State.OK, f"{path}")


def disk_space(path: Path, least_mb: int) -> CheckResult:
    """Check the free space where the home is."""
    place = path
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free // _MEBIBYTE
    if free < least_mb:
        return CheckResult("disk", State.FAIL, f"{free} MiB free, {least_mb} are needed", "free some space")
    state, hint = (State.WARN, "free some space soon") if free < _DISK_WARN_MB else (State.OK, "")
    return CheckResult("disk", state, f"{free} MiB free", hint)


def clock() -> CheckResult:
    """Check that the clock is plausible and does not stand still."""
    first = time.time_ns()
    year = time.gmtime(first // 1_000_000_000).tm_year
    if not _YEAR_MIN <= year <= _YEAR_MAX:
        return CheckResult("clock", State.FAIL, f"the clock says {year}", "set it: timedatectl set-ntp true")
    start = time.monotonic_ns()
    while time.time_ns() <= first:
        if time.monotonic_ns() - start > 1_000_000_000:
            return CheckResult("clock", State.FAIL, "the clock stands still", "see the machine's time source")
    return CheckResult("clock", State.OK, time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()))


def time_zone() -> CheckResult:
    """Say which zone the machine is in; trading days are UTC everywhere."""
    name = datetime.now().astimezone().tzname() or "unknown"
    return CheckResult("time zone", State.OK, f"{name}; holdfast shows and counts days in UTC")


def _guarded(name: str, check: Check) -> CheckResult:
    try:
        return check()
    except HoldfastError as error:
        return CheckResult(name, State.FAIL, str(error), error.hint)

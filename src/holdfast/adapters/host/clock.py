"""The machine's clock, behind the Clock port."""

from __future__ import annotations

import time

from holdfast.core.time import UnixNanos


class SystemClock:
    """UTC as the operating system knows it."""

    def now(self) -> UnixNanos:
        """Return nanoseconds since the epoch."""
        return UnixNanos(time.time_ns())


class SteadyClock:
    """UTC as it was when the clock was made, and what has really passed since: no step of the machine's moves it.

    For what is measured against another clock anyway, and must not jump in between.
    """

    def __init__(self) -> None:
        self._ahead = time.time_ns() - time.monotonic_ns()

    def now(self) -> UnixNanos:
        """Return nanoseconds since the epoch."""
        return UnixNanos(time.monotonic_ns() + self._ahead)

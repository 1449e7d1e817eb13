"""The machine's clock, behind the Clock port."""

from __future__ import annotations

import time

from holdfast.core.time import UnixNanos


class SystemClock:
    """UTC as the operating system knows it."""

    def now(self) -> UnixNanos:
        """Return nanoseconds since the epoch."""
        return UnixNanos(time.time_ns())

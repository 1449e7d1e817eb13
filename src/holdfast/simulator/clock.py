"""The venue's clock: that of this machine, and off by as much as a fault says."""

from __future__ import annotations

from holdfast.core.time import MILLISECOND, Clock
from holdfast.simulator.fault_plan import FaultKind
from holdfast.simulator.faults import Faults


class VenueClock:
    """Tells what the time is, and what the venue takes it for."""

    __slots__ = ("_clock", "_faults")

    def __init__(self, clock: Clock, faults: Faults) -> None:
        self._clock, self._faults = clock, faults

    def true_ms(self) -> int:
        """Return the time (ms) that limits and faults are counted by."""
        return self._clock.now() // MILLISECOND

    def venue_ns(self) -> int:
        """Return the time (ns) that the venue believes in: signatures are checked by it, and answers carry it."""
        now = self._clock.now()
        skew_ms = self._faults.active(FaultKind.CLOCK_SKEW, now // MILLISECOND)
        return now if skew_ms is None else now + int(skew_ms * MILLISECOND)

    def venue_ms(self) -> int:
        """Return the same in ms."""
        return self.venue_ns() // MILLISECOND

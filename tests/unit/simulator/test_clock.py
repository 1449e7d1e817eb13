"""The venue's clock is off for as long as a fault says, and limits are counted by the true one."""

from holdfast.core.time import MILLISECOND
from holdfast.simulator.clock import VenueClock
from holdfast.simulator.fault_plan import FaultKind, FaultRule
from holdfast.simulator.faults import Faults


class StillClock:
    def __init__(self, ms: int) -> None:
        self.ms = ms

    def now(self) -> int:
        return self.ms * MILLISECOND


def test_a_skew_moves_what_the_venue_believes_and_nothing_else():
    machine, faults = StillClock(1_000), Faults()
    clock = VenueClock(machine, faults)
    assert clock.venue_ms() == clock.true_ms() == 1_000
    faults.arm([FaultRule(FaultKind.CLOCK_SKEW, duration_ms=100, amount=-250.5)], 1_000)
    assert clock.venue_ns() == 749_500_000
    assert clock.true_ms() == 1_000
    machine.ms = 1_100
    assert clock.venue_ms() == 1_100

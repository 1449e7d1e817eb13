"""The machine's clocks: one follows every step of it, the other none."""

import time

import pytest

from holdfast.adapters.host.clock import SteadyClock, SystemClock
from holdfast.core.time import HOUR, SECOND


def test_a_steady_clock_goes_on_where_the_machines_clock_is_set(monkeypatch: pytest.MonkeyPatch):
    steady, real = SteadyClock(), time.time_ns
    before = steady.now()
    monkeypatch.setattr(time, "time_ns", lambda: real() + HOUR)
    assert SystemClock().now() - before > HOUR - SECOND
    assert 0 <= steady.now() - before < HOUR // 2


def test_a_steady_clock_begins_with_the_machines_time():
    assert abs(SteadyClock().now() - SystemClock().now()) < HOUR

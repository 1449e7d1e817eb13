"""The times of a curve: what goes in comes out, and what is evenly spaced takes next to nothing."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.time import DAY, MINUTE
from holdfast.engine.curve import Times

# Stretches of (how many, how far apart); a step of zero is what the statistics refuse, and must get to see.
stretches = st.lists(st.tuples(st.integers(0, 9), st.sampled_from([0, 1, MINUTE, 5 * MINUTE, DAY])), max_size=12)


def filled(values: list[int], pieces: list[int]) -> Times:
    """Times appended by the piece, as the driver does, and then one by one."""
    times, at = Times(), 0
    for size in pieces:
        for value in values[at : at + size]:
            times.recent.append(value)
        at += size
        times.pack()
    for value in values[at:]:
        times.append(value)
    return times


@given(stretches, st.lists(st.integers(0, 20), max_size=12), st.integers(-DAY, 2**61))
def test_times_come_out_as_they_went_in(runs, pieces: list[int], first: int):
    steps = [step for count, step in runs for _ in range(count)]
    values = [first + sum(steps[:count]) for count in range(len(steps))]
    times = filled(values, pieces)
    assert list(times) == values
    assert len(times) == len(values)
    assert np.asarray(times, dtype=np.int64).tolist() == values
    assert np.asarray(times).dtype == np.int64


@pytest.mark.parametrize("hole", [None, 3_999, 4_000, 4_001, 4_095, 4_096, 4_097, 9_000])
def test_a_hole_in_the_bars_is_kept_wherever_it_lies(hole: int | None):
    values = [minute * MINUTE for minute in range(10_000) if minute != hole]
    for pieces in ([], [2_000] * 5, [1] * 10_000, [4_096, 1, 4_096]):
        assert np.array_equal(filled(values, pieces), values)


def test_a_million_minutes_take_no_memory_to_speak_of():
    times = Times()
    for first in range(0, 10**6, 2_000):
        times.recent.extend(range(first * MINUTE, (first + 2_000) * MINUTE, MINUTE))
        times.pack()
    assert len(times) == 10**6
    assert sum(map(sys.getsizeof, (times, times.recent, *times._stretches))) < 1_000  # what it is for
    assert np.array_equal(times, np.arange(10**6) * MINUTE)

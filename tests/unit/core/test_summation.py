"""Sums of floats that are the same in every Python."""

import math

from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.summation import plain_sum


def test_it_rounds_after_each_addition():
    assert plain_sum([0.1] * 10) == 0.9999999999999999
    assert plain_sum([0.3] * 10) == 2.9999999999999996
    assert plain_sum([1e16, 1.0, 1.0]) == 1e16
    assert plain_sum([]) == 0.0


def test_what_overflows_is_a_value():
    assert plain_sum([1e308, 1e308]) == math.inf
    assert math.isnan(plain_sum([math.inf, -math.inf]))


@given(st.lists(st.floats(-1e9, 1e9)))
def test_it_is_a_loop(values: list[float]):
    total = 0.0
    for value in values:
        total += value
    assert plain_sum(value for value in values) == total

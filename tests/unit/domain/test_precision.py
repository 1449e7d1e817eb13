"""How many decimals floats really have."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.precision import decimal_places, scaled, unscaled


@given(st.lists(st.integers(-(10**11), 10**11), min_size=1), st.integers(0, 4))
def test_what_lies_on_a_grid_comes_back_bit_for_bit(ticks: list[int], places: int):
    column = np.array(ticks, dtype=np.int64) / float(10**places)
    found = decimal_places(column)
    assert found is not None
    assert found <= places
    integers = scaled(column, found)
    assert integers is not None
    assert unscaled(integers, found).tobytes() == column.tobytes()


def test_the_fewest_places_are_found():
    assert decimal_places(np.array([1.0, 2.0, 30.0])) == 0
    assert decimal_places(np.array([1.5, 2.25])) == 2
    assert decimal_places(np.array([1e-8, 3.0])) == 8
    assert decimal_places(np.empty(0)) == 0


def test_what_lies_on_no_grid_is_told_apart():
    assert decimal_places(np.array([0.1 + 0.2])) is None
    assert decimal_places(np.array([1 / 3])) is None
    assert decimal_places(np.array([-0.0])) is None
    assert decimal_places(np.array([1e300])) is None


def test_one_stray_value_among_many_is_seen():
    column = np.full(10_000, 1.25)
    column[7_777] = 1 / 3
    assert decimal_places(column) is None


@given(
    st.lists(st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=5), min_size=1, max_size=4), st.integers(0, 4)
)
def test_several_columns_have_the_places_of_all_their_values_together(columns: list[list[int]], places: int):
    arrays = [np.array(ticks) / float(10**places) for ticks in columns]
    assert decimal_places(*arrays) == decimal_places(np.concatenate(arrays))


def test_a_stray_value_far_into_a_long_column_is_seen():
    column = np.full(100_000, 1.5)
    for at, value, places in ((99_999, 1.25, 2), (40_001, 1.125, 3), (70_000, 1 / 3, None)):
        column[at] = value
        assert decimal_places(np.ones(3), column) == places

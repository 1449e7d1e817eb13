"""A secret does not print itself, and is read on purpose only."""

import copy

import msgspec
import pytest

from holdfast.core.secret import Secret

KEY = Secret("hunter2")


def test_no_way_of_printing_shows_it():
    assert f"{KEY}" == f"{KEY!r}" == f"{KEY:>10}" == str(KEY) == "%s" % KEY == "***"  # noqa: UP031  # each way is tried
    assert "hunter2" not in repr([KEY]) + repr({"key": KEY})
    assert KEY.reveal() == "hunter2"


def test_it_is_neither_encoded_nor_copied():
    with pytest.raises(TypeError):
        msgspec.json.encode({"key": KEY})
    with pytest.raises(TypeError, match="not copied"):
        copy.copy(KEY)


def test_an_empty_one_is_told_from_a_set_one():
    assert KEY
    assert not Secret("")

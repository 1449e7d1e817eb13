"""A label is the text that it equals, in a dict, too."""

from holdfast.domain.order import OrderState, Role
from holdfast.domain.values import Side


def test_a_label_hashes_as_the_text_that_it_equals():
    assert hash(Role.ENTRY) == hash("entry")
    assert {Role.ENTRY: 1}["entry"] == 1
    assert {"SELL": 1}[Side.SELL] == 1
    assert OrderState.OPEN in {"OPEN"}


def test_a_label_is_written_as_its_text():
    assert f"{Role.ENTRY} {Side.BUY}" == "entry BUY"
    assert Role("entry") is Role.ENTRY

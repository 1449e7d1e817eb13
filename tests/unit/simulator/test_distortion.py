"""A distorted answer is still JSON, and nothing in it has the type that a client expects."""

import json

from hypothesis import given
from hypothesis import strategies as st

from holdfast.simulator.distortion import distorted

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=20,
)


@given(values)
def test_every_answer_stays_json_and_becomes_another(value):
    found = json.loads(distorted(json.dumps(value).encode()))
    assert found != value


def test_the_names_stay_and_the_types_go():
    raw = json.dumps({"id": "12", "left": 1.5, "gt_discount": False, "asks": [["1", "2"]]}).encode()
    found = json.loads(distorted(raw))
    assert found["id"] == ["12"]
    assert found["left"] == "not a number"
    assert found["gt_discount"] == "maybe"
    assert isinstance(found["asks"], dict)

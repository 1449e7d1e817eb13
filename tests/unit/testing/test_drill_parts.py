"""What a drill calls a contradiction: between the venue's books, the journal, and what the agent believed."""

from typing import Any

import pytest

from holdfast.testing.drill_parts import contradictions

ACCOUNT: dict[str, Any] = {
    "orders": [{"text": "t-d1-1p", "status": "closed"}, {"text": "ao-7", "status": "closed"}],
    "triggers": [{"id": 7, "status": "finish"}],
    "balances": {"USDT": {"available": "99", "locked": "1"}, "BTC": {"available": "0.00001"}},
}
BELIEFS: dict[str, Any] = {"open": [], "desk": [], "cash": "100", "held": "0"}
SENT = {"d1-1p", "d1-2s"}


def test_what_agrees_is_no_contradiction():
    assert contradictions(ACCOUNT, SENT, BELIEFS) == []


@pytest.mark.parametrize(
    ("changed", "sent", "believed", "told"),
    [
        ({"orders": ACCOUNT["orders"] + ACCOUNT["orders"][:1]}, SENT, {}, "twice"),
        ({}, {"d1-2s"}, {}, "no journal knows"),
        ({"orders": [{"text": "t-d1-1p", "status": "open"}]}, SENT, {}, "left at the end"),
        ({"triggers": [{"id": 7, "status": "open"}]}, SENT, {}, "left at the end"),
        ({}, SENT, {"open": ["d1-2s"]}, "left at the end"),
        ({}, SENT, {"cash": "99.99"}, "cash is 100"),
        ({}, SENT, {"held": "0.5"}, "BTC are there"),
        ({"balances": {**ACCOUNT["balances"], "BTC": {"available": "0.1"}}}, SENT, {}, "BTC are there"),
    ],
)
def test_each_broken_promise_is_told(changed: dict, sent: set, believed: dict, told: str):
    (found,) = contradictions({**ACCOUNT, **changed}, sent, {**BELIEFS, **believed})
    assert told in found

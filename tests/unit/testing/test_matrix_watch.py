"""How long a position was bare is told from the venue's books alone."""

from decimal import Decimal
from typing import Any

import pytest

from holdfast.testing.matrix_watch import BareWatch, bare_quantity


def account(held: str, *stops: str, rule: str = "<=", status: str = "open") -> dict[str, Any]:
    triggers = [
        {"status": status, "put": {"side": "sell", "amount": amount}, "trigger": {"price": "1", "rule": rule}}
        for amount in stops
    ]
    return {"balances": {"BTC": {"available": held, "locked": "0"}}, "triggers": triggers}


@pytest.mark.parametrize(
    ("found", "bare"),
    [
        (account("0"), "0"),
        (account("1"), "1"),
        (account("1", "1"), "0"),
        (account("1", "0.6", "0.3"), "0.1"),
        (account("1", "2"), "0"),
        (account("1", "1", rule=">="), "1"),
        (account("1", "1", status="finish"), "1"),
    ],
)
def test_what_no_stop_would_sell_is_bare(found: dict[str, Any], bare: str):
    assert bare_quantity(found, "BTC") == Decimal(bare)


def test_what_the_account_began_with_is_not_ours_to_guard():
    assert bare_quantity(account("3"), "BTC", Decimal(2)) == Decimal(1)


def watch(*, counting: bool = True, watched: bool = False) -> BareWatch:
    return BareWatch(lambda: account("0"), lambda: counting, lambda: watched)


def test_the_longest_spell_counts_and_a_stop_ends_it():
    found = watch()
    for now, seen in enumerate([account("1"), account("1"), account("1", "1"), account("1"), account("0")]):
        found.see(seen, float(now))
    assert (found.without_stop_s, found.without_guard_s) == (1.0, 1.0)


def test_a_software_stop_that_watches_is_a_guard_and_no_stop_at_the_venue():
    found = watch(watched=True)
    for now in range(4):
        found.see(account("1"), float(now))
    assert (found.without_stop_s, found.without_guard_s) == (3.0, 0.0)


def test_dust_is_no_position_and_nothing_counts_before_the_recovery():
    found, early = watch(), watch(counting=False)
    for now in range(4):
        found.see(account("0.0004"), float(now))
        early.see(account("1"), float(now))
    assert found.without_stop_s == early.without_stop_s == 0.0
    assert early.looks_holding == 4


def test_the_longest_time_between_two_looks_is_told():
    found = watch()
    for now in (1.0, 1.1, 1.5, 1.6):
        found.see(account("1"), now)
    assert found.gap_s == pytest.approx(0.4)


def test_a_venue_that_is_not_there_can_hold_no_stop_and_times_begin_anew_when_it_is_back():
    found = watch()
    found.see(account("1"), 1.0)
    found.see(account("1"), 2.0)
    found.miss()
    found.see(account("1"), 9.0)
    found.see(account("1"), 9.5)
    assert (found.without_stop_s, found.gap_s, found.looks_failed) == (1.0, 1.0, 1)

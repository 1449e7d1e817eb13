"""Faults happen when the plan says so, to whom it says, as often as it says, and are counted."""

import json

import pytest

from holdfast.core.errors import ConfigurationError
from holdfast.simulator.fault_plan import FaultFile, FaultKind, FaultRule, parse_faults, read_faults, seeded
from holdfast.simulator.faults import Faults

NOW_MS = 1_000_000
PLACE = "POST /spot/orders"


def kinds(faults: Faults, endpoint: str, times: int, now_ms: int = NOW_MS) -> list[FaultKind | None]:
    found = [faults.on_request(endpoint, now_ms) for _ in range(times)]
    return [rule.kind if rule else None for rule in found]


def test_a_script_hits_the_nth_request_of_its_endpoint_and_no_other():
    faults = Faults(FaultFile((FaultRule(FaultKind.LOST_AFTER, PLACE, nth=3),)), NOW_MS)
    assert kinds(faults, "GET /spot/accounts", 5) == [None] * 5
    assert kinds(faults, PLACE, 5) == [None, None, FaultKind.LOST_AFTER, None, None]
    assert faults.report().counts == {"lost_after": 1}
    assert faults.report().injected[0].endpoint == PLACE
    assert faults.report().armed == ()


def test_a_rule_may_hit_several_wait_for_a_time_and_name_a_group():
    rule = FaultRule(FaultKind.ERROR_BEFORE, "POST /spot/*", times=2, after_ms=500)
    faults = Faults(FaultFile((rule,)), NOW_MS)
    assert kinds(faults, PLACE, 2) == [None, None]
    assert kinds(faults, "POST /spot/batch_orders", 3, NOW_MS + 500) == [FaultKind.ERROR_BEFORE] * 2 + [None]


def test_pushes_and_requests_have_faults_of_their_own():
    faults = Faults(FaultFile((FaultRule(FaultKind.PUSH_LATE, "spot.orders"), FaultRule(FaultKind.DRIP))), NOW_MS)
    assert faults.on_push("spot.trades", NOW_MS) is None
    assert faults.on_push("spot.orders", NOW_MS).kind is FaultKind.PUSH_LATE
    assert kinds(faults, "spot.orders", 1) == [FaultKind.DRIP]


def test_every_rule_counts_what_it_sees_whatever_another_one_does_with_it():
    rules = (FaultRule(FaultKind.LOST_AFTER, PLACE), FaultRule(FaultKind.DRIP, PLACE, nth=2))
    assert kinds(Faults(FaultFile(rules), NOW_MS), PLACE, 3) == [FaultKind.LOST_AFTER, FaultKind.DRIP, None]
    rules = (FaultRule(FaultKind.LOST_AFTER, PLACE), FaultRule(FaultKind.DRIP, PLACE))
    assert kinds(Faults(FaultFile(rules), NOW_MS), PLACE, 3) == [FaultKind.LOST_AFTER, FaultKind.DRIP, None]


def test_a_fault_of_the_venue_lasts_and_ends():
    faults = Faults(FaultFile((FaultRule(FaultKind.CLOCK_SKEW, after_ms=100, duration_ms=50, amount=700),)), NOW_MS)
    assert faults.active(FaultKind.CLOCK_SKEW, NOW_MS) is None
    assert faults.active(FaultKind.CLOCK_SKEW, NOW_MS + 100) == 700
    assert faults.active(FaultKind.CLOCK_SKEW, NOW_MS + 149) == 700
    assert faults.active(FaultKind.CLOCK_SKEW, NOW_MS + 150) is None
    assert faults.report().counts == {"clock_skew": 1}


def test_maintenance_may_begin_with_a_request():
    faults = Faults(FaultFile((FaultRule(FaultKind.MAINTENANCE, PLACE, nth=2, duration_ms=10),)), NOW_MS)
    assert kinds(faults, PLACE, 1) == [None]
    assert faults.active(FaultKind.MAINTENANCE, NOW_MS) is None
    assert kinds(faults, PLACE, 1) == [None]
    assert faults.active(FaultKind.MAINTENANCE, NOW_MS) is not None


def test_faults_are_armed_and_disarmed_while_the_venue_runs():
    faults = Faults()
    assert kinds(faults, PLACE, 3) == [None] * 3
    faults.arm([FaultRule(FaultKind.TRUNCATED)], NOW_MS)
    assert kinds(faults, PLACE, 2) == [FaultKind.TRUNCATED, None]
    faults.arm([FaultRule(FaultKind.TRUNCATED, times=9), FaultRule(FaultKind.STALE_BOOK)], NOW_MS)
    assert faults.active(FaultKind.STALE_BOOK, NOW_MS) is not None
    faults.disarm()
    assert kinds(faults, PLACE, 2) == [None, None]
    assert faults.active(FaultKind.STALE_BOOK, NOW_MS) is None


def test_rules_that_are_done_do_not_pile_up():
    faults = Faults()
    for _ in range(100):
        faults.arm([FaultRule(FaultKind.DRIP)], NOW_MS)
        assert kinds(faults, PLACE, 1) == [FaultKind.DRIP]
    assert len(faults._armed) <= 1


def test_a_seed_repeats_itself_and_meets_every_kind():
    def played(seed: int) -> tuple[list[FaultKind | None], dict[str, int]]:
        faults = Faults(seeded(seed), NOW_MS)
        found = kinds(faults, PLACE, 4_000)
        faults.use_up(FaultKind.PARTIAL_FILL, PLACE, NOW_MS)
        pushes = [faults.on_push("spot.orders", NOW_MS) for _ in range(40_000)]
        return found + [rule.kind if rule else None for rule in pushes], faults.report().counts

    assert played(7) == played(7)
    assert played(7)[0] != played(8)[0]
    assert set(played(7)[1]) == set(FaultKind)
    assert played(7)[0].count(None) > 35_000


def test_a_file_of_toml_or_json_and_a_seed_are_read(tmp_path):
    toml = tmp_path / "faults.toml"
    toml.write_text('seed = 3\n[[faults]]\nkind = "slow_after"\nendpoint = "POST /spot/orders"\namount = 250.0\n')
    assert read_faults(str(toml)) == FaultFile((FaultRule(FaultKind.SLOW_AFTER, PLACE, amount=250.0),), 3)
    text = json.dumps([{"kind": "lost_before", "nth": 2}])
    (tmp_path / "faults.json").write_text(text)
    assert read_faults(str(tmp_path / "faults.json")) == FaultFile((FaultRule(FaultKind.LOST_BEFORE, nth=2),))
    assert parse_faults(json.dumps({"faults": [{"kind": "drip"}]}).encode()).faults[0].kind is FaultKind.DRIP
    assert read_faults("12") == seeded(12)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[[faults]]\nkind = "explode"\n', "explode"),
        ('[[faults]]\nkind = "drip"\nnth = 0\n', "at least 1"),
        ('[[faults]]\nkind = "drip"\nrate = 2.0\n', "rate must lie"),
        ('[[faults]]\nkind = "drip"\nduration_ms = -5\n', "duration_ms"),
        ('[[faults]]\nkind = "drip"\nhow = 1\n', "how"),
        ("[[faults]\n", "faults.toml"),
        ("{", "faults.toml"),
    ],
)
def test_a_file_that_holds_no_faults_is_refused_with_the_reason(tmp_path, text, expected):
    path = tmp_path / "faults.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=expected) as refused:
        read_faults(str(path))
    assert "lost_after" in refused.value.hint


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_faults(str(tmp_path / "none.toml"))


def test_a_rule_may_wait_for_a_request_and_hit_others_than_that_one():
    rules = (FaultRule(FaultKind.PUSH_LOST, since=PLACE), FaultRule(FaultKind.DRIP, "GET*", since=PLACE, nth=2))
    faults = Faults(FaultFile(rules), NOW_MS)
    assert faults.on_push("spot.orders", NOW_MS) is None
    assert kinds(faults, "GET /spot/accounts", 3) == [None] * 3
    assert kinds(faults, PLACE, 1) == [None]
    assert faults.on_push("spot.orders", NOW_MS).kind is FaultKind.PUSH_LOST
    assert kinds(faults, "GET /spot/accounts", 3) == [None, FaultKind.DRIP, None]


def test_a_fault_of_the_venue_may_wait_for_a_request_too():
    faults = Faults(FaultFile((FaultRule(FaultKind.MAINTENANCE, since=PLACE),)), NOW_MS)
    assert faults.active(FaultKind.MAINTENANCE, NOW_MS + 100) is None
    faults.on_request(PLACE, NOW_MS + 200)
    assert faults.active(FaultKind.MAINTENANCE, NOW_MS + 200) is not None


def test_a_partial_fill_counts_when_an_order_is_cut_and_not_before():
    faults = Faults(FaultFile((FaultRule(FaultKind.PARTIAL_FILL, amount=0.5, duration_ms=100),)), NOW_MS)
    assert faults.active(FaultKind.PARTIAL_FILL, NOW_MS) == 0.5
    assert faults.report().counts == {}
    assert faults.use_up(FaultKind.PARTIAL_FILL, PLACE, NOW_MS + 50) == 0.5
    assert faults.report().counts == {"partial_fill": 1}
    assert faults.use_up(FaultKind.PARTIAL_FILL, PLACE, NOW_MS + 60) is None

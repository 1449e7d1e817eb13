"""Each rule of the gate for itself: what breaks it in an account that passes all others, and that the gate asks it.

A rule's own tests show that it refuses; these show that it stands in the gate's table.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from tests.unit.risk.conftest import NOW, Room, bordering, make_exposure, uncorrelated

from holdfast.core.time import MINUTE
from holdfast.domain.decision import Approved, Refused, StopLevel
from holdfast.domain.instrument import Market
from holdfast.risk.gate import RULES


@dataclass(frozen=True)
class Break:
    """A change of the good room that breaks a rule; `also` are the later ones that cannot but fail with it."""

    change: Callable[[Room], Room]
    also: tuple[str, ...] = ()


def to(**changes: object) -> Callable[[Room], Room]:
    return lambda room: room.changed(**changes)


def spread(room: Room) -> Room:
    """Four others of 2,300 each that move on their own: much is held, and little of it together."""
    return uncorrelated(room, tuple(make_exposure(name, "2300", "1") for name in ("BBB", "CCC", "DDD", "EEE")))


# The good room: a BUY of 10 at 100, stop 98, target 104, in an account of 10,000 that holds nothing.
BREAKS: dict[str, Break] = {
    "EMERGENCY_STOP": Break(to(stop_level=StopLevel.NO_ENTRIES)),
    "DATA_AGE": Break(to(ts_last=NOW - 2 * MINUTE - 1)),
    "DATA_SUSPECT": Break(to(is_suspect=True)),
    "SIDE_ALLOWED": Break(lambda room: room.short().changed(market=Market.SPOT)),
    "STOP_SIDE": Break(to(stop="101"), also=("REWARD_TO_RISK",)),
    "TARGET_SIDE": Break(to(target="99"), also=("REWARD_TO_RISK", "REWARD_NET")),
    "GRID": Break(to(quantity="10.0005")),
    "PRICE_COLLAR": Break(to(price_last="95")),
    "REWARD_TO_RISK": Break(to(target="102.59")),
    "REWARD_NET": Break(to(stop="99.9", target="100.2")),
    # The governor leaves no budget there.
    "DRAWDOWN": Break(to(equity_peak="12500"), also=("RISK_PER_TRADE",)),
    "LOSS_DAY": Break(to(equity_day_start="10600")),
    "LOSS_WEEK": Break(to(equity_week_start="11200")),
    "COOLDOWN": Break(to(results=(-1.0,) * 4, ts_result_last=NOW - 23 * MINUTE)),
    "RISK_PER_TRADE": Break(to(stop="78", target="140")),
    "RISK_OPEN_TOTAL": Break(to(exposures=(make_exposure("BBB", "1000", "790"),))),
    "POSITIONS_MAX": Break(to(exposures=tuple(make_exposure(name, "10", "1") for name in "BCDEF"))),
    "EXPOSURE_ASSET": Break(to(exposures=(make_exposure("AAA", "3001", "1"),))),
    "EXPOSURE_TOTAL": Break(spread),
    "EXPOSURE_CORRELATED": Break(to(exposures=(make_exposure("BBB", "5001", "1"),))),
    "CASH": Break(to(cash="1000")),
    "VOLUME_SHARE": Break(to(volume_average=199.0)),
    "NOTIONAL_MIN": Break(to(quantity="0.051")),
    "ORDER_RATE": Break(to(orders_last_minute=30)),
}
# Their figures decide other rules as well, so that nothing can break them alone.
NEVER_ALONE = {name for name, broken in BREAKS.items() if broken.also}


def test_every_rule_of_the_gate_is_in_the_table_in_its_order(room: Room):
    assert [rule(room.case).rule for rule in RULES] == list(BREAKS)


def test_the_good_room_breaks_none(room: Room):
    assert isinstance(room.review(), Approved)


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_rule_refuses_by_its_name(room: Room, name: str):
    broken = BREAKS[name]
    verdict = broken.change(room).review()
    assert isinstance(verdict, Refused)
    assert verdict.rule == name
    assert verdict.detail
    assert {check.rule for check in verdict.checks if not check.is_passed} == {name, *broken.also}


def test_drawn_rooms_break_every_rule_and_whichever_can_alone():
    """What `test_nothing_approved_breaks_a_limit` says is said of rooms in which each limit can be broken."""
    verdicts = [bordering(seed).review() for seed in range(2_000)]
    failures = [[check.rule for check in verdict.checks if not check.is_passed] for verdict in verdicts]
    assert {failed[0] for failed in failures if failed} == set(BREAKS)
    assert {failed[0] for failed in failures if len(failed) == 1} == set(BREAKS) - NEVER_ALONE
    assert sum(isinstance(verdict, Approved) for verdict in verdicts) > 500

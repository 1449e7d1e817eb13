"""Entry, stop and target: their order and what they promise."""

from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.instrument import FeeTier, Market
from holdfast.risk.rules.levels import reward_net, reward_to_risk, side_allowed, stop_side, target_side


def test_spot_cannot_be_sold_short(room, instrument):
    spot = room.short().changed(market=Market.SPOT)
    assert not spot.verdict(side_allowed)[0]
    assert room.short().verdict(side_allowed)[0]
    assert room.changed(market=Market.SPOT).verdict(side_allowed)[0]


def test_entry_against_a_held_position_is_refused(room, exposure):
    long, short = exposure("AAA"), exposure("AAA", quantity="-1")
    assert not room.changed(exposures=(short,)).verdict(side_allowed)[0]
    assert not room.short().changed(exposures=(long,)).verdict(side_allowed)[0]
    assert room.changed(exposures=(long,)).verdict(side_allowed)[0]
    assert room.changed(exposures=(exposure("BBB", quantity="-1"),)).verdict(side_allowed)[0]


def test_stop_must_lie_on_the_losing_side(room):
    assert not room.changed(stop="101").verdict(stop_side)[0]
    assert not room.changed(stop="100").verdict(stop_side)[0], "at the border: no distance"
    assert room.changed(stop="99.99").verdict(stop_side)[0]
    assert not room.short().changed(stop="99").verdict(stop_side)[0]
    assert room.short().changed(stop="100.01").verdict(stop_side)[0]


def test_stop_between_the_market_and_the_entry_limit_is_refused(room):
    assert not room.changed(reference="99.5", stop="99.7").verdict(stop_side)[0]
    assert not room.changed(reference="99.5", stop="99.5").verdict(stop_side)[0], "at the border: it trades at once"
    assert room.changed(reference="99.5", stop="99.49").verdict(stop_side)[0]
    assert not room.short().changed(reference="100.5", stop="100.3").verdict(stop_side)[0]
    assert room.short().changed(reference="100.5", stop="100.51").verdict(stop_side)[0]


def test_target_must_lie_on_the_winning_side(room):
    assert not room.changed(target="99").verdict(target_side)[0]
    assert not room.changed(target="100").verdict(target_side)[0]
    assert room.changed(target="100.01").verdict(target_side)[0]
    assert not room.short().changed(target="101").verdict(target_side)[0]
    assert room.short().changed(target="99.99").verdict(target_side)[0]


def test_reward_to_risk_below_the_minimum_is_refused_and_at_it_passes(room):
    assert room.changed(target="102.60").verdict(reward_to_risk)[0], "1.3 exactly"
    passed, check = room.changed(target="102.59").verdict(reward_to_risk)
    assert not passed
    assert check.value == Decimal("1.295")
    assert room.short().changed(target="97.40").verdict(reward_to_risk)[0]
    assert not room.short().changed(target="97.41").verdict(reward_to_risk)[0]


def test_recorded_ratio_is_cut_so_that_a_refused_one_never_looks_like_a_pass(room):
    passed, check = room.changed(stop="0.01", target="229.97").verdict(reward_to_risk)
    assert not passed
    assert check.value < check.limit


def test_levels_anchored_to_the_fill_are_judged_by_their_distances(room):
    # From the reference 99.5 the stop is 1.5 away and the target 1.95: 1.3. From the entry limit it would be 0.725.
    anchored = room.changed(reference=Decimal("99.5"), is_anchored_to_fill=True, stop="98", target="101.45")
    assert anchored.verdict(reward_to_risk)[0]
    assert anchored.loss() == Fraction(anchored.case.loss)
    assert not room.changed(reference=Decimal("99.5"), stop="98", target="101.45").verdict(reward_to_risk)[0]


def test_target_that_does_not_pay_for_its_costs_is_refused(room):
    # Costs of 0.1 % on each leg, 0.2 % slippage and two ticks: the border lies where target x 0.998 x 0.999 is
    # 100 x 1.001 + 0.02 x 1.001, at 100.4211; for the short where target x 1.002 x 1.001 is 100 x 0.999 - 0.02 x 1.001.
    assert not room.changed(stop="99.9", target="100.42").verdict(reward_net)[0]
    assert room.changed(stop="99.9", target="100.43").verdict(reward_net)[0]
    assert not room.short().changed(target="99.59").verdict(reward_net)[0]
    assert room.short().changed(target="99.58").verdict(reward_net)[0]


def test_target_that_leaves_exactly_nothing_is_refused(room):
    free = room.changed(fee_tiers=(FeeTier(Decimal(0), Decimal(0), Decimal(0)),), slippage_max="0")
    # Nothing is left where the gain is the two ticks that the fills may be rounded by.
    assert not free.changed(target="100.02").verdict(reward_net)[0]
    assert free.changed(target="100.03").verdict(reward_net)[0]


@given(data=st.data())
def test_level_rules_agree_with_their_definition(any_room, data):
    room = data.draw(any_room)
    p, sign = room.proposal, room.proposal.side.sign
    risk, reward = Fraction(p.entry - p.stop) * sign, Fraction(p.target - p.entry) * sign
    assert room.verdict(stop_side)[0] == (risk > 0)
    assert room.verdict(target_side)[0] == (reward > 0)
    assert room.verdict(reward_to_risk)[0] == (risk > 0 and reward > 0 and reward / risk >= Fraction(13, 10))
    assert room.verdict(reward_net)[0] == (room.changed(stop=p.target).loss() < 0)
    held = [e for e in room.view.exposures if e.instrument_id == p.instrument_id]
    assert room.verdict(side_allowed)[0] == all(e.quantity * sign > 0 for e in held)

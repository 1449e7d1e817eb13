"""What guards an open trade: stops that follow, targets in parts, the software stop, and the brake."""

from decimal import Decimal

import pytest
from tests.unit.engine.conftest import BTC, LEAVE, LONG, PERP, Rig

from holdfast.domain.command import AmendOrder, AskOpinion, CancelOrder
from holdfast.domain.decision import Action, Opinion, OpinionTimedOut, StopLevel
from holdfast.domain.order import OrderAccepted, OrderSpec, OrderTimedOut, OrderType, Role
from holdfast.domain.values import Price, Quantity, Ratio
from holdfast.engine.config import EngineConfig, OnSilence
from holdfast.engine.engine import QUIET
from holdfast.risk.config import RiskConfig
from holdfast.risk.exits import ExitConfig, PartialTarget, Trailing
from holdfast.testing.scripted import Line

ASKING = EngineConfig(opinion_timeout_ms=1_000)


def moved(rig: Rig, close: float, high: float = 0.0, low: float = 0.0) -> Price | None:
    """Return where the bar moves the stop to, None if it stays."""
    amends = [c.amend.trigger_price for c in rig.bar(close, high, low).commands if isinstance(c, AmendOrder)]
    return amends[0] if amends else None


# -- stops that follow -----------------------------------------------------------------------------
def test_the_strategys_trail_moves_the_stop_and_never_back():
    rig = Rig({0: LONG}, {1: 99.0, 2: 98.5, 3: 99.5})
    rig.entered()
    assert moved(rig, 101.0) == Decimal("99")
    assert moved(rig, 101.0) is None
    assert rig.trade.stop == Decimal("99")
    assert moved(rig, 101.0) == Decimal("99.5")
    assert rig.fill(rig.last(Role.STOP), "99.5").closed.exit_reason == "trailing_stop"


def test_a_trail_beyond_the_close_is_left_alone():
    rig = Rig({0: LONG}, {1: 102.0})
    rig.entered()
    assert moved(rig, 101.0) is None
    assert rig.trade.stop == Decimal("98")


def test_what_fills_after_a_stop_is_anchored_to_its_own_price():
    script = {0: Line(Action.ENTER_LONG, 98.0, 106.0, is_anchored=True)}
    rig = Rig(script, risk=RiskConfig(is_entry_market=True))
    rig.bar()
    entry = rig.last(Role.ENTRY)
    half = BTC.quantity(entry.quantity / 2)
    rig.fill(entry, "96", half)
    rig.fill(rig.last(Role.STOP), "94")
    rig.fill(entry, "100", Quantity(entry.quantity - half))
    assert rig.trade.stop == Decimal(98)


def test_a_trail_that_the_tick_would_put_on_the_wrong_side_is_left_alone():
    rig = Rig({0: Line(Action.ENTER_SHORT, 102.0, 94.0)}, {1: 99.004}, instrument=PERP)
    rig.entered()
    assert moved(rig, 99.0) is None
    assert rig.trade.stop == Decimal(102)


def test_an_anchored_stop_comes_nearer_where_a_better_price_makes_the_costs_grow():
    rig = Rig({0: Line(Action.ENTER_SHORT, 102.0, 94.0, is_anchored=True)}, instrument=PERP)
    rig.entered("150")
    assert 150 < rig.trade.stop < 152
    assert rig.trade.risk <= rig.trade.risk_unit * rig.trade.held


def test_a_percent_trail_follows_the_best_price():
    rig = Rig(exits=ExitConfig(trailing=Trailing.PERCENT, trail_share=0.01))
    rig.entered()
    assert moved(rig, 103.0, high=104.0) == Decimal("102.96")
    assert moved(rig, 103.5) is None, "the best price is still 104"


def test_break_even_moves_the_stop_to_the_entry_and_its_costs():
    rig = Rig(exits=ExitConfig(break_even_at_r=1.0, break_even_costs=0.003))
    rig.entered()
    assert moved(rig, 101.0, high=101.9) is None
    stop = moved(rig, 101.5, high=102.1)
    assert stop is not None
    assert Decimal("100.29") <= stop <= Decimal("100.30")


def test_partial_targets_share_the_quantity_with_the_stop():
    rig = Rig(exits=ExitConfig(partial_targets=(PartialTarget(Decimal(1), Decimal("0.5")),)))
    entry = rig.entered()
    near, far = rig.all(Role.TARGET)
    assert (near.limit_price, far.limit_price) == (Decimal(102), Decimal(106))
    assert near.quantity + far.quantity == entry.quantity
    assert near.group == far.group == rig.last(Role.STOP).group
    assert rig.fill(near, "102").closed is None
    assert rig.trade.held == rig.trade.brackets[0].quantity == far.quantity
    closed = rig.fill(far, "106").closed
    assert closed is not None
    assert closed.exit_price == (102 * near.quantity + 106 * far.quantity) / entry.quantity


def test_a_stop_follows_for_every_part_of_the_entry():
    rig = Rig({0: LONG}, {1: 99.0})
    rig.bar()
    entry = rig.last(Role.ENTRY)
    half = BTC.quantity(entry.quantity / 2)
    rig.fill(entry, "100", half)
    rig.fill(entry, "100", Quantity(entry.quantity - half))
    assert len(rig.bar(101.0).commands) == 2


def in_parts(rig: Rig, *, has_more: bool = True) -> OrderSpec:
    """Let half of the entry fill; `has_more` says that the other half has come in with it."""
    entry = rig.last(Role.ENTRY)
    half = BTC.quantity(entry.quantity / 2)
    rig.fill(entry, "100", half, has_more=has_more)
    return entry


def test_what_comes_in_together_is_guarded_by_one_stop():
    # A stop for each of twenty parts would be sent one after the other, with what the venue wants between two.
    rig = Rig()
    rig.bar()
    entry = in_parts(rig)
    assert rig.all(Role.STOP) == []
    assert rig.trade.is_unprotected, "the software stop watches from the first part on"
    rig.fill(entry, "101", Quantity(entry.quantity - rig.held))
    (stop,) = rig.all(Role.STOP)
    assert stop.quantity == entry.quantity
    assert not rig.trade.is_unprotected
    assert sum(target.quantity for target in rig.all(Role.TARGET)) == entry.quantity


def test_what_comes_in_together_while_leaving_leaves_together():
    rig = Rig({0: LONG, 1: LEAVE})
    rig.bar()
    in_parts(rig, has_more=False)
    rig.bar()
    entry = rig.last(Role.ENTRY)
    left = Quantity(entry.quantity - rig.held)
    some = BTC.quantity(left / 2)
    rig.fill(entry, "100", some, has_more=True)
    rig.fill(entry, "100", Quantity(left - some))
    assert [spec.quantity for spec in rig.all(Role.EXIT)] == [entry.quantity - left, left]


# -- the software stop ---------------------------------------------------------------------------------
def test_a_stop_that_could_not_be_placed_is_watched_and_nothing_is_dumped():
    rig = Rig()
    rig.bar()
    rig.is_accepting = False
    rig.fill(rig.last(Role.ENTRY), "100")
    rig.reject(rig.last(Role.STOP))
    assert rig.trade.is_unprotected
    assert rig.bar(99.0) is QUIET, "above its level it waits"
    assert rig.all(Role.EXIT) == []
    tick = rig.bar(97.9)
    assert len(tick.commands) == 1
    leaving = rig.last(Role.STOP)
    assert (leaving.type, leaving.quantity) == (OrderType.MARKET, rig.held)
    assert rig.fill(leaving, "97.8").closed.exit_reason == "stop"


def test_a_stop_without_an_answer_is_watched_until_it_is_confirmed():
    rig = Rig()
    rig.bar()
    rig.is_accepting = False
    rig.fill(rig.last(Role.ENTRY), "100")
    stop = rig.last(Role.STOP)
    rig.process(OrderTimedOut(stop.order_id, rig.engine.ts))
    assert rig.trade.is_unprotected
    rig.process(OrderAccepted(stop.order_id, rig.engine.ts))
    assert not rig.trade.is_unprotected
    assert rig.bar(97.0) is QUIET, "the venue's stop is in charge again"


def test_a_stop_that_the_venue_ended_is_watched_again():
    rig = Rig()
    rig.entered()
    assert not rig.trade.is_unprotected
    rig.cancel(rig.last(Role.STOP), "expired")
    assert rig.trade.is_unprotected
    rig.bar(97.0)
    assert rig.last(Role.STOP).type is OrderType.MARKET


def test_an_emergency_exit_keeps_its_role_when_a_stop_fills_in_between():
    rig = Rig()
    entry = rig.entered()
    rig.stop(StopLevel.FLATTEN)
    third = BTC.quantity(entry.quantity / 3)
    rig.fill(rig.last(Role.STOP), "98", third)
    rig.cancel(rig.last(Role.EMERGENCY))
    rig.bar()
    again = rig.all(Role.EMERGENCY)
    assert [spec.quantity for spec in again] == [entry.quantity, entry.quantity - third]


# -- the brake -------------------------------------------------------------------------------------------
def test_flatten_closes_everything_and_locks():
    rig = Rig({0: LONG, 2: LONG})
    entry = rig.entered()
    rig.stop(StopLevel.FLATTEN)
    leaving = rig.last(Role.EMERGENCY)
    assert (leaving.type, leaving.quantity) == (OrderType.MARKET, entry.quantity)
    assert rig.fill(leaving, "100").closed.exit_reason == "emergency"
    rig.bar()
    tick = rig.bar()
    assert tick.refused is not None
    assert tick.refused.rule == "EMERGENCY_STOP"
    assert len(rig.all(Role.ENTRY)) == 1


def test_flatten_also_closes_what_fills_too_late():
    rig = Rig()
    rig.bar()
    entry = rig.last(Role.ENTRY)
    assert rig.stop(StopLevel.FLATTEN).commands == (CancelOrder(entry.order_id, "operator"),)
    rig.fill(entry, "100")
    assert rig.last(Role.EMERGENCY).quantity == entry.quantity
    assert rig.last(Role.STOP).quantity == entry.quantity, "the stop guards it until it is out"


def test_what_fills_while_leaving_leaves_too():
    rig = Rig({0: LONG, 1: LEAVE})
    rig.bar()
    entry = rig.last(Role.ENTRY)
    half = BTC.quantity(entry.quantity / 2)
    rig.fill(entry, "100", half)
    assert CancelOrder(entry.order_id, "left") in rig.bar().commands
    rig.fill(entry, "100", Quantity(entry.quantity - half))
    assert sum(spec.quantity for spec in rig.all(Role.EXIT)) == entry.quantity


def test_a_part_too_small_to_be_sold_alone_leaves_with_the_largest():
    rig = Rig({0: LONG, 1: LEAVE})
    rig.bar()
    entry = rig.last(Role.ENTRY)
    small = BTC.lot * 2
    rig.fill(entry, "100", Quantity(small))
    rig.fill(entry, "100", Quantity(entry.quantity - small))
    first = rig.all(Role.STOP)[0]
    commands = rig.bar().commands
    assert CancelOrder(first.order_id, "joined") in commands
    (way_out,) = rig.all(Role.EXIT)
    assert (way_out.quantity, way_out.group) == (entry.quantity, rig.all(Role.STOP)[1].group)
    assert rig.fill(way_out, "100").closed is not None


def test_parts_that_can_be_sold_leave_each_for_itself():
    rig = Rig({0: LONG, 1: LEAVE})
    rig.bar()
    entry = rig.last(Role.ENTRY)
    half = BTC.quantity(entry.quantity / 2)
    rig.fill(entry, "100", half)
    rig.fill(entry, "100", Quantity(entry.quantity - half))
    commands = rig.bar().commands
    assert not [command for command in commands if isinstance(command, CancelOrder)]
    assert len(rig.all(Role.EXIT)) == 2


def test_reduce_only_takes_back_entries_and_leaves_positions():
    rig = Rig()
    rig.bar()
    entry = rig.last(Role.ENTRY)
    assert rig.stop(StopLevel.REDUCE_ONLY).commands == (CancelOrder(entry.order_id, "operator"),)
    held = Rig()
    held.entered()
    assert held.stop(StopLevel.REDUCE_ONLY).commands == ()


def test_no_entries_leaves_orders_and_refuses_new_ones():
    rig = Rig({1: LONG})
    rig.bar()
    assert rig.stop(StopLevel.NO_ENTRIES).commands == ()
    assert rig.bar().refused.rule == "EMERGENCY_STOP"


def test_a_lower_level_does_not_loosen_the_brake_and_resuming_releases_it():
    rig = Rig({0: LONG, 1: LONG})
    rig.stop(StopLevel.FLATTEN)
    rig.stop(StopLevel.NO_ENTRIES)
    assert rig.engine.account.stop_level is StopLevel.FLATTEN
    rig.bar()
    rig.resume()
    rig.bar()
    assert len(rig.all(Role.ENTRY)) == 1


def test_a_pause_and_its_end_leave_the_peak_and_so_the_governor_alone():
    rig = Rig({})
    account = rig.engine.account
    rig.bar()
    account.peak = account.equity / 0.81  # 19 % below the peak: little budget, but some
    peak = account.peak
    rig.stop(StopLevel.NO_ENTRIES)
    rig.resume()
    assert account.peak == peak
    assert not rig.engine.is_locked_by_drawdown


def test_resuming_accepts_the_loss_once_the_governor_has_left_no_budget():
    rig = Rig({})
    account = rig.engine.account
    rig.bar()
    account.peak = account.equity / 0.8
    assert rig.engine.is_locked_by_drawdown
    rig.resume()
    assert account.peak == account.equity
    assert not rig.engine.is_locked_by_drawdown


# -- opinions ------------------------------------------------------------------------------------------------
def asked(on_silence: OnSilence = OnSilence.VETO) -> tuple[Rig, AskOpinion]:
    rig = Rig(engine=EngineConfig(opinion_timeout_ms=1_000, on_silence=on_silence))
    (command,) = rig.bar().commands
    assert isinstance(command, AskOpinion)
    assert command.ts_deadline == rig.engine.ts + 1_000_000_000
    assert rig.sent == []
    return rig, command


def opine(rig: Rig, command: AskOpinion, scale: str):
    return rig.process(Opinion(command.proposal.proposal_id, rig.engine.ts, Ratio(Decimal(scale)), "why", "model"))


@pytest.mark.parametrize(("scale", "share"), [("1", "1"), ("0.5", "0.5"), ("7", "1")])
def test_an_opinion_can_shrink_and_never_enlarge(scale: str, share: str):
    rig, command = asked()
    opine(rig, command, scale)
    assert rig.last(Role.ENTRY).quantity == BTC.quantity(command.proposal.quantity * Decimal(share))


@pytest.mark.parametrize("scale", ["0", "-1", "NaN"])
def test_an_opinion_can_veto(scale: str):
    rig, command = asked()
    assert opine(rig, command, scale).refused.rule == "OPINION_VETO"
    assert rig.sent == []
    assert rig.desk.entry is None


def test_silence_means_what_the_policy_says():
    rig, command = asked(OnSilence.VETO)
    assert rig.process(OpinionTimedOut(command.proposal.proposal_id, rig.engine.ts)).refused is not None
    rig, command = asked(OnSilence.PROCEED)
    rig.process(OpinionTimedOut(command.proposal.proposal_id, rig.engine.ts))
    assert len(rig.all(Role.ENTRY)) == 1


def test_an_opinion_after_the_deadline_changes_nothing():
    rig, command = asked()
    rig.process(OpinionTimedOut(command.proposal.proposal_id, rig.engine.ts))
    assert opine(rig, command, "1") is QUIET
    assert rig.sent == []


def test_the_brake_ends_proposals_that_wait_for_an_opinion():
    rig, command = asked()
    rig.stop(StopLevel.REDUCE_ONLY)
    assert opine(rig, command, "1") is QUIET
    rig, command = asked()
    rig.stop(StopLevel.NO_ENTRIES)
    assert opine(rig, command, "1").refused.rule == "EMERGENCY_STOP"


def test_an_anchored_stop_keeps_its_distance_from_the_fill():
    rig = Rig({0: Line(Action.ENTER_LONG, 98.0, 106.0, is_anchored=True)})
    rig.entered("99.5")
    assert (rig.trade.stop, rig.trade.target) == (Decimal("97.5"), Decimal("105.5"))

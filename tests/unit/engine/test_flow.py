"""From a signal to a closed trade, with every turn that an order's life can take."""

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import msgspec
import pytest
from tests.unit.engine.conftest import BTC, LEAVE, LONG, PERP, Rig

from holdfast.core.errors import DomainError, InvalidTransitionError
from holdfast.core.record import encode
from holdfast.domain.command import CancelOrder
from holdfast.domain.decision import Action
from holdfast.domain.order import OrderFilled, OrderState, OrderTimedOut, OrderType, Role, TimeInForce
from holdfast.domain.portfolio import entry_of
from holdfast.domain.tick import Tick
from holdfast.domain.values import Side
from holdfast.engine.engine import QUIET
from holdfast.engine.snapshot import EngineState, restore, snapshot
from holdfast.risk.config import RiskConfig
from holdfast.testing.builders import make_bar
from holdfast.testing.scripted import Line


def test_a_signal_becomes_a_proposal_and_the_proposal_an_order_of_its_name():
    rig = Rig()
    tick = rig.bar()
    assert tick.proposal is not None
    assert tick.refused is None
    entry = rig.last(Role.ENTRY)
    assert entry.order_id == tick.proposal.proposal_id
    assert (entry.side, entry.type, entry.time_in_force) == (Side.BUY, OrderType.LIMIT, TimeInForce.IOC)
    assert entry.limit_price == tick.proposal.entry
    assert entry.quantity == tick.proposal.quantity > 0


def test_an_entry_fill_puts_stop_and_target_into_one_group():
    rig = Rig()
    entry = rig.entered()
    stop, target = rig.last(Role.STOP), rig.last(Role.TARGET)
    assert (stop.type, stop.trigger_price, stop.side) == (OrderType.STOP_MARKET, Decimal(98), Side.SELL)
    assert (target.type, target.limit_price, target.side) == (OrderType.LIMIT, Decimal(106), Side.SELL)
    assert stop.quantity == target.quantity == entry.quantity
    assert stop.group == target.group != ""


def test_a_quiet_bar_leaves_no_record():
    rig = Rig({})
    assert rig.bar() is QUIET
    assert rig.engine.sequence == 0


def test_a_refusal_is_recorded_with_every_check():
    rig = Rig({0: Line(Action.ENTER_LONG, 98.0, 101.0)})
    tick = rig.bar()
    assert tick.refused is not None
    assert tick.refused.rule == "REWARD_TO_RISK"
    assert len(tick.refused.checks) > 10
    assert rig.sent == []
    assert rig.desk.entry is None


@pytest.mark.parametrize("level", [math.nan, math.inf, -1.0, 0.0, 1e300])
def test_levels_that_are_no_prices_are_noted_and_the_record_stays_readable(level: float):
    for line in (Line(Action.ENTER_LONG, level, 106.0), Line(Action.ENTER_LONG, 98.0, level)):
        rig = Rig({0: line})
        tick = rig.bar()
        assert rig.sent == []
        assert tick.notes or tick.refused
        assert msgspec.json.decode(encode(tick), type=Tick) == tick


def test_a_short_on_spot_is_noted_and_not_sent():
    rig = Rig({0: Line(Action.ENTER_SHORT, 102.0, 94.0)})
    assert "spot market" in rig.bar().notes[0]
    assert rig.sent == []


def test_while_an_entry_is_on_its_way_no_other_is_sent():
    rig = Rig({0: LONG, 1: LONG})
    rig.bar()
    assert "already on its way" in rig.bar().notes[0]
    assert len(rig.all(Role.ENTRY)) == 1


def test_each_part_of_an_entry_gets_a_bracket_of_its_own():
    rig = Rig()
    rig.bar()
    entry = rig.last(Role.ENTRY)
    part = BTC.quantity(entry.quantity / 3)
    rig.fill(entry, "100", part)
    rig.fill(entry, "99.5", part)
    rig.cancel(entry)
    assert [stop.quantity for stop in rig.all(Role.STOP)] == [part, part]
    assert len({stop.group for stop in rig.all(Role.STOP)}) == 2
    assert rig.trade.held == rig.held == 2 * part
    assert rig.desk.entry is None


def test_the_gate_is_shown_what_is_held_and_what_is_still_on_its_way():
    rig = Rig()
    rig.bar()
    entry = rig.last(Role.ENTRY)
    rig.fill(entry, "100", BTC.quantity(entry.quantity / 4))
    exposures, reserved = rig.engine.account.exposures()
    assert sum(exposure.quantity for exposure in exposures) == entry.quantity
    assert reserved == (entry.quantity - rig.held) * Decimal(str(entry.limit_price))
    rig.cancel(entry)
    exposures, reserved = rig.engine.account.exposures()
    assert [exposure.quantity for exposure in exposures] == [rig.held]
    assert reserved == 0


def test_an_entry_that_did_not_fill_leaves_nothing_behind():
    rig = Rig({0: LONG, 1: LONG})
    rig.bar()
    rig.cancel(rig.last(Role.ENTRY))
    rig.bar()
    assert len(rig.all(Role.ENTRY)) == 2


def test_the_stop_closes_the_trade_and_the_books_agree():
    rig = Rig()
    entry = rig.entered()
    closed = rig.fill(rig.last(Role.STOP), "98").closed
    assert closed is not None
    fees = entry.quantity * Decimal("0.198")
    assert (closed.exit_reason, closed.pnl, closed.fees) == ("stop", -2 * entry.quantity - fees, fees)
    assert -closed.risk <= closed.pnl < 0
    assert rig.engine.account.portfolio.cash == 10_000 + closed.pnl
    assert rig.engine.account.equity == float(10_000 + closed.pnl)
    assert rig.held == 0
    assert rig.desk.trade is None


def test_the_target_closes_the_trade():
    rig = Rig()
    rig.entered()
    closed = rig.fill(rig.last(Role.TARGET), "106").closed
    assert closed is not None
    assert closed.exit_reason == "target"
    assert closed.r_multiple > 1


def test_an_exit_signal_sends_a_market_order_and_leaves_the_stop_where_it_is():
    rig = Rig({0: LONG, 1: LEAVE}, {1: 99.0})
    entry = rig.entered()
    tick = rig.bar(101.0)
    leaving = rig.last(Role.EXIT)
    assert (leaving.type, leaving.quantity, leaving.group) == (
        OrderType.MARKET,
        entry.quantity,
        rig.last(Role.STOP).group,
    )
    assert len(tick.commands) == 1, "the stop is not moved, so the books must not say that it was"
    assert rig.trade.stop == Decimal(98)
    closed = rig.fill(leaving, "101").closed
    assert closed is not None
    assert (closed.exit_reason, closed.stop_price) == ("signal", Decimal(98))
    assert closed.reasons == ("It is written.", "It is written.")


def test_a_signal_the_other_way_leaves_and_does_not_turn_round():
    rig = Rig({0: LONG, 1: Line(Action.ENTER_SHORT, 103.0, 94.0)})
    rig.entered()
    rig.bar()
    assert [spec.role for spec in rig.sent][-1] is Role.EXIT
    assert len(rig.all(Role.ENTRY)) == 1


def test_an_exit_that_did_not_fill_is_sent_again_with_the_next_bar():
    rig = Rig({0: LONG, 1: LEAVE})
    entry = rig.entered()
    rig.bar()
    rig.fill(rig.last(Role.EXIT), "100", BTC.quantity(entry.quantity / 2))
    rig.cancel(rig.last(Role.EXIT))
    rig.bar()
    first, second = rig.all(Role.EXIT)
    assert second.quantity == entry.quantity - BTC.quantity(entry.quantity / 2)
    assert second.order_id != first.order_id


def test_a_fill_that_overtook_our_cancel_still_counts():
    rig = Rig()
    rig.bar()
    entry = rig.last(Role.ENTRY)
    rig.cancel(entry, "operator")
    assert rig.desk.entry is None
    rig.fill(entry, "100")
    assert rig.engine.finished[entry.order_id].state is OrderState.FILLED
    assert rig.held == entry.quantity
    assert rig.last(Role.STOP).quantity == entry.quantity, "late or not, it is protected"


def test_a_late_fill_is_still_understood_after_a_restart():
    rig, fresh = Rig(), Rig()
    rig.bar()
    entry = rig.last(Role.ENTRY)
    rig.cancel(entry, "operator")
    restore(fresh.engine, msgspec.json.decode(encode(snapshot(rig.engine)), type=EngineState))
    fresh.fill(entry, "100")
    assert fresh.held == entry.quantity


def test_a_fill_that_comes_twice_counts_once():
    rig = Rig()
    rig.bar()
    entry = rig.last(Role.ENTRY)
    rig.fill(entry, "100", trade_id="same")
    cash = rig.engine.account.portfolio.cash
    assert rig.fill(entry, "100", trade_id="same") is QUIET
    assert rig.held == entry.quantity
    assert rig.engine.account.portfolio.cash == cash


def test_an_order_that_is_not_ours_stops_the_account():
    rig = Rig()
    rig.bar()
    stranger = msgspec.structs.replace(rig.last(Role.ENTRY), order_id="somebody-else")
    with pytest.raises(DomainError, match="not ours"):
        rig.fill(stranger, "100")


def test_more_than_was_ordered_stops_the_account():
    rig = Rig()
    rig.bar()
    entry = rig.last(Role.ENTRY)
    with pytest.raises(InvalidTransitionError, match="filled"):
        rig.fill(entry, "100", entry.quantity * 2)


def test_a_bar_from_the_past_stops_the_account():
    rig = Rig({})
    rig.bar()
    rig.bar()
    with pytest.raises(DomainError, match="came after"):
        rig.process(make_bar(BTC, 0, (100.0, 100.0, 100.0, 100.0, 1.0)))


def test_no_answer_puts_an_order_in_doubt_and_a_fill_resolves_it():
    rig = Rig()
    rig.is_accepting = False
    rig.bar()
    entry = rig.last(Role.ENTRY)
    rig.process(OrderTimedOut(entry.order_id, rig.engine.ts))
    assert rig.engine.orders[entry.order_id].state is OrderState.IN_DOUBT
    assert "already on its way" in Rig({0: LONG, 1: LONG}).bar().notes or rig.desk.entry is not None
    rig.fill(entry, "100")
    assert rig.engine.finished[entry.order_id].state is OrderState.FILLED
    assert rig.held == entry.quantity


def test_the_rest_of_a_market_entry_is_taken_back_when_its_trade_is_over():
    rig = Rig({0: LONG}, risk=RiskConfig(is_entry_market=True))
    rig.bar()
    entry = rig.last(Role.ENTRY)
    rig.fill(entry, "100", BTC.quantity(entry.quantity / 2))
    tick = rig.fill(rig.last(Role.STOP), "98")
    assert tick.closed is not None
    assert tick.commands == (CancelOrder(entry.order_id, "left"),)


def test_a_market_entry_that_jumped_risks_no_more_on_paper_than_was_allowed():
    rig = Rig({0: LONG}, risk=RiskConfig(is_entry_market=True))
    tick = rig.bar()
    assert tick.proposal is not None
    entry = rig.last(Role.ENTRY)
    rig.fill(entry, "104")
    allowed = next(check.value for check in _checks(tick) if check.rule == "RISK_PER_TRADE")
    assert 0 < rig.trade.risk <= allowed
    closed = rig.fill(rig.last(Role.STOP), "98").closed
    assert closed is not None
    assert closed.pnl < -closed.risk
    assert closed.excess_cause == "gap"


def test_a_fill_beyond_its_own_stop_has_a_risk_above_zero():
    rig = Rig()
    rig.entered("90")
    assert rig.trade.risk > 0


def test_an_anchored_stop_never_falls_below_the_lowest_price():
    rig = Rig({0: Line(Action.ENTER_LONG, 10.0, 300.0, is_anchored=True)})
    rig.entered("20")
    assert rig.trade.stop == BTC.tick
    assert rig.trade.target == Decimal(220)


@pytest.mark.parametrize("is_market", [False, True], ids=["limit", "market"])
@pytest.mark.parametrize("sign", [1, -1], ids=["long", "short"])
def test_fills_that_are_rounded_to_the_tick_lose_no_more_than_was_allowed(sign, is_market):
    # All slippage that is reserved is used, and each price that falls between two ticks goes to the worse one.
    line = LONG if sign > 0 else Line(Action.ENTER_SHORT, 102.05, 94.0)
    risk = RiskConfig(is_entry_market=is_market, quantity_fixed=Decimal("0.1"))
    rig = Rig({0: line}, risk=risk, instrument=BTC if sign > 0 else PERP)
    tick = rig.bar(100.03)
    assert tick.proposal is not None
    allowed = next(check.value for check in _checks(tick) if check.rule == "RISK_PER_TRADE")
    entry = rig.last(Role.ENTRY)
    rig.fill(entry, str(_worse(tick.proposal.entry, sign) if is_market else tick.proposal.entry))
    stop = rig.last(Role.STOP)
    assert stop.trigger_price is not None
    closed = rig.fill(stop, str(_worse(stop.trigger_price, -sign)), reference=str(stop.trigger_price)).closed
    assert closed is not None
    assert -closed.pnl <= closed.risk <= allowed
    assert closed.excess_cause == ""


def test_a_loss_beyond_the_risk_without_a_cause_is_unexplained():
    rig = Rig()
    rig.entered()
    trade = rig.trade
    assert trade._excess_cause(-trade.risk) == ""
    assert trade._excess_cause(-trade.risk - Decimal("1e-9")) == "unexplained"


def _worse(price: Decimal, sign: int) -> Decimal:
    """Return the price that slippage of 0.2 % makes of `price`, for a buyer (1) or a seller (-1), on a tick of 0.01."""
    return (price * (1 + sign * Decimal("0.002"))).quantize(Decimal("0.01"), ROUND_CEILING if sign > 0 else ROUND_FLOOR)


def test_an_entry_that_fills_on_after_its_stop_makes_a_trade_with_an_id_of_its_own():
    rig = Rig({0: LONG}, risk=RiskConfig(is_entry_market=True))
    rig.bar()
    entry = rig.last(Role.ENTRY)
    part = BTC.quantity(entry.quantity / 4)
    rig.fill(entry, "100", part)
    rig.fill(entry, "100", part)
    first = [rig.fill(stop, "98").closed for stop in rig.all(Role.STOP)][-1]
    rig.fill(entry, "100", part)  # on its way before the cancel arrived
    second = rig.fill(rig.last(Role.STOP), "98").closed
    assert first is not None
    assert second is not None
    assert (first.trade_id, second.trade_id) == (entry.order_id, f"{entry.order_id}_3")
    assert entry_of(first.trade_id) == entry_of(second.trade_id) == entry.order_id
    groups = [stop.group for stop in rig.all(Role.STOP)]
    assert len(set(groups)) == 3
    assert {entry_of(group) for group in groups} == {entry.order_id}


def _checks(tick: Tick):
    return tick.commands[0].approved.checks


def test_fills_are_events_of_the_order_they_name():
    rig = Rig()
    rig.entered()
    fills = [tick.event for tick in rig.ticks if isinstance(tick.event, OrderFilled)]
    assert [fill.order_id for fill in fills] == [rig.last(Role.ENTRY).order_id]

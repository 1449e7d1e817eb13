"""Price-triggered orders bind nothing, fire on the last price, and place an order that may fail; and the countdown."""

from decimal import Decimal

import pytest
from tests.unit.simulator.venues import ANN, BOB, QUIET, Rig, dec

from holdfast.core.time import SECOND
from holdfast.domain.values import Side
from holdfast.simulator.records import TriggerAsk, TriggerChanged, VirtualTrigger
from holdfast.simulator.refusal import VenueRefusal
from holdfast.simulator.state import restore, snapshot

FALL = (100.0, 100.5, 90.0, 91.0, 1_000.0)


def ask(rule: str = "<=", price: str = "95", kind: str = "market", amount: str = "2", put: str = "0") -> TriggerAsk:
    return TriggerAsk("BTC_USDT", rule, dec(price), Side.SELL, kind, dec(amount), dec(put), "ioc")


def label_of(rig: Rig, asked: TriggerAsk, account: str = ANN) -> str:
    with pytest.raises(VenueRefusal) as caught:
        rig.triggers.place(account, asked)
    return caught.value.label


def test_it_binds_nothing_until_it_fires_and_names_what_it_has_placed():
    rig = Rig([QUIET, FALL])
    trigger = rig.triggers.place(ANN, ask())
    assert rig.held(ANN, "BTC") == (50, 0)
    rig.bar(0)
    assert trigger.status == "open"
    rig.bar(1)
    assert trigger.status == "finish"
    order = rig.venue.find(ANN, str(trigger.fired_order_id))
    assert (order.status, order.filled, order.type) == ("closed", 2, "market")
    assert order.filled_total / 2 < 95


def test_it_fails_where_the_balance_is_gone_by_then():
    rig = Rig([QUIET, FALL])
    trigger = rig.triggers.place(ANN, ask(amount="50"))
    rig.place("SELL", "1")
    rig.bar(1)
    assert (trigger.status, trigger.reason, trigger.fired_order_id) == ("failed", "BALANCE_NOT_ENOUGH", 0)


def test_the_trigger_must_lie_on_the_right_side_of_the_last_price():
    rig = Rig()
    assert label_of(rig, ask("<=", "100")) == "AUTO_TRIGGER_PRICE_GREATE_LAST"
    assert label_of(rig, ask(">=", "100")) == "AUTO_TRIGGER_PRICE_LESS_LAST"
    assert rig.triggers.place(ANN, ask(">=", "100.01")).status == "open"


def test_two_with_one_rule_must_be_spaced_but_not_two_rules_or_two_accounts():
    rig = Rig()
    rig.triggers.place(ANN, ask())
    assert label_of(rig, ask(price="94")) == "REPEAT_REQUEST"
    rig.triggers.place(ANN, ask(">=", "110"))
    rig.triggers.place(BOB, ask())
    rig.venue.now += 3 * SECOND // 2
    assert rig.triggers.place(ANN, ask(price="94")).status == "open"


def test_what_is_canceled_does_not_fire_and_is_no_one_elses_to_cancel():
    rig = Rig([QUIET, FALL])
    trigger = rig.triggers.place(ANN, ask())
    with pytest.raises(VenueRefusal, match="ORDER_NOT_FOUND"):
        rig.triggers.cancel(BOB, trigger.id)
    rig.triggers.cancel(ANN, trigger.id)
    rig.bar(1)
    assert (trigger.status, trigger.fired_order_id) == ("cancelled", 0)
    with pytest.raises(VenueRefusal, match="ORDER_CLOSED"):
        rig.triggers.cancel(ANN, trigger.id)
    assert rig.triggers.listed(ANN, is_open=False) == [trigger]
    assert rig.triggers.listed(ANN, is_open=True) == []


def test_it_expires_when_it_has_waited_too_long():
    rig = Rig([QUIET] * 3)
    asked = TriggerAsk("BTC_USDT", "<=", dec(95), Side.SELL, "market", dec(2), dec(0), "ioc", 60)
    trigger = rig.triggers.place(ANN, asked)
    rig.venue.now += 61 * SECOND
    rig.bar(0)
    assert trigger.status == "expired"


def test_news_are_told_and_a_restart_keeps_what_waits():
    rig = Rig([QUIET, FALL])
    trigger = rig.triggers.place(ANN, ask())
    assert [push.trigger.id for push in rig.venue.drain() if isinstance(push, TriggerChanged)] == [trigger.id]
    rig.triggers.count_down(ANN, 30)
    again = Rig([QUIET, FALL])
    restore(again.venue, again.triggers, snapshot(rig.venue, rig.triggers))
    assert again.triggers.countdowns == rig.triggers.countdowns
    again.bar(1)
    found: VirtualTrigger = again.triggers.find(ANN, trigger.id)
    assert (found.status, again.held(ANN, "BTC")[0]) == ("finish", 48)


def test_the_countdown_cancels_what_rests_and_leaves_triggers():
    rig = Rig()
    order, trigger = rig.place("BUY", "1", "90"), rig.triggers.place(ANN, ask())
    other = rig.place("BUY", "1", "90", account=BOB)
    rig.triggers.count_down(ANN, 30)
    rig.venue.now += 20 * SECOND
    rig.triggers.count_down(ANN, 30)
    rig.venue.now += 29 * SECOND
    rig.triggers.fall()
    assert order.status == "open"
    rig.venue.now += SECOND
    rig.triggers.fall()
    assert (order.status, trigger.status, other.status) == ("cancelled", "open", "open")
    assert rig.triggers.count_down(ANN, 0) == 0
    with pytest.raises(VenueRefusal, match="timeout"):
        rig.triggers.count_down(ANN, 4)


def price_of(rig: Rig, trigger: VirtualTrigger) -> Decimal:
    order = rig.venue.find(ANN, str(trigger.fired_order_id))
    return order.filled_total / order.filled


def test_a_stop_fills_where_the_market_passes_it_and_not_at_the_end_of_the_way():
    rig = Rig([FALL])
    low, high = rig.triggers.place(ANN, ask(price="92")), rig.triggers.place(BOB, ask(price="97"))
    rig.bar(0)
    assert dec("91.9") < price_of(rig, low) < 92
    assert rig.venue.find(BOB, str(high.fired_order_id)).id < low.fired_order_id, "in the order of the way"
    assert rig.market.prints.finished[-1].low == 90


def test_a_stop_that_the_market_jumps_over_fills_where_it_opens():
    rig = Rig([(93.0, 94.0, 90.0, 91.0, 1_000.0)])
    trigger = rig.triggers.place(ANN, ask(price="95"))
    rig.bar(0)
    assert dec("92.9") < price_of(rig, trigger) < 93


def test_a_target_fills_on_the_way_up():
    rig = Rig([(100.0, 110.0, 99.0, 105.0, 1_000.0)])
    trigger = rig.triggers.place(ANN, ask(">=", "106", kind="limit", put="105.5"))
    rig.bar(0)
    assert dec("105.5") <= price_of(rig, trigger) < 106

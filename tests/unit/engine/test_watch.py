"""Between two bars: the watch says whose protection is due, and the engine renews it; history is never traded."""

from decimal import Decimal

import msgspec
import pytest
from tests.unit.engine.conftest import BTC, LEAVE, LONG, Rig

from holdfast.core.errors import DomainError
from holdfast.core.time import SECOND
from holdfast.domain.command import SubmitOrder
from holdfast.domain.event import ProtectionDue
from holdfast.domain.market import BarFlag
from holdfast.domain.order import OrderAccepted, OrderSpec, OrderType, Role
from holdfast.engine.engine import QUIET
from holdfast.engine.watch import Watch
from holdfast.testing.builders import make_bar
from holdfast.testing.scripted import Line

ROW = (100.0, 100.0, 100.0, 100.0, 1e6)


def sent(rig: Rig, price: float) -> list[OrderSpec]:
    """Return what the engine sends when the watch reports `price`."""
    tick = rig.process(ProtectionDue(BTC.id, rig.engine.ts + 1, price))
    return [command.approved.order for command in tick.commands if isinstance(command, SubmitOrder)]


def held(*, is_accepting: bool) -> Rig:
    rig = Rig()
    rig.bar()
    rig.is_accepting = is_accepting
    rig.fill(rig.last(Role.ENTRY), "100")
    return rig


# -- the watch -------------------------------------------------------------------------------------
def test_a_stop_that_rests_at_the_venue_is_left_to_it():
    rig = held(is_accepting=True)
    watch = Watch(rig.engine)
    watch.see(BTC.id, 90.0, 90.1)
    assert watch.due(1, 1) == ()


def test_a_stop_that_does_not_rest_yet_is_watched():
    rig = held(is_accepting=False)
    watch = Watch(rig.engine)
    watch.see(BTC.id, 98.01, 98.1)
    assert watch.due(1, 1) == ()
    watch.see(BTC.id, 98.0, 98.1)
    (due,) = watch.due(7, 1)
    assert due == ProtectionDue(BTC.id, 7, 98.0)


def test_a_part_whose_successor_does_not_come_is_guarded_by_itself():
    # It came in together with another one, of which nothing is heard: the agent was killed between the two.
    rig = Rig()
    rig.bar()
    entry = rig.last(Role.ENTRY)
    rig.fill(entry, "100", BTC.quantity(entry.quantity / 2), has_more=True)
    (due,) = Watch(rig.engine).due(7, 1)
    stop, target = sent(rig, due.price)
    assert (stop.role, stop.quantity) == (Role.STOP, rig.held)
    assert target.role is Role.TARGET
    assert Watch(rig.engine).due(8, 2) == ()


def test_a_part_without_a_stop_leaves_once_the_price_is_beyond_it():
    rig = Rig()
    rig.bar()
    entry = rig.last(Role.ENTRY)
    rig.fill(entry, "100", BTC.quantity(entry.quantity / 2), has_more=True)
    *_, leaving = sent(rig, 90.0)
    assert (leaving.type, leaving.quantity) == (OrderType.MARKET, rig.held)


def test_a_target_that_the_venue_ended_is_watched():
    # The market went past it before it could be placed again: it was forgotten, and the profit with it.
    rig = held(is_accepting=True)
    watch, target = Watch(rig.engine), rig.last(Role.TARGET)
    rig.cancel(target, "AUTO_TRIGGER_PRICE_LESS_LAST")
    watch.see(BTC.id, 105.9, 106.1)
    assert watch.due(1, 1) == ()
    watch.see(BTC.id, 106.0, 106.1)
    (due,) = watch.due(2, 2)
    (leaving,) = sent(rig, due.price)
    assert (leaving.type, leaving.role, leaving.quantity) == (OrderType.MARKET, Role.TARGET, rig.held)
    assert rig.fill(leaving, "106").closed.exit_reason == "target"


def test_a_target_that_rests_at_the_venue_is_left_to_it():
    rig = held(is_accepting=True)
    watch = Watch(rig.engine)
    watch.see(BTC.id, 200.0, 200.1)
    assert watch.due(1, 1) == ()


def test_a_quote_without_a_bid_is_no_price():
    rig = held(is_accepting=False)
    watch = Watch(rig.engine)
    watch.see(BTC.id, 0.0, 90.0)
    assert watch.due(1, 1) == ()


def test_a_stop_that_was_refused_is_sent_anew_ever_more_rarely():
    rig = held(is_accepting=False)
    watch = Watch(rig.engine)
    rig.reject(rig.last(Role.STOP))
    watch.see(BTC.id, 100.0, 100.1)
    moments = [now for now in range(0, 16 * SECOND, SECOND // 10) if watch.due(1, now)]
    assert moments == [0, SECOND, 3 * SECOND, 7 * SECOND, 15 * SECOND]


def test_a_pause_never_holds_back_the_software_stop():
    rig = held(is_accepting=False)
    watch = Watch(rig.engine)
    rig.reject(rig.last(Role.STOP))
    watch.see(BTC.id, 100.0, 100.1)
    assert watch.due(1, 0)
    watch.see(BTC.id, 97.0, 97.1)
    assert watch.due(1, 1)


def test_nothing_is_due_where_nothing_is_held():
    rig = Rig()
    watch = Watch(rig.engine)
    watch.see(BTC.id, 1.0, 1.1)
    assert watch.due(1, 1) == ()
    assert rig.process(ProtectionDue(BTC.id, 1, 1.0)) is QUIET


# -- what the engine makes of it -------------------------------------------------------------------
def test_a_refused_stop_is_placed_again_for_what_is_held():
    rig = held(is_accepting=False)
    first = rig.last(Role.STOP)
    rig.reject(first)
    (stop,) = sent(rig, 100.0)
    assert (stop.role, stop.type, stop.quantity, stop.group) == (
        Role.STOP, OrderType.STOP_MARKET, first.quantity, first.group
    )  # fmt: skip
    assert stop.order_id != first.order_id
    assert stop.trigger_price == first.trigger_price
    assert rig.trade.is_unprotected
    rig.process(OrderAccepted(stop.order_id, rig.engine.ts))
    assert not rig.trade.is_unprotected
    assert sent(rig, 100.0) == [], "it is not sent a third time"


def test_the_software_stop_leaves_at_once():
    rig = held(is_accepting=False)
    (out,) = sent(rig, 97.5)
    assert (out.role, out.type, out.quantity) == (Role.STOP, OrderType.MARKET, rig.held)
    assert sent(rig, 97.0) == [], "one way out is enough"
    assert rig.fill(out, "97.4").closed.exit_reason == "stop"


def test_a_way_out_that_came_to_nothing_is_sent_again():
    rig = Rig({0: LONG, 1: LEAVE})
    rig.entered()
    rig.bar()
    out = rig.last(Role.EXIT)
    watch = Watch(rig.engine)
    assert watch.due(1, 1) == ()
    rig.cancel(out)
    assert watch.due(1, 1)
    (again,) = sent(rig, 100.0)
    assert (again.role, again.quantity) == (Role.EXIT, out.quantity)


def test_a_way_out_that_is_refused_is_sent_again_within_seconds_for_its_coins_may_be_free_by_then():
    rig = Rig({0: LONG, 1: LEAVE})
    rig.entered()
    rig.bar()
    watch = Watch(rig.engine)
    rig.cancel(rig.last(Role.EXIT))
    moments = [now for now in range(0, 22 * SECOND, SECOND // 10) if watch.due(1, now)]
    assert moments == [0, SECOND, 3 * SECOND, 7 * SECOND, 12 * SECOND, 17 * SECOND]


# -- bars that may not be entered on, and history ----------------------------------------------------
def test_nothing_is_entered_on_an_unfit_bar_and_the_note_says_so():
    rig = Rig()
    bar = msgspec.structs.replace(make_bar(BTC, 0, ROW), flags=int(BarFlag.NO_ENTRY))
    tick = rig.process(bar)
    assert tick.proposal is None
    assert tick.commands == ()
    assert "came late" in tick.notes[0]


def test_a_stop_follows_on_an_unfit_bar_all_the_same():
    rig = Rig({0: LONG}, {1: 99.0})
    rig.entered()
    bar = msgspec.structs.replace(make_bar(BTC, 1, (101.0, 101.0, 101.0, 101.0, 1e6)), flags=int(BarFlag.NO_ENTRY))
    rig.process(bar)
    assert rig.trade.stop == Decimal(99)


def test_history_is_seen_and_not_traded():
    rig = Rig({0: LONG, 2: Line(LONG.action, 98.0, 106.0)})
    for number in range(2):
        rig.engine.warm(make_bar(BTC, number, ROW))
    assert not rig.engine.orders
    tick = rig.process(make_bar(BTC, 2, ROW))
    assert tick.proposal is not None, "the strategy has counted the bars of the past"


def test_history_is_refused_behind_bars_or_in_a_position():
    rig = Rig({})
    rig.bar()
    rig.bar()
    with pytest.raises(DomainError, match="comes too late"):
        rig.engine.warm(make_bar(BTC, 0, ROW))
    rig = Rig()
    rig.entered()
    with pytest.raises(DomainError, match="comes too late"):
        rig.engine.warm(make_bar(BTC, 1, ROW))


def test_what_was_refused_while_a_venue_was_away_is_sent_at_once_when_it_is_back():
    rig = held(is_accepting=False)
    watch, now = Watch(rig.engine), 1
    rig.reject(rig.last(Role.STOP))
    for _ in range(5):
        while not watch.due(1, now):
            now += SECOND
    assert not watch.due(1, now + 2 * SECOND), "ever more rarely"
    watch.hurry([BTC.id])
    assert watch.due(1, now + 2 * SECOND)

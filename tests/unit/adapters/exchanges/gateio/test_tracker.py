"""What the house is told of an order: nothing twice, nothing that its state does not admit, fills before the end."""

from decimal import Decimal

from tests.unit.adapters.exchanges.gateio.test_fills import BTC, trade

from holdfast.adapters.exchanges.gateio.tracker import TRIGGER_PREFIX, Tracked
from holdfast.domain.order import (
    Order,
    OrderAccepted,
    OrderCanceled,
    OrderRejected,
    OrderSpec,
    OrderState,
    OrderTimedOut,
    OrderType,
    Role,
)
from holdfast.domain.values import OrderId, Price, Quantity, Side

ONE, PRICE = Quantity(Decimal(1)), Price(Decimal(100))


def tracked(
    kind: OrderType = OrderType.LIMIT, role: Role = Role.ENTRY, side: Side = Side.BUY, group: str = ""
) -> Tracked:
    is_stop = kind is OrderType.STOP_MARKET
    spec = OrderSpec(
        OrderId("hf-1p"),
        BTC.id,
        side,
        kind,
        ONE,
        role,
        None if is_stop else PRICE,
        PRICE if is_stop else None,
        group=group,
    )
    return Tracked(Order.sent(spec), BTC, "BTC_USDT")


def test_a_late_doubt_about_what_is_accepted_is_not_told():
    found = tracked()
    assert found.tell(OrderAccepted(found.order_id, 1, "7"))
    assert found.tell(OrderTimedOut(found.order_id, 2)) == []
    assert found.tell(OrderRejected(found.order_id, 2, "never_arrived")) == []
    assert found.order.state is OrderState.OPEN


def test_trades_are_told_once_and_only_those_of_its_own_orders():
    found = tracked()
    found.adopt("7")
    other = trade(9, "1", "100")
    other.order_id = 8
    assert len(found.add([trade(1, "0.4", "100"), other])) == 1
    assert found.add([trade(1, "0.4", "100")]) == []
    assert found.traded("7") == Decimal("0.4")
    assert found.order.filled == Decimal("0.4")


def test_trades_that_come_in_together_say_so():
    found = tracked()
    found.adopt("7")
    fills = found.add([trade(1, "0.4", "100"), trade(2, "0.3", "100"), trade(3, "0.1", "100")])
    assert [getattr(fill, "has_more", None) for fill in fills] == [True, True, False]
    (last,) = found.add([trade(4, "0.2", "100")])
    assert getattr(last, "has_more", None) is False


def test_pushed_trades_count_once_they_are_all_that_there_is():
    # How much of each is a whole lot after its fee, only all together tell.
    found = tracked()
    found.adopt("7")
    first, second = trade(1, "0.4", "100"), trade(2, "0.6", "100")
    found.pushed = {second.trade_id: second}
    assert found.add_pushed("7", Decimal(1)) == []
    found.add([first])
    assert [getattr(fill, "trade_id", "") for fill in found.add_pushed("7", Decimal(1))] == ["2"]
    assert found.add_pushed("7", Decimal(1)) == []


def test_the_end_names_who_asked_for_it_and_comes_once():
    found = tracked()
    found.cancel_reason = "group"
    (event,) = found.end(5, "operator")
    assert isinstance(event, OrderCanceled)
    assert event.reason == "group"
    assert found.end(6, "operator") == []
    assert found.is_over


def test_a_filled_order_has_no_other_end():
    found = tracked()
    found.adopt("7")
    found.add([trade(1, "1", "100")])
    assert found.is_over
    assert found.end(5, "operator") == []


def test_what_was_told_before_a_restart_is_not_told_again():
    found = tracked()
    found.adopt("7")
    found.add([trade(1, "0.4", "100")])
    again = Tracked(found.order, BTC, "BTC_USDT", ["7"])
    (fill,) = again.add([trade(1, "0.4", "100"), trade(2, "0.6", "101")])
    assert fill.trade_id == "2"
    assert again.order.state is OrderState.FILLED


def test_stops_and_targets_beside_a_stop_wait_as_triggers():
    assert tracked(OrderType.STOP_MARKET, Role.STOP, Side.SELL).is_trigger
    assert tracked(OrderType.LIMIT, Role.TARGET, Side.SELL, "g").is_trigger
    assert not tracked(OrderType.LIMIT, Role.TARGET, Side.SELL).is_trigger
    assert not tracked().is_trigger
    found = tracked(OrderType.STOP_MARKET, Role.STOP, Side.SELL)
    found.adopt(TRIGGER_PREFIX + "5")
    found.adopt(TRIGGER_PREFIX + "5")
    assert (found.trigger_ids, found.venue_ids, found.is_placed) == (["5"], [], True)

"""What every exchange must do, whatever is behind it. A subclass says how one is opened and how its market moves."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from decimal import Decimal
from itertools import count

import msgspec
import pytest

from holdfast.domain.decision import Approved, ApprovedAmend
from holdfast.domain.instrument import Instrument
from holdfast.domain.order import (
    Order,
    OrderAccepted,
    OrderAmended,
    OrderCanceled,
    OrderEvent,
    OrderFilled,
    OrderRejected,
    OrderSpec,
    OrderState,
    OrderSubmitted,
    OrderType,
    Role,
    TimeInForce,
)
from holdfast.domain.values import InstrumentId, OrderId, Price, Quantity, Side
from holdfast.ports.exchange import Exchange

NOW = 1_700_000_000 * 1_000_000_000


class ExchangeContract(ABC):
    """Give `open` and `trade`, and every promise of the port is tested.

    The account begins with 10,000 of the quote asset and nothing of the base; the market stands at 100 and is deep.
    """

    instrument: Instrument

    @abstractmethod
    def open(self) -> Exchange:
        """Return a fresh account at the venue, and set `instrument`."""

    @abstractmethod
    def trade(self, exchange: Exchange, price: float) -> Sequence[OrderEvent]:
        """Let the market trade at `price` and nothing else; return all that happened to our orders."""

    @pytest.fixture
    def exchange(self) -> Exchange:
        self._ids = count(1)
        self._orders: dict[OrderId, Order] = {}
        return self.open()

    # -- words ------------------------------------------------------------------------------------------------------

    def spec(self, kind: OrderType, side: Side, quantity: str = "1", price: str = "", group: str = "") -> OrderSpec:
        level = Price(Decimal(price)) if price else None
        is_stop = kind is OrderType.STOP_MARKET
        role = Role.ENTRY if side is Side.BUY else Role.STOP if is_stop else Role.TARGET
        return OrderSpec(
            OrderId(f"hf-{next(self._ids)}"), self.instrument.id, side, kind, Quantity(Decimal(quantity)), role,
            None if is_stop else level, level if is_stop else None, group=group,
            time_in_force=TimeInForce.IOC if kind is OrderType.MARKET else TimeInForce.GTC,
        )  # fmt: skip

    def submit(self, exchange: Exchange, spec: OrderSpec) -> Sequence[OrderEvent]:
        self._orders[spec.order_id] = Order.of(spec).apply(OrderSubmitted(spec.order_id, NOW))
        return self.heard(exchange.submit(Approved(spec), NOW))

    def heard(self, events: Sequence[OrderEvent]) -> Sequence[OrderEvent]:
        """Fold events into the domain's orders: one that their state does not admit fails the test."""
        for event in events:
            self._orders[event.order_id] = self._orders[event.order_id].apply(event)
        return events

    def bought(self, exchange: Exchange, quantity: str = "1") -> None:
        self.submit(exchange, self.spec(OrderType.MARKET, Side.BUY, quantity))
        self.heard(self.trade(exchange, 100))
        assert exchange.balances()[self.instrument.base] == Decimal(quantity)

    # -- promises ---------------------------------------------------------------------------------------------------

    def test_an_order_is_accepted_and_rests(self, exchange: Exchange):
        spec = self.spec(OrderType.LIMIT, Side.BUY, price="90")
        (event,) = self.submit(exchange, spec)
        assert isinstance(event, OrderAccepted)
        assert list(exchange.open_orders()) == [spec.order_id]

    def test_what_is_sent_twice_rests_once(self, exchange: Exchange):
        spec = self.spec(OrderType.LIMIT, Side.BUY, price="90")
        self.submit(exchange, spec)
        (event,) = exchange.submit(Approved(spec), NOW + 1)
        assert isinstance(event, OrderRejected | OrderAccepted)
        assert list(exchange.open_orders()) == [spec.order_id]
        fills = [
            e for e in self.heard([*self.trade(exchange, 100), *self.trade(exchange, 80)]) if isinstance(e, OrderFilled)
        ]
        assert sum(fill.quantity for fill in fills) == 1
        exchange.submit(Approved(spec), NOW + 2)
        assert list(exchange.open_orders()) == [], "not even when it is done"

    def test_what_is_off_the_grid_or_cannot_be_paid_is_rejected_with_a_label(self, exchange: Exchange):
        off_tick = self.spec(OrderType.LIMIT, Side.BUY, price=str(90 + self.instrument.tick / 2))
        off_lot = self.spec(OrderType.LIMIT, Side.BUY, str(1 + self.instrument.lot / 2), "90")
        too_dear = self.spec(OrderType.LIMIT, Side.BUY, "112", "90")
        not_owned = self.spec(OrderType.LIMIT, Side.SELL, "1", "110")
        for spec in (off_tick, off_lot, too_dear, not_owned):
            (event,) = self.submit(exchange, spec)
            assert isinstance(event, OrderRejected), spec
            assert event.reason
            assert event.reason == event.reason.strip()
        assert not exchange.open_orders()

    def test_an_unknown_instrument_is_rejected(self, exchange: Exchange):
        spec = self.spec(OrderType.LIMIT, Side.BUY, price="90")
        stranger = msgspec.structs.replace(spec, instrument_id=InstrumentId("NO/SUCH.MARKET"))
        assert isinstance(self.submit(exchange, stranger)[0], OrderRejected)

    def test_a_market_order_fills_and_the_balances_say_so(self, exchange: Exchange):
        spec = self.spec(OrderType.MARKET, Side.BUY, "2")
        fills = [
            event
            for event in [*self.submit(exchange, spec), *self.heard(self.trade(exchange, 100))]
            if isinstance(event, OrderFilled)
        ]
        order = self._orders[spec.order_id]
        assert order.state is OrderState.FILLED
        assert sum(fill.quantity for fill in fills) == order.filled == 2
        assert len({fill.trade_id for fill in fills}) == len(fills)
        spent = sum(fill.price * fill.quantity + fill.fee.amount for fill in fills)
        balances = exchange.balances()
        assert balances[self.instrument.base] == 2
        assert balances[self.instrument.quote] == 10_000 - spent
        assert not exchange.open_orders()

    def test_a_canceled_order_never_fills(self, exchange: Exchange):
        spec = self.spec(OrderType.LIMIT, Side.BUY, price="90")
        self.submit(exchange, spec)
        (event,) = self.heard(exchange.cancel(spec.order_id, NOW, "operator"))
        assert isinstance(event, OrderCanceled)
        assert event.reason == "operator"
        assert not exchange.open_orders()
        assert not self.trade(exchange, 80)

    def test_canceling_what_is_gone_or_was_never_there_gives_nothing(self, exchange: Exchange):
        spec = self.spec(OrderType.LIMIT, Side.BUY, price="90")
        self.submit(exchange, spec)
        exchange.cancel(spec.order_id, NOW, "operator")
        assert not exchange.cancel(spec.order_id, NOW, "operator")
        assert not exchange.cancel(OrderId("hf-never"), NOW, "operator")

    def test_amending_what_is_gone_gives_nothing(self, exchange: Exchange):
        assert not exchange.amend(ApprovedAmend(OrderId("hf-never"), Price(Decimal(95))), NOW)

    def test_a_stop_fills_when_the_market_falls_to_it_and_never_above(self, exchange: Exchange):
        self.bought(exchange)
        spec = self.spec(OrderType.STOP_MARKET, Side.SELL, price="90")
        self.submit(exchange, spec)
        assert not self.heard(self.trade(exchange, 95))
        fills = [event for event in self.heard(self.trade(exchange, 85)) if isinstance(event, OrderFilled)]
        assert self._orders[spec.order_id].state is OrderState.FILLED
        assert all(fill.price <= 85 for fill in fills)

    def test_an_amended_stop_fills_at_its_new_trigger(self, exchange: Exchange):
        self.bought(exchange)
        spec = self.spec(OrderType.STOP_MARKET, Side.SELL, price="90")
        self.submit(exchange, spec)
        (event,) = self.heard(exchange.amend(ApprovedAmend(spec.order_id, Price(Decimal(96))), NOW))
        assert isinstance(event, OrderAmended)
        assert self._orders[spec.order_id].trigger_price == 96
        assert self.heard(self.trade(exchange, 95))
        assert self._orders[spec.order_id].state is OrderState.FILLED

    def test_of_a_group_only_one_position_is_sold(self, exchange: Exchange):
        self.bought(exchange)
        stop = self.spec(OrderType.STOP_MARKET, Side.SELL, price="90", group="g")
        target = self.spec(OrderType.LIMIT, Side.SELL, price="110", group="g")
        self.submit(exchange, stop)
        self.submit(exchange, target)
        self.heard(self.trade(exchange, 120))
        assert self._orders[target.order_id].state is OrderState.FILLED
        assert self._orders[stop.order_id].state is OrderState.CANCELED
        assert self._orders[stop.order_id].reason == "group"
        assert not self.heard(self.trade(exchange, 80))
        assert exchange.balances()[self.instrument.base] == 0

    def test_open_orders_are_those_whose_events_have_not_ended(self, exchange: Exchange):
        self.bought(exchange, "3")
        for price in ("80", "70"):
            self.submit(exchange, self.spec(OrderType.STOP_MARKET, Side.SELL, price=price))
        self.heard(self.trade(exchange, 75))
        live = {order_id for order_id, order in self._orders.items() if not order.state.is_final}
        assert set(exchange.open_orders()) == live
        assert len(live) == 1

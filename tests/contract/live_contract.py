"""What every venue over the wire must do (`ports.live.LiveExchange`). A subclass says how one is opened and moved."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from itertools import count

import pytest

from holdfast.domain.decision import Approved, ApprovedAmend
from holdfast.domain.instrument import Instrument
from holdfast.domain.market import BarClosed, Timeframe
from holdfast.domain.order import (
    Order,
    OrderCanceled,
    OrderEvent,
    OrderFilled,
    OrderRejected,
    OrderSpec,
    OrderState,
    OrderTimedOut,
    OrderType,
    Role,
    TimeInForce,
)
from holdfast.domain.values import OrderId, Price, Quantity, Side
from holdfast.ports.live import AccountReport, Answered, Incoming, Quote, TradingVenue

PATIENCE_S = 20.0
FOREVER = OrderId("hf-never")


class Account:
    """One life of an exchange: what it said, folded into orders; what a state does not admit fails the test."""

    def __init__(self, exchange: TradingVenue, instrument: Instrument) -> None:
        self.exchange, self.instrument = exchange, instrument
        self.orders: dict[OrderId, Order] = {}
        self.events: list[OrderEvent] = []
        self.others: list[Incoming] = []

    def hear(self, until: Callable[[], object], what: str = "") -> None:
        """Take what comes in until a condition holds."""
        ends = time.monotonic() + PATIENCE_S
        while not until():
            assert time.monotonic() < ends, f"{what or until}: heard {self.events[-8:]} {self.others[-3:]}"
            for item in self.exchange.take(0.05):
                if isinstance(item, OrderEvent):
                    self.events.append(item)
                    self.orders[item.order_id] = self.orders[item.order_id].apply(item)
                else:
                    self.others.append(item)

    def settle(self, seconds: float = 1.0) -> None:
        """Take what comes in for a while."""
        ends = time.monotonic() + seconds
        self.hear(lambda: time.monotonic() > ends)

    def submit(self, spec: OrderSpec) -> OrderSpec:
        self.orders[spec.order_id] = Order.sent(spec)
        assert not self.exchange.submit(Approved(spec), 0)
        return spec

    def sent(self, spec: OrderSpec, *states: OrderState) -> Order:
        """Send an order and wait until it is in one of the states."""
        self.submit(spec)
        self.hear(lambda: self.orders[spec.order_id].state in states, f"{spec.order_id} {states}")
        return self.orders[spec.order_id]

    def state(self, spec: OrderSpec) -> OrderState:
        return self.orders[spec.order_id].state

    def quote(self) -> Quote:
        found = [item for item in self.others if isinstance(item, Quote)]
        if not found:
            self.hear(lambda: any(isinstance(item, Quote) for item in self.others), "a quote")
            found = [item for item in self.others if isinstance(item, Quote)]
        return found[-1]

    def report(self) -> AccountReport:
        """Ask for the account and return what was said."""
        before = len(self.others)
        self.exchange.ask_account()
        self.hear(lambda: any(isinstance(x, AccountReport) for x in self.others[before:]), "a report")
        return [x for x in self.others[before:] if isinstance(x, AccountReport)][-1]

    def of_id(self, order: Order) -> list[OrderEvent]:
        return self.of(order.spec)

    def of(self, spec: OrderSpec) -> list[OrderEvent]:
        return [event for event in self.events if event.order_id == spec.order_id]


class LiveExchangeContract(ABC):
    """The account begins with much of the quote asset, and holds some of the base, too."""

    quantity = Decimal("0.01")

    @abstractmethod
    def connect(self) -> tuple[TradingVenue, Instrument]:
        """Return a fresh client of the one account, not started yet."""

    @abstractmethod
    def move(self, bars: int = 1) -> None:
        """Let the market go on."""

    @abstractmethod
    def truth(self) -> Sequence[str]:
        """Return the client ids of all orders that the venue has ever taken, as itself counts them."""

    @abstractmethod
    def fail(self, kind: str, endpoint: str, times: int = 1) -> None:
        """Let the next requests go wrong: lost_before, lost_after, error_after, ..."""

    @pytest.fixture
    def account(self) -> Iterator[Account]:
        self._ids = count(1)
        self.opened: list[TradingVenue] = []
        yield self.open()
        for exchange in self.opened:
            exchange.close()

    def open(self, known: Sequence[Order] = ()) -> Account:
        exchange, instrument = self.connect()
        self.opened.append(exchange)
        account = Account(exchange, instrument)
        account.orders = {order.spec.order_id: order for order in known}
        exchange.know(known)
        exchange.start([instrument], Timeframe.M1)
        return account

    def price(self, account: Account, share: float) -> Price:
        return account.instrument.price(Decimal(repr(account.quote().bid * share)))

    def spec(
        self, account: Account, kind: OrderType, side: Side, share: float = 0.0, role: Role | None = None,
        group: str = "", quantity: Decimal | None = None,
    ) -> OrderSpec:  # fmt: skip
        level = self.price(account, share) if share else None
        is_stop = kind is OrderType.STOP_MARKET
        usual = Role.ENTRY if side is Side.BUY else Role.STOP if is_stop else Role.EXIT
        return OrderSpec(
            OrderId(f"{self.prefix}-{next(self._ids)}"), account.instrument.id, side, kind,
            Quantity(quantity or self.quantity), role or usual, None if is_stop else level, level if is_stop else None,
            group=group, time_in_force=TimeInForce.IOC if kind is OrderType.MARKET else TimeInForce.GTC,
        )  # fmt: skip

    prefix = "hf"

    def needs_resting_stops(self, account: Account) -> None:
        if not account.exchange.capabilities.resting_stops:
            pytest.skip("declared: no stop rests at this venue; that each is refused by name is tested")

    # -- market ------------------------------------------------------------------------------------
    def test_bars_come_once_in_order_and_follow_on_history(self, account: Account):
        past = account.exchange.history(account.instrument.id, 30)
        assert len(past) == 30
        bars: list[BarClosed] = []

        def heard() -> int:
            bars[:] = [item for item in account.others if isinstance(item, BarClosed)]
            return len(bars)

        for number in range(3):
            self.move()
            account.hear(lambda wanted=number + 1: heard() >= wanted, "a bar")
        times = [bar.ts_event for bar in (*past, *bars)]
        step = Timeframe.M1.nanos
        assert times == list(range(times[0], times[0] + step * len(times), step))
        assert account.quote().bid < account.quote().ask

    # -- orders ------------------------------------------------------------------------------------
    def test_a_market_buy_fills_exactly_what_was_asked_and_the_cash_agrees(self, account: Account):
        before = account.report().balances
        order = account.sent(self.spec(account, OrderType.MARKET, Side.BUY), OrderState.FILLED)
        fills = [event for event in account.of_id(order) if isinstance(event, OrderFilled)]
        spent = sum(fill.price * fill.quantity + fill.fee.amount for fill in fills)
        assert order.filled == self.quantity
        assert all(fill.fee.asset == account.instrument.quote for fill in fills)
        after = account.report().balances
        assert before[account.instrument.quote] - after[account.instrument.quote] == spent
        gained = after[account.instrument.base] - before[account.instrument.base]
        assert self.quantity <= gained < self.quantity + account.instrument.lot

    def test_a_market_sale_fills_and_the_cash_agrees(self, account: Account):
        before = account.report().balances
        order = account.sent(self.spec(account, OrderType.MARKET, Side.SELL), OrderState.FILLED)
        got = order.notional - sum(x.fee.amount for x in account.of_id(order) if isinstance(x, OrderFilled))
        after = account.report().balances
        assert after[account.instrument.quote] - before[account.instrument.quote] == got
        assert before[account.instrument.base] - after[account.instrument.base] == self.quantity

    def test_a_limit_order_rests_is_reported_and_can_be_canceled(self, account: Account):
        spec = self.spec(account, OrderType.LIMIT, Side.BUY, 0.8)
        account.sent(spec, OrderState.OPEN)
        assert [order.order_id for order in account.report().orders] == [spec.order_id]
        account.exchange.cancel(spec.order_id, 0, "operator")
        account.hear(lambda: account.state(spec) is OrderState.CANCELED)
        assert account.orders[spec.order_id].reason == "operator"
        assert not account.report().orders

    def test_what_the_venue_does_not_take_is_rejected_with_a_label(self, account: Account):
        too_dear = self.spec(account, OrderType.LIMIT, Side.BUY, 0.9, quantity=Decimal(10_000))
        too_small = self.spec(account, OrderType.LIMIT, Side.BUY, 0.9, quantity=account.instrument.lot)
        for spec in (too_dear, too_small):
            account.sent(spec, OrderState.REJECTED)
            assert account.orders[spec.order_id].reason.strip()
        assert not self.truth()

    def test_canceling_what_is_gone_or_was_never_there_gives_nothing(self, account: Account):
        order = account.sent(self.spec(account, OrderType.MARKET, Side.BUY), OrderState.FILLED)
        heard = len(account.events)
        account.exchange.cancel(order.spec.order_id, 0, "operator")
        account.exchange.cancel(FOREVER, 0, "operator")
        account.settle()
        assert len(account.events) == heard

    # -- lost answers ------------------------------------------------------------------------------
    def test_an_order_that_never_arrived_ends_as_such(self, account: Account):
        self.fail("lost_before", "POST /spot/orders")
        spec = self.spec(account, OrderType.LIMIT, Side.BUY, 0.8)
        order = account.sent(spec, OrderState.REJECTED)
        assert order.reason == "never_arrived"
        assert [type(event) for event in account.of(spec)] == [OrderTimedOut, OrderRejected]
        assert not self.truth(), "it was not sent again"

    @pytest.mark.parametrize("kind", ["lost_after", "error_after", "busy_after", "truncated"])
    def test_an_order_whose_answer_was_lost_is_found_and_not_sent_again(self, account: Account, kind: str):
        self.fail(kind, "POST /spot/orders")
        spec = self.spec(account, OrderType.LIMIT, Side.BUY, 0.8)
        account.sent(spec, OrderState.OPEN)
        assert isinstance(account.of(spec)[0], OrderTimedOut)
        account.settle()
        assert len(self.truth()) == 1
        assert account.state(spec) is OrderState.OPEN

    def test_a_market_order_whose_answer_was_lost_is_found_with_its_fills(self, account: Account):
        self.fail("lost_after", "POST /spot/orders")
        order = account.sent(self.spec(account, OrderType.MARKET, Side.BUY), OrderState.FILLED)
        assert order.filled == self.quantity
        assert len(self.truth()) == 1

    def test_a_lost_cancel_is_asked_for_again(self, account: Account):
        spec = self.spec(account, OrderType.LIMIT, Side.BUY, 0.8)
        account.sent(spec, OrderState.OPEN)
        self.fail("lost_before", "DELETE /spot/orders/{order_id}")
        account.exchange.cancel(spec.order_id, 0, "operator")
        account.hear(lambda: account.state(spec) is OrderState.CANCELED)
        assert not account.report().orders

    # -- another process ---------------------------------------------------------------------------
    def test_another_process_finds_what_rests_and_what_has_traded_meanwhile(self, account: Account):
        resting = self.spec(account, OrderType.LIMIT, Side.BUY, 0.8)
        lost = self.spec(account, OrderType.MARKET, Side.BUY)
        account.sent(resting, OrderState.OPEN)
        account.submit(lost)
        account.settle(0.5)  # long enough for it to trade; what was heard of it is forgotten
        account.exchange.close()
        account.orders[lost.order_id] = Order.sent(lost)
        again = self.open(list(account.orders.values()))
        again.exchange.ask(list(again.orders.values()))
        again.hear(lambda: len([x for x in again.others if isinstance(x, Answered) and x.is_certain]) == 2, "answers")
        assert again.state(resting) is OrderState.OPEN
        assert again.state(lost) is OrderState.FILLED
        assert not [event for event in again.of(resting) if isinstance(event, OrderCanceled | OrderRejected)]
        assert len(self.truth()) == 2

    def test_another_process_learns_that_an_order_was_never_sent(self, account: Account):
        spec = self.spec(account, OrderType.LIMIT, Side.BUY, 0.8)
        account.exchange.close()
        again = self.open([Order.sent(spec)])
        again.exchange.ask(list(again.orders.values()))
        again.hear(lambda: again.state(spec) is OrderState.REJECTED)
        assert again.orders[spec.order_id].reason == "never_arrived"

    # -- stops -------------------------------------------------------------------------------------
    def test_a_stop_rests_moves_and_is_reported_with_its_trigger(self, account: Account):
        self.needs_resting_stops(account)
        spec = self.spec(account, OrderType.STOP_MARKET, Side.SELL, 0.8)
        account.sent(spec, OrderState.OPEN)
        higher = self.price(account, 0.85)
        account.exchange.amend(ApprovedAmend(spec.order_id, higher), 0)
        account.hear(lambda: account.orders[spec.order_id].trigger_price == higher)
        account.settle()
        (there,) = account.report().orders
        assert (there.order_id, there.trigger_price) == (spec.order_id, higher)
        account.exchange.cancel(spec.order_id, 0, "operator")
        account.hear(lambda: account.state(spec) is OrderState.CANCELED)
        assert not account.report().orders

    def test_a_stop_that_cannot_rest_is_refused_by_name_so_that_the_software_stop_watches(self, account: Account):
        if account.exchange.capabilities.resting_stops:
            pytest.skip("declared: stops rest at this venue; that they do is tested")
        spec = self.spec(account, OrderType.STOP_MARKET, Side.SELL, 0.8)
        order = account.sent(spec, OrderState.REJECTED)
        assert order.reason == "no_resting_stops"
        assert not self.truth()

    def test_a_stop_beyond_the_market_is_rejected_and_nothing_is_sold(self, account: Account):
        before = account.report().balances
        spec = self.spec(account, OrderType.STOP_MARKET, Side.SELL, 1.1)
        account.sent(spec, OrderState.REJECTED)
        assert account.report().balances == before

    def test_a_way_out_ends_the_stop_and_the_target_of_its_group(self, account: Account):
        self.needs_resting_stops(account)
        stop = self.spec(account, OrderType.STOP_MARKET, Side.SELL, 0.8, group="g")
        target = self.spec(account, OrderType.LIMIT, Side.SELL, 1.2, Role.TARGET, "g")
        account.sent(stop, OrderState.OPEN)
        account.sent(target, OrderState.OPEN)
        before = account.report().balances[account.instrument.base]
        account.sent(self.spec(account, OrderType.MARKET, Side.SELL, 0.0, Role.EXIT, "g"), OrderState.FILLED)
        account.hear(lambda: account.state(stop) is account.state(target) is OrderState.CANCELED)
        assert account.orders[stop.order_id].reason == "group"
        assert not account.report().orders
        assert before - account.report().balances[account.instrument.base] == self.quantity

    def test_a_way_out_sells_what_is_free_where_somebody_has_bound_or_taken_the_rest(self, account: Account):
        held = account.instrument.quantity(account.report().balances[account.instrument.base])
        bound = self.spec(account, OrderType.LIMIT, Side.SELL, 1.5, Role.TARGET, quantity=held - self.quantity)
        account.sent(bound, OrderState.OPEN)
        leave = self.spec(account, OrderType.MARKET, Side.SELL, 0.0, Role.EXIT, "g", quantity=2 * self.quantity)
        assert account.sent(leave, OrderState.CANCELED).filled == self.quantity
        assert account.orders[leave.order_id].reason == "balance"
        again = self.spec(account, OrderType.MARKET, Side.SELL, 0.0, Role.EXIT, "g", quantity=self.quantity)
        assert account.sent(again, OrderState.REJECTED).reason
        assert account.report().balances[account.instrument.base] == held - self.quantity

    def test_a_stop_whose_answer_was_lost_is_found_and_placed_once(self, account: Account):
        self.needs_resting_stops(account)
        self.fail("lost_after", "POST /spot/price_orders")
        spec = self.spec(account, OrderType.STOP_MARKET, Side.SELL, 0.8)
        account.sent(spec, OrderState.OPEN)
        account.settle()
        assert len(account.report().orders) == 1
        assert account.report().orders[0].order_id == spec.order_id

    def test_another_process_goes_on_with_a_stop_and_its_group(self, account: Account):
        self.needs_resting_stops(account)
        stop = self.spec(account, OrderType.STOP_MARKET, Side.SELL, 0.8, group="g")
        account.sent(stop, OrderState.OPEN)
        known = list(account.orders.values())
        account.exchange.close()
        again = self.open(known)
        again.exchange.ask(known)
        again.hear(lambda: any(isinstance(x, Answered) for x in again.others), "an answer")
        assert [order.order_id for order in again.report().orders] == [stop.order_id]
        again.sent(self.spec(again, OrderType.MARKET, Side.SELL, 0.0, Role.EXIT, "g"), OrderState.FILLED)
        again.hear(lambda: again.state(stop) is OrderState.CANCELED)

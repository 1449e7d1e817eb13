"""Whatever is sent and whatever the market does: no money is made up, no order overfills, no fill is too good."""

from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.unit.matching.conftest import BASE, MINUTE, QUOTE, dec, make_instrument

from holdfast.core.errors import VenueError
from holdfast.domain.instrument import Instrument
from holdfast.domain.market import BarClosed, BarFlag
from holdfast.domain.order import (
    Liquidity,
    Order,
    OrderAccepted,
    OrderEvent,
    OrderFilled,
    OrderSpec,
    OrderSubmitted,
    OrderType,
    Role,
    TimeInForce,
)
from holdfast.domain.values import ONE, ZERO, OrderId, Price, Quantity, Side
from holdfast.matching.config import MatchingConfig
from holdfast.matching.venue import Venue

PRICES = st.integers(90, 110)
QUANTITIES = st.sampled_from([dec("0.001"), dec("0.5"), ONE, dec(3), dec(40)])
GROUPS = st.sampled_from(["", "", "g", "h"])
THIN = MatchingConfig(participation_max=Decimal("0.05"), latency_ms=0)
CONFIGS = [
    MatchingConfig(),
    MatchingConfig.ideal(),
    THIN,
    MatchingConfig(latency_bars=1),
    MatchingConfig(is_touch_fill=True),
]
STOPS = {OrderType.STOP_MARKET, OrderType.TRAILING_STOP}


@st.composite
def orders(draw: st.DrawFn) -> dict[str, object]:
    """Draw the terms of an order, without its id."""
    kind = draw(st.sampled_from(OrderType))
    side = draw(st.sampled_from(Side))
    waits = TimeInForce.GTC
    if kind in {OrderType.MARKET, OrderType.LIMIT}:
        waits = draw(
            st.sampled_from([TimeInForce.IOC, TimeInForce.FOK, TimeInForce.GTC][: 2 + (kind is OrderType.LIMIT)])
        )
    is_limit, is_trailing = kind in {OrderType.LIMIT, OrderType.STOP_LIMIT}, kind is OrderType.TRAILING_STOP
    is_triggered = kind not in {OrderType.LIMIT, OrderType.MARKET}
    return {
        "side": side, "type": kind, "quantity": Quantity(draw(QUANTITIES)),
        "role": Role.ENTRY if side is Side.BUY else draw(st.sampled_from([Role.STOP, Role.TARGET, Role.EXIT])),
        "limit_price": Price(Decimal(draw(PRICES))) if is_limit else None,
        "trigger_price": Price(Decimal(draw(PRICES))) if is_triggered else None,
        "trail_offset": Decimal(draw(st.integers(1, 8))) if is_trailing else None,
        "time_in_force": waits, "group": draw(GROUPS),
        "is_post_only": kind is OrderType.LIMIT and waits is TimeInForce.GTC and draw(st.booleans()),
    }  # fmt: skip


@st.composite
def shapes(draw: st.DrawFn) -> tuple[float, float, float, float, float, int]:
    """Draw open, high, low, close, volume and flags of a bar."""
    opened, closed = draw(PRICES), draw(PRICES)
    high, low = max(opened, closed) + draw(st.integers(0, 5)), min(opened, closed) - draw(st.integers(0, 5))
    flags = draw(st.sampled_from([0, 0, 0, 0, 1, 2, 4, 5, 8]))
    volume = 0.0 if flags & BarFlag.NO_TRADE else draw(st.sampled_from([0.0, 0.02, 7.0, 100.0, 1e6]))
    return float(opened), float(high), float(low), float(closed), volume, flags


class VenueMachine(RuleBasedStateMachine):
    """A venue and a twin that is restarted now and then; all that they report is folded into the domain's orders."""

    @initialize(
        config=st.sampled_from(CONFIGS), quote=st.sampled_from([0, 500, 100_000]), base=st.sampled_from([0, 5, 50])
    )
    def start(self, config: MatchingConfig, quote: int, base: int) -> None:
        self.config = config
        self.instrument: Instrument = make_instrument()
        self.capital = {QUOTE: dec(quote), BASE: dec(base)}
        self.venue, self.twin = self.fresh(), self.fresh()
        self.orders: dict[OrderId, Order] = {}
        self.shared: dict[str, Decimal] = {}
        self.expected = dict(self.capital)
        self.minute = 100

    def fresh(self) -> Venue:
        return Venue((self.instrument,), MINUTE, self.config, self.capital)

    # -- what can happen --------------------------------------------------------------------------------------------

    @rule(terms=orders())
    def send(self, terms: dict[str, object]) -> None:
        order_id = OrderId(f"o{len(self.orders) + 1}")
        spec = OrderSpec(order_id=order_id, instrument_id=self.instrument.id, **terms)
        self.orders[order_id] = Order.of(spec).apply(OrderSubmitted(order_id, 0))
        answer = self.both(lambda venue: venue.place(spec, self.minute * MINUTE))
        self.fold(answer, None, "")
        if isinstance(answer[0], OrderAccepted) and spec.group:
            self.shared[spec.group] = max(self.shared.get(spec.group, ZERO), spec.quantity)

    @precondition(lambda self: self.venue.open_orders())
    @rule(data=st.data(), price=PRICES, quantity=st.none() | QUANTITIES)
    def amend(self, data: st.DataObject, price: int, quantity: Decimal | None) -> None:
        order_id = data.draw(st.sampled_from(self.venue.open_orders()))
        if self.orders[order_id].spec.group:
            quantity = None
        new = None if quantity is None else Quantity(quantity)
        try:
            answer = self.venue.change(order_id, self.minute * MINUTE, Price(Decimal(price)), new)
        except VenueError:
            with pytest.raises(VenueError):
                self.twin.change(order_id, self.minute * MINUTE, Price(Decimal(price)), new)
        else:
            assert self.twin.change(order_id, self.minute * MINUTE, Price(Decimal(price)), new) == answer
            self.fold(answer, None, "")

    @precondition(lambda self: self.venue.open_orders())
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        order_id = data.draw(st.sampled_from(self.venue.open_orders()))
        self.fold(self.both(lambda venue: venue.cancel(order_id, self.minute * MINUTE, "operator")), None, "")

    @rule(shape=shapes(), answers=st.lists(orders(), max_size=3))
    def play(self, shape: tuple[float, float, float, float, float, int], answers: list[dict[str, object]]) -> None:
        bar = BarClosed(self.instrument.id, (self.minute + 1) * MINUTE, *shape)
        taken = self.fold(self.both(lambda venue: venue.open_phase(bar)), bar, "open")
        answers = self.answer(answers)
        while events := self.both(lambda venue: venue.range_phase(bar)):
            taken += self.fold(events, bar, "range")
            answers = self.answer(answers)
        if self.config.participation_max is not None:
            assert taken <= Decimal(repr(bar.volume)) * self.config.participation_max
        self.minute += 1

    @rule()
    def restart_the_twin(self) -> None:
        self.twin = self.fresh()
        self.twin.restore(self.venue.snapshot())

    def answer(self, answers: list[dict[str, object]]) -> list[dict[str, object]]:
        if answers:
            self.send(answers[0])
        return answers[1:]

    def both(self, call) -> Sequence[OrderEvent]:
        events = call(self.venue)
        assert call(self.twin) == events
        return events

    # -- what must hold ---------------------------------------------------------------------------------------------

    def fold(self, events: Sequence[OrderEvent], bar: BarClosed | None, phase: str) -> Decimal:
        """Apply the events, check each fill, and return how much was filled."""
        taken = ZERO
        for event in events:
            before = self.orders[event.order_id]
            after = self.orders[event.order_id] = before.apply(event)
            if not isinstance(event, OrderFilled):
                continue
            assert bar is not None
            self.check(before, event, bar, phase)
            taken += event.quantity
            sign, value = before.spec.side.sign, event.price * event.quantity
            self.expected[BASE] += sign * event.quantity
            self.expected[QUOTE] -= sign * value + event.fee.amount
            assert after.filled <= after.quantity
            if group := before.spec.group:
                self.shared[group] -= event.quantity
                assert self.shared[group] >= 0, "the group has overfilled"
        live = {self.orders[order_id].spec.group for order_id in self.venue.open_orders()}
        self.shared = {group: left for group, left in self.shared.items() if group in live}
        return taken

    def check(self, order: Order, fill: OrderFilled, bar: BarClosed, phase: str) -> None:
        """Compare a fill with the best that the rules allow."""
        spec, opened = order.spec, Decimal(repr(bar.open))
        assert not bar.flags & BarFlag.NO_TRADE
        assert fill.price % self.instrument.tick == fill.quantity % self.instrument.lot == 0
        sign = spec.side.sign
        if fill.liquidity is Liquidity.MAKER:
            low, high = (bar.open, bar.close) if bar.flags & BarFlag.SUSPECT else (bar.low, bar.high)
            extreme = Decimal(repr(min(low, high) if sign > 0 else max(low, high)))
            assert fill.price == order.limit_price
            assert (fill.price - extreme) * sign >= (0 if self.config.is_touch_fill else self.instrument.tick)
            return
        tier = self.instrument.fees()
        assert fill.fee.amount == fill.price * fill.quantity * tier.taker
        is_at_once = spec.type in {OrderType.MARKET, OrderType.LIMIT}
        if is_at_once or phase == "open":
            worse = max if sign > 0 else min
            best = opened
            if spec.type is OrderType.TAKE_PROFIT:
                assert order.trigger_price is not None
                best = worse(order.trigger_price, opened) if order.filled else order.trigger_price
            elif spec.type is OrderType.STOP_MARKET:
                assert order.trigger_price is not None
                best = worse(order.trigger_price, opened)
            assert (fill.price - best) * sign >= 0
        elif spec.type is OrderType.STOP_MARKET:
            assert order.trigger_price is not None
            worse = max if sign > 0 else min
            assert (fill.price - worse(order.trigger_price, opened)) * sign >= 0
        else:
            assert (fill.price - fill.reference) * sign >= 0
        if order.limit_price is not None:
            assert (order.limit_price - fill.price) * sign >= 0
        if bar.flags & (BarFlag.GAP_BEFORE | BarFlag.AFTER_NO_TRADE) and phase == "open":
            assert spec.role is not Role.ENTRY

    @invariant()
    def balances_are_conserved_and_never_negative(self) -> None:
        if hasattr(self, "venue"):
            assert self.venue.balances() == self.expected
            assert all(amount >= 0 for amount in self.expected.values())

    @invariant()
    def holds_are_what_open_orders_need(self) -> None:
        if not hasattr(self, "venue"):
            return
        base, groups = ZERO, dict[str, list[Decimal]]()
        live = set(self.venue.open_orders())
        assert live == {order_id for order_id, order in self.orders.items() if not order.state.is_final}
        for order_id in live:
            order = self.orders[order_id]
            assert order.left > 0
            if order.spec.group:
                assert order.left <= self.shared[order.spec.group]
            if order.spec.side is Side.SELL:
                if order.spec.group:
                    groups.setdefault(order.spec.group, []).append(order.left)
                else:
                    base += order.left
        base += sum((min(sum(lefts, ZERO), self.shared[group]) for group, lefts in groups.items()), ZERO)
        assert self.venue._account.held(BASE) == base
        assert base <= self.expected[BASE]
        if not any(self.orders[order_id].spec.side is Side.BUY for order_id in live):
            assert self.venue._account.held(QUOTE) == 0

    @invariant()
    def the_twin_is_in_the_same_state(self) -> None:
        if hasattr(self, "venue"):
            assert self.twin.snapshot() == self.venue.snapshot()


TestVenue = VenueMachine.TestCase
TestVenue.settings = settings(max_examples=60, stateful_step_count=30)

"""A life of orders at a venue over the wire: placed, resting, filled, guarded, taken over by a second client, left."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from typing import Final

import msgspec
from tests.drills.matrix_venue import CASH, COINS, Rule, Venue

from holdfast.adapters.exchanges.gateio.client import GateioExchange
from holdfast.adapters.exchanges.gateio.config import GateioConfig
from holdfast.adapters.exchanges.gateio.order_desk import DeskConfig
from holdfast.adapters.host.clock import SystemClock
from holdfast.core.errors import HoldfastError, VenueError
from holdfast.domain.decision import Approved, ApprovedAmend
from holdfast.domain.instrument import Instrument
from holdfast.domain.market import Timeframe
from holdfast.domain.order import Order, OrderEvent, OrderFilled, OrderSpec, OrderState, OrderType, Role, TimeInForce
from holdfast.domain.values import ZERO, OrderId, Price, Quantity, Side
from holdfast.ports.live import AccountReport, Answered, Failure, Quote

PAIR: Final = "BTC/USDT"
QUANTITY: Final = Decimal("0.02")
_PATIENCE_S: Final = 40.0
_TRIES: Final = 8
_OPEN: Final = frozenset({OrderState.OPEN})
_TRADED: Final = frozenset({OrderState.FILLED})


@dataclass(frozen=True)
class Phase:
    """A part of the life, and the requests that it is about."""

    name: str
    endpoint: str


PHASES: Final = (
    Phase("placing", "POST /spot/orders"),
    Phase("resting", "GET /spot/open_orders"),
    Phase("filling", "POST /spot/orders"),
    Phase("guarding", "POST /spot/price_orders"),
    Phase("recovering", ""),
    Phase("leaving", "DELETE*"),
)


class Life:
    """One account's orders. `phase` is when the fault comes: `strike` where one is given, else `rule` at the venue."""

    def __init__(
        self, venue: Venue, phase: str, strike: Callable[[], None] | None, rule: Rule, way: str = "rest"
    ) -> None:  # fmt: skip
        self.orders: dict[OrderId, Order] = {}
        self.fills: list[OrderFilled] = []
        self._venue, self._phase, self._rule = venue, phase, rule
        self._strike = strike or (lambda: venue.arm(rule))
        self._ids = count(1)
        self._quote = self._answered = 0.0
        self._certain: set[OrderId] = set()
        self._report: AccountReport | None = None
        self._failures: list[str] = []
        self._way, self._by_socket = way, 0
        self._exchange, self._instrument = self._open()

    # -- the life ----------------------------------------------------------------------------------
    def live(self) -> None:
        """Live it, and leave nothing behind."""
        self._reach("placing")
        entry = self._persist(lambda: self._spec(OrderType.LIMIT, Side.BUY, 0.8), _OPEN)
        self._reach("resting")
        self._venue.advance(1)
        self._settle(1.5)
        self._cancel(entry)
        self._reach("filling")
        self._persist(lambda: self._spec(OrderType.MARKET, Side.BUY), _TRADED)
        self._reach("guarding")
        stop = self._persist(lambda: self._spec(OrderType.STOP_MARKET, Side.SELL, 0.8, "g", self._held()), _OPEN)
        self._move(stop, 0.85)
        self._take_over()
        self._reach("leaving")
        self._leave("g")
        self._hear(lambda: self.orders[stop].state.is_final, "the stop ends with its group")
        self._venue.disarm()
        self._settle(1.0)

    def _reach(self, phase: str) -> None:
        if phase == self._phase:
            self._strike()

    def _take_over(self) -> None:
        """Send an order, forget what was heard of it, and go on with a second client."""
        spec = self._spec(OrderType.LIMIT, Side.BUY, 0.7)
        self._submit(spec)
        self._settle(0.02)
        self._by_socket = self.by_socket
        self._exchange.close()
        self.orders[spec.order_id] = Order.sent(spec)
        self._reach("recovering")
        self._exchange, self._instrument = self._open()
        self._exchange.ask([order for order in self.orders.values() if not order.state.is_final])
        waited = {order_id for order_id, order in self.orders.items() if not order.state.is_final}
        self._hear(lambda: waited <= self._certain, "an answer about each order")
        self._cancel(spec.order_id)

    def _leave(self, group: str) -> None:
        for _ in range(_TRIES):
            if self._held() <= ZERO:
                return
            spec = self._spec(OrderType.MARKET, Side.SELL, 0.0, group, self._held(), Role.EXIT)
            self._submit(spec)
            self._end(spec.order_id)
            self._venue.advance(1)  # who was there to buy has bought: others come with time
        if self._held() > ZERO:
            raise VenueError(f"{self._held()} could not be sold", venue="GATEIO")

    # -- what must hold ----------------------------------------------------------------------------
    def broken(self) -> list[str]:
        """Return what the venue contradicts."""
        account, found = self._venue.account(), list(self._failures)
        ours = [order for order in account["orders"] if order["text"].startswith("t-")]
        texts = [order["text"].removeprefix("t-") for order in ours]
        if len(set(texts)) != len(texts):
            found.append(f"an order is at the venue twice: {sorted(texts)}")
        if unknown := set(texts) - set(self.orders):
            found.append(f"orders that were never sent: {sorted(unknown)}")
        if lost := [x for x in texts if self.orders[OrderId(x)].reason == "never_arrived"]:
            found.append(f"believed never to have arrived, and did: {lost}")
        if left := [str(x) for x, order in self.orders.items() if not order.state.is_final]:
            found.append(f"without an end: {left} {self._exchange.describe()}")
        resting = [order["text"] for order in account["orders"] if order["status"] == "open"]
        waiting = [trigger["id"] for trigger in account["triggers"] if trigger["status"] == "open"]
        if resting or waiting:
            found.append(f"left at the venue: orders {resting}, triggers {waiting}")
        cash, coins = (sum(map(Decimal, account["balances"][asset].values())) for asset in ("USDT", "BTC"))
        told = CASH - sum((self._signed(x) * x.price + x.fee.amount for x in self.fills), ZERO)
        if cash != told:
            found.append(f"cash is {cash}, told {told}")
        over = coins - COINS - self._held()
        if not ZERO <= over < self._instrument.lot * len(self.fills):
            found.append(f"{coins} coins are there, told {COINS + self._held()}")
        return found

    # -- parts -------------------------------------------------------------------------------------
    @property
    def by_socket(self) -> int:
        """Return how many calls about orders have left over the socket."""
        return self._by_socket + self._exchange.order_ways.get("socket", 0)

    def close(self) -> None:
        """Let the client go."""
        self._exchange.close()

    def _open(self) -> tuple[GateioExchange, Instrument]:
        """Return a client that is connected; a venue that fails is tried again, as a supervisor would."""
        config = msgspec.structs.replace(
            GateioConfig.for_url(self._venue.url), request_timeout_ms=1_500, orders=self._way
        )
        ends = time.monotonic() + _PATIENCE_S
        while True:
            exchange = GateioExchange(
                config, self._venue.credentials, SystemClock(), DeskConfig(is_trigger_expiry_trusted=True)
            )
            try:
                (instrument,) = exchange.instruments([PAIR])
                exchange.know([order for order in self.orders.values() if not order.state.is_final])
                exchange.start([instrument], Timeframe.M1)
                self._quote = self._quote or exchange.history(instrument.id, 1)[-1].close
            except HoldfastError:
                exchange.close()
                if time.monotonic() > ends:
                    raise
                time.sleep(0.3)
                continue
            return exchange, instrument

    def _hear(self, until: Callable[[], bool], what: str) -> None:
        ends = time.monotonic() + _PATIENCE_S
        while not until():
            if time.monotonic() > ends:
                raise VenueError(f"waited in vain for {what}: {self._exchange.describe()}", venue="GATEIO")
            self._take()

    def _settle(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            self._take()

    def _take(self) -> None:
        for item in self._exchange.take(0.02):
            if isinstance(item, OrderEvent):
                self.orders[item.order_id] = self.orders[item.order_id].apply(item)
                if isinstance(item, OrderFilled):
                    self.fills.append(item)
                continue
            match item:
                case Quote():
                    self._quote = item.last
                case Answered():
                    self._certain.add(item.order_id)
                case Failure() if item.is_fatal:
                    self._failures.append(f"the client gave up: {item.message}")
                case _:
                    pass

    def _held(self) -> Decimal:
        return sum(map(self._signed, self.fills), ZERO)

    def _signed(self, fill: OrderFilled) -> Decimal:
        return fill.quantity * self.orders[fill.order_id].spec.side.sign

    def _spec(
        self, kind: OrderType, side: Side, share: float = 0.0, group: str = "", quantity: Decimal = QUANTITY,
        role: Role | None = None,
    ) -> OrderSpec:  # fmt: skip
        level: Price | None = self._instrument.price(Decimal(repr(self._quote * share))) if share else None
        is_stop = kind is OrderType.STOP_MARKET
        return OrderSpec(
            OrderId(f"fm-{next(self._ids)}"), self._instrument.id, side, kind, Quantity(quantity),
            role or (Role.STOP if is_stop else Role.ENTRY), None if is_stop else level, level if is_stop else None,
            group=group, time_in_force=TimeInForce.IOC if kind is OrderType.MARKET else TimeInForce.GTC,
        )  # fmt: skip

    def _submit(self, spec: OrderSpec) -> None:
        self.orders[spec.order_id] = Order.sent(spec)
        self._exchange.submit(Approved(spec), 0)

    def _persist(self, make: Callable[[], OrderSpec], goal: frozenset[OrderState]) -> OrderId:
        """Send an order; one that the venue refused or never got is followed by another, as the house would."""
        reason = ""
        for _ in range(_TRIES):
            spec = make()
            self._submit(spec)
            self._come_to(spec.order_id, goal)
            order = self.orders[spec.order_id]
            if order.state in goal or order.filled:
                return spec.order_id
            reason = order.reason
            time.sleep(0.2)
        raise VenueError(f"{_TRIES} orders in a row came to nothing: {reason}", venue="GATEIO")

    def _come_to(self, order_id: OrderId, goal: frozenset[OrderState]) -> None:
        def is_there() -> bool:
            state = self.orders[order_id].state
            return state in goal or state.is_final

        self._hear(is_there, f"{order_id} to be {' or '.join(sorted(goal))}")

    def _cancel(self, order_id: OrderId) -> None:
        self._exchange.cancel(order_id, 0, "operator")
        self._end(order_id)

    def _end(self, order_id: OrderId) -> None:
        self._hear(lambda: self.orders[order_id].state.is_final, f"the end of {order_id}")

    def _move(self, order_id: OrderId, share: float) -> None:
        price = self._instrument.price(Decimal(repr(self._quote * share)))
        self._exchange.amend(ApprovedAmend(order_id, price), 0)
        self._hear(lambda: self.orders[order_id].trigger_price == price, "the stop at its new place")

"""A venue behind a wire that loses, delays and repeats, and an agent's end of it that can die at any call.

What the adapter of a real venue promises (`ports.live.LiveExchange`) is kept, so that what breaks is the agent's.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence

import msgspec

from holdfast.adapters.exchanges.simulated.client import SimulatedVenue
from holdfast.core.errors import VenueError
from holdfast.core.time import MILLISECOND
from holdfast.domain.decision import Approved, ApprovedAmend
from holdfast.domain.instrument import Instrument
from holdfast.domain.market import BarClosed, Timeframe
from holdfast.domain.order import TRANSITIONS, Order, OrderEvent, OrderFilled, OrderRejected, OrderTimedOut
from holdfast.domain.values import InstrumentId, OrderId
from holdfast.matching.venue import decode_state
from holdfast.ports.live import AccountReport, Answered, Incoming, LinkChanged, OrderAtVenue, Quote
from holdfast.testing.dice import Dice
from holdfast.testing.memory_journal import PowerCutError

STEP = 20 * MILLISECOND
_HALF_SPREAD = 0.0001


class VenueSide:
    """What outlives the agent: the venue, its market, what happened to each order, and what is still on the wire."""

    def __init__(self, venue: SimulatedVenue, groups: Sequence[Sequence[BarClosed]]) -> None:
        self.venue, self.groups = venue, groups
        self.done = 0
        self.ts = groups[0][0].ts_event - 1
        self.steady = 0
        self.log: dict[OrderId, list[OrderEvent]] = {}
        self.specs: dict[OrderId, Approved] = {}
        self.arrivals: Counter[OrderId] = Counter()
        self.on_the_wire: list[tuple[int, Approved]] = []

    def place(self, approved: Approved) -> None:
        """Let an order arrive."""
        order_id = approved.order.order_id
        self.arrivals[order_id] += 1
        self.specs[order_id] = approved
        self.note(self.venue.submit(approved, self.ts))

    def note(self, events: Sequence[OrderEvent]) -> None:
        """Remember what happened."""
        for event in events:
            self.log.setdefault(event.order_id, []).append(event)

    def tick(self) -> None:
        """Let time pass: what was slow arrives."""
        self.steady += STEP
        due = [item for item in self.on_the_wire if item[0] <= self.steady]
        self.on_the_wire = [item for item in self.on_the_wire if item[0] > self.steady]
        for _, approved in due:
            self.place(approved)

    def advance(self) -> Sequence[BarClosed]:
        """Let the market move on by a group of bars; empty at its end."""
        if self.done >= len(self.groups):
            return ()
        group = self.groups[self.done]
        self.done += 1
        for bar in group:
            self.note(self.venue.open_phase(bar))
        for bar in group:
            while events := self.venue.range_phase(bar):
                self.note(events)
        self.ts = group[0].ts_event
        return group


class FaultyWire:
    """Implements `ports.live.LiveExchange` for one life of an agent. `calls_left`: then it dies, None for never."""

    venue = "SIM"

    def __init__(self, side: VenueSide, dice: Dice, fault_rate: float, calls_left: int | None = None) -> None:
        self.side, self.dice, self.fault_rate, self.calls_left = side, dice, fault_rate, calls_left
        self._told: dict[OrderId, Order] = {}
        self._read: Counter[OrderId] = Counter()  # events of the venue's log that were taken over
        self._asked: dict[OrderId, int] = {}  # when the next look is due
        self._wanted: set[OrderId] = set()  # in whose answers somebody waits
        self._cancels: dict[OrderId, str] = {}
        self._queue: deque[Incoming] = deque()
        self.is_market_held = True

    # -- life --------------------------------------------------------------------------------------
    def know(self, orders: Sequence[Order]) -> None:
        self._told.update((order.spec.order_id, order) for order in orders)

    def start(self, instruments: Sequence[Instrument], bars: Timeframe) -> None:
        self._call()
        self._queue += [LinkChanged(self.side.ts, "market", True), LinkChanged(self.side.ts, "account", True)]

    def history(self, instrument_id: InstrumentId, count: int, ts_after: int = 0) -> Sequence[BarClosed]:
        self._call()
        seen = [bar for group in self.side.groups[: self.side.done] for bar in group]
        return [bar for bar in seen if bar.instrument_id == instrument_id and bar.ts_event > ts_after][-count:]

    def beat(self, timeout_s: int) -> None:
        self._call()

    def close(self) -> None:
        self._call()

    # -- orders ------------------------------------------------------------------------------------
    def submit(self, approved: Approved, ts: int) -> Sequence[OrderEvent]:
        self._call()
        order_id = approved.order.order_id
        self._told[order_id] = Order.sent(approved.order)
        side, dice = self.side, self.dice
        fate = dice.random() / self.fault_rate if self.fault_rate else 9.0
        if fate < 0.3:  # it never arrives
            self._time_out(order_id)
        elif fate < 0.6:  # it arrives, and the answer is lost
            side.place(approved)
            self._time_out(order_id)
        elif fate < 1.0:  # it is slow, and the agent's patience ends before
            side.on_the_wire.append((side.steady + dice.randint(1, 8) * STEP, approved))
            self._time_out(order_id)
        else:
            side.place(approved)
            self._asked[order_id] = side.steady
        self._call()
        return ()

    def amend(self, amend: ApprovedAmend, ts: int) -> Sequence[OrderEvent]:
        self._call()
        if self.fault_rate and self.dice.random() < self.fault_rate / 2:
            return ()  # lost for good: the comparison with the venue must find it
        try:
            self.side.note(self.side.venue.amend(amend, self.side.ts))
        except VenueError:
            return ()  # it has changed since
        self._call()
        return ()

    def cancel(self, order_id: OrderId, ts: int, reason: str) -> Sequence[OrderEvent]:
        self._call()
        self._cancels[order_id] = reason
        return ()

    def ask(self, orders: Sequence[Order]) -> None:
        self._call()
        for order in orders:
            self._told.setdefault(order.spec.order_id, order)
            self._asked[order.spec.order_id] = self.side.steady + self.dice.randint(0, 5) * STEP
            self._wanted.add(order.spec.order_id)

    def ask_account(self) -> None:
        self._call()
        state = decode_state(self.side.venue.snapshot())
        orders = tuple(
            OrderAtVenue(
                order.spec.order_id, order.spec.instrument_id, order.spec.side, order.quantity - order.filled,
                order.spec.order_id, order.spec.order_id, order.trigger_price,
            )
            for order in state.orders
        )  # fmt: skip
        self._queue.append(AccountReport(self.side.ts, dict(state.balances), orders))

    def take(self, timeout_s: float) -> Sequence[Incoming]:
        self._call()
        self.side.tick()
        self._cancel_what_was_asked()
        for order_id in list(self._told):
            self._look(order_id)
        if not self._queue and not self.is_market_held and self.dice.random() < 0.5:
            for bar in self.side.advance():
                self._queue.append(
                    Quote(
                        bar.instrument_id, bar.ts_event, bar.close * (1 - _HALF_SPREAD), bar.close * (1 + _HALF_SPREAD),
                        bar.close,
                    )
                )  # fmt: skip
                self._queue.append(bar)
        count = self.dice.randint(0, len(self._queue)) if self.fault_rate else len(self._queue)
        return [self._queue.popleft() for _ in range(count)]

    @property
    def is_quiet(self) -> bool:
        """Tell whether nothing is on its way in either direction."""
        return not (self._queue or self._cancels or self._asked or self.side.on_the_wire)

    # -- parts -------------------------------------------------------------------------------------
    def _call(self) -> None:
        if self.calls_left is not None:
            self.calls_left -= 1
            if self.calls_left < 0:
                raise PowerCutError

    def _time_out(self, order_id: OrderId) -> None:
        self._tell(OrderTimedOut(order_id, self.side.ts))
        self._asked[order_id] = self.side.steady + self.dice.randint(1, 4) * STEP

    def _cancel_what_was_asked(self) -> None:
        for order_id, reason in list(self._cancels.items()):
            if self.fault_rate and self.dice.random() < self.fault_rate:
                continue  # lost, and sent again
            if any(approved.order.order_id == order_id for _, approved in self.side.on_the_wire):
                continue  # what has not arrived cannot be canceled yet
            self.side.note(self.side.venue.cancel(order_id, self.side.ts, reason))
            del self._cancels[order_id]

    def _look(self, order_id: OrderId) -> None:
        """Take over what the venue's log says of an order, when a push comes or a question is answered."""
        log = self.side.log.get(order_id, [])
        due = self._asked.get(order_id)
        is_due = due is not None and due <= self.side.steady
        is_pushed = (
            len(log) > self._read[order_id] and due is None and (not self.fault_rate or self.dice.random() < 0.7)
        )
        if not (is_due or is_pushed):
            return
        if not log:
            if any(approved.order.order_id == order_id for _, approved in self.side.on_the_wire):
                self._asked[order_id] = self.side.steady + STEP  # the fence has not fallen: ask again
                return
            self._tell(OrderRejected(order_id, self.side.ts, "never_arrived"))
        first = 0 if self.fault_rate and self.dice.random() < 0.2 else self._read[order_id]
        self._read[order_id] = len(log)
        for number, event in enumerate(log[first:], first + 1):
            is_followed = number < len(log) and isinstance(log[number], OrderFilled)
            if isinstance(event, OrderFilled) and is_followed:
                event = msgspec.structs.replace(event, has_more=True)  # the same, as it came in
            self._tell(event)
        self._asked.pop(order_id, None)
        if order_id in self._wanted:
            self._wanted.discard(order_id)
            self._queue.append(Answered(order_id, self.side.ts, True))

    def _tell(self, event: OrderEvent) -> None:
        order = self._told[event.order_id]
        if (order.state, type(event)) not in TRANSITIONS:
            return
        if isinstance(event, OrderFilled) and event.trade_id in order.trade_ids:
            self._queue.append(event)  # a push that comes twice
            return
        self._told[event.order_id] = order.apply(event)
        self._queue.append(event)

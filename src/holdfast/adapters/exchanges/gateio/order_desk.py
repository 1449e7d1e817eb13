"""Sends our orders to Gate.io and finds out what became of them. The query is the truth; a push only makes it earlier.

An order leaves once. What has no answer is asked about until it is certain: found, or past the moment up to which the
venue would have taken it. A stop is a price-triggered order; a target that shares a position with one is, too, so that
neither binds what the other needs (docs/adr/0010). Everything here runs in one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from holdfast.adapters.exchanges.gateio import wire
from holdfast.adapters.exchanges.gateio.by_text import find_by_text
from holdfast.adapters.exchanges.gateio.errors import GateioError, GateioKeyError, GateioUnknownError, Reaction
from holdfast.adapters.exchanges.gateio.look import Look
from holdfast.adapters.exchanges.gateio.mapping import (
    bounded_request_of,
    cancel_reason_of,
    filled_amount,
    grossed_up,
    order_request_of,
    pair_of,
    refusal_of,
    text_of,
)
from holdfast.adapters.exchanges.gateio.requests import OrderRequest
from holdfast.adapters.exchanges.gateio.rest import GateioRest, Page
from holdfast.adapters.exchanges.gateio.socket_orders import SocketOrders
from holdfast.adapters.exchanges.gateio.tracker import Tracked
from holdfast.adapters.exchanges.gateio.trigger_desk import SIGNATURE_WINDOW, TriggerDesk
from holdfast.adapters.exchanges.gateio.wire import MyTrade
from holdfast.core.errors import VenueError
from holdfast.core.record import Record
from holdfast.core.time import MILLISECOND, SECOND
from holdfast.domain.decision import Approved, ApprovedAmend
from holdfast.domain.instrument import Instrument
from holdfast.domain.order import (
    BALANCE,
    Order,
    OrderAccepted,
    OrderEvent,
    OrderFilled,
    OrderRejected,
    OrderState,
    OrderTimedOut,
    OrderType,
)
from holdfast.domain.values import ONE, ZERO, InstrumentId, OrderId, Quantity, Side
from holdfast.ports.live import Answered, Failure, Incoming

_ASK_FIRST_S: Final = 0.05
_ASK_LAST_S: Final = 1.0
_CERTAIN_S: Final = 2.0  # then it is left to the looks at the account
_REFUSED_TRIES: Final = 4  # of what the venue has refused before it looked at it
_UNHEARD: Final = frozenset({OrderState.SUBMITTED, OrderState.IN_DOUBT})
PLACE_ORDER: Final = "POST /spot/orders"
_SHORT: Final = "BALANCE_NOT_ENOUGH"
_TRADES_PAGE: Final = Page(limit=1000)


class DeskConfig(Record, frozen=True):
    """How orders are sent; times in the unit of their name."""

    collar: Decimal = Decimal("0.01")  # how far beyond the best price a market order may buy
    expiry_margin_ms: int = 500  # added to an order's expiry before "not found" is believed
    urgent_margin_ms: int = 200  # the same for what guards or leaves a position, beside one round trip
    is_trigger_expiry_trusted: bool = False  # does the venue drop a late triggered order, too? not documented
    poll_ms: int = 250  # how often the account is looked at while something is open


Tell = Callable[[Sequence[Incoming]], None]


class OrderDesk:
    """All orders of one account that the house knows to be open, and what is being done about each."""

    def __init__(
        self, rest: GateioRest, config: DeskConfig, tell: Tell, market_now: Callable[[], int],
        orders: SocketOrders | None = None,
    ) -> None:  # fmt: skip
        self._rest, self.config, self._tell, self._market_now = rest, config, tell, market_now
        self._orders = orders or rest  # the way that orders in the book take; questions and triggers go over REST
        self.pairs: dict[InstrumentId, wire.Pair] = {}
        self.instruments: dict[InstrumentId, Instrument] = {}
        self.asks: dict[InstrumentId, Decimal] = {}  # the best ask; the last price where there is none
        self.is_fee_in_base = True
        self.tracked: dict[OrderId, Tracked] = {}
        self.shares: dict[str, Decimal] = {}  # what each group has left of the position that its orders share
        self.triggers = TriggerDesk(rest, self)
        self._tasks: set[asyncio.Task[None]] = set()
        self.wake = asyncio.Event()
        self.troubles, self.last_trouble = 0, ""

    # -- what the house asks -----------------------------------------------------------------------
    def know(self, orders: Iterable[Order]) -> None:
        """Take up orders of an earlier process."""
        for order in orders:
            found = self._track(order)
            if order.venue_order_id:
                found.adopt(order.venue_order_id)
            found.is_unsure = found.is_inherited = found.is_trigger
            found.fence = self.trigger_fence() if found.is_trigger else self.fence(is_urgent=_is_urgent(found))

    def submit(self, approved: Approved) -> None:
        """Send an order."""
        found = self._track(Order.sent(approved.order))
        self.run(self.triggers.place(found) if found.is_trigger else self._place(found), found)

    def cancel(self, order_id: OrderId, reason: str) -> None:
        """Take an order back; asked again until it is known to be gone."""
        found = self.tracked.get(order_id)
        if found is not None and not found.is_over:
            found.cancel_reason = reason
            self.wake.set()

    def amend(self, amend: ApprovedAmend) -> None:
        """Move a stop, or make what guards a position smaller."""
        found = self.tracked.get(amend.order_id)
        if found is None or not found.is_trigger or found.is_over:
            return
        if amend.trigger_price is not None:
            found.trigger_wanted = amend.trigger_price
        if amend.quantity is not None and amend.quantity < found.order.quantity:
            found.quantity_wanted = amend.quantity
        self.wake.set()

    def ask(self, orders: Iterable[Order]) -> None:
        """Find out about orders; each gets an Answered."""
        for order in orders:
            found = self.tracked.get(order.spec.order_id) or self._track(order)
            found.is_asked = True
        self.wake.set()

    def hear(self, trade: MyTrade) -> None:
        """Keep a trade that the venue has pushed, until the order says whether there are more; tell all once it has."""
        for found in self.tracked.values():
            if not found.is_over and trade.currency_pair in ("", found.pair):
                if trade.venue_order_id in found.venue_ids or trade.text == text_of(found.order_id):
                    found.pushed[trade.trade_id] = trade
                    if found.awaited is not None:  # it may come long before the answer to our question
                        self.tell(found, found.add_pushed(*found.awaited))

    @property
    def is_waiting(self) -> bool:
        """Tell whether something is open, or somebody waits for an answer."""
        return any(not x.is_over or x.is_asked or x.is_haunting for x in self.tracked.values())

    def describe(self) -> list[str]:
        """Say of each open order what is known of it."""
        return [
            f"{x.order_id} {x.order.state}: in the book {x.venue_ids}, triggers {x.trigger_ids}"
            f"{', unsure' if x.is_unsure else ''}{', withdrawn' if x.is_withdrawn else ''}"
            f"{', busy' if x.is_busy else ''}{f', to be canceled ({x.cancel_reason})' if x.cancel_reason else ''}"
            for x in self.tracked.values()
            if not x.is_over
        ] + ([f"trouble: {self.last_trouble}"] if self.last_trouble else [])

    def pause(self) -> float:
        """Return how long (s) the next look may wait; whoever waits for a fence is looked at once it has fallen."""
        now, most = self.now(), self.config.poll_ms * MILLISECOND
        waiting = (x.fence - now for x in self.tracked.values() if x.is_unsure or x.order.state in _UNHEARD)
        return min([most, *(left + MILLISECOND for left in waiting if left > 0)]) / SECOND

    # -- looking ----------------------------------------------------------------------------------------
    async def look(self) -> None:
        """Compare what rests at the venue with what is believed to, and act on each order that has changed."""
        self._set_haste()
        look = Look(self._rest, self.now())
        await look.take(wants_triggers=self.triggers.wants_look)
        self._forget()  # before anything is begun: who is busy is kept, and below all become so
        for found in list(self.tracked.values()):
            if not found.is_busy:
                self.run(self._follow(found, look), found)

    async def _follow(self, found: Tracked, look: Look) -> None:
        if not found.is_over:
            if not found.is_placed and found.order.state in _UNHEARD:
                await self._find(found, look)
            elif found.is_trigger:
                await self.triggers.follow(found, look)
                await self.triggers.shrink(found)
            if found.venue_ids:
                await self._follow_book(found, look)
            if found.cancel_reason and not found.is_over:
                await self._cancel(found, look)
        elif found.is_haunting:
            await self.triggers.bury(found, look)
        if found.is_asked and (found.is_over or found.is_placed):
            found.is_asked = False
            self._tell([Answered(found.order_id, self.stamp(), True)])

    async def _follow_book(self, found: Tracked, look: Look) -> None:
        for venue_id in found.venue_ids:
            order = look.orders.get(venue_id)
            if order is None:
                order = await self._rest.order(venue_id, found.pair)
            await self.settle(found, order)

    async def settle(self, found: Tracked, order: wire.Order) -> None:
        """Tell what an answer about an order means: its acceptance, its fills, and then its end."""
        told = filled_amount(order)
        if told > found.traded(order.venue_order_id):
            self.tell(found, found.add_pushed(order.venue_order_id, told))  # no later than what would be asked for
        if told > found.traded(order.venue_order_id) or (order.is_final and order.filled_total > 0 and not told):
            found.awaited = (order.venue_order_id, told)
            self._set_haste()
            try:
                trades = await self._rest.my_trades(found.pair, order.venue_order_id, _TRADES_PAGE)
            finally:
                found.awaited = None
            self.tell(found, found.add(trades))
        if not order.is_final or found.traded(order.venue_order_id) < told:
            return
        if found.order.left <= ZERO or found.is_over:
            return
        if found.is_trigger and await self.triggers.arm_again(found, order):
            return
        reason = "fee" if order.finish_as == "filled" else cancel_reason_of(order)
        self.tell(found, found.end(self.stamp(), reason if found.free is None else BALANCE))

    # -- sending -----------------------------------------------------------------------------------
    async def _place(self, found: Tracked) -> None:
        spec = found.order.spec
        if not spec.is_reducing:
            if not await self.triggers.wait_for_stop(found):
                self.tell(found, found.tell(OrderRejected(found.order_id, self.stamp(), found.cancel_reason)))
                return
        elif spec.group and not await self._may_leave(found):
            return
        await self._send(found)

    async def _send(self, found: Tracked) -> None:
        spec = found.order.spec
        request, why = self._request(found)
        if request is None:
            self.tell(found, found.tell(OrderRejected(found.order_id, self.stamp(), why)))
            return
        for attempt in range(_REFUSED_TRIES):
            try:
                order = await self._orders.place(request, is_urgent=spec.is_reducing)
            except GateioUnknownError as error:
                self.doubt(found, error)
                await self.until_certain(found)
                return
            except (GateioError, GateioKeyError, VenueError) as error:
                if await self._is_less_there(found, error):
                    await self._send(found)
                    return
                if not await self.is_tried_again(found, error, attempt):
                    return
                continue
            self.accept(found, order.venue_order_id)
            if order.status:
                await self.settle(found, order)
            self.wake.set()
            return

    async def is_tried_again(self, found: Tracked, error: Exception, attempt: int) -> bool:
        """Tell whether an order that was refused unseen is to be sent again; else say what its refusal means."""
        label = getattr(error, "label", "") or "unreachable"
        reaction = getattr(error, "reaction", Reaction.SLOW_DOWN)
        if reaction is Reaction.EXISTS:
            self.doubt(found)
            return False
        is_unseen = reaction is Reaction.SLOW_DOWN and isinstance(error, VenueError) and error.is_retryable
        if is_unseen and found.is_way_out and isinstance(error, GateioError):
            is_unseen = False  # what made way for it guards again while the next one waits until it may be sent
        if is_unseen and attempt + 1 < _REFUSED_TRIES:
            await asyncio.sleep(_ASK_FIRST_S * 2**attempt)
            return True
        # What had been placed before and could not be placed again has ended, and was not refused.
        news = found.tell(OrderRejected(found.order_id, self.stamp(), label)) or found.end(self.stamp(), label)
        self.tell(found, news)
        if isinstance(error, GateioKeyError):
            self._tell([Failure(self.stamp(), str(error), error.hint, is_fatal=True)])
        return False

    async def _is_less_there(self, found: Tracked, error: Exception) -> bool:
        """Tell whether the venue lets go some, but not all, of what was to be sold; then that much is sent.

        Somebody has taken coins out, or an order of theirs binds them. What is sold is safe, whatever comes after.
        """
        spec = found.order.spec
        is_short = isinstance(error, GateioError) and error.label == _SHORT
        if not is_short or found.free is not None or not spec.is_way_out or spec.side is not Side.SELL:
            return False
        base = found.instrument.base
        free = sum((x.available for x in await self._rest.accounts(base) if x.currency == base), ZERO)
        found.free = found.instrument.quantity(max(free, ZERO))
        return ZERO < found.free < found.order.quantity

    def _request(self, found: Tracked) -> tuple[OrderRequest | None, str]:
        """Return what to send, or the reason why the venue would not take it."""
        spec, pair, instrument = found.order.spec, self.pairs[found.instrument.id], found.instrument
        ask = self.asks.get(instrument.id, ZERO)
        if spec.side is Side.BUY and self.is_fee_in_base:
            spec = msgspec.structs.replace(
                spec, quantity=grossed_up(spec.quantity, instrument.fees().taker, instrument)
            )
        elif found.free or found.order.quantity != spec.quantity:
            spec = msgspec.structs.replace(spec, quantity=found.free or found.order.quantity)
        if spec.type is OrderType.MARKET and spec.side is Side.BUY:
            if not ask:
                return None, "no_price"
            request = bounded_request_of(spec, pair, instrument.price_up(ask * (ONE + self.config.collar)))
        elif spec.type in (OrderType.MARKET, OrderType.LIMIT):
            request = order_request_of(spec, pair)
        else:
            return None, "unsupported"
        why = refusal_of(request, pair, ask or None)
        return (None, why) if why else (request, "")

    async def _may_leave(self, found: Tracked) -> bool:
        """Wait until a way out may be sent, then take back what guards; False where nothing is left to sell."""
        found.has_left = False
        await self._rest.until_free(PLACE_ORDER, found.pair)
        found.has_left = True
        return await self._clear_way(found)

    async def _clear_way(self, found: Tracked) -> bool:
        """Take back the triggers that share a position with a way out, so that it is not sold twice."""
        group = self.group_of(found)
        await self.triggers.withdraw([member for member in group if member is not found and member.is_trigger])
        left = self.shares[found.order.spec.group]
        if left <= ZERO:
            self.tell(found, found.tell(OrderRejected(found.order_id, self.stamp(), "group")))
            return False
        if left < found.order.quantity:
            found.order = found.order.amended(None, Quantity(left))
        return True

    async def _cancel(self, found: Tracked, look: Look) -> None:
        if found.is_trigger:
            await self.triggers.cancel(found, look)
        for venue_id in found.venue_ids:
            try:
                order = await self._orders.cancel(venue_id, found.pair)
            except (GateioUnknownError, GateioError):
                order = await self._rest.order(venue_id, found.pair)  # lost, or gone: what became of it?
            if not order.status:
                order = await self._rest.order(venue_id, found.pair)
            await self.settle(found, order)

    # -- doubt -------------------------------------------------------------------------------------
    def doubt(self, found: Tracked, error: GateioUnknownError | None = None) -> None:
        """Say that there was no answer; from now on it is asked about."""
        expires = 0 if error is None else error.ts_expires
        found.fence = self.trigger_fence(expires) if found.is_trigger else self.fence(expires, _is_urgent(found))
        self.tell(found, found.tell(OrderTimedOut(found.order_id, self.stamp())))
        self._set_haste()
        self.wake.set()

    def _set_haste(self) -> None:
        """Let questions be hurried while an order is in doubt, or what it has traded is not known: it may be bare."""
        self._rest.is_hurried = any(
            x.is_unsure or x.awaited is not None or x.order.state in _UNHEARD for x in self.tracked.values()
        )

    async def until_certain(self, found: Tracked) -> None:
        """Ask about an order in doubt for a while, until it is found or can arrive no more; no look is waited for.

        A look at the account may be held up, by a rate limit say, for longer than a position may be without a stop.
        """
        ends, pause = asyncio.get_running_loop().time() + _CERTAIN_S, _ASK_FIRST_S
        while found.order.state in _UNHEARD and not found.is_placed and asyncio.get_running_loop().time() < ends:
            try:
                look = Look(self._rest, self.now())
                if found.is_trigger:
                    await look.take_triggers()
                await self._find(found, look)
            except VenueError as error:
                self.troubles, self.last_trouble = self.troubles + 1, str(error)
            left = max(found.fence - self.now(), 0) / SECOND
            await asyncio.sleep(min(pause, left + 0.001) if left else pause)
            pause = min(2 * pause, _ASK_LAST_S)

    async def _find(self, found: Tracked, look: Look) -> None:
        """Ask the venue about an order of which nothing is known."""
        if found.is_trigger:
            await self.triggers.find(found, look)
            return
        order = await find_by_text(self._rest, found)
        if order is not None:
            self.accept(found, order.venue_order_id)
            await self.settle(found, order)
        elif look.ts > found.fence:
            self.tell(found, found.tell(OrderRejected(found.order_id, self.stamp(), "never_arrived")))

    # -- parts -------------------------------------------------------------------------------------
    def accept(self, found: Tracked, venue_id: str) -> None:
        """Note under what id the venue has an order."""
        found.adopt(venue_id)
        self.tell(found, found.tell(OrderAccepted(found.order_id, self.stamp(), venue_id)))

    def tell(self, found: Tracked, events: Sequence[OrderEvent]) -> None:
        """Hand news to the house, and let those that share a position follow."""
        if not events:
            return
        self._tell(events)
        group = found.order.spec.group
        sold = sum((event.quantity for event in events if isinstance(event, OrderFilled)), ZERO)
        if group and sold:
            self.shares[group] -= sold
            self.triggers.share(found)

    def group_of(self, found: Tracked) -> list[Tracked]:
        """Return the orders that share one position with an order, itself among them."""
        group = found.order.spec.group
        return [x for x in self.tracked.values() if group and x.order.spec.group == group] or [found]

    def now(self) -> int:
        """Return the venue's time."""
        return self._rest.venue_now()

    def stamp(self) -> int:
        """Return the market's time, which news carry; in practice it is not that of the wall."""
        return self._market_now() or self.now()

    def fence(self, expires: int = 0, is_urgent: bool = False) -> int:
        """Return the moment after which the venue's answers tell for certain what it has not taken and never will.

        `expires` is when the order expires (ns, the venue's clock); 0 counts from now on, as if it had just left.
        """
        margin = self.config.expiry_margin_ms * MILLISECOND
        if is_urgent:
            margin = min(margin, self.config.urgent_margin_ms * MILLISECOND + self._rest.round_trip)
        return (expires or self.now() + self._rest.expiry(is_urgent)) + margin

    def trigger_fence(self, expires: int = 0) -> int:
        """Return the same for triggered orders."""
        if self.config.is_trigger_expiry_trusted:
            return self.fence(expires, is_urgent=True)
        return (expires or self.now()) + SIGNATURE_WINDOW

    def run(self, work: Coroutine[object, object, None], found: Tracked) -> None:
        """Do something about an order, alone; what the venue does not answer is tried again with the next look."""
        found.is_busy = True

        async def alone() -> None:
            try:
                await work
            except GateioKeyError as error:
                self._tell([Failure(self.stamp(), str(error), error.hint, is_fatal=True)])
            except VenueError as error:
                self.troubles += 1
                self.last_trouble = str(error)
            finally:
                found.is_busy = False

        task = asyncio.ensure_future(alone())
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._tell([Failure(self.stamp(), f"{type(error).__name__}: {error}", "holdfast doctor", is_fatal=True)])

    async def close(self) -> None:
        """End what is being done."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _track(self, order: Order) -> Tracked:
        instrument = self.instruments[order.spec.instrument_id]
        found = Tracked(order, instrument, pair_of(instrument.id), fence=self.fence())
        self.tracked[found.order_id] = found
        if group := order.spec.group:
            self.shares[group] = max(self.shares.get(group, ZERO), order.left)
        return found

    def _forget(self) -> None:
        """Let go of what is over, while nobody in its group is open."""
        # Orders of no group share nothing: one of them that rests must not keep all others for ever.
        kept = {x.order.spec.group for x in self.tracked.values() if x.is_kept} - {""}
        for order_id, found in list(self.tracked.items()):
            if not found.is_kept and found.order.spec.group not in kept:
                del self.tracked[order_id]
                self.shares.pop(found.order.spec.group, None)


def _is_urgent(found: Tracked) -> bool:
    return found.is_trigger or found.order.spec.is_reducing

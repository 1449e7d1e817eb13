"""Sends our orders to a venue of ccxt's and finds out what became of them. The query is the truth.

An order leaves once. What has no answer is asked about until it is certain: found, or past the moment up to which the
venue would have taken it (docs/adr/0010 for the rules, which are the same here).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from decimal import Decimal
from typing import Final

from holdfast.adapters.exchanges.ccxt.config import CcxtConfig
from holdfast.adapters.exchanges.ccxt.errors import CcxtRefusalError, CcxtUnknownError
from holdfast.adapters.exchanges.ccxt.library import Venue
from holdfast.adapters.exchanges.ccxt.market_feed import MarketFeed
from holdfast.adapters.exchanges.ccxt.markets import Limits, grossed_up
from holdfast.adapters.exchanges.ccxt.questions import Look, Questions
from holdfast.adapters.exchanges.ccxt.shape import VenueOrder
from holdfast.adapters.exchanges.ccxt.stop_desk import StopDesk
from holdfast.adapters.exchanges.ccxt.tracker import HELD, UNHEARD, Tracked, is_waiting_kind
from holdfast.core.errors import ConfigurationError, HoldfastError, VenueError
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
    OrderTimedOut,
    OrderType,
    TimeInForce,
)
from holdfast.domain.values import ONE, ZERO, InstrumentId, OrderId, Quantity, Side
from holdfast.ports.live import Answered, Failure, Incoming

NO_STOPS: Final = "no_resting_stops"
"""The reason of a stop that the venue cannot keep: the software stop is in charge."""

Tell = Callable[[Sequence[Incoming]], None]


class OrderDesk:
    """All orders of one account that the house knows to be open, and what is being done about each."""

    def __init__(self, venue: Venue, config: CcxtConfig, tell: Tell, feed: MarketFeed) -> None:
        self.venue, self.config, self._tell, self.feed = venue, config, tell, feed
        self.questions = Questions(venue)
        self.instruments: dict[InstrumentId, tuple[Instrument, Limits]] = {}
        self.tracked: dict[OrderId, Tracked] = {}
        self.shares: dict[str, Decimal] = {}
        self.stops = StopDesk(self)
        self.wake = asyncio.Event()
        self.troubles, self.last_trouble = 0, ""
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_fee_told = False

    # -- what the house asks -----------------------------------------------------------------------
    def know(self, orders: Iterable[Order]) -> None:
        """Take up orders of an earlier process."""
        for order in orders:
            found = self._track(order)
            if order.venue_order_id:
                found.adopt(order.venue_order_id)
                if found.waits:
                    self.stops.note(order.venue_order_id)
            found.is_unsure, found.is_inherited = found.waits, found.waits or found.is_held
            if found.is_held:
                found.next_pending(self.venue.profile.client_id)  # it may have been sent, and nobody has noted it
            elif found.waits and found.order.state not in UNHEARD:
                found.generation = self.stops.fresh_generation()
        for found in self.tracked.values():
            found.newest = self.stops.newest

    def submit(self, approved: Approved) -> None:
        """Send an order."""
        found = self._track(Order.sent(approved.order))
        if found.is_stop and not found.waits:
            self.tell(found, found.tell(OrderRejected(found.order_id, self.stamp(), NO_STOPS)))
        elif found.is_held:
            self.tell(found, found.tell(OrderAccepted(found.order_id, self.stamp(), HELD)))
        else:
            self.run(self.stops.place(found) if found.waits else self._place(found), found)

    def cancel(self, order_id: OrderId, reason: str) -> None:
        """Take an order back; asked again until it is known to be gone."""
        found = self.tracked.get(order_id)
        if found is not None and not found.is_over:
            found.cancel_reason = reason
            self.wake.set()

    def amend(self, amend: ApprovedAmend) -> None:
        """Move a stop, or make what guards a position smaller."""
        found = self.tracked.get(amend.order_id)
        if found is None or not (found.waits or found.is_held) or found.is_over:
            return
        if amend.trigger_price is not None and found.waits:
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

    @property
    def is_waiting(self) -> bool:
        """Tell whether something is open, or somebody waits for an answer."""
        return any(not x.is_over or x.is_asked or x.is_haunting for x in self.tracked.values())

    def pause(self) -> float:
        """Return how long (s) the next look may wait; whoever waits for a fence is looked at once it has fallen."""
        now, most = self.venue.now(), self.config.poll_ms * MILLISECOND
        doubted = (x for x in self.tracked.values() if x.is_unsure or x.pending or x.order.state in UNHEARD)
        return min([most, *(x.fence - now + MILLISECOND for x in doubted if x.fence > now)]) / SECOND

    # -- looking -----------------------------------------------------------------------------------
    async def look(self) -> None:
        """Compare what rests at the venue with what is believed to, and act on each order that has changed."""
        self._forget()  # before anything is begun: who is busy is kept, and below all become so
        symbols = {x.limits.symbol for x in self.tracked.values() if not x.is_over or x.is_asked or x.is_haunting}
        if not symbols:
            return
        look = await self.questions.look(symbols)
        for found in list(self.tracked.values()):
            if not found.is_busy and found.limits.symbol in symbols:
                self.run(self._follow(found, look), found)

    async def _follow(self, found: Tracked, look: Look) -> None:
        if not found.is_over:
            if not found.is_placed and found.order.state in UNHEARD:
                await self._find(found, look)
            elif found.waits or found.is_held:
                await self.stops.follow(found, look)
            await self._follow_book(found, look)
            if found.cancel_reason and not found.is_over:
                await self._cancel(found, look)
        elif found.is_haunting:
            await self.stops.bury(found, look)
        if found.is_asked and (found.is_over or found.is_placed):
            found.is_asked = False
            self._tell([Answered(found.order_id, self.stamp(), True)])

    async def _follow_book(self, found: Tracked, look: Look) -> None:
        for venue_id in list(found.book):
            order = look.orders.get(venue_id)
            if order is None:
                order = await self.questions.order(venue_id, found.limits.symbol)
            await self.settle(found, order)

    async def settle(self, found: Tracked, order: VenueOrder) -> None:
        """Tell what an answer about an order in the book means: its fills, and then its end."""
        name = order.venue_order_id
        if order.filled > found.traded(name):
            trades = await self.questions.trades(name, found.limits.symbol)
            self._look_at_fees(found, [trade.fee_currency for trade in trades if trade.fee])
            self.tell(found, found.add(trades))
        if not order.is_final or found.traded(name) < order.filled or found.is_over or found.order.left <= ZERO:
            return
        if found.is_held and not found.cancel_reason:
            if name in found.book:
                found.book.remove(name)  # it waits once more for what it has not sold
            return
        reasons = {"closed": "fee", "expired": "expired"}
        usual = "operator" if found.order.spec.time_in_force is TimeInForce.GTC else found.order.spec.time_in_force
        reason = reasons.get(order.status, str(usual)) if found.free is None else BALANCE
        self.tell(found, found.end(self.stamp(), reason))

    def _look_at_fees(self, found: Tracked, coins: Sequence[str]) -> None:
        known = {found.instrument.base, found.instrument.quote}
        if not self._is_fee_told and (others := sorted(set(coins) - known - {""})):
            self._is_fee_told = True
            text = f"{self.venue.name} takes fees in {others[0]}, which the books do not hold"
            hint = "turn off the payment of fees in the venue's own coin"
            self._tell([Failure(self.stamp(), text, hint)])

    # -- sending -----------------------------------------------------------------------------------
    async def _place(self, found: Tracked) -> None:
        spec = found.order.spec
        if not spec.is_reducing:
            if not await self.stops.turns.wait_for_stop(found):
                self.tell(found, found.tell(OrderRejected(found.order_id, self.stamp(), found.cancel_reason)))
                return
        elif spec.group and not await self.stops.clear_way(found):
            return
        amount, price, why = self._terms(found)
        if why or amount is None:
            self.tell(found, found.tell(OrderRejected(found.order_id, self.stamp(), why)))
            return
        await self.send(found, amount, price)

    def _terms(self, found: Tracked) -> tuple[Decimal | None, Decimal | None, str]:
        """Return amount and price as they are sent, or the reason why the venue would not take them."""
        spec, instrument = found.order.spec, found.instrument
        amount, price = Decimal(found.order.quantity), spec.limit_price
        ask, bid = self.feed.asks.get(instrument.id), self.feed.bids.get(instrument.id)
        if spec.side is Side.BUY and found.limits.is_fee_in_base:
            amount = grossed_up(amount, instrument.fees().taker, instrument)
        if spec.type is OrderType.MARKET and spec.side is Side.BUY:
            if ask is None:
                return None, None, "no_price"
            price = instrument.price_up(ask * (ONE + self.config.collar))
        elif spec.type not in (OrderType.MARKET, OrderType.LIMIT):
            return None, None, "unsupported"
        if amount % instrument.lot or (price is not None and price % instrument.tick):
            return None, None, "off_the_grid"
        return amount, price, found.limits.refusal(amount, price if price is not None else bid)

    async def send(self, found: Tracked, amount: Decimal, price: Decimal | None, *, is_ioc: bool = False) -> None:
        """Send an order for the book, once; without an answer it is in doubt."""
        spec, profile = found.order.spec, self.venue.profile
        client_id = profile.client_id.of(found.order_id, found.generation)
        params: dict[str, object] = {profile.client_id.create_param: client_id, **profile.order_params}
        tif = TimeInForce.IOC if is_ioc or spec.type is OrderType.MARKET else spec.time_in_force
        if spec.time_in_force is TimeInForce.FOK:
            tif = TimeInForce.FOK
        if spec.is_post_only:
            params["postOnly"] = True
        elif tif is not TimeInForce.GTC and price is not None:
            params["timeInForce"] = tif.value.upper()
        kind, side = "market" if price is None else "limit", spec.side.value.lower()
        words = (found.limits.symbol, kind, side, f"{amount:f}", None if price is None else f"{price:f}", params)
        try:
            order = self.questions.parser.order(await self.venue.order("create_order", *words))
        except CcxtUnknownError as error:
            self.doubt(found, client_id, error.ts_sent)
        except CcxtRefusalError as error:
            if await self._is_less_there(found, error) and found.free:
                await self.send(found, found.free, price)
            else:
                self.refused(found, error, client_id)
        except VenueError:  # there was an answer, and it cannot be read
            self.doubt(found, client_id)
        except ConfigurationError as error:
            self.locked_out(found, error)
        else:
            if not order.venue_order_id:
                self.doubt(found, client_id)
                return
            self.accept(found, order.venue_order_id)
            self.wake.set()

    async def _is_less_there(self, found: Tracked, error: CcxtRefusalError) -> bool:
        """Tell whether the venue lets go some, but not all, of what was to be sold at once; then that much is sent.

        Somebody has taken coins out, or an order of theirs binds them. What is sold is safe, whatever comes after.
        """
        spec, instrument = found.order.spec, found.instrument
        if not error.is_short or found.free is not None or found.waits or found.is_held:
            return False
        if not spec.is_way_out or spec.side is not Side.SELL:
            return False
        found.free = instrument.quantity(await self.questions.free(instrument.base))
        return ZERO < found.free < found.order.quantity and not found.limits.refusal(
            found.free, self.feed.bids.get(instrument.id)
        )

    def refused(self, found: Tracked, error: CcxtRefusalError, client_id: str) -> None:
        """Say that the venue does not want an order; one that it has already is asked about."""
        if error.is_known:
            self.doubt(found, client_id)
            return
        if found.is_held:
            found.generation -= 1  # whoever asks for its client ids one after the other must meet no gap
            return  # it waits on, and tries again when the price is there
        # What had been placed before and could not be placed again has ended, and was not refused.
        stamp, label = self.stamp(), error.label
        self.tell(found, found.tell(OrderRejected(found.order_id, stamp, label)) or found.end(stamp, label))

    def locked_out(self, found: Tracked, error: ConfigurationError) -> None:
        """Say that the venue does not take the key: nothing has happened, and nothing will before a person acts."""
        stamp = self.stamp()
        self.tell(found, found.tell(OrderRejected(found.order_id, stamp, "key")) or found.end(stamp, "key"))
        self._tell([Failure(stamp, str(error), error.hint, is_fatal=True)])

    async def _cancel(self, found: Tracked, look: Look) -> None:
        if found.waits:
            await self.stops.cancel(found, look)
        for venue_id in list(found.book):
            await self.take_back(venue_id, found)
            await self.settle(found, await self.questions.order(venue_id, found.limits.symbol))
        if found.is_held and not found.book and not found.pending:
            self.tell(found, found.end(self.stamp(), "operator"))

    async def take_back(self, venue_id: str, found: Tracked, *, is_waiting: bool = False) -> None:
        """Ask for the end of one order; what became of it must be asked."""
        params = dict(self.venue.profile.trigger_params) if is_waiting else {}
        try:
            await self.venue.order("cancel_order", venue_id, found.limits.symbol, params)
        except (CcxtUnknownError, CcxtRefusalError) as error:
            self.last_trouble = str(error)  # lost, or gone already: the question that follows tells

    # -- doubt -------------------------------------------------------------------------------------
    def doubt(self, found: Tracked, client_id: str, ts_sent: int = 0) -> None:
        """Say that there was no answer to what left at `ts_sent` (ns, 0: by now); from now on it is asked about."""
        found.fence = self.fence(is_stop=found.waits, ts_sent=ts_sent)
        if found.order.state not in UNHEARD:
            found.pending = client_id
        self.tell(found, found.tell(OrderTimedOut(found.order_id, self.stamp())))
        self.wake.set()

    async def _find(self, found: Tracked, look: Look) -> None:
        if found.waits:
            await self.stops.find(found, look)
            return
        client_id = self.venue.profile.client_id.of(found.order_id)
        order = await self.questions.by_client_id(client_id, found.limits.symbol, look)
        if order is not None and order.venue_order_id:
            self.accept(found, order.venue_order_id)
        elif look.ts > found.fence:
            if found.is_held and found.order.state in UNHEARD:  # kept here, and never sent
                self.tell(found, found.tell(OrderAccepted(found.order_id, self.stamp(), HELD)))
                return
            self.tell(found, found.tell(OrderRejected(found.order_id, self.stamp(), "never_arrived")))

    # -- parts -------------------------------------------------------------------------------------
    def accept(self, found: Tracked, venue_id: str) -> None:
        """Note under what id the venue has an order."""
        found.adopt(venue_id)
        if found.waits:
            self.stops.note(venue_id)
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
            for other in self.group_of(found):
                if other is found or other.is_over:
                    continue
                if (left := self.shares[group]) <= ZERO:
                    other.cancel_reason = "group"
                elif other.order.left > left:
                    other.quantity_wanted = Quantity(other.order.filled + left)
            self.wake.set()

    def group_of(self, found: Tracked) -> list[Tracked]:
        """Return the orders that share one position with an order, itself among them."""
        group = found.order.spec.group
        return [x for x in self.tracked.values() if group and x.order.spec.group == group] or [found]

    def stamp(self) -> int:
        """Return the market's time, which news carry."""
        return self.feed.market_ts or self.venue.now()

    def fence(self, *, is_stop: bool, ts_sent: int = 0) -> int:
        """Return the moment after which the venue takes nothing any more that left at `ts_sent`; 0: by now."""
        known = self.venue.profile.stop_window_ms if is_stop else self.venue.profile.window_ms
        return (ts_sent or self.venue.now()) + (
            (self.config.order_window_ms or known) + self.config.margin_ms
        ) * MILLISECOND

    def run(self, work: Coroutine[object, object, None], found: Tracked) -> None:
        """Do something about an order, alone; what the venue does not answer is tried again with the next look."""
        found.is_busy = True

        async def alone() -> None:
            try:
                await work
            except ConfigurationError as error:
                self._tell([Failure(self.stamp(), str(error), error.hint, is_fatal=True)])
            except VenueError as error:
                self.troubles, self.last_trouble = self.troubles + 1, str(error)
            finally:
                found.is_busy = False

        task = asyncio.ensure_future(alone())
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            told = str(error) if isinstance(error, HoldfastError) else f"{type(error).__name__}: {error}"
            self._tell([Failure(self.stamp(), told, "holdfast doctor --live", is_fatal=True)])

    async def close(self) -> None:
        """End what is being done."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _track(self, order: Order) -> Tracked:
        instrument, limits = self.instruments[order.spec.instrument_id]
        profile, is_stop = self.venue.profile, order.spec.type is OrderType.STOP_MARKET
        waits = is_waiting_kind(order) and profile.has_stops and (is_stop or not profile.stops_bind)
        waits = waits and order.spec.side is Side.SELL
        is_held = is_waiting_kind(order) and not is_stop and not waits
        found = Tracked(order, instrument, limits, waits, is_held, fence=self.fence(is_stop=waits))
        self.tracked[found.order_id] = found
        if group := order.spec.group:
            self.shares[group] = max(self.shares.get(group, ZERO), order.left)
        return found

    def _forget(self) -> None:
        # Orders of no group share nothing: one of them that rests must not keep all others for ever.
        kept = {x.order.spec.group for x in self.tracked.values() if x.is_kept} - {""}
        for order_id, found in list(self.tracked.items()):
            if not found.is_kept and found.order.spec.group not in kept:
                del self.tracked[order_id]
                self.shares.pop(found.order.spec.group, None)

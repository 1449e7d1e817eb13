"""Stops that wait at the venue, and targets that wait beside them, there or here.

Where a resting stop binds what it would sell, nothing else can wait at the venue for the same coins: the target is kept
here, and when its price is there the stop is taken back first. Where stops carry no client id, one whose answer was
lost is found by what it is: side, price and amount, among those that belong to nobody yet.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Final, Protocol

from holdfast.adapters.exchanges.ccxt.errors import CcxtRefusalError
from holdfast.adapters.exchanges.ccxt.library import Venue
from holdfast.adapters.exchanges.ccxt.market_feed import MarketFeed
from holdfast.adapters.exchanges.ccxt.questions import Look, Questions
from holdfast.adapters.exchanges.ccxt.shape import VenueOrder
from holdfast.adapters.exchanges.ccxt.tracker import TRIGGER_PREFIX, Tracked
from holdfast.core.errors import OutcomeUnknownError, VenueError
from holdfast.domain.order import OrderAmended, OrderEvent, OrderRejected
from holdfast.domain.values import ZERO, OrderId, Price, Quantity

_GONE_MAX: Final = 10_000


class Desk(Protocol):
    """What the order desk does for its stops."""

    venue: Venue
    feed: MarketFeed
    questions: Questions
    tracked: dict[OrderId, Tracked]
    shares: dict[str, Decimal]
    wake: asyncio.Event

    def tell(self, found: Tracked, events: list[OrderEvent]) -> None: ...

    def doubt(self, found: Tracked, client_id: str) -> None: ...

    def accept(self, found: Tracked, venue_id: str) -> None: ...

    def refused(self, found: Tracked, error: CcxtRefusalError, client_id: str) -> None: ...

    def stamp(self) -> int: ...

    def group_of(self, found: Tracked) -> list[Tracked]: ...

    async def settle(self, found: Tracked, order: VenueOrder) -> None: ...

    async def take_back(self, venue_id: str, found: Tracked, *, is_waiting: bool = False) -> None: ...

    async def send(self, found: Tracked, amount: Decimal, price: Decimal | None, *, is_ioc: bool = False) -> None: ...


class StopDesk:
    """Places, finds, moves and takes back what waits for a price."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._turns: dict[str, float] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._gone: dict[str, None] = {}  # stops that a look of before may still show, the newest last

    # -- placing -----------------------------------------------------------------------------------
    async def place(self, found: Tracked) -> None:
        """Send what waits, for what is left of its order."""
        price = self._price(found)
        if price is None or self._is_beyond(found, price):
            stamp = self._desk.stamp()
            reason = "beyond_the_market" if price is not None else "unsupported"
            self._desk.tell(found, found.tell(OrderRejected(found.order_id, stamp, reason)) or found.end(stamp, reason))
            return
        if why := found.limits.refusal(found.order.left, price):
            self._desk.tell(found, found.tell(OrderRejected(found.order_id, self._desk.stamp(), why)))
            return
        placed = await self._send(found, price)
        if placed:
            found.is_withdrawn = False
            self._desk.accept(found, TRIGGER_PREFIX + placed)

    async def _send(self, found: Tracked, price: Price) -> str:
        """Send it once, and return the venue's id, empty where there is none or nobody knows it."""
        profile, spec = self._desk.venue.profile, found.order.spec
        client_id = profile.client_id.of(found.order_id, found.generation)
        params: dict[str, object] = {
            ("stopLossPrice" if found.is_stop else "takeProfitPrice"): f"{price:f}", **profile.order_params,
        }  # fmt: skip
        if profile.has_stop_ids:
            params[profile.client_id.create_param] = client_id
        else:
            params["timeInForce"] = "ioc"
        kind = "market" if found.is_stop else "limit"
        given = None if profile.has_stop_ids and found.is_stop else f"{price:f}"
        words = (found.limits.symbol, kind, spec.side.value.lower(), f"{found.order.left:f}", given, params)
        await self._turn(found)
        try:
            order = self._desk.questions.parser.order(await self._desk.venue.order("create_order", *words))
        except OutcomeUnknownError:
            found.is_unsure = True
            self._desk.doubt(found, client_id)
            return ""
        except CcxtRefusalError as error:
            if found.waiting:
                found.trigger_wanted = None  # it was to move, and the old one guards on
            else:
                self._desk.refused(found, error, client_id)
            return ""
        except VenueError:  # there was an answer, and it cannot be read
            found.is_unsure = True
            self._desk.doubt(found, client_id)
            return ""
        if not order.venue_order_id:
            found.is_unsure = True
            self._desk.doubt(found, client_id)
        found.generation += 1
        return order.venue_order_id

    async def _turn(self, found: Tracked) -> None:
        spacing, symbol = self._desk.venue.profile.spacing_s, found.limits.symbol
        if not spacing:
            return
        loop = asyncio.get_running_loop()
        symbol += "s" if found.is_stop else "t"
        async with self._locks.setdefault(symbol, asyncio.Lock()):
            await asyncio.sleep(max(self._turns.get(symbol, 0.0) - loop.time(), 0.0))
            self._turns[symbol] = loop.time() + spacing

    def _price(self, found: Tracked) -> Price | None:
        return found.order.trigger_price if found.is_stop else found.order.spec.limit_price

    def _is_beyond(self, found: Tracked, price: Decimal) -> bool:
        """Tell whether it would fire at once, which venues refuse or, worse, do."""
        bid = self._desk.feed.bids.get(found.instrument.id)
        return found.is_stop and bid is not None and price >= bid

    # -- finding -----------------------------------------------------------------------------------
    def _is_ours(self, order: VenueOrder, found: Tracked, price: Decimal | None) -> bool:
        profile = self._desk.venue.profile
        if profile.has_stop_ids:
            return profile.client_id.order_id(order.client_id) == found.order_id or order.client_id in (
                profile.client_id.of(found.order_id, found.generation), found.pending or None,
            )  # fmt: skip
        is_free = order.venue_order_id not in self._gone and not any(
            order.venue_order_id in other.waiting for other in self._desk.tracked.values() if other is not found
        )
        side = found.order.spec.side.value.lower()
        is_like = order.side == side and order.amount == found.order.left
        return is_free and is_like and price in (None, order.trigger_price)

    async def find(self, found: Tracked, look: Look) -> None:
        """Look for one whose answer was lost."""
        price = self._price(found)
        order = next((x for x in look.waiting.values() if self._is_ours(x, found, price)), None)
        profile = self._desk.venue.profile
        if order is None and profile.has_stop_ids:
            client_id = profile.client_id.of(found.order_id)
            order = await self._desk.questions.by_client_id(client_id, found.limits.symbol, look)
        if order is not None and order.venue_order_id:
            found.generation = max(found.generation, 1)
            self._desk.accept(found, TRIGGER_PREFIX + order.venue_order_id)
        elif look.ts > found.fence:
            self._desk.tell(found, found.tell(OrderRejected(found.order_id, self._desk.stamp(), "never_arrived")))

    async def _make_sure(self, found: Tracked, look: Look) -> bool:
        """Take over what may wait for an order and is not known; True when no more can come."""
        is_late = look.ts > found.fence
        if found.pending and self._desk.venue.profile.has_stop_ids:
            # It may have been there and have fired already: then it waits nowhere, and must not be placed again.
            order = await self._desk.questions.by_client_id(found.pending, found.limits.symbol, look)
            if order is not None and order.venue_order_id:
                found.generation += 1
                found.is_unsure, found.pending = False, ""
                if order.is_final or order.filled:
                    self._let_go(found, order)
                else:
                    await self._take_over(found, order)
                return True
        strays = [x for x in look.waiting.values() if self._is_ours(x, found, None)]
        found.waiting += [x.venue_order_id for x in strays if x.venue_order_id not in found.waiting]
        found.is_unsure, found.pending = not is_late, "" if is_late else found.pending
        if len(found.waiting) > 1:
            price = self._price(found)
            best = next((x.venue_order_id for x in strays if x.trigger_price == price), found.waiting[0])
            for name in [x for x in found.waiting if x != best]:
                await self._take_back(found, name)
        return is_late

    async def _take_over(self, found: Tracked, order: VenueOrder) -> None:
        """Go on with a stop whose answer was lost, at the price that it has."""
        self._desk.accept(found, TRIGGER_PREFIX + order.venue_order_id)
        price = order.trigger_price
        if found.is_stop and price is not None and price != found.order.trigger_price:
            moved = found.instrument.price(price)
            self._desk.tell(found, found.tell(OrderAmended(found.order_id, self._desk.stamp(), trigger_price=moved)))
            found.trigger_wanted = None if found.trigger_wanted == moved else found.trigger_wanted
        for name in [x for x in found.waiting if x != order.venue_order_id]:
            await self._take_back(found, name)

    # -- following ---------------------------------------------------------------------------------
    async def follow(self, found: Tracked, look: Look) -> None:
        """See what became of what waits, and move, shrink or arm it where the house wants it."""
        if found.is_held:
            await self._follow_held(found, look)
            return
        is_sure = not found.is_unsure or await self._make_sure(found, look)
        if not (found.waiting or found.book or found.is_over or found.cancel_reason):
            # It was taken back for a way out, or never arrived: it must guard again.
            if is_sure and not any(x.is_way_out for x in self._desk.group_of(found) if x is not found):
                self._shrunk(found)
                await self.place(found)
            return
        for name in list(found.waiting):
            order = look.waiting.get(name)
            if order is None or order.filled or order.is_final:
                await self._on_change(found, name)
        if found.is_over or found.book or not found.waiting or not is_sure:
            return
        if found.quantity_wanted is not None:
            await self._shrink(found)
        elif found.trigger_wanted is not None:
            await self._move(found, found.trigger_wanted)

    async def _on_change(self, found: Tracked, name: str) -> None:
        try:
            order = await self._desk.questions.order(name, found.limits.symbol, is_waiting=True)
        except CcxtRefusalError as error:
            if not error.is_gone:
                raise
            order = VenueOrder(name, "", "", "canceled", None, ZERO, None)
        if not order.is_final and not order.filled:
            return
        self._let_go(found, order)
        if not (found.waiting or found.book or found.is_withdrawn):
            self._desk.tell(found, found.end(self._desk.stamp(), "operator"))

    def _let_go(self, found: Tracked, order: VenueOrder) -> None:
        """Note that one waits no longer; what it has placed in the book trades for its order."""
        name = order.venue_order_id
        self._gone[name] = None
        if len(self._gone) > _GONE_MAX:
            del self._gone[next(iter(self._gone))]
        if name in found.waiting:
            found.waiting.remove(name)
        has_ids = self._desk.venue.profile.has_stop_ids
        fired = order.fired_id or (name if has_ids and (order.filled or order.status == "closed") else "")
        if fired and fired not in found.book:
            found.book.append(fired)

    async def _take_back(self, found: Tracked, name: str) -> None:
        await self._desk.take_back(name, found, is_waiting=True)
        order = await self._desk.questions.order(name, found.limits.symbol, is_waiting=True)
        if order.is_final or order.filled:
            self._let_go(found, order)

    async def _move(self, found: Tracked, price: Price) -> None:
        if self._is_beyond(found, price):
            found.trigger_wanted = None
            return
        old, before = list(found.waiting), found.order
        binds = self._desk.venue.profile.stops_bind
        if binds:  # the new one needs the coins that the old one binds: the software stop watches for a moment
            for name in old:
                await self._take_back(found, name)
            if found.waiting or found.book:
                return
        found.order = before.amended(price, None)
        placed = await self._send(found, price)
        found.order = before
        if not placed:
            if not found.waiting and not found.is_unsure and not found.is_over:
                await self.place(found)
            return
        found.trigger_wanted = None
        self._desk.accept(found, TRIGGER_PREFIX + placed)
        self._desk.tell(found, found.tell(OrderAmended(found.order_id, self._desk.stamp(), trigger_price=price)))
        for name in [] if binds else old:
            await self._take_back(found, name)

    async def _shrink(self, found: Tracked) -> None:
        for name in list(found.waiting):
            await self._take_back(found, name)
        if not (found.waiting or found.book):
            self._shrunk(found)
            await self.place(found)

    def _shrunk(self, found: Tracked) -> None:
        wanted, found.quantity_wanted = found.quantity_wanted, None
        if wanted is not None and wanted < found.order.quantity:
            self._desk.tell(found, found.tell(OrderAmended(found.order_id, self._desk.stamp(), quantity=wanted)))

    # -- taking back -------------------------------------------------------------------------------
    async def cancel(self, found: Tracked, look: Look) -> None:
        """Take back all that waits for an order; when none is left that could fire, it has ended."""
        is_sure = not found.is_unsure or await self._make_sure(found, look)
        for name in list(found.waiting):
            await self._take_back(found, name)
        if is_sure and not (found.waiting or found.book):
            self._desk.tell(found, found.end(self._desk.stamp(), "operator"))

    async def clear_way(self, found: Tracked) -> bool:
        """Take back what shares a position with a way out, so that it is not sold twice; False if nothing is left."""
        for member in self._desk.group_of(found):
            if member is found or member.is_over or not (member.waits or member.is_held):
                continue
            member.is_withdrawn = True
            for name in list(member.waiting):
                await self._take_back(member, name)
            for name in list(member.book):
                if member.is_held:
                    await self._desk.take_back(name, member)
                await self._desk.settle(member, await self._desk.questions.order(name, member.limits.symbol))
            if member.waiting:
                raise VenueError("a stop could not be taken back", venue=self._desk.venue.name, is_retryable=True)
        left = self._desk.shares[found.order.spec.group]
        if left <= ZERO:
            self._desk.tell(found, found.tell(OrderRejected(found.order_id, self._desk.stamp(), "group")))
            return False
        if left < found.order.left and not found.is_held:
            found.order = found.order.amended(None, Quantity(left))
        return True

    # -- kept here ---------------------------------------------------------------------------------
    async def _follow_held(self, found: Tracked, look: Look) -> None:
        """Let a target that waits here go to the venue when its price is there."""
        self._shrunk(found)
        if found.pending:
            order = await self._desk.questions.by_client_id(found.pending, found.limits.symbol, look)
            if order is not None and order.venue_order_id:
                found.adopt(order.venue_order_id)
            if order is not None or look.ts > found.fence:
                found.pending = ""
            return
        price, bid = self._price(found), self._desk.feed.bids.get(found.instrument.id)
        if found.book or found.cancel_reason or price is None or bid is None or bid < price:
            return
        others = [x for x in self._desk.group_of(found) if x is not found]
        if found.limits.refusal(min(found.order.left, self._desk.shares[found.order.spec.group]), price):
            return  # it would not be taken: the stop guards on
        if any(x.is_way_out for x in others) or not await self.clear_way(found):
            return
        amount = min(found.order.left, self._desk.shares[found.order.spec.group])
        found.generation += 1
        if amount > ZERO:
            await self._desk.send(found, amount, price, is_ioc=True)

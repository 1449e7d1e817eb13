"""Stops that wait at the venue, and targets that wait beside them, there or here.

Where a resting stop binds what it would sell, nothing else can wait at the venue for the same coins: the target is kept
here, and when its price is there the stop is taken back first. Where stops carry no client id, one whose answer was
lost is found by what it is: side, rule, price and amount, among those that belong to nobody yet. Where two of them must
be apart, each waits for its turn, and an entry leaves only when the stop behind it could follow at once.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Final, Protocol

from holdfast.adapters.exchanges.ccxt.errors import CcxtRefusalError, CcxtUnknownError
from holdfast.adapters.exchanges.ccxt.library import Venue
from holdfast.adapters.exchanges.ccxt.market_feed import MarketFeed
from holdfast.adapters.exchanges.ccxt.questions import Look, Questions
from holdfast.adapters.exchanges.ccxt.shape import VenueOrder
from holdfast.adapters.exchanges.ccxt.tracker import TRIGGER_PREFIX, Tracked
from holdfast.adapters.exchanges.ccxt.turns import Turns
from holdfast.core.errors import ConfigurationError, VenueError
from holdfast.core.time import DAY, SECOND
from holdfast.domain.order import OrderAmended, OrderEvent, OrderRejected, OrderState
from holdfast.domain.values import ZERO, OrderId, Price, Quantity, Side

_GONE_MAX: Final = 10_000
_CREATED_SLACK: Final = 5 * SECOND
"""Venues tell when a stop was made in whole seconds, and by a clock that is not the one which signs."""
_INHERITED_AGE: Final = DAY
"""What an earlier process may have sent, and an order that we know nothing of, is not older than this."""


class Desk(Protocol):
    """What the order desk does for its stops."""

    venue: Venue
    feed: MarketFeed
    questions: Questions
    tracked: dict[OrderId, Tracked]
    shares: dict[str, Decimal]
    wake: asyncio.Event

    def tell(self, found: Tracked, events: list[OrderEvent]) -> None: ...

    def doubt(self, found: Tracked, client_id: str, ts_sent: int = 0) -> None: ...

    def accept(self, found: Tracked, venue_id: str) -> None: ...

    def refused(self, found: Tracked, error: CcxtRefusalError, client_id: str) -> None: ...

    def locked_out(self, found: Tracked, error: ConfigurationError) -> None: ...

    def stamp(self) -> int: ...

    def group_of(self, found: Tracked) -> list[Tracked]: ...

    async def settle(self, found: Tracked, order: VenueOrder) -> None: ...

    async def take_back(self, venue_id: str, found: Tracked, *, is_waiting: bool = False) -> None: ...

    async def send(self, found: Tracked, amount: Decimal, price: Decimal | None, *, is_ioc: bool = False) -> None: ...


class StopDesk:
    """Places, finds, moves and takes back what waits for a price."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.turns = Turns(desk.venue.profile.spacing_s)
        self.newest = 0  # the highest of the venue's ids that stops are known to have had
        self._gone: dict[str, None] = {}  # stops that a look of before may still show, the newest last

    # -- placing -----------------------------------------------------------------------------------
    async def place(self, found: Tracked, *, has_turn: bool = False) -> None:
        """Send what waits, for what is left of its order; whoever `has_turn` has waited for it."""
        if not (has_turn or await self.turns.take(found)):
            if found.order.state is OrderState.SUBMITTED:
                self._refuse(found, found.cancel_reason)
            self._desk.wake.set()
            return
        price = self._price(found)
        if price is None or self._is_beyond(found, price):
            self._refuse(found, "beyond_the_market" if price is not None else "unsupported")
            return
        if why := found.limits.refusal(found.order.left, price):
            self._refuse(found, why)
            return
        placed = await self._send(found, price)
        if placed:
            found.is_withdrawn = False
            self._desk.accept(found, TRIGGER_PREFIX + placed)

    def _refuse(self, found: Tracked, reason: str) -> None:
        """End an order that is not sent; what had been placed before and cannot be again has ended."""
        self.turns.free(found)
        stamp = self._desk.stamp()
        self._desk.tell(found, found.tell(OrderRejected(found.order_id, stamp, reason)) or found.end(stamp, reason))

    async def _send(self, found: Tracked, price: Price, *, is_move: bool = False) -> str:
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
        found.is_sending = True
        if not found.is_unsure:
            found.ts_doubted, found.newest = self._desk.venue.now(), self.newest
        try:
            order = self._desk.questions.parser.order(await self._desk.venue.order("create_order", *words))
        except CcxtUnknownError as error:
            self._doubt(found, client_id, error.ts_sent)
            return ""
        except CcxtRefusalError as error:
            if error.is_known:
                self._doubt(found, client_id)
                return ""
            self.turns.free(found)
            if is_move:
                found.trigger_wanted = None  # where it was, it guards on or anew
            else:
                self._desk.refused(found, error, client_id)
            return ""
        except VenueError:  # there was an answer, and it cannot be read
            self._doubt(found, client_id)
            return ""
        except ConfigurationError as error:
            if not is_move:
                self._desk.locked_out(found, error)
                return ""
            raise
        finally:
            found.is_sending = False
        if not order.venue_order_id:
            self._doubt(found, client_id)
        found.generation += 1
        return order.venue_order_id

    def _doubt(self, found: Tracked, client_id: str, ts_sent: int = 0) -> None:
        # Its group may take some of it before it is found: then it is no more as large as what is asked for now.
        found.doubted.add(found.order.left)
        found.is_unsure = True
        self._desk.doubt(found, client_id, ts_sent)

    def note(self, venue_id: str) -> None:
        """Count the venue's id of a stop as given out; they only ever grow."""
        if (name := venue_id.removeprefix(TRIGGER_PREFIX)).isdigit():
            self.newest = max(self.newest, int(name))

    def fresh_generation(self) -> int:
        """Return a count that no earlier process has used in a client id: one id must not name two stops."""
        return self._desk.venue.now() // SECOND if self._desk.venue.profile.has_stop_ids else 1

    def _price(self, found: Tracked) -> Price | None:
        return found.order.trigger_price if found.is_stop else found.order.spec.limit_price

    def _is_beyond(self, found: Tracked, price: Decimal) -> bool:
        """Tell whether it would fire at once, which venues refuse or, worse, do."""
        bid = self._desk.feed.bids.get(found.instrument.id)
        return found.is_stop and bid is not None and price >= bid

    # -- finding -----------------------------------------------------------------------------------
    def _is_ours(self, order: VenueOrder, found: Tracked, price: Decimal | None) -> bool:
        """Tell whether a stop was placed for an order, at a price where one is given, and belongs to nobody yet."""
        profile, name, left = self._desk.venue.profile, order.venue_order_id, found.order.left
        if name in self._gone:
            return False
        if profile.has_stop_ids:
            return profile.client_id.order_id(order.client_id) == found.order_id or order.client_id in (
                profile.client_id.of(found.order_id, found.generation), found.pending or None,
            )  # fmt: skip
        if any(name in (*other.waiting, *other.book) for other in self._desk.tracked.values()):
            return False
        spec = found.order.spec
        rule = "<=" if found.is_stop is (spec.side is Side.SELL) else ">="
        if order.side != spec.side.value.lower() or order.rule not in ("", rule):
            return False
        # An earlier process may have made it smaller, and not have said so.
        is_smaller = found.is_inherited and order.amount is not None and order.amount < left
        if is_smaller and order.trigger_price == self._price(found):
            return True
        return order.amount in found.doubted | {left} and price in (None, order.trigger_price)

    async def _fired(self, found: Tracked, look: Look, price: Decimal | None) -> VenueOrder | None:
        """Return one that was placed for an order and has fired before anybody has seen it wait."""
        since = found.ts_doubted - _CREATED_SLACK
        if found.is_inherited:  # one at another price is of another trade, for all that we know
            since, price = look.ts - _INHERITED_AGE, self._price(found)
        known = {name for other in self._desk.tracked.values() for name in other.book}
        for order in await self._desk.questions.fired(found.limits.symbol, look):
            name = order.venue_order_id
            # By its id where one of before is known: at a simulated venue stops are made in another time.
            is_new = int(name) > found.newest if found.newest and name.isdigit() else order.ts_created >= since
            if is_new and order.fired_id not in known and self._is_ours(order, found, price):
                return order
        return None

    async def find(self, found: Tracked, look: Look) -> None:
        """Look for one whose answer was lost."""
        price = self._price(found)
        order = next((x for x in look.waiting.values() if self._is_ours(x, found, price)), None)
        profile = self._desk.venue.profile
        if order is None and profile.has_stop_ids:
            client_id = profile.client_id.of(found.order_id)
            order = await self._desk.questions.by_client_id(client_id, found.limits.symbol, look)
        elif order is None:
            order = await self._fired(found, look, price)
        if order is not None and order.venue_order_id:
            found.generation = self.fresh_generation() if found.is_inherited else max(found.generation, 1)
            self._desk.accept(found, TRIGGER_PREFIX + order.venue_order_id)
            self._desk.wake.set()
        elif look.ts > found.fence:
            self._be_sure(found)
            self._refuse(found, "never_arrived")

    async def _adopt_strays(self, found: Tracked, look: Look) -> list[VenueOrder]:
        """Count what waits for an order and is not known as its own, and return it; once sure, look no more."""
        has_ids = self._desk.venue.profile.has_stop_ids
        if found.pending and has_ids:
            # It may have been there and have fired already: then it waits nowhere, and must not be placed again.
            order = await self._desk.questions.by_client_id(found.pending, found.limits.symbol, look)
            if order is not None and order.venue_order_id:
                found.generation += 1
                self._be_sure(found)
                if order.is_final or order.filled:
                    self._let_go(found, order)
                    return []
                found.adopt(TRIGGER_PREFIX + order.venue_order_id)
                return [order]
        strays = [
            x for x in look.waiting.values() if x.venue_order_id not in found.waiting and self._is_ours(x, found, None)
        ]
        found.waiting += [x.venue_order_id for x in strays]
        if not has_ids and (fired := await self._fired(found, look, None)) is not None:
            self._let_go(found, fired)
        if look.ts > found.fence:
            self._be_sure(found)
        return strays

    def _be_sure(self, found: Tracked) -> None:
        found.is_unsure, found.is_inherited, found.pending = False, False, ""
        found.doubted.clear()

    async def _thin_out(self, found: Tracked, look: Look) -> None:
        """Leave one stop of several, all of which wait: two would sell twice what there is."""
        if len(found.waiting) < 2:
            return

        def fitness(name: str) -> tuple[bool, bool]:
            order = look.waiting.get(name)
            if order is None:
                return True, True  # newer than the look
            is_right = order.amount == found.order.left
            return is_right, is_right and order.trigger_price == self._price(found)

        kept = max(found.waiting, key=fitness)
        for name in [x for x in found.waiting if x != kept]:
            await self._take_back(found, name)

    def _take_over(self, found: Tracked, strays: list[VenueOrder]) -> None:
        """Say which stray guards now; one of another amount, or a looser one, guards until it has been replaced."""
        for stray in strays:
            if stray.venue_order_id not in found.waiting:
                continue
            mine, price = self._price(found), stray.trigger_price
            if stray.amount != found.order.left:
                found.quantity_wanted = found.quantity_wanted or found.order.quantity
            elif not found.is_stop or price is None or mine is None or price == mine:
                self._desk.accept(found, TRIGGER_PREFIX + stray.venue_order_id)
            elif price < mine:
                found.trigger_wanted = found.trigger_wanted or mine
            else:  # moved, and not said so
                self._desk.accept(found, TRIGGER_PREFIX + stray.venue_order_id)
                moved = found.instrument.price(price)
                amended = OrderAmended(found.order_id, self._desk.stamp(), trigger_price=moved)
                self._desk.tell(found, found.tell(amended))
                found.trigger_wanted = None if found.trigger_wanted == moved else found.trigger_wanted

    async def bury(self, found: Tracked, look: Look) -> None:
        """Take back what an order that is over may still have at the venue; it guards nothing, and would sell."""
        if found.is_unsure:
            await self._adopt_strays(found, look)
        for name in list(found.waiting):
            await self._take_back(found, name)

    # -- following ---------------------------------------------------------------------------------
    async def follow(self, found: Tracked, look: Look) -> None:
        """See what became of what waits, and move, shrink or arm it where the house wants it."""
        if found.is_held:
            await self._follow_held(found, look)
            return
        strays = await self._adopt_strays(found, look) if found.is_unsure else []
        if not (found.waiting or found.book or found.is_over or found.cancel_reason):
            # It was taken back for a way out, or never arrived: it must guard again.
            if not found.is_unsure and not any(x.is_way_out for x in self._desk.group_of(found) if x is not found):
                self._shrunk(found)
                await self.place(found)
            return
        for name in list(found.waiting):
            order = look.waiting.get(name)
            if order is None or order.filled or order.is_final:
                await self._on_change(found, name)
        await self._thin_out(found, look)
        self._take_over(found, strays)
        if found.is_over or found.book or not found.waiting:
            return
        if found.is_unsure and self._desk.venue.profile.has_stop_ids:
            return  # one client id at a time is looked for
        if found.quantity_wanted is not None:
            await self._shrink(found)
        elif found.trigger_wanted is not None and not found.is_unsure:
            await self._move(found, found.trigger_wanted)

    async def _on_change(self, found: Tracked, name: str) -> None:
        order = await self._ask(found, name)
        if not order.is_final and not order.filled:
            return
        self._let_go(found, order)
        if any(x.is_way_out for x in self._desk.group_of(found) if x is not found):
            found.is_withdrawn = True  # an earlier process has let a way out go first
        if not (found.waiting or found.book or found.is_withdrawn):
            self._desk.tell(found, found.end(self._desk.stamp(), "operator"))

    async def _ask(self, found: Tracked, name: str) -> VenueOrder:
        try:
            return await self._desk.questions.order(name, found.limits.symbol, is_waiting=True)
        except CcxtRefusalError as error:
            if not error.is_gone:
                raise
            return VenueOrder(name, "", "", "canceled", None, ZERO, None)

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
        order = await self._ask(found, name)
        if order.is_final or order.filled:
            self._let_go(found, order)

    async def _move(self, found: Tracked, price: Price) -> None:
        if self._is_beyond(found, price):
            found.trigger_wanted = None
            return
        if not await self.turns.take(found):
            return
        old = list(found.waiting)
        binds = self._desk.venue.profile.stops_bind
        if binds:  # the new one needs the coins that the old one binds: the software stop watches for a moment
            found.is_withdrawn = True  # whatever happens on the way, it is to guard again
            for name in old:
                await self._take_back(found, name)
            if found.waiting or found.book:
                found.is_withdrawn = not found.waiting
                return
        placed = await self._send(found, price, is_move=True)
        if not placed:
            if not (found.waiting or found.is_unsure):
                await self.place(found, has_turn=True)  # what was refused has taken no turn
            return
        found.trigger_wanted, found.is_withdrawn = None, False
        self._desk.accept(found, TRIGGER_PREFIX + placed)
        self._desk.tell(found, found.tell(OrderAmended(found.order_id, self._desk.stamp(), trigger_price=price)))
        for name in [] if binds else old:
            await self._take_back(found, name)

    async def _shrink(self, found: Tracked) -> None:
        # It guards on until the smaller one may be sent: then there is none only for as long as two requests take.
        if not await self.turns.take(found):
            return
        found.is_withdrawn = True
        for name in list(found.waiting):
            await self._take_back(found, name)
        if found.waiting or found.book:
            found.is_withdrawn = not found.waiting
            return
        self._shrunk(found)
        await self.place(found, has_turn=True)

    def _shrunk(self, found: Tracked) -> None:
        wanted, found.quantity_wanted = found.quantity_wanted, None
        if wanted is not None and wanted < found.order.quantity:
            self._desk.tell(found, found.tell(OrderAmended(found.order_id, self._desk.stamp(), quantity=wanted)))

    # -- taking back -------------------------------------------------------------------------------
    async def cancel(self, found: Tracked, look: Look) -> None:
        """Take back all that waits for an order; when none is left that could fire, it has ended."""
        if found.is_unsure:
            await self._adopt_strays(found, look)
        for name in list(found.waiting):
            await self._take_back(found, name)
        if not (found.is_unsure or found.waiting or found.book):
            self._desk.tell(found, found.end(self._desk.stamp(), "operator"))

    async def clear_way(self, found: Tracked) -> bool:
        """Take back what shares a position with a way out, so that it is not sold twice; False if nothing is left."""
        for member in self._desk.group_of(found):
            if member is found or not (member.waits or member.is_held) or (member.is_over and not member.is_haunting):
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
                found.pending = ""
                if found.is_inherited:
                    found.next_pending(self._desk.venue.profile.client_id)
            elif look.ts > found.fence:
                found.pending, found.is_inherited = "", False
                found.generation -= 1  # the next one takes its client id: they have no gap
            return
        price, bid = self._price(found), self._desk.feed.bids.get(found.instrument.id)
        if found.book or found.cancel_reason or price is None or bid is None or bid < price:
            return
        others = [x for x in self._desk.group_of(found) if x is not found]
        if found.limits.refusal(min(found.order.left, self._desk.shares[found.order.spec.group]), price):
            return  # it would not be taken: the stop guards on
        if any(x.is_way_out or x.is_sending for x in others):
            return
        found.is_sending = True  # what guards must not be sent at the same time: it would be for the same coins
        try:
            if await self.clear_way(found):
                amount = min(found.order.left, self._desk.shares[found.order.spec.group])
                found.generation += 1
                await self._desk.send(found, amount, price, is_ioc=True)
        finally:
            found.is_sending = False

"""Price-triggered orders at Gate.io: stops and targets that bind nothing while they wait.

They have no client id, so one whose answer was lost is found by what it is: market, side, rule, price and amount, among
those that belong to nobody yet. Two with one rule on a market must be spaced. A moved stop is placed before the old one
is taken back; a smaller one the other way round, so that never more can be sold than there is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Set
from decimal import Decimal
from typing import Final, NamedTuple, Protocol

from holdfast.adapters.exchanges.gateio import wire
from holdfast.adapters.exchanges.gateio.errors import GateioError, GateioUnknownError, Reaction
from holdfast.adapters.exchanges.gateio.look import Look
from holdfast.adapters.exchanges.gateio.mapping import trigger_request_of
from holdfast.adapters.exchanges.gateio.requests import TriggerRequest
from holdfast.adapters.exchanges.gateio.rest import GateioRest
from holdfast.adapters.exchanges.gateio.tracker import TRIGGER_PREFIX, Tracked
from holdfast.core.errors import VenueError
from holdfast.core.time import SECOND
from holdfast.domain.order import OrderAmended, OrderEvent, OrderRejected, OrderSpec, OrderState, OrderType, Role
from holdfast.domain.values import ONE, ZERO, InstrumentId, OrderId, Price, Quantity, Side

SPACING_S: Final = 1.6
"""Between two triggers with one rule on a market: within about 1.5 s the venue says REPEAT_REQUEST."""
SIGNATURE_WINDOW: Final = 62 * SECOND
"""How long after its signature a request may still be taken. An expiry is not documented for triggers, so only this
makes certain that a lost one will never be there."""
_TRIES: Final = 6
_GONE_MAX: Final = 10_000


class Desk(Protocol):
    """What the order desk does for its triggers."""

    pairs: dict[InstrumentId, wire.Pair]
    asks: dict[InstrumentId, Decimal]
    tracked: dict[OrderId, Tracked]
    shares: dict[str, Decimal]
    wake: asyncio.Event

    def tell(self, found: Tracked, events: list[OrderEvent]) -> None: ...

    def doubt(self, found: Tracked, error: GateioUnknownError | None = None) -> None: ...
    async def until_certain(self, found: Tracked) -> None: ...

    def accept(self, found: Tracked, venue_id: str) -> None: ...

    def now(self) -> int: ...

    def trigger_fence(self, expires: int = 0) -> int: ...

    def stamp(self) -> int: ...

    def group_of(self, found: Tracked) -> list[Tracked]: ...

    async def is_tried_again(self, found: Tracked, error: Exception, attempt: int) -> bool: ...

    async def settle(self, found: Tracked, order: wire.Order) -> None: ...


class _Turn(NamedTuple):
    """When the next trigger with a rule may be sent (s of the loop), and whose it was that was sent last."""

    due: float
    owner: OrderId


_NOBODY: Final = _Turn(0.0, OrderId(""))


class TriggerDesk:
    """Places, finds, moves and takes back the triggers of one account."""

    def __init__(self, rest: GateioRest, desk: Desk) -> None:
        self._rest, self._desk = rest, desk
        self._turns: dict[tuple[str, str], _Turn] = {}  # by market and rule
        self._inherited = _NOBODY  # what an earlier process may have sent last, with whatever rule
        self._queues: dict[tuple[str, str], asyncio.Lock] = {}
        self._newest = 0  # the highest id of a trigger that was seen: ids only grow
        self._gone: dict[str, None] = {}  # triggers that a look of before may still show, the newest last

    def begin(self) -> None:
        """Count what an earlier process may have sent just before as sent now."""
        self._inherited = _Turn(asyncio.get_running_loop().time() + SPACING_S, OrderId(""))

    # -- placing -----------------------------------------------------------------------------------
    async def place(self, found: Tracked, *, has_turn: bool = False) -> None:
        """Send a trigger for what is left of an order; whoever `has_turn` has waited for it."""
        request = self._request(found, found.order.trigger_price)
        for attempt in range(_TRIES):
            if not (has_turn and not attempt) and not await self._turn(found, request):
                if found.order.state is OrderState.SUBMITTED and not attempt:
                    self._desk.tell(
                        found, found.tell(OrderRejected(found.order_id, self._desk.stamp(), found.cancel_reason))
                    )
                self._desk.wake.set()
                return
            try:
                placed = await self._rest.place_trigger(request)
            except GateioUnknownError as error:
                self._doubt(found, request, error)
                self._desk.doubt(found, error)
                await self._desk.until_certain(found)
                return
            except (GateioError, VenueError) as error:
                if not await self._desk.is_tried_again(found, error, attempt):
                    self._free_turn(found)
                    return
                continue
            found.is_withdrawn = False
            self._note(placed.venue_order_id)
            self._desk.accept(found, TRIGGER_PREFIX + placed.venue_order_id)
            return

    def _doubt(self, found: Tracked, request: TriggerRequest, error: GateioUnknownError) -> None:
        # Its group may take some of it before it is found: then it is no more as large as what is asked for now.
        found.doubted.add(Decimal(request.put.amount))
        found.newer_than = found.newer_than or self._newest
        found.is_unsure, found.fence = True, self._desk.trigger_fence(error.ts_expires)

    def _request(self, found: Tracked, price: Price | None) -> TriggerRequest:
        spec, pair = found.order.spec, self._desk.pairs[found.instrument.id]
        left = Quantity(found.order.left or found.order.quantity)
        limit = spec.limit_price
        wanted = OrderSpec(
            spec.order_id, spec.instrument_id, spec.side, spec.type, left, spec.role, limit,
            price if spec.type is OrderType.STOP_MARKET else None, None, spec.time_in_force, group=spec.group,
        )  # fmt: skip
        worst = None
        if spec.side is Side.BUY and price is not None:
            worst = found.instrument.price_up(price * (ONE + Decimal("0.02")))
        return trigger_request_of(wanted, pair, worst)

    async def _turn(self, found: Tracked, request: TriggerRequest) -> bool:
        """Wait until a trigger with this rule may be sent; False where its order is taken back meanwhile."""
        key, loop = (request.market, request.trigger.rule), asyncio.get_running_loop()
        async with self._queues.setdefault(key, asyncio.Lock()):
            if _is_leaving(found):
                return False  # at once: it must not hold up those behind it
            await asyncio.sleep(self._turns.get(key, _NOBODY).due - loop.time())
            if _is_leaving(found):
                return False
            self._turns[key] = _Turn(loop.time() + SPACING_S, found.order_id)
            return True

    async def wait_for_stop(self, entry: Tracked) -> bool:
        """Wait until the stop behind an entry could be sent at once; False where the entry is taken back meanwhile.

        What cannot be guarded is not entered.
        """
        key = (entry.pair, "<=" if entry.order.spec.side is Side.BUY else ">=")
        async with self._queues.setdefault(key, asyncio.Lock()):
            if not _is_leaving(entry):
                due = max(self._turns.get(key, _NOBODY).due, self._inherited.due)
                await asyncio.sleep(due - asyncio.get_running_loop().time())
        return not _is_leaving(entry)

    def _free_turn(self, found: Tracked) -> None:
        """Let nobody wait for a trigger that the venue has certainly never seen, or did not take."""
        for key, turn in list(self._turns.items()):
            if turn.owner == found.order_id:
                del self._turns[key]

    # -- finding -----------------------------------------------------------------------------------
    @property
    def wants_look(self) -> bool:
        """Tell whether an order waits as a trigger, or may."""
        return any(x.is_trigger and (not x.is_over or x.is_haunting) for x in self._desk.tracked.values())

    async def find(self, found: Tracked, look: Look) -> None:
        """Look for a trigger whose answer was lost."""
        asked = self._request(found, found.order.trigger_price)
        first = self._request(found, found.order.spec.trigger_price)

        def is_it(trigger: wire.TriggerOrder) -> bool:
            is_like = _is_like(trigger, asked) or _is_like(trigger, first)
            return is_like and self._is_free(trigger.venue_order_id) and trigger.status != "cancelled"

        trigger = next(filter(is_it, look.triggers.values()), None)
        if trigger is None:
            ended = [x for x in await look.ended_triggers(found.pair) if _number(x.venue_order_id) > found.newer_than]
            trigger = next(filter(is_it, ended), None)
        if trigger is not None:
            found.trigger_ids.append(trigger.venue_order_id)
            self._desk.accept(found, TRIGGER_PREFIX + trigger.venue_order_id)
            self._desk.wake.set()
        elif look.ts > found.fence:
            self._free_turn(found)
            found.is_unsure = False
            self._desk.tell(found, found.tell(OrderRejected(found.order_id, self._desk.stamp(), "never_arrived")))

    def _note(self, name: str) -> None:
        self._newest = max(self._newest, _number(name))

    def _is_free(self, name: str) -> bool:
        """Tell whether a trigger belongs to none of the orders, and was not taken back since the look."""
        return name not in self._gone and not any(name in other.trigger_ids for other in self._desk.tracked.values())

    # -- following ---------------------------------------------------------------------------------
    async def follow(self, found: Tracked, look: Look) -> None:
        """See what became of an order's triggers, and move them where the house has moved its stop."""
        asked = self._request(found, found.order.trigger_price)
        strays = self._adopt_strays(found, asked, look) if found.is_unsure else []
        if found.newer_than and found.trigger_ids and not found.venue_ids:
            await self._adopt_fired(found, asked, look)
        if not found.is_unsure:  # this look was the last that could show one
            found.doubted.clear()
            found.newer_than = 0
        if not (found.trigger_ids or found.venue_ids or found.is_over or found.cancel_reason):
            # What was sent never arrived, or it made way for a way out that came to nothing: it must guard again.
            if not (found.is_unsure or (found.is_withdrawn and self._has_way_out(found))):
                await self.place(found)
            return
        for name in list(found.trigger_ids):
            if name not in look.triggers:
                self._on_gone(found, await self._rest.trigger(name))
        await self._thin_out(found, look, asked)
        self._take_over(found, [look.triggers[name] for name in strays if name in found.trigger_ids], asked)
        if found.trigger_wanted is not None and not found.is_over and not found.venue_ids:
            await self._move(found)

    def _has_way_out(self, found: Tracked) -> bool:
        return any(
            not other.is_trigger and other.order.spec.is_reducing and not other.is_over and other.has_left
            for other in self._desk.group_of(found)
        )

    def _on_gone(self, found: Tracked, trigger: wire.TriggerOrder) -> None:
        if trigger.status in ("open", ""):
            return
        self._let_go(found, trigger)
        if not found.trigger_ids and not found.venue_ids:
            self._desk.tell(found, found.end(self._desk.stamp(), trigger.reason or trigger.status))

    def _let_go(self, found: Tracked, trigger: wire.TriggerOrder) -> None:
        """Note that a trigger waits no longer; what it has placed in the book trades for its order."""
        name, fired = trigger.venue_order_id, trigger.fired_venue_order_id
        self._gone[name] = None
        if len(self._gone) > _GONE_MAX:
            del self._gone[next(iter(self._gone))]
        if name in found.trigger_ids:  # somebody else may have noted it while the answer was on its way
            found.trigger_ids.remove(name)
        if fired and fired not in found.venue_ids:
            found.venue_ids.append(fired)

    async def _move(self, found: Tracked) -> None:
        old, first = list(found.trigger_ids), found.trigger_wanted
        if not await self._turn(found, self._request(found, first)):
            return
        price = found.trigger_wanted  # while it waited, the house may have moved it on
        if price is None or found.is_over or found.venue_ids:
            return
        request = self._request(found, price)
        try:
            placed = await self._rest.place_trigger(request)
        except GateioUnknownError as error:
            self._doubt(found, request, error)  # the old one guards on; the new one is looked for before the next try
            return
        except GateioError as error:
            if error.reaction is not Reaction.SLOW_DOWN:
                _forget_wish(found, price)  # the market is beyond it: the old one guards on
                self._free_turn(found)
            return
        _forget_wish(found, price)
        self._note(placed.venue_order_id)
        self._desk.accept(found, TRIGGER_PREFIX + placed.venue_order_id)
        self._desk.tell(found, found.tell(OrderAmended(found.order_id, self._desk.stamp(), trigger_price=price)))
        await self._take_back(found, old)

    def _adopt_strays(self, found: Tracked, asked: TriggerRequest, look: Look) -> list[str]:
        """Count what is like an order's triggers and nobody's as its own, and return it; once sure, look no more."""
        amount = Decimal(asked.put.amount)

        def is_its(trigger: wire.TriggerOrder) -> bool:
            there = trigger.put.amount
            is_smaller = found.is_inherited and there < amount and _is_like(trigger, asked, {there})
            is_like = is_smaller or _is_like(trigger, asked, found.doubted | {amount}, is_any_price=True)
            return is_like and self._is_free(trigger.venue_order_id)

        strays = [name for name, trigger in look.triggers.items() if is_its(trigger)]
        found.trigger_ids += strays
        if look.ts > found.fence:
            found.is_unsure = found.is_inherited = False
        return strays

    async def _adopt_fired(self, found: Tracked, asked: TriggerRequest, look: Look) -> None:
        """Count one that was placed without an answer, and fired before a look could show it, as its order's own.

        Only what is newer than all that was known before can be it: an older one may be like it in all else.
        """
        amounts, prices = found.doubted, {found.order.trigger_price, found.trigger_wanted}
        for trigger in await look.ended_triggers(found.pair):
            is_fired = bool(trigger.fired_venue_order_id) and _number(trigger.venue_order_id) > found.newer_than
            is_like = trigger.trigger.price in prices and _is_like(trigger, asked, amounts, is_any_price=True)
            if is_fired and is_like and self._is_free(trigger.venue_order_id):
                found.trigger_ids.append(trigger.venue_order_id)

    async def _thin_out(self, found: Tracked, look: Look, asked: TriggerRequest) -> None:
        """Leave one trigger of several, all of which wait: two would sell twice what there is."""
        if len(found.trigger_ids) < 2:
            return

        def fitness(name: str) -> tuple[bool, bool]:
            trigger = look.triggers.get(name)
            if trigger is None:
                return True, True  # newer than the look
            is_right = trigger.put.amount == Decimal(asked.put.amount)
            return is_right, is_right and trigger.trigger.price == Decimal(asked.trigger.price)

        kept = max(found.trigger_ids, key=fitness)
        await self._take_back(found, [name for name in found.trigger_ids if name != kept])

    def _take_over(self, found: Tracked, strays: list[wire.TriggerOrder], asked: TriggerRequest) -> None:
        """Say which stray guards now; one of another amount guards until it has been replaced."""
        for stray in strays:
            if stray.put.amount != Decimal(asked.put.amount):
                found.quantity_wanted = found.quantity_wanted or found.order.quantity
            elif stray.trigger.price == Decimal(asked.trigger.price):
                self._desk.accept(found, TRIGGER_PREFIX + stray.venue_order_id)

    async def bury(self, found: Tracked, look: Look) -> None:
        """Take back what an order that is over may still have at the venue; it guards nothing, and would sell."""
        if found.is_unsure:
            self._adopt_strays(found, self._request(found, found.order.trigger_price), look)
        await self._take_back(found, list(found.trigger_ids))

    # -- taking back -------------------------------------------------------------------------------
    async def cancel(self, found: Tracked, look: Look) -> None:
        """Take back all triggers of an order; when none is left that could fire, it has ended."""
        if found.is_unsure:
            self._adopt_strays(found, self._request(found, found.order.trigger_price), look)
        await self._take_back(found, list(found.trigger_ids))
        if not found.is_unsure and not (found.trigger_ids or found.venue_ids):
            self._desk.tell(found, found.end(self._desk.stamp(), "operator"))

    async def withdraw(self, members: Iterable[Tracked]) -> None:
        """Take back the triggers of several orders; their orders wait on, and end with their group."""
        for member in members:
            if not member.is_over and member.trigger_ids:
                member.is_withdrawn = True
                await self._take_back(member, list(member.trigger_ids))
                await self._settle_fired(member)

    async def _take_back(self, found: Tracked, names: list[str]) -> None:
        for name in names:
            try:
                trigger = await self._rest.cancel_trigger(name)
            except (GateioError, GateioUnknownError):
                trigger = await self._rest.trigger(name)
            if trigger.status not in ("", "open"):  # else it is seen again with the next look
                self._let_go(found, trigger)

    async def _settle_fired(self, found: Tracked) -> None:
        for venue_id in found.venue_ids:
            await self._desk.settle(found, await self._rest.order(venue_id, found.pair))

    # -- what shares a position --------------------------------------------------------------------
    def share(self, found: Tracked) -> None:
        """After a fill, let the others of its group lose what it has taken."""
        left = self._desk.shares[found.order.spec.group]
        for other in self._desk.group_of(found):
            if other is found or other.is_over:
                continue
            if left <= ZERO:
                other.cancel_reason = "group"
            elif other.order.quantity - other.order.filled > left:
                other.quantity_wanted = Quantity(other.order.filled + left)
        self._desk.wake.set()

    async def shrink(self, found: Tracked) -> None:
        """Give a trigger the smaller quantity that is left for it."""
        if found.quantity_wanted is None:
            return
        # It guards on until the smaller one may be sent: then there is none only for as long as two requests take.
        if not await self._turn(found, self._request(found, found.order.trigger_price)):
            return
        wanted = _take_wish(found)
        if wanted is None or found.venue_ids:
            return
        try:
            await self._take_back(found, list(found.trigger_ids))
        except VenueError:
            found.quantity_wanted = found.quantity_wanted or wanted  # it is tried again with the next look
            raise
        if found.trigger_ids or found.venue_ids:
            found.quantity_wanted = wanted
            return
        if wanted != found.order.quantity:
            self._desk.tell(found, found.tell(OrderAmended(found.order_id, self._desk.stamp(), quantity=wanted)))
        await self.place(found, has_turn=True)

    async def arm_again(self, found: Tracked, order: wire.Order) -> bool:
        """Let a target wait once more for what its order in the book has not sold; True where it does."""
        if found.order.spec.role is not Role.TARGET or found.cancel_reason:
            return False
        if order.venue_order_id in found.venue_ids:
            found.venue_ids.remove(order.venue_order_id)
        await self.place(found)
        return True


def _number(name: str) -> int:
    """Return a trigger's id as the number that it is."""
    return int(name) if name.isascii() and name.isdecimal() else 0


def _forget_wish(found: Tracked, price: Price) -> None:
    """Note that a stop need not be moved to a price; a newer wish stands."""
    if found.trigger_wanted == price:
        found.trigger_wanted = None


def _take_wish(found: Tracked) -> Quantity | None:
    wanted, found.quantity_wanted = found.quantity_wanted, None
    return wanted


def _is_leaving(found: Tracked) -> bool:
    return bool(found.cancel_reason)


def _is_like(
    trigger: wire.TriggerOrder,
    asked: TriggerRequest,
    amounts: Set[Decimal] = frozenset(),
    *,
    is_any_price: bool = False,
) -> bool:
    return (
        trigger.market == asked.market
        and trigger.put.side == asked.put.side
        and trigger.trigger.rule == asked.trigger.rule
        and (is_any_price or trigger.trigger.price == Decimal(asked.trigger.price))
        and trigger.put.amount in (amounts or {Decimal(asked.put.amount)})
    )

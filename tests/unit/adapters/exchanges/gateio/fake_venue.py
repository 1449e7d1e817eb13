"""Gate.io as its REST client sees it, in memory and in a time that passes at once; answers get lost on demand."""

import asyncio
import selectors
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import TypeVar

from holdfast.adapters.exchanges.gateio import wire
from holdfast.adapters.exchanges.gateio.config import GateioConfig
from holdfast.adapters.exchanges.gateio.errors import GateioUnknownError, error_of
from holdfast.adapters.exchanges.gateio.requests import OrderRequest, TriggerRequest
from holdfast.adapters.exchanges.gateio.rest import FIRST_PAGE, GateioRest, Page
from holdfast.core.errors import VenueError
from holdfast.core.time import SECOND

T = TypeVar("T")
BEGIN = 1_700_000_000 * SECOND
ZERO = Decimal(0)
PAIR = wire.Pair(
    id="BTC_USDT", base="BTC", quote="USDT", amount_precision=4, precision=2, fee=Decimal("0.1"),
    min_quote_amount=Decimal(3),
)  # fmt: skip


class _Hurried(selectors.SelectSelector):
    """Reports at once that the wait is over, and counts what was not waited for."""

    skipped = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is not None and timeout > 0:
            self.skipped += timeout
        return ready


class HurriedLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock runs ahead to whatever is due next."""

    def __init__(self) -> None:
        self._hurried = _Hurried()
        super().__init__(self._hurried)

    def time(self) -> float:
        return super().time() + self._hurried.skipped


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    """Run a scenario in a time that does not have to be waited for."""

    async def bounded() -> None:
        await asyncio.wait_for(scenario(), 1_000)

    with asyncio.Runner(loop_factory=HurriedLoop) as runner:
        runner.run(bounded())


class FakeVenue(GateioRest):
    """The venue's side of one account. `script(method, ...)` says what goes wrong with the next calls of a method:

    `lost_before` and `lost_after` lose an answer, any other word is the label of a refusal, and "" is a call that goes
    well. Limit orders rest, or fill as `fills` says; triggers fire when the test says so.
    """

    def __init__(self) -> None:
        super().__init__(GateioConfig(), None, _NoClock())
        self.calls: list[str] = []
        self.books: dict[str, wire.Order] = {}
        self.waiting: dict[str, wire.TriggerOrder] = {}
        self.trades_done: list[wire.MyTrade] = []
        self.candles: list[wire.Candle] = []
        self.fills: Decimal | None = ZERO  # how much of the next orders fills at once; None is all of it
        self.is_blind_to_texts = False  # of orders that rest no more, the venue tells by its own ids alone
        self.hidden_trades = 0  # so many questions about trades are answered too early
        self.during: Callable[[str], None] = lambda method: None
        self._scripts: defaultdict[str, deque[str]] = defaultdict(deque)
        self._next = 100

    def script(self, method: str, *words: str) -> None:
        self._scripts[method].extend(words)

    def count(self, method: str) -> int:
        return self.calls.count(method)

    def venue_now(self) -> int:
        return BEGIN + int(asyncio.get_running_loop().time() * SECOND)

    async def _call(self, method: str, effect: Callable[[], T], *, is_change: bool = False) -> T:
        self.calls.append(method)
        await asyncio.sleep(0.01)
        self.during(method)
        words = self._scripts[method]
        word = words.popleft() if words else ""
        if word == "unreachable":
            raise VenueError("not sent", venue="gateio", is_retryable=True)
        if word == "lost_after":
            effect()
        if word in ("lost_before", "lost_after"):
            if is_change:
                raise GateioUnknownError("no certain answer")
            raise VenueError("no usable answer", venue="gateio", is_retryable=True)
        if word:
            raise error_of(word, "", 400, is_change)
        return effect()

    def new_id(self) -> str:
        self._next += 1
        return str(self._next)

    # -- orders ------------------------------------------------------------------------------------
    async def place(self, request: OrderRequest, is_urgent: bool = False) -> wire.Order:
        return await self._call("place", lambda: self.put(request), is_change=True)

    def put(self, request: OrderRequest) -> wire.Order:
        price = Decimal(request.price or "100")
        order = wire.Order(
            id=self.new_id(), text=request.text or "", status="open", currency_pair=request.currency_pair,
            type=request.type, side=request.side, amount=Decimal(request.amount), price=price,
            left=Decimal(request.amount), filled_amount=ZERO, finish_as="open",
        )  # fmt: skip
        self.books[order.venue_order_id] = order
        self.fill(order.venue_order_id, self.fills, price)
        if request.time_in_force in ("ioc", "fok") and order.is_open:
            self.end(order.venue_order_id, "ioc")
        return order

    def fill(self, venue_id: str, amount: Decimal | None, price: Decimal = Decimal(100)) -> None:
        """Let some of an order trade, or all of it."""
        order = self.books[venue_id]
        assert order.left is not None
        assert order.filled_amount is not None
        amount = order.left if amount is None else min(amount, order.left)
        if not amount:
            return
        fee = amount * Decimal("0.001") if order.side == "buy" else amount * price * Decimal("0.001")
        self.trades_done.append(
            wire.MyTrade(
                id=self.new_id(), order_id=order.id, side=order.side, amount=amount, price=price, text=order.text,
                create_time=Decimal(self.venue_now() // SECOND), fee=fee,
                fee_currency="BTC" if order.side == "buy" else "USDT",
            )
        )  # fmt: skip
        order.left -= amount
        order.filled_amount += amount
        order.filled_total += amount * price
        if not order.left:
            self.end(venue_id, "filled")

    def end(self, venue_id: str, finish_as: str) -> None:
        order = self.books[venue_id]
        order.status, order.finish_as = "closed" if finish_as == "filled" else "cancelled", finish_as

    def _named(self, name: str, *, is_restless: bool = True) -> wire.Order:
        for order in self.books.values():
            if order.venue_order_id == name:
                return order
            if order.text == name and (order.is_open or not (is_restless and self.is_blind_to_texts)):
                return order
        raise error_of("ORDER_NOT_FOUND", "", 404, is_order=False)

    async def cancel(self, order_id: str, pair: str) -> wire.Order:
        def effect() -> wire.Order:
            order = self._named(order_id)
            if not order.is_open:
                raise error_of("ORDER_CLOSED", "", 400, is_order=False)
            self.end(order.venue_order_id, "cancelled")
            return order

        return await self._call("cancel", effect, is_change=True)

    async def order(self, order_id: str, pair: str) -> wire.Order:
        return await self._call("order", lambda: self._named(order_id))

    async def open_orders(self, page: int = 1, limit: int = 100) -> list[wire.OpenOrders]:
        def effect() -> list[wire.OpenOrders]:
            return [wire.OpenOrders("BTC_USDT", [order for order in self.books.values() if order.is_open])]

        return await self._call("open_orders", effect)

    async def orders(
        self, pair: str, status: str, page: Page = FIRST_PAGE, side: str | None = None
    ) -> list[wire.Order]:
        return await self._call("orders", lambda: [x for x in self.books.values() if x.is_open == (status == "open")])

    async def my_trades(self, pair: str, order_id: str | None = None, page: Page = FIRST_PAGE) -> list[wire.MyTrade]:
        def effect() -> list[wire.MyTrade]:
            if self.hidden_trades:
                self.hidden_trades -= 1
                return []
            return [trade for trade in self.trades_done if order_id in (None, trade.venue_order_id)]

        return await self._call("my_trades", effect)

    # -- triggers ----------------------------------------------------------------------------------
    async def place_trigger(self, request: TriggerRequest) -> wire.TriggerPlaced:
        return await self._call("place_trigger", lambda: wire.TriggerPlaced(self.arm(request)), is_change=True)

    def arm(self, request: TriggerRequest, age_s: int = 0) -> str:
        put = wire.PutSeen(request.put.side, Decimal(request.put.amount), request.put.type, Decimal(request.put.price))
        trigger = wire.TriggerOrder(
            id=self.new_id(), trigger=wire.TriggerSeen(Decimal(request.trigger.price), request.trigger.rule), put=put,
            market=request.market, status="open", ctime=Decimal(self.venue_now() // SECOND - age_s),
        )  # fmt: skip
        self.waiting[trigger.venue_order_id] = trigger
        return trigger.venue_order_id

    def fire(self, trigger_id: str, amount: Decimal | None = None) -> str:
        """Let a trigger place its order, of which `amount` fills."""
        trigger, self.fills = self.waiting[trigger_id], amount
        order = self.put(
            OrderRequest(
                "ao-1", trigger.market, trigger.put.type, trigger.put.side, str(trigger.put.amount),
                str(trigger.put.price), "ioc",
            )
        )  # fmt: skip
        trigger.status, trigger.fired_order_id, self.fills = "finish", order.id, ZERO
        return order.venue_order_id

    def _trigger(self, trigger_id: str) -> wire.TriggerOrder:
        if trigger_id not in self.waiting:
            raise error_of("ORDER_NOT_FOUND", "", 404, is_order=False)
        return self.waiting[trigger_id]

    async def trigger(self, trigger_id: str) -> wire.TriggerOrder:
        return await self._call("trigger", lambda: self._trigger(trigger_id))

    async def triggers(
        self, status: str, market: str | None = None, limit: int = 100, offset: int = 0
    ) -> list[wire.TriggerOrder]:
        def effect() -> list[wire.TriggerOrder]:
            return [x for x in self.waiting.values() if (x.status == "open") == (status == "open")]

        return await self._call("triggers", effect)

    async def cancel_trigger(self, trigger_id: str) -> wire.TriggerOrder:
        def effect() -> wire.TriggerOrder:
            trigger = self._trigger(trigger_id)
            if trigger.status != "open":
                raise error_of("ORDER_FINISHED", "", 400, is_order=False)
            trigger.status = "cancelled"
            return trigger

        return await self._call("cancel_trigger", effect, is_change=True)

    @property
    def armed(self) -> list[str]:
        """Return the ids of the triggers that wait."""
        return [name for name, trigger in self.waiting.items() if trigger.status == "open"]

    # -- market ------------------------------------------------------------------------------------
    async def candlesticks(self, pair: str, interval: str, page: Page = FIRST_PAGE) -> list[wire.Candle]:
        def effect() -> list[wire.Candle]:
            if page.limit:
                return self.candles[-page.limit :]
            return [x for x in self.candles if page.ts_from * SECOND <= x.ts_open <= page.ts_to * SECOND]

        return await self._call("candlesticks", effect)


class _NoClock:
    def now(self) -> int:
        return BEGIN

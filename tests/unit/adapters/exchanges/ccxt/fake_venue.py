"""A venue as ccxt shows it, in memory: its words are those of a profile, and answers get lost on demand."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable
from decimal import Decimal

import msgspec

from holdfast.adapters.exchanges.ccxt.config import CcxtConfig
from holdfast.adapters.exchanges.ccxt.errors import CcxtRefusalError, CcxtUnknownError
from holdfast.adapters.exchanges.ccxt.markets import Limits
from holdfast.adapters.exchanges.ccxt.order_desk import OrderDesk
from holdfast.adapters.exchanges.ccxt.profiles import Profile, profile_of
from holdfast.core.errors import ConfigurationError, VenueError
from holdfast.core.time import SECOND
from holdfast.domain.decision import Approved
from holdfast.domain.order import Order, OrderEvent, OrderSpec, OrderType, Role, TimeInForce
from holdfast.domain.values import OrderId, Price, Quantity, Side
from holdfast.ports.live import Failure, Incoming
from holdfast.testing.builders import make_instrument

BTC = make_instrument("BTC/USDT.GATE")
SYMBOL = "BTC/USDT"
BEGIN = 1_700_000_000 * SECOND
NONE = (None, None)
LIMITS = Limits(SYMBOL, True, NONE, NONE, NONE, False)


class FakeVenue:
    """`script(method, ...)` says what goes wrong with the next calls of a method: `lost_before` and `lost_after` lose
    the answer, `late` arrives 2 s after it was given up, `refused` and `key` are what the venue answers, "" goes well.

    At venues that keep stops apart they are asked about as `stops`.
    """

    class client:  # noqa: N801  # as ccxt's
        has = {"fetchOrders": True}  # noqa: RUF012

    def __init__(self, profile: Profile) -> None:
        self.name, self.profile = "fake", profile
        self.rows: dict[str, dict] = {}
        self.trades: list[dict] = []
        self.calls: list[str] = []
        self.sent_at: list[float] = []
        self.most_armed = 0
        self.fills: list[str | None] = []  # what the next orders in the book trade; None is all
        self._scripts: defaultdict[str, deque[str]] = defaultdict(deque)

    def now(self) -> int:
        return BEGIN + int(asyncio.get_running_loop().time() * SECOND)

    def script(self, method: str, *words: str) -> None:
        self._scripts[method].extend(words)

    def count(self, method: str) -> int:
        return self.calls.count(method)

    @property
    def armed(self) -> list[str]:
        return [name for name, row in self.rows.items() if row["triggerPrice"] and row["status"] == "open"]

    async def _call(self, name: str, effect: Callable[[], object], *, is_change: bool = False) -> object:
        self.calls.append(name)
        sent = self.now()
        await asyncio.sleep(0.01)
        word = self._scripts[name].popleft() if self._scripts[name] else ""
        if word in ("lost_after", ""):
            answer = effect()
            if not word:
                return answer
        if word == "late":
            asyncio.get_running_loop().call_later(3.5, effect)
        if word == "refused":
            raise CcxtRefusalError("no", venue=self.name, label="NO")
        if word == "key":
            raise ConfigurationError("fake: PermissionDenied", hint="check the key")
        if not is_change:
            raise VenueError("no answer", venue=self.name, is_retryable=True)
        lost = CcxtUnknownError("no answer", venue=self.name)
        lost.ts_sent = sent
        await asyncio.sleep(1.5)  # as long as an answer is waited for
        raise lost

    # -- orders ------------------------------------------------------------------------------------
    async def order(self, method: str, *given: object) -> object:
        if method == "cancel_order":
            name = str(given[0])
            return await self._call("cancel", lambda: self._cancel(name), is_change=True)
        words = given[-1]
        is_stop = bool(words.get("stopLossPrice") or words.get("takeProfitPrice"))
        self.sent_at.append(asyncio.get_running_loop().time())
        return await self._call("stop" if is_stop else "place", lambda: self._create(*given), is_change=True)

    def _create(self, symbol: str, kind: str, side: str, amount: str, price: str | None, words: dict) -> dict:
        stop, target = words.get("stopLossPrice"), words.get("takeProfitPrice")
        row = {
            "id": str(101 + len(self.rows)), "side": side, "amount": amount, "filled": "0", "status": "open",
            "clientOrderId": str(words.get(self.profile.client_id.create_param, "")), "triggerPrice": stop or target,
            "timestamp": self.now() // 1_000_000,
            "info": {"fired_order_id": "0"},
        }  # fmt: skip
        if row["triggerPrice"]:
            row["info"]["trigger"] = {"rule": "<=" if stop else ">="}
        self.rows[row["id"]] = row
        if not row["triggerPrice"]:
            self.fill(row["id"], self.fills.pop(0) if self.fills else None)
        self.most_armed = max(self.most_armed, len(self.armed))
        return {**row, "status": ""}

    def fill(self, name: str, amount: str | None = None) -> None:
        row = self.rows[name]
        row["filled"], row["status"] = amount or row["amount"], "closed" if amount is None else "canceled"
        if amount == "0":
            return
        self.trades.append(
            {"id": f"t{name}", "order": name, "timestamp": self.now() // 1_000_000, "side": row["side"],
             "takerOrMaker": "taker", "price": "79", "amount": row["filled"], "fee": None}
        )  # fmt: skip

    def fire(self, name: str) -> None:
        """Let a stop sell all that it names."""
        row = self.rows[name]
        if not self.profile.fired_key:
            self.fill(name)
            return
        sale = str(101 + len(self.rows))
        self.rows[sale] = {**row, "id": sale, "triggerPrice": None, "info": {}, "clientOrderId": "ao-1"}
        self.fill(sale)
        row["status"], row["info"] = "closed", {**row["info"], "fired_order_id": sale}

    def _cancel(self, name: str) -> dict:
        row = self.rows[name]
        if row["status"] != "open":
            raise CcxtRefusalError("gone", venue=self.name, label="GONE", is_gone=True)
        row["status"] = "canceled"
        return row

    # -- questions ---------------------------------------------------------------------------------
    async def read(self, method: str, *given: object) -> object:
        params = given[-1] if given and isinstance(given[-1], dict) else {}
        is_waiting = bool(params.get("trigger"))
        effects = {
            "fetch_open_orders": ("stops" if is_waiting else "orders", lambda: self._list(is_waiting, "open")),
            "fetch_closed_orders": ("ended", lambda: self._list(is_waiting, "closed")),
            "fetch_orders": ("all", lambda: list(self.rows.values())),
            "fetch_order": ("ask", lambda: self._named(str(given[0]))),
            "fetch_my_trades": ("trades", lambda: list(self.trades)),
        }
        name, effect = effects[method]
        return await self._call(name, effect)

    def _list(self, is_waiting: bool, status: str) -> list[dict]:
        apart = bool(self.profile.trigger_params)
        return [
            dict(row) for row in self.rows.values()
            if row["status"] == status and (not apart or bool(row["triggerPrice"]) == is_waiting)
        ]  # fmt: skip

    def _named(self, name: str) -> dict:
        row = self.rows.get(name) or next((x for x in self.rows.values() if x["clientOrderId"] == name), None)
        if row is None:
            raise CcxtRefusalError("none", venue=self.name, label="NONE", is_gone=True)
        return dict(row)


class Feed:
    """A market that stands still."""

    def __init__(self) -> None:
        self.bids, self.asks = {BTC.id: Decimal(99)}, {BTC.id: Decimal(100)}
        self.market_ts = 0


class Room:
    """A desk at a venue in memory, and what it has told the house."""

    def __init__(self, name: str = "gate", venue: FakeVenue | None = None, window_ms: int = 1_000) -> None:
        profile = msgspec.structs.replace(profile_of(name), open_page_param="", trades_page_param="")
        self.venue = venue or FakeVenue(profile)
        self.heard: list[Incoming] = []
        config = CcxtConfig(name, order_window_ms=window_ms, margin_ms=500)
        self.desk = OrderDesk(self.venue, config, self.heard.extend, Feed())
        self.desk.instruments[BTC.id] = (BTC, LIMITS)

    def submit(self, name: str, kind: OrderType, price: str = "", group: str = "g", role: Role | None = None) -> None:
        usual = Role.EXIT if kind is OrderType.MARKET else Role.STOP
        level, is_stop = Price(Decimal(price)) if price else None, kind is OrderType.STOP_MARKET
        spec = OrderSpec(
            OrderId(name), BTC.id, Side.SELL, kind, Quantity(Decimal(1)), role or usual, None if is_stop else level,
            level if is_stop else None, group=group, time_in_force=TimeInForce.GTC if price else TimeInForce.IOC,
        )  # fmt: skip
        self.desk.submit(Approved(spec))

    def stop(self, name: str = "s", price: str = "80", group: str = "g") -> None:
        self.submit(name, OrderType.STOP_MARKET, price, group)

    def enter(self, name: str = "e") -> None:
        spec = OrderSpec(
            OrderId(name), BTC.id, Side.BUY, OrderType.MARKET, Quantity(Decimal(1)), Role.ENTRY,
            time_in_force=TimeInForce.IOC,
        )  # fmt: skip
        self.desk.submit(Approved(spec))

    async def look(self, times: int = 1, pause: float = 0.3) -> None:
        for _ in range(times):
            await asyncio.sleep(pause)
            await self.quiet_look()
        await asyncio.sleep(pause)

    async def quiet_look(self) -> None:
        try:
            await self.desk.look()
        except VenueError as error:
            self.desk.last_trouble = str(error)

    def told(self, name: str) -> list[type[OrderEvent]]:
        return [type(item) for item in self.heard if isinstance(item, OrderEvent) and item.order_id == name]

    def found(self, name: str = "s") -> object:
        return self.desk.tracked[OrderId(name)]

    def order(self, name: str = "s") -> Order:
        return self.desk.tracked[OrderId(name)].order

    @property
    def failures(self) -> list[Failure]:
        return [item for item in self.heard if isinstance(item, Failure)]

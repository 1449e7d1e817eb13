"""What is asked about orders: one by one, all that rest, and the trades of one, page by page."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from itertools import count
from typing import Final

from holdfast.adapters.exchanges.ccxt.errors import CcxtRefusalError
from holdfast.adapters.exchanges.ccxt.library import Venue
from holdfast.adapters.exchanges.ccxt.shape import OwnTrade, Parser, VenueOrder
from holdfast.core.time import MILLISECOND
from holdfast.domain.values import ZERO

_PAGE: Final = 100
_PAGES_MAX: Final = 200


class Look:
    """What rests on some markets. All of it is of a moment after `ts`, the venue's time (ns) before the question."""

    def __init__(self, ts: int) -> None:
        self.ts = ts
        self.orders: dict[str, VenueOrder] = {}
        self.waiting: dict[str, VenueOrder] = {}
        self.ended: dict[str, list[VenueOrder]] = {}  # by market; asked for by whoever needs it first
        self.turn = asyncio.Lock()


class Questions:
    """Asks one venue about our orders."""

    def __init__(self, venue: Venue) -> None:
        self._venue, self._profile = venue, venue.profile
        self.parser = Parser(venue.name, venue.profile.fired_key)

    async def look(self, symbols: set[str]) -> Look:
        """Return what rests on the markets."""
        look = Look(self._venue.now())
        for symbol in sorted(symbols):
            # What waits first: a stop that fires in between is seen as waiting and as an order, and never as neither.
            if self._profile.trigger_params:
                look.waiting.update(await self._open(symbol, is_waiting=True))
            look.orders.update(await self._open(symbol))
        if not self._profile.trigger_params:
            look.waiting = {name: order for name, order in look.orders.items() if order.trigger_price is not None}
        return look

    async def free(self, currency: str) -> Decimal:
        """Return what of a currency no order binds."""
        row = self.parser.row(await self._venue.read("fetch_balance"), "a balance")
        free = self.parser.row(row.get("free"), "a balance").get(currency)
        return max(self.parser.amount(free, "a balance") or ZERO, ZERO)

    async def _open(self, symbol: str, *, is_waiting: bool = False) -> dict[str, VenueOrder]:
        found: dict[str, VenueOrder] = {}
        page_param = self._profile.open_page_param
        for page in count(1):
            params: dict[str, object] = dict(self._profile.trigger_params) if is_waiting else {}
            if page_param and not is_waiting:
                params[page_param] = page
            elif page_param:
                params["offset"] = len(found)
            limit = _PAGE if page_param else None
            rows = await self._venue.read("fetch_open_orders", symbol, None, limit, params)
            orders = [self.parser.order(row) for row in self.parser.rows(rows, "open orders")]
            fresh = {order.venue_order_id: order for order in orders if order.venue_order_id not in found}
            found.update(fresh)
            if not page_param or len(orders) < _PAGE or not fresh or page > _PAGES_MAX:
                return found
        return found

    async def fired(self, symbol: str, look: Look) -> list[VenueOrder]:
        """Return the newest stops of a market that wait no longer because they have placed an order."""
        if not self._profile.fired_key:
            return []
        async with look.turn:
            if symbol not in look.ended:
                rows = await self._venue.read(
                    "fetch_closed_orders", symbol, None, _PAGE, dict(self._profile.trigger_params)
                )
                look.ended[symbol] = [self.parser.order(row) for row in self.parser.rows(rows, "ended stops")]
        return [order for order in look.ended[symbol] if order.fired_id]

    async def order(self, venue_id: str, symbol: str, *, is_waiting: bool = False) -> VenueOrder:
        """Return one order.

        Raises
        ------
        CcxtRefusalError
            `is_gone`: the venue knows none such.
        """
        params = dict(self._profile.trigger_params) if is_waiting else {}
        return self.parser.order(await self._venue.read("fetch_order", venue_id, symbol, params))

    async def by_client_id(self, client_id: str, symbol: str, look: Look) -> VenueOrder | None:
        """Return the order with a client id: among what rests, by asking for it, and among what has ended."""
        for order in look.orders.values():
            if order.client_id == client_id:
                return order
        asked, has = self._profile.ask_param, self._venue.client.has
        if asked:
            given = (client_id, symbol) if asked == "id" else (client_id, symbol, {asked: client_id})
            try:
                return self.parser.order(await self._venue.read("fetch_order", *given))
            except CcxtRefusalError as error:
                if not error.is_gone:
                    raise
            return None
        lists = ["fetch_orders"] if has.get("fetchOrders") is True else ["fetch_closed_orders", "fetch_canceled_orders"]
        for name in lists:
            capability = "fetch" + "".join(part.title() for part in name.split("_")[1:])
            if has.get(capability):
                for row in self.parser.rows(await self._venue.read(name, symbol, None, _PAGE), "orders"):
                    order = self.parser.order(row)
                    if order.client_id == client_id:
                        return order
        return None

    async def trades(self, venue_id: str, symbol: str) -> list[OwnTrade]:
        """Return all trades of one order in the book."""
        by, page_param, most = self._profile.trades_param, self._profile.trades_page_param, self._profile.page_trades
        params: dict[str, object] = {by: venue_id} if by else {}
        found: dict[str, OwnTrade] = {}
        since: int | None = None
        for page in range(1, _PAGES_MAX):
            if page_param == "page":
                params["page"] = page
            rows = await self._venue.read("fetch_my_trades", symbol, since, most, dict(params))
            trades = [self.parser.trade(row) for row in self.parser.rows(rows, "trades")]
            fresh = {trade.trade_id: trade for trade in trades if trade.trade_id not in found}
            found.update(fresh)
            if len(trades) < most or not fresh:
                break
            if page_param == "fromId":
                params["fromId"] = max(int(name) for name in found if name.isdigit()) + 1
            elif not page_param:
                since = max(trade.ts_event for trade in trades) // MILLISECOND
        return [trade for trade in found.values() if trade.venue_order_id == venue_id]

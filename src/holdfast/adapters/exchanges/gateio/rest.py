"""Gate.io's REST API for spot: sends what it is given and reads what comes back; decides nothing.

What only reads is tried again where that can help. What may change an order is sent once: if its answer is lost, or
says nothing certain, that is an OutcomeUnknownError. Only REQUEST_EXPIRED, which says that it was refused, is answered
by a second try.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

from holdfast.adapters.exchanges.gateio import key, wire
from holdfast.adapters.exchanges.gateio.requests import OrderRequest, TriggerRequest, body_of
from holdfast.adapters.exchanges.gateio.shape import Decoder
from holdfast.adapters.exchanges.gateio.transport import Call, Transport
from holdfast.core.errors import DomainError
from holdfast.core.record import Record

T = TypeVar("T")
Query = Mapping[str, str | int | None]
BATCH_MAX: Final = 10
_CANCEL_BATCH_MAX: Final = 20
_COUNTDOWN_MIN_S: Final = 5
_ID: Final = re.compile(r"[0-9A-Za-z_.-]{1,64}", re.ASCII)
_NAME: Final = re.compile(r"[0-9A-Za-z_]{1,64}", re.ASCII)


class Page(Record, frozen=True):
    """Which part of a long list; times in unix seconds, 0 leaves a bound out."""

    ts_from: int = 0
    ts_to: int = 0
    page: int = 0
    limit: int = 0

    def parameters(self) -> Query:
        """Return them as query parameters."""
        return {
            "page": self.page or None, "limit": self.limit or None,
            "from": self.ts_from or None, "to": self.ts_to or None,
        }  # fmt: skip


FIRST_PAGE: Final = Page()


class GateioRest(Transport):
    """One account at Gate.io over REST; without credentials only what is public. All methods belong to one event loop.

    Every method raises VenueError (mostly a GateioError with `label` and `reaction`), GateioKeyError where a person
    must act, and, where it may change an order, OutcomeUnknownError.
    """

    # -- market

    async def currencies(self) -> list[wire.Currency]:
        """Return every coin."""
        return await self._get(wire.CURRENCIES, "/spot/currencies")

    async def pairs(self) -> list[wire.Pair]:
        """Return every market."""
        return await self._get(wire.PAIRS, "/spot/currency_pairs")

    async def pair(self, pair: str) -> wire.Pair:
        """Return one market."""
        path = f"/spot/currency_pairs/{_name(pair, _NAME)}"
        return await self._get(wire.PAIR, path, endpoint="/spot/currency_pairs/{pair}")

    async def tickers(self, pair: str | None = None) -> list[wire.Ticker]:
        """Return the last day of one market or of all."""
        return await self._get(wire.TICKERS, "/spot/tickers", {"currency_pair": pair})

    async def order_book(self, pair: str, limit: int = 100, with_id: bool = True) -> wire.Book:
        """Return the best `limit` levels of each side."""
        query: Query = {"currency_pair": pair, "limit": limit, "with_id": "true" if with_id else None}
        return await self._get(wire.BOOK, "/spot/order_book", query)

    async def trades(self, pair: str, limit: int = 100, last_id: str | None = None) -> list[wire.Trade]:
        """Return public trades."""
        query: Query = {"currency_pair": pair, "limit": limit, "last_id": last_id}
        return await self._get(wire.TRADES, "/spot/trades", query)

    async def candlesticks(self, pair: str, interval: str, page: Page = FIRST_PAGE) -> list[wire.Candle]:
        """Return bars, oldest first, the unfinished one included; `limit` excludes from and to."""
        query: Query = {"currency_pair": pair, "interval": interval, **page.parameters(), "page": None}
        return await self._get(wire.CANDLES, "/spot/candlesticks", query)

    # -- account

    async def accounts(self, currency: str | None = None) -> list[wire.Account]:
        """Return our balances."""
        return await self._get(wire.ACCOUNTS, "/spot/accounts", {"currency": currency}, is_signed=True)

    async def fee(self, pair: str | None = None) -> wire.Fee:
        """Return our fee rates."""
        return await self._get(wire.FEE, "/spot/fee", {"currency_pair": pair}, is_signed=True)

    async def key_info(self) -> key.KeyInfo:
        """Return what the key may do."""
        return await self._get(key.KEY_INFO, "/account/main_keys", is_signed=True)

    async def account_detail(self) -> key.AccountDetail:
        """Return whose key it is and from where it works."""
        return await self._get(key.DETAIL, "/account/detail", is_signed=True)

    async def fee_deduction(self) -> key.FeeDeduction:
        """Return whether fees are taken in GT."""
        return await self._get(key.FEE_DEDUCTION, "/account/debit_fee", is_signed=True)

    # -- orders

    async def place(self, request: OrderRequest, is_urgent: bool = False) -> wire.Order:
        """Place an order, once; `is_urgent` for one that reduces, which then does not wait behind entries."""
        call = _change("POST", "/spot/orders", pair=request.currency_pair, body=body_of(request))
        return await self._order(wire.ORDER, call, is_urgent)

    async def place_batch(self, requests: Sequence[OrderRequest]) -> list[wire.BatchResult]:
        """Place up to ten orders of one market, once; each has its own outcome."""
        markets = {request.currency_pair for request in requests}
        if len(markets) != 1 or len(requests) > BATCH_MAX:
            raise DomainError(f"a batch has 1 to {BATCH_MAX} orders of one market, found {len(requests)}")
        call = _change("POST", "/spot/batch_orders", pair=markets.pop(), body=body_of(requests))
        return await self._order(wire.BATCH, call)

    async def amend(
        self, order_id: str, pair: str, price: str | None = None, amount: str | None = None, is_urgent: bool = False
    ) -> wire.Order:
        """Change price or amount of a resting order, named by the venue's id or by its text."""
        changes = {"price": price, "amount": amount, "currency_pair": _name(pair, _NAME), "account": "spot"}
        body = body_of({name: value for name, value in changes.items() if value is not None})
        return await self._order(wire.ORDER, _change("PATCH", "/spot/orders/", order_id, pair, body=body), is_urgent)

    async def cancel(self, order_id: str, pair: str) -> wire.Order:
        """Take an order back, named by the venue's id or by its text."""
        return await self._order(wire.ORDER, _change("DELETE", "/spot/orders/", order_id, pair), is_urgent=True)

    async def cancel_batch(self, orders: Sequence[tuple[str, str]]) -> list[wire.CancelResult]:
        """Take orders back, each given as (id or text, pair)."""
        if not 1 <= len(orders) <= _CANCEL_BATCH_MAX:
            raise DomainError(f"1 to {_CANCEL_BATCH_MAX} orders are taken back at once, found {len(orders)}")
        items = [{"currency_pair": _name(pair, _NAME), "id": _name(order_id, _ID)} for order_id, pair in orders]
        call = _change("POST", "/spot/cancel_batch_orders", body=body_of(items))
        return await self._order(wire.CANCELS, call, is_urgent=True)

    async def cancel_all(self, pair: str | None = None, side: str | None = None) -> list[wire.BatchResult]:
        """Take back what rests, on one market or on all; triggered orders stay."""
        query = _query({"currency_pair": pair, "side": side, "account": "spot"})
        return await self._order(wire.BATCH, _change("DELETE", "/spot/orders", query=query), is_urgent=True)

    async def order(self, order_id: str, pair: str) -> wire.Order:
        """Return an order. By its text it is found while it rests, and only for a while after."""
        path, query = f"/spot/orders/{_name(order_id, _ID)}", {"currency_pair": pair, "account": "spot"}
        return await self._get(wire.ORDER, path, query, endpoint="/spot/orders/{id}", is_signed=True)

    async def open_orders(self, page: int = 1, limit: int = 100) -> list[wire.OpenOrders]:
        """Return what rests, by market; `limit` counts within each."""
        query: Query = {"page": page, "limit": limit, "account": "spot"}
        return await self._get(wire.OPEN_ORDERS, "/spot/open_orders", query, is_signed=True)

    async def orders(
        self, pair: str, status: str, page: Page = FIRST_PAGE, side: str | None = None
    ) -> list[wire.Order]:
        """Return orders of a market that are `open` or `finished`."""
        query: Query = {"currency_pair": pair, "status": status, "side": side, "account": "spot", **page.parameters()}
        return await self._get(wire.ORDERS, "/spot/orders", query, is_signed=True)

    async def my_trades(self, pair: str, order_id: str | None = None, page: Page = FIRST_PAGE) -> list[wire.MyTrade]:
        """Return our trades on a market, of one order (the venue's id) or of a time."""
        query: Query = {"currency_pair": pair, "order_id": order_id, **page.parameters()}
        return await self._get(wire.MY_TRADES, "/spot/my_trades", query, is_signed=True)

    # -- triggered orders

    async def place_trigger(self, request: TriggerRequest) -> wire.TriggerPlaced:
        """Place a triggered order, once. It has no client id: after a lost answer look for it in `triggers`."""
        call = _change("POST", "/spot/price_orders", body=body_of(request))
        return await self._order(wire.TRIGGER_PLACED, call, is_urgent=True)

    async def trigger(self, trigger_id: str) -> wire.TriggerOrder:
        """Return a triggered order."""
        path = f"/spot/price_orders/{_name(trigger_id, _ID)}"
        return await self._get(wire.TRIGGER, path, endpoint="/spot/price_orders/{id}", is_signed=True)

    async def triggers(
        self, status: str, market: str | None = None, limit: int = 100, offset: int = 0
    ) -> list[wire.TriggerOrder]:
        """Return triggered orders that are `open` or `finished`."""
        query: Query = {"status": status, "market": market, "account": "normal", "limit": limit, "offset": offset}
        return await self._get(wire.TRIGGERS, "/spot/price_orders", query, is_signed=True)

    async def cancel_trigger(self, trigger_id: str) -> wire.TriggerOrder:
        """Take a triggered order back."""
        return await self._order(wire.TRIGGER, _change("DELETE", "/spot/price_orders/", trigger_id), is_urgent=True)

    async def cancel_triggers(self, market: str | None = None) -> list[wire.TriggerOrder]:
        """Take back every triggered order of a market, or of all."""
        query = _query({"market": market, "account": "normal"})
        return await self._order(wire.TRIGGERS, _change("DELETE", "/spot/price_orders", query=query), is_urgent=True)

    async def countdown(self, timeout_s: int, pair: str | None = None) -> wire.Countdown:
        """Let the venue cancel what rests unless this comes again within `timeout_s` (at least 5); 0 ends it."""
        if timeout_s != 0 and timeout_s < _COUNTDOWN_MIN_S:
            raise DomainError(f"the dead-man timer takes 0 or at least {_COUNTDOWN_MIN_S} s, found {timeout_s}")
        body: dict[str, object] = {"timeout": timeout_s}
        if pair is not None:
            body["currency_pair"] = _name(pair, _NAME)
        call = _change("POST", "/spot/countdown_cancel_all", body=body_of(body))
        return await self._order(wire.COUNTDOWN, call, is_urgent=True)

    # -- how each is sent

    async def _get(
        self, decoder: Decoder[T], path: str, query: Query | None = None, endpoint: str = "", is_signed: bool = False
    ) -> T:
        call = Call("GET", path, f"GET {endpoint or path}", _query(query or {}), is_signed=is_signed)
        return await self.read(call, decoder)

    async def _order(self, decoder: Decoder[T], call: Call, is_urgent: bool = False) -> T:
        return await self.change(call, decoder, is_urgent)


def _change(method: str, path: str, order_id: str = "", pair: str = "", query: str = "", body: bytes = b"") -> Call:
    """Return a call that may change an order; the pair goes into the query where the order is named in the path."""
    endpoint = f"{method} {path}" + ("{id}" if path.endswith("/") else "")
    if path.endswith("/"):
        path += _name(order_id, _ID)
        query = _query({"currency_pair": pair or None})
    return Call(method, path, endpoint, query, body, pair, is_signed=True)


def _name(text: str, pattern: re.Pattern[str]) -> str:
    # What stands in a path or a query is signed as it is and must mean the same when it is sent.
    if not pattern.fullmatch(text):
        raise DomainError(f"{text[:80]!r} is no name of an order or a pair at the venue")
    return text


def _query(parameters: Query) -> str:
    pairs = [(name, str(value)) for name, value in parameters.items() if value is not None]
    return "&".join(f"{name}={_name(value, _ID)}" for name, value in pairs)

"""Orders over the websocket: each leaves once, and by REST only where not one byte of it was written to the socket.

An acknowledgement is no answer. Without one in time, or with the connection lost, the outcome is unknown, and whoever
asks about it does so over REST. Triggered orders are not here: the venue has them over REST alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count
from typing import Final, TypeVar

from holdfast.adapters.exchanges.gateio import wire
from holdfast.adapters.exchanges.gateio.calls import READS, NotSentError, checked
from holdfast.adapters.exchanges.gateio.config import REST_ORDERS, SOCKET_ORDERS
from holdfast.adapters.exchanges.gateio.errors import GateioError, GateioUnknownError, Reaction
from holdfast.adapters.exchanges.gateio.messages import Answer
from holdfast.adapters.exchanges.gateio.requests import OrderRequest, body_of
from holdfast.adapters.exchanges.gateio.rest import GateioRest
from holdfast.adapters.exchanges.gateio.shape import VENUE
from holdfast.adapters.exchanges.gateio.socket import GateioSocket
from holdfast.core.errors import VenueError
from holdfast.core.record import Record
from holdfast.core.time import MILLISECOND

T = TypeVar("T")
_EXPIRY: Final = "x-gate-exptime"
_MS_PER_S: Final = 1_000


class Ask(Record, frozen=True):
    """One call. `endpoint` is the same request over REST, with which the limits count it together."""

    channel: str
    endpoint: str
    market: str
    params: bytes
    is_urgent: bool = False


class SocketOrders:
    """The orders of one account over `socket`; while there is none, or it is not logged in, they go over REST.

    Every method raises what its namesake of GateioRest raises. `ways` counts which way each call has left.
    """

    def __init__(self, rest: GateioRest) -> None:
        self.socket: GateioSocket | None = None
        self.ways: Counter[str] = Counter()
        self._rest = rest
        self._ids = count(1)

    async def place(self, request: OrderRequest, is_urgent: bool = False) -> wire.Order:
        """Place an order, once; `is_urgent` for one that reduces."""
        ask = Ask("spot.order_place", "POST /spot/orders", request.currency_pair, body_of(request), is_urgent)
        try:
            return await self._do(ask, lambda answer: _same(answer.order(), text=request.text or ""))
        except NotSentError:
            self.ways[REST_ORDERS] += 1
            return await self._rest.place(request, is_urgent)

    async def amend(
        self, order_id: str, pair: str, price: str | None = None, amount: str | None = None, is_urgent: bool = False
    ) -> wire.Order:
        """Change price or amount of a resting order, named by the venue's id or by its text."""
        changes = {"order_id": order_id, "currency_pair": pair, "price": price, "amount": amount}
        params = body_of({name: value for name, value in changes.items() if value is not None})
        ask = Ask("spot.order_amend", "PATCH /spot/orders/{id}", pair, params, is_urgent)
        try:
            return await self._do(ask, lambda answer: _same(answer.order(), order_id))
        except NotSentError:
            self.ways[REST_ORDERS] += 1
            return await self._rest.amend(order_id, pair, price, amount, is_urgent)

    async def cancel(self, order_id: str, pair: str) -> wire.Order:
        """Take an order back, named by the venue's id or by its text."""
        ask = _cancel("spot.order_cancel", "/{id}", {"order_id": order_id, "currency_pair": pair}, pair)
        try:
            return await self._do(ask, lambda answer: _same(answer.order(), order_id))
        except NotSentError:
            self.ways[REST_ORDERS] += 1
            return await self._rest.cancel(order_id, pair)

    async def cancel_batch(self, orders: Sequence[tuple[str, str]]) -> list[wire.CancelResult]:
        """Take orders back, each given as (id or text, pair)."""
        items = [{"currency_pair": pair, "id": order_id} for order_id, pair in orders]
        ask = Ask("spot.order_cancel_ids", "POST /spot/cancel_batch_orders", "", body_of(items), is_urgent=True)
        try:
            return await self._do(ask, Answer.cancels)
        except NotSentError:
            self.ways[REST_ORDERS] += 1
            return await self._rest.cancel_batch(orders)

    async def cancel_all(self, pair: str, side: str | None = None) -> list[str]:
        """Take back what rests on a market, and return the venue's ids of it; triggered orders stay."""
        wanted: dict[str, object] = {"currency_pair": pair, **({"side": side} if side else {})}
        try:
            ended = await self._do(_cancel("spot.order_cancel_cp", "", wanted, pair), Answer.orders)
        except NotSentError:
            self.ways[REST_ORDERS] += 1
            return [str(one.id) for one in await self._rest.cancel_all(pair, side) if one.succeeded]
        return [order.venue_order_id for order in ended]

    async def order(self, order_id: str, pair: str) -> wire.Order:
        """Return an order, as over REST; only a question, so it is asked again over REST where that can help."""
        params = body_of({"order_id": order_id, "currency_pair": pair})
        ask = Ask("spot.order_status", "GET /spot/orders/{id}", pair, params)
        try:
            return await self._do(ask, lambda answer: _same(answer.order(), order_id))
        except GateioError:
            raise
        except VenueError:
            return await self._rest.order(order_id, pair)

    # -- how each is sent

    async def _do(self, ask: Ask, read: Callable[[Answer], T]) -> T:
        try:
            answer = await self._send(ask)
        except GateioError as error:
            # It was refused before anything looked at the order, so this second one is the only one.
            if error.reaction is not Reaction.RESYNC:
                raise
            await self._rest.sync_clock()
            answer = await self._send(ask)
        try:
            return read(answer)
        except VenueError as error:
            if ask.channel in READS:
                raise
            raise GateioUnknownError(f"{ask.channel}: {error}") from None

    async def _send(self, ask: Ask) -> Answer:
        if self.socket is None or not self.socket.is_ready:
            raise NotSentError(ask.channel)  # before a place is booked, which REST books for itself
        rest, socket = self._rest, self.socket
        await rest.wait_turn(ask.endpoint, ask.market, ask.is_urgent)
        if not socket.is_ready:
            raise NotSentError(ask.channel)
        self.ways[SOCKET_ORDERS] += 1
        expires, sent = rest.venue_now() + rest.expiry(ask.is_urgent), rest.ticks()  # after the wait
        try:
            answer = await socket.ask(
                ask.channel, ask.params, f"o-{next(self._ids)}", header={_EXPIRY: str(expires // MILLISECOND)},
                timeout_s=rest.config.answer_timeout_ms / _MS_PER_S,
            )  # fmt: skip
            rest.learn(ask.endpoint, ask.market, answer.status, _headers_of(answer), sent)
            return checked(ask.channel, answer)
        except GateioUnknownError as error:
            error.ts_expires = expires
            raise


def _cancel(channel: str, path: str, wanted: dict[str, object], pair: str) -> Ask:
    return Ask(channel, f"DELETE /spot/orders{path}", pair, body_of(wanted), is_urgent=True)


def _same(order: wire.Order, order_id: str = "", text: str = "") -> wire.Order:
    """Return an order that is the one asked about; an answer about another one is no answer."""
    is_named = not order_id or order_id in (order.venue_order_id, order.text)
    if not is_named or (text and order.text and order.text != text):
        raise VenueError("the answer is about another order", venue=VENUE)
    return order


def _headers_of(answer: Answer) -> dict[str, str]:
    """Return what an answer says of the limits as REST would say it: when they end is told in seconds there."""
    told = {
        "X-Gate-RateLimit-Limit": answer.requests_max,
        "X-Gate-RateLimit-Requests-Remain": answer.requests_left,
        "X-Gate-RateLimit-Reset-Timestamp": None if answer.reset_ms is None else -(-answer.reset_ms // _MS_PER_S),
    }
    return {name: str(value) for name, value in told.items() if value is not None}

"""What only a drill asks: which faults have happened, what really is at the venue, and to let the market move."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Final

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler
from msgspec import Meta

from holdfast.core.record import Record
from holdfast.simulator.desk import Desk
from holdfast.simulator.fault_plan import parse_faults
from holdfast.simulator.private_routes import uid_of
from holdfast.simulator.rest_routes import UNREADABLE
from holdfast.simulator.wire import Json, body_of, order_json, plain, trade_json, trigger_json

PREFIX: Final = "/simulator"
_BARS_MAX: Final = 100_000


class _Advance(Record, frozen=True):
    bars: Annotated[int, Meta(ge=1, le=_BARS_MAX)] = 1


def is_loopback(host: str) -> bool:
    """Tell whether a name or an address can only be this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


@web.middleware
async def from_here_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what a page in this machine's browser might send: it knows our address, but cannot hide what it is."""
    host = request.host.rpartition(":")[0] or request.host
    is_foreign = "Origin" in request.headers or not is_loopback(host.strip("[]"))
    if request.path.startswith(PREFIX) and is_foreign:
        raise web.HTTPForbidden(text="only programs of this machine may ask this")
    return await handler(request)


class AdminRoutes:
    """Answers `/simulator`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def add_to(self, application: web.Application) -> None:
        """Take these requests of an application."""
        router = application.router
        router.add_get(f"{PREFIX}/faults", self.list_faults)
        router.add_post(f"{PREFIX}/faults", self.arm)
        router.add_delete(f"{PREFIX}/faults", self.disarm)
        router.add_get(f"{PREFIX}/state", self.state)
        router.add_post(f"{PREFIX}/advance", self.advance)

    async def list_faults(self, _request: web.Request) -> web.Response:
        """Say which faults have happened, and which still wait."""
        return _answer(self._desk.faults.report())

    async def arm(self, request: web.Request) -> web.Response:
        """Let more faults happen: one, a list of them, or an object as in a file of faults."""
        raw = await request.read()
        try:
            if b'"kind"' in raw and raw.lstrip().startswith(b"{") and b'"faults"' not in raw:
                raw = b"[" + raw + b"]"
            plan = parse_faults(raw)
        except UNREADABLE as error:
            return _refused(str(error))
        self._desk.faults.arm(plan.faults, self._desk.clock.true_ms())
        return _answer(self._desk.faults.report())

    async def disarm(self, _request: web.Request) -> web.Response:
        """Let nothing more go wrong."""
        self._desk.faults.disarm()
        return _answer(self._desk.faults.report())

    async def advance(self, request: web.Request) -> web.Response:
        """Let the market finish so many bars."""
        raw = await request.read()
        try:
            asked = msgspec.json.decode(raw or b"{}", type=_Advance)
        except UNREADABLE as error:
            return _refused(str(error))
        done = self._desk.advance(asked.bars)
        return _answer({"bars": done, "ts": self._desk.exchange.ts})

    async def state(self, _request: web.Request) -> web.Response:
        """Say what really is at the venue, whatever its answers said."""
        exchange = self._desk.exchange
        accounts = [self._account(account) for account in exchange.accounts]
        last = {market.id: plain(market.prints.last) for market in exchange.markets.values()}
        return _answer({"ts": exchange.ts, "last": last, "accounts": accounts})

    def _account(self, account: str) -> Json:
        exchange, triggers = self._desk.exchange, self._desk.triggers
        uid = uid_of(exchange, account)
        return {
            "key": account,
            "uid": uid,
            "balances": {
                asset: {"available": plain(held.available), "locked": plain(held.locked)}
                for asset, held in exchange.purse.holdings.get(account, {}).items()
            },
            "orders": [order_json(order) for order in exchange.orders.values() if order.account == account],
            "trades": [trade_json(trade) for trade in exchange.trades if trade.account == account],
            "triggers": [
                trigger_json(trigger, uid) for trigger in triggers.triggers.values() if trigger.account == account
            ],
        }


def _answer(document: object, status: int = 200) -> web.Response:
    return web.Response(status=status, body=body_of(document), content_type="application/json")


def _refused(message: str) -> web.Response:
    return _answer({"label": "INVALID_REQUEST_BODY", "message": message}, 400)

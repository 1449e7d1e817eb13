"""The venue's HTTP side: requests in, answers out, and whatever goes wrong between the two."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote_plus

import msgspec
from aiohttp import web

from holdfast.core.record import Record
from holdfast.simulator.authentication import SignedRequest, account_of_request, check_expiry
from holdfast.simulator.desk import CHANGING, ENDPOINTS, Desk
from holdfast.simulator.distortion import distorted
from holdfast.simulator.fault_plan import FaultKind, FaultRule
from holdfast.simulator.public_routes import PUBLIC
from holdfast.simulator.rate_limits import Counted
from holdfast.simulator.refusal import VenueRefusal
from holdfast.simulator.rest_routes import PREFIX, Call, Routes
from holdfast.simulator.wire import body_of

_DRIP_BYTES: Final = 8
_DRIP_PAUSE_S: Final = 0.05
_CREATED: Final = frozenset({"POST /spot/orders", "POST /spot/price_orders"})

_BEFORE: Final = frozenset(
    {
        *(FaultKind.LOST_BEFORE, FaultKind.ERROR_BEFORE, FaultKind.BUSY_BEFORE),
        *(FaultKind.RATE_LIMITED, FaultKind.SILENT_BEFORE),
    }
)


class Answer(Record, frozen=True):
    """What goes back over HTTP."""

    status: int
    body: bytes
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)


class RestServer:
    """Answers `/api/v4`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._routes = Routes(ENDPOINTS)
        self._stopping = asyncio.Event()

    def add_to(self, application: web.Application) -> None:
        """Take the requests of an application that no other handler takes."""
        application.router.add_route("*", PREFIX + "/{tail:.*}", self.handle)

    def stop(self) -> None:
        """Let go of whoever waits for an answer that never comes."""
        self._stopping.set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request, or fail at it as the plan of faults says."""
        body = await request.read()
        path = request.rel_url.raw_path.removeprefix(PREFIX)
        try:
            endpoint, name = self._routes.find(request.method, path)
        except VenueRefusal as refusal:
            return _response(_refused(refusal))
        desk = self._desk
        now_ms = desk.clock.true_ms()
        fault = desk.faults.on_request(endpoint, now_ms)
        if desk.faults.active(FaultKind.MAINTENANCE, now_ms) is not None:
            return _response(_error(503, "SERVER_ERROR", "The venue is under maintenance"))
        if fault is not None and fault.kind is FaultKind.SLOW_BEFORE:
            await self._pause(fault)
        if fault is not None and fault.kind in _BEFORE:
            return await self._fail(request, fault, now_ms)
        call = Call(endpoint, "", name, request.rel_url.raw_query_string)
        answer = self._answer(request, call, body)
        return await self._deliver(request, answer, fault)

    def _answer(self, request: web.Request, call: Call, body: bytes) -> Answer:
        """Do what was asked, all in one step, so that nothing comes between the effect and its record."""
        desk = self._desk
        counted: Counted | None = None
        venue_ms = desk.clock.venue_ms()
        try:
            account = "" if call.endpoint in PUBLIC else self._account(request, body, venue_ms)
            if call.endpoint in CHANGING:
                check_expiry(request.headers, venue_ms)
            call = _signed(call, account, body, desk.clock.venue_ns())
            counted = desk.limits.count(
                call.endpoint, account or (request.remote or ""), call.market, desk.clock.true_ms()
            )
            if counted.is_refused:
                raise VenueRefusal("TOO_MANY_REQUESTS", "Request Rate limit Exceeded", 429)
            status = 201 if call.endpoint in _CREATED else 200
            return Answer(status, body_of(desk.perform(call)), _limit_headers(counted, desk.clock.venue_ms()))
        except VenueRefusal as refusal:
            return _refused(refusal, _limit_headers(counted, desk.clock.venue_ms()) if counted else {})

    def _account(self, request: web.Request, body: bytes, venue_ms: int) -> str:
        url = request.rel_url
        raw = SignedRequest(request.method, url.raw_path, url.raw_query_string, body, request.headers)
        try:
            return account_of_request(self._desk.keyring, raw, venue_ms)
        except VenueRefusal as refusal:
            decoded = unquote_plus(url.raw_query_string)
            # The documents sign the query as it reads, clients as they send it: the venue takes both.
            if refusal.label != "INVALID_SIGNATURE" or decoded == url.raw_query_string:
                raise
            plain = SignedRequest(request.method, url.raw_path, decoded, body, request.headers)
            return account_of_request(self._desk.keyring, plain, venue_ms)

    # -- faults

    async def _fail(self, request: web.Request, fault: FaultRule, now_ms: int) -> web.StreamResponse:
        """Fail before the venue has done anything."""
        match fault.kind:
            case FaultKind.LOST_BEFORE:
                return _dropped(request)
            case FaultKind.SILENT_BEFORE:
                return await self._silent(request)
            case FaultKind.RATE_LIMITED:
                headers = _limit_headers(Counted(True, 10, 0, now_ms + 1_000), now_ms)
                refusal = VenueRefusal("TOO_MANY_REQUESTS", "Request Rate limit Exceeded", 429)
                return _response(_refused(refusal, headers))
            case FaultKind.BUSY_BEFORE:
                return _response(_error(503, "TOO_BUSY", "The venue is too busy"))
            case _:
                return _response(_error(500, "SERVER_ERROR", "Internal server error"))

    async def _deliver(self, request: web.Request, answer: Answer, fault: FaultRule | None) -> web.StreamResponse:
        """Send the answer, or what the fault leaves of it."""
        if fault is None:
            return _response(answer)
        match fault.kind:
            case FaultKind.LOST_AFTER:
                return _dropped(request)
            case FaultKind.SILENT_AFTER:
                return await self._silent(request)
            case FaultKind.ERROR_AFTER:
                return _response(_error(500, "SERVER_ERROR", "Internal server error"))
            case FaultKind.BUSY_AFTER:
                return _response(_error(503, "TOO_BUSY", "The venue is too busy"))
            case FaultKind.SLOW_AFTER:
                await self._pause(fault)
            case FaultKind.DRIP:
                return await self._drip(request, answer)
            case FaultKind.TRUNCATED:
                return _response(Answer(answer.status, answer.body[: len(answer.body) // 2], answer.headers))
            case FaultKind.WRONG_TYPES:
                return _response(Answer(answer.status, distorted(answer.body), answer.headers))
            case _:
                pass
        return _response(answer)

    async def _pause(self, fault: FaultRule) -> None:
        await self._wait(fault.amount / 1_000)

    async def _silent(self, request: web.Request) -> web.StreamResponse:
        """Hold the connection open and say nothing, until the other side or the venue has had enough."""
        while not self._stopping.is_set() and request.transport is not None and not request.transport.is_closing():
            await self._wait(0.1)
        return _dropped(request)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    async def _drip(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status, headers=answer.headers)
        response.content_type = "application/json"
        response.content_length = len(answer.body)
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):  # who asked has had enough
            for at in range(0, len(answer.body), _DRIP_BYTES):
                if self._stopping.is_set():
                    break
                await response.write(answer.body[at : at + _DRIP_BYTES])
                await self._wait(_DRIP_PAUSE_S)
            await response.write_eof()
        return response


def _signed(call: Call, account: str, body: bytes, ts: int) -> Call:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise VenueRefusal("INVALID_REQUEST_BODY", "Invalid request body", 400) from None
    return msgspec.structs.replace(call, account=account, body=text, ts=ts)


def _limit_headers(counted: Counted, now_ms: int) -> dict[str, str]:
    reset_ms = counted.reset_ms if counted.is_refused else now_ms
    return {
        "X-Gate-RateLimit-Requests-Remain": str(counted.remain),
        "X-Gate-RateLimit-Limit": str(counted.limit),
        "X-Gate-RateLimit-Reset-Timestamp": str(-(-reset_ms // 1_000)),
    }


def _refused(refusal: VenueRefusal, headers: Mapping[str, str] | None = None) -> Answer:
    return _error(refusal.status, refusal.label, refusal.message, headers)


def _error(status: int, label: str, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, body_of({"label": label, "message": message}), dict(headers or {}))


def _response(answer: Answer) -> web.Response:
    return web.Response(status=answer.status, body=answer.body, headers=answer.headers, content_type="application/json")


def _dropped(request: web.Request) -> web.Response:
    """Cut the connection; what is returned is never sent."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)

"""The venue's websocket side: subscriptions, calls and pings in, acknowledgements, results and pushes out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, Protocol

import msgspec
from aiohttp import WSMsgType, web

from holdfast.simulator.authentication import account_of_login, account_of_subscription, check_expiry
from holdfast.simulator.channels import CALLS, PRIVATE_CHANNELS, Message, Newsroom, first_messages, keys_of
from holdfast.simulator.desk import Desk
from holdfast.simulator.distortion import distorted
from holdfast.simulator.fault_plan import FaultKind, FaultRule
from holdfast.simulator.rate_limits import Counted
from holdfast.simulator.records import Push
from holdfast.simulator.refusal import VenueRefusal
from holdfast.simulator.rest_routes import UNREADABLE
from holdfast.simulator.wire import Json, body_of

PATH: Final = "/ws/v4/"
_OUTBOX_MAX: Final = 20_000  # messages; a client that reads more slowly than that is cut off
_FRAME_MAX: Final = 1 << 20
_CODES: Final = {"INVALID_KEY": 4, "INVALID_SIGNATURE": 4, "REQUEST_EXPIRED": 4, "MISSING_REQUIRED_HEADER": 4}
_CODE_OTHER: Final = 2
_LOGIN: Final = "spot.login"
_PONG: Final = "spot.pong"
_ACKNOWLEDGED: Final = "spot.order_place"
_LATE_MS: Final = 400.0


class _Payload(msgspec.Struct):
    req_id: str = ""
    req_param: msgspec.Raw = msgspec.Raw(b"")
    req_header: dict[str, object] | None = None


class _Frame(msgspec.Struct):
    payload: _Payload | None = None


class Act(Protocol):
    """Does what a call asks, and gives the result as it goes out; sends it where somebody is to hear it."""

    def __call__(self, *, is_heard: bool) -> bytes: ...


class Session:
    """One connection: what it has subscribed to, whose it is, and what waits to be sent."""

    def __init__(self, socket: web.WebSocketResponse, transport: asyncio.Transport | None) -> None:
        self.socket, self._transport = socket, transport
        self.account = ""
        self.subscriptions: dict[tuple[str, str], str] = {}  # channel and key -> account, empty where public
        self.outbox: asyncio.Queue[bytes] = asyncio.Queue()
        self.is_silent = False
        self.held: bytes | None = None

    def send(self, message: bytes) -> None:
        """Let a message go out after those that wait."""
        if self.is_silent:
            return
        if self.outbox.qsize() >= _OUTBOX_MAX:
            self.cut()
            return
        self.outbox.put_nowait(message)

    def cut(self) -> None:
        """Break the connection without a word."""
        self.is_silent = True
        if self._transport is not None:
            self._transport.abort()

    def wants(self, push: Message) -> bool:
        """Tell whether it has subscribed to this."""
        for key in push.keys:
            account = self.subscriptions.get((push.channel, key))
            if account is not None and account == push.account:
                return True
        return False


class SocketServer:
    """Answers `/ws/v4/`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.sessions: set[Session] = set()
        self._wanted: set[tuple[str, str]] = set()
        self._newsroom = Newsroom(desk.exchange)
        desk.listen(self.publish)

    def add_to(self, application: web.Application) -> None:
        """Take the websocket connections of an application."""
        application.router.add_get(PATH, self.handle)
        application.router.add_get(PATH.rstrip("/"), self.handle)

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one connection until it ends."""
        now_ms = self._desk.clock.true_ms()
        if self._desk.faults.active(FaultKind.MAINTENANCE, now_ms) is not None:
            raise web.HTTPServiceUnavailable(text="maintenance")
        socket = web.WebSocketResponse(max_msg_size=_FRAME_MAX)
        await socket.prepare(request)
        session = Session(socket, request.transport)
        self.sessions.add(session)
        writer = asyncio.create_task(self._write(session))
        try:
            async for message in socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    data = message.data
                    self._read(session, data.encode() if isinstance(data, str) else bytes(data))
        finally:
            self.sessions.discard(session)
            self._count_wanted()
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writer
        return socket

    async def close(self) -> None:
        """End every connection."""
        for session in tuple(self.sessions):
            await session.socket.close()

    async def _write(self, session: Session) -> None:
        while True:
            message = await session.outbox.get()
            try:
                await session.socket.send_str(message.decode())
            except (ConnectionError, RuntimeError):  # it is closing; the reader ends the session
                return

    # -- in

    def _read(self, session: Session, raw: bytes) -> None:
        if session.is_silent:
            return
        try:
            message = msgspec.json.decode(raw, type=dict[str, object])
        except UNREADABLE:
            session.send(self._envelope("", "", error=(1, "invalid message: not a JSON object")))
            return
        channel, event = str(message.get("channel", "")), str(message.get("event", ""))
        if channel == "spot.ping":
            session.send(self._envelope(_PONG, "", message))
        elif event == "api":
            self._call(session, message, raw)
        elif event in ("subscribe", "unsubscribe"):
            self._subscribe(session, channel, event, message)
        else:
            session.send(self._envelope(channel, event, message, error=(1, "unknown event")))

    def _subscribe(self, session: Session, channel: str, event: str, message: Mapping[str, object]) -> None:
        payload = message.get("payload")
        texts = (
            [str(item) for item in payload] if isinstance(payload, Sequence) and not isinstance(payload, str) else []
        )
        try:
            account = ""
            if channel in PRIVATE_CHANNELS:
                account = account_of_subscription(self._desk.keyring, message, self._desk.clock.venue_ms())
            keys = keys_of(self._desk.exchange, channel, texts)
        except VenueRefusal as refusal:
            code = _CODES.get(refusal.label, _CODE_OTHER)
            text = refusal.message
            if code == _CODES["INVALID_KEY"]:
                text = body_of({"label": refusal.label, "message": refusal.message}).decode()
            session.send(self._envelope(channel, event, message, error=(code, text)))
            return
        for key in keys:
            if event == "subscribe":
                session.subscriptions[(channel, key)] = account
            else:
                session.subscriptions.pop((channel, key), None)
        self._count_wanted()
        session.send(self._envelope(channel, event, message))
        if event == "subscribe":
            for first in first_messages(self._desk.exchange, channel, keys):
                session.send(self._update(first))

    def _call(self, session: Session, message: Mapping[str, object], raw: bytes) -> None:
        desk = self._desk
        channel = str(message.get("channel", ""))
        try:
            payload = msgspec.json.decode(raw, type=_Frame, strict=False).payload or _Payload()
        except UNREADABLE:
            session.send(self._result(channel, "", VenueRefusal("INVALID_ARGUMENT", "invalid payload", 400)))
            return
        act: Act = partial(self._answer, session, channel, payload)
        if channel == _LOGIN:
            act = partial(self._login, session, message, payload)
        now_ms = desk.clock.true_ms()
        fault = desk.faults.on_request(f"WS {channel}", now_ms)
        if desk.faults.active(FaultKind.MAINTENANCE, now_ms) is not None:
            session.send(self._result(channel, payload.req_id, VenueRefusal("SERVER_ERROR", "maintenance", 503)))
            return
        if fault is None:
            act(is_heard=True)
        else:
            self._fail(session, channel, payload, fault, act)

    def _login(self, session: Session, message: Mapping[str, object], payload: _Payload, *, is_heard: bool) -> bytes:
        outcome: object
        try:
            session.account = self._signer(message, bytes(payload.req_param))
            outcome = {"api_key": session.account, "uid": str(self._desk.uid_of(session.account))}
        except VenueRefusal as refusal:
            outcome = refusal
        result = self._result(_LOGIN, payload.req_id, outcome)
        if is_heard:
            session.send(result)
        return result

    def _signer(self, message: Mapping[str, object], param: bytes) -> str:
        keyring, now_ms = self._desk.keyring, self._desk.clock.venue_ms()
        try:
            return account_of_login(keyring, message, param, now_ms)
        except VenueRefusal as refusal:
            # No parameters and empty ones are both signed as nothing by some clients and as {} by others.
            if refusal.label != "INVALID_SIGNATURE" or param not in (b"", b"{}", b"null", b'""'):
                raise
            return account_of_login(keyring, message, b"" if param else b"{}", now_ms)

    def _answer(self, session: Session, channel: str, payload: _Payload, *, is_heard: bool) -> bytes:
        """Do what was asked and return the result as it goes out; acknowledge it first where the venue does."""
        desk, counted = self._desk, None
        try:
            if channel not in CALLS:
                raise VenueRefusal("INVALID_PARAM_VALUE", f"unknown channel {channel[:60]}", 400)
            if not session.account:
                raise VenueRefusal("AUTHENTICATION_FAILED", "Not login", 401)
            check_expiry(_texts(payload.req_header), desk.clock.venue_ms())
            call = CALLS[channel](bytes(payload.req_param).decode("utf-8", "replace") or "{}")
            call = msgspec.structs.replace(call, account=session.account, ts=desk.clock.venue_ns())
            counted = desk.limits.count(f"WS {channel}", session.account, call.market, desk.clock.true_ms())
            if counted.is_refused:
                raise VenueRefusal("TOO_MANY_REQUESTS", "Request Rate limit Exceeded", 429)
            if is_heard and channel == _ACKNOWLEDGED:
                session.send(self._acknowledgement(payload))
            result = self._result(channel, payload.req_id, desk.perform(call), counted)
        except VenueRefusal as refusal:
            result = self._result(channel, payload.req_id, refusal, counted)
        if is_heard:
            session.send(result)
        return result

    def _fail(self, session: Session, channel: str, payload: _Payload, fault: FaultRule, act: Act) -> None:
        """Fail at a call as the plan says; what would close an HTTP request closes the socket."""
        req_id = payload.req_id
        match fault.kind:
            case FaultKind.LOST_BEFORE:
                session.cut()
            case FaultKind.SILENT_BEFORE:
                return
            case FaultKind.RATE_LIMITED:
                session.send(self._result(channel, req_id, VenueRefusal("TOO_MANY_REQUESTS", "Too many requests", 429)))
            case FaultKind.BUSY_BEFORE:
                session.send(self._result(channel, req_id, VenueRefusal("TOO_BUSY", "The venue is too busy", 503)))
            case FaultKind.ERROR_BEFORE:
                session.send(self._result(channel, req_id, VenueRefusal("SERVER_ERROR", "Internal server error", 500)))
            case FaultKind.SLOW_BEFORE:
                self._after(fault.amount, lambda: act(is_heard=True))
            case _:
                self._spoil(session, channel, fault, req_id, act(is_heard=False))

    def _spoil(self, session: Session, channel: str, fault: FaultRule, req_id: str, result: bytes) -> None:
        """Send of a result what the fault leaves of it; the venue has acted."""
        match fault.kind:
            case FaultKind.LOST_AFTER:
                session.cut()
            case FaultKind.SILENT_AFTER:
                return
            case FaultKind.ERROR_AFTER:
                session.send(self._result(channel, req_id, VenueRefusal("SERVER_ERROR", "Internal server error", 500)))
            case FaultKind.BUSY_AFTER:
                session.send(self._result(channel, req_id, VenueRefusal("TOO_BUSY", "The venue is too busy", 503)))
            case FaultKind.SLOW_AFTER | FaultKind.DRIP:
                self._after(fault.amount or _LATE_MS, lambda: session.send(result))
            case FaultKind.TRUNCATED:
                session.send(result[: len(result) // 2])
            case FaultKind.WRONG_TYPES:
                session.send(distorted(result))
            case _:
                session.send(result)

    # -- out

    def publish(self, pushes: Sequence[Push]) -> None:
        """Tell those who have subscribed what has happened."""
        if not self.sessions:
            return
        for message in self._newsroom.messages(pushes, self._wanted):
            raw = b""
            for session in tuple(self.sessions):
                if session.wants(message):
                    raw = raw or self._update(message)
                    self._push(session, message.channel, raw)

    def _push(self, session: Session, channel: str, raw: bytes) -> None:
        if session.is_silent:
            return  # a fault that hits a dead connection would be wasted
        fault = self._desk.faults.on_push(channel, self._desk.clock.true_ms())
        held, session.held = session.held, None
        match fault.kind if fault is not None else None:
            case FaultKind.PUSH_LOST:
                pass
            case FaultKind.PUSH_DUPLICATED:
                session.send(raw)
                session.send(raw)
            case FaultKind.PUSH_LATE:
                self._after(fault.amount or _LATE_MS if fault else _LATE_MS, lambda: session.send(raw))
            case FaultKind.PUSH_REORDERED:
                session.held = raw
                # If nothing comes that it could follow, it comes late.
                self._after(_LATE_MS, lambda: self._release(session, raw))
            case FaultKind.PUSH_TRUNCATED:
                session.send(raw[: len(raw) // 2])
            case FaultKind.PUSH_WRONG_TYPES:
                session.send(distorted(raw))
            case FaultKind.DISCONNECT:
                session.cut()
            case FaultKind.HALF_OPEN:
                session.is_silent = True
            case _:
                session.send(raw)
        if held is not None:
            session.send(held)

    @staticmethod
    def _release(session: Session, raw: bytes) -> None:
        if session.held is raw:
            session.held = None
            session.send(raw)

    @staticmethod
    def _after(delay_ms: float, act: Callable[[], object]) -> None:
        asyncio.get_running_loop().call_later(delay_ms / 1_000, act)

    def _count_wanted(self) -> None:
        self._wanted = {key for session in self.sessions for key in session.subscriptions}

    # -- shapes

    def _head(self, channel: str, event: str) -> Json:
        ms = self._desk.clock.venue_ms()
        return {"time": ms // 1_000, "time_ms": ms, "channel": channel, "event": event}

    def _update(self, message: Message) -> bytes:
        return body_of({**self._head(message.channel, "update"), "result": message.result})

    def _envelope(
        self,
        channel: str,
        event: str,
        request: Mapping[str, object] | None = None,
        error: tuple[int, str] = (0, ""),
    ) -> bytes:
        document = self._head(channel, event)
        if request is not None and "id" in request:
            document["id"] = request["id"]
        if channel != _PONG:
            if request is not None and "payload" in request:
                document["payload"] = request["payload"]
            document["result"] = {"status": "fail" if error[0] else "success"}
        if error[0]:
            document["error"] = {"code": error[0], "message": error[1]}
        return body_of(document)

    def _acknowledgement(self, payload: _Payload) -> bytes:
        sent: Json = {
            "req_id": payload.req_id,
            "req_header": payload.req_header,
            "req_param": payload.req_param or None,
        }
        sent.update(api_key="", timestamp="", signature="")
        return body_of(
            {"request_id": payload.req_id, "ack": True, "header": {"status": "200"}, "data": {"result": sent}}
        )

    def _result(self, channel: str, req_id: str, outcome: object, counted: Counted | None = None) -> bytes:
        ms = self._desk.clock.venue_ms()
        is_refused = isinstance(outcome, VenueRefusal)
        header: Json = {
            "response_time": str(ms), "status": str(outcome.status) if isinstance(outcome, VenueRefusal) else "200",
            "channel": channel, "event": "api", "x_in_time": ms * 1_000, "x_out_time": ms * 1_000,
        }  # fmt: skip
        if counted is not None:
            header["x_gate_ratelimit_requests_remain"] = counted.remain
            header["x_gate_ratelimit_limit"] = counted.limit
            header["x_gat_ratelimit_reset_timestamp"] = counted.reset_ms  # misspelt, as the venue does
        data: Json = {"result": outcome}
        if isinstance(outcome, VenueRefusal):
            data = {"errs": {"label": outcome.label, "message": outcome.message}}
        return body_of({"request_id": req_id, **({} if is_refused else {"ack": False}), "header": header, "data": data})


def _texts(header: Mapping[str, object] | None) -> dict[str, str]:
    """Return the headers of a call, named as over HTTP."""
    return {name.lower(): str(value) for name, value in (header or {}).items()}

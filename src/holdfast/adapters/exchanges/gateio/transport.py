"""Requests over HTTPS: signed, held back by the limits, bounded in time and memory, and never sent twice by mistake."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from random import SystemRandom
from types import SimpleNamespace
from typing import Final, TypeVar

import aiohttp
from yarl import URL

from holdfast.adapters.exchanges.gateio import wire
from holdfast.adapters.exchanges.gateio.auth import Credentials, sign_rest
from holdfast.adapters.exchanges.gateio.config import GateioConfig
from holdfast.adapters.exchanges.gateio.errors import (
    GateioError,
    GateioKeyError,
    GateioUnknownError,
    Reaction,
    error_of,
)  # fmt: skip
from holdfast.adapters.exchanges.gateio.limits import RateLimiter
from holdfast.adapters.exchanges.gateio.shape import VENUE, Decoder
from holdfast.core.errors import ConfigurationError, VenueError
from holdfast.core.record import Record
from holdfast.core.time import MILLISECOND, SECOND, Clock

T = TypeVar("T")
E = TypeVar("E", bound=Exception)
_PREFIX: Final = "/api/v4"
_QUESTION_SHARE: Final = 0.5  # of the time that an order's answer has
_CHUNK: Final = 64 * 1024
_PAUSE_MAX_S: Final = 10.0
_PAUSE_HURRIED_S: Final = 0.1
_PUNISH_S: Final = 1.0  # after a 429 that does not say until when
_DRIFT_SHARE: Final = 5_000  # a clock that runs free is off by at most 200 us in a second
_CLOCK_SAMPLES: Final = 3
_EXPIRY_ROUND_TRIPS: Final = 3  # what a request may take to arrive: half of one, and two more for a new connection
# A proxy that refuses to connect answers before anything has gone through it.
_NEVER_LEFT: Final = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError)


class Call(Record, frozen=True):
    """One request. `path` and `query` are sent as they are; `endpoint` is what the limits know it by."""

    method: str
    path: str  # without /api/v4
    endpoint: str
    query: str = ""
    body: bytes = b""
    market: str = ""
    is_signed: bool = False


class _DroppedError(aiohttp.ClientError):
    """The connection broke before there was an answer."""


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending again by itself, as it does with GET and DELETE when a connection breaks."""
    try:
        return await handler(request)
    except _NEVER_LEFT:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _DroppedError from error


class _Patience:
    """How long one answer is waited for. The time begins once there is a connection: a slow one loses no order."""

    def __init__(self, seconds: float | None) -> None:
        self.deadline = asyncio.timeout(None)
        self._seconds = seconds

    def begin(self) -> None:
        if self._seconds is not None:
            self.deadline.reschedule(asyncio.get_running_loop().time() + self._seconds)


async def _on_connected(_session: aiohttp.ClientSession, context: SimpleNamespace, _parameters: object) -> None:
    context.trace_request_ctx.begin()


def _connections() -> aiohttp.TraceConfig:
    """Return what tells each request's _Patience that it has a connection."""
    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(_on_connected)
    trace.on_connection_reuseconn.append(_on_connected)
    return trace


class Transport:
    """The connection to one account at Gate.io; all methods belong to one event loop."""

    def __init__(self, config: GateioConfig, credentials: Credentials | None, clock: Clock) -> None:
        self.config = config
        self.limiter = RateLimiter()
        self.clock_offset = 0  # ns, venue minus ours
        self.round_trip = 0  # ns, of the measurement that it comes from
        self._ts_measured = 0  # by our clock
        self.is_hurried = False
        """Is it not known what became of an order, or what it has traded? Then a failed question is soon asked again:
        it may be about the stop of a position, its way out, or an entry that has filled and has no stop yet."""
        self._credentials, self._clock = credentials, clock
        self._session: aiohttp.ClientSession | None = None
        self._random = SystemRandom()

    async def open(self) -> None:
        """Make ready to connect; nothing is sent yet."""
        if self._session is not None:
            return
        timeout = aiohttp.ClientTimeout(
            total=self.config.request_timeout_ms / 1000, sock_connect=self.config.connect_timeout_ms / 1000
        )
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=32),
            timeout=timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # a small answer must not become a large one
            trust_env=False,
            headers={"Accept": "application/json", "Accept-Encoding": "identity", "Content-Type": "application/json"},
            middlewares=(_once,),
            trace_configs=[_connections()],
        )

    async def close(self) -> None:
        """Let the connections go."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def venue_now(self) -> int:
        """Return the venue's time (ns), as far as it is measured."""
        return self._clock.now() + self.clock_offset

    async def sync_clock(self) -> int:
        """Measure the venue's clock against ours, keep the offset (ns) and return it."""
        self._keep(await self._measure())
        return self.clock_offset

    async def refresh_clock(self) -> None:
        """Measure once more, and keep it unless what is known is sharper and agrees.

        When doubt about an order ends hangs on the venue's clock: ours must not drift away from it unseen.
        """
        found = await self._measure()
        if found is None:
            return
        known = self.round_trip // 2 + (self._clock.now() - self._ts_measured) // _DRIFT_SHARE
        new = found[0] // 2
        if new <= known or abs(found[1] - self.clock_offset) > new + known:
            self._keep(found)

    def _keep(self, found: tuple[int, int] | None) -> None:
        if found is not None:
            self.round_trip, self.clock_offset = found
            self._ts_measured = self._clock.now()

    async def _measure(self) -> tuple[int, int] | None:
        """Return round trip and offset (ns) of the quickest of several questions."""
        best: tuple[int, int] | None = None
        for _ in range(_CLOCK_SAMPLES):
            before = self._clock.now()
            answer = await self.server_time()
            after = self._clock.now()
            # The answer was written about half way; the quickest of them says it most sharply.
            if after >= before and (best is None or after - before < best[0]):
                best = (after - before, answer - (before + after) // 2)
        return best

    async def server_time(self) -> int:
        """Return the venue's clock (ns)."""
        return (await self.read(Call("GET", "/spot/time", "GET /spot/time"), wire.TIME)).ts

    async def read(self, call: Call, decoder: Decoder[T]) -> T:
        """Return the answer to a request that changes nothing; tried again where that can help."""
        attempt, is_resynced = 0, False
        while True:
            try:
                return decoder.read(await self._send(call, is_order=False, is_urgent=False))
            except VenueError as error:
                if _is_expired(error) and not is_resynced:
                    is_resynced = True
                    await self.sync_clock()
                    continue
                if not error.is_retryable or attempt >= self.config.retries:
                    raise
            await asyncio.sleep(self._pause(attempt))
            attempt += 1

    async def change(self, call: Call, decoder: Decoder[T], is_urgent: bool) -> T:
        """Send, once, what may change an order, and return the answer."""
        try:
            raw = await self._send(call, is_order=True, is_urgent=is_urgent)
        except GateioError as error:
            # It was refused before anything looked at the order, so this second one is the only one.
            if not _is_expired(error):
                raise
            await self.sync_clock()
            raw = await self._send(call, is_order=True, is_urgent=is_urgent)
        try:
            return decoder.read(raw)
        except VenueError as error:
            raise GateioUnknownError(f"{call.endpoint}: {error}") from None

    def _pause(self, attempt: int) -> float:
        most = _PAUSE_HURRIED_S if self.is_hurried else _PAUSE_MAX_S
        longest = min(most, self.config.backoff_ms / 1000 * 2.0**attempt)
        return longest * (0.5 + self._random.random() / 2)

    async def _send(self, call: Call, is_order: bool, is_urgent: bool) -> bytes:
        await self.wait_turn(call.endpoint, call.market, is_urgent)
        url = URL(f"{self.config.rest_url.rstrip('/')}{_PREFIX}{call.path}" + (f"?{call.query}" if call.query else ""),
                  encoded=True)  # fmt: skip
        now = self.venue_now()  # after the wait, so that what is signed carries the time of leaving
        expires = now + self.expiry(is_urgent) if is_order else 0
        headers = self._headers(call, now, expires)
        session = self._session
        if session is None:
            raise VenueError(f"{call.endpoint}: the client is not open", venue=VENUE)
        sent = self.ticks()
        # A question that hangs is asked again, and nothing is lost by asking soon: a stop may wait for its answer.
        share = 1.0 if is_order else _QUESTION_SHARE
        patience = _Patience(self.config.answer_timeout_ms / 1000 * share if call.is_signed else None)
        try:
            async with (
                patience.deadline,
                session.request(
                    call.method, url, data=call.body or None, headers=headers, allow_redirects=False,
                    trace_request_ctx=patience, proxy=self.config.proxy,
                ) as response,
            ):  # fmt: skip
                self.learn(call.endpoint, call.market, response.status, response.headers, sent)
                body = await self._body(response, call, is_order)
        except _NEVER_LEFT as error:
            raise _not_sent(call, error) from None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise _dated(_lost(call, is_order, _cause(error)), expires) from None
        if 200 <= response.status < 300:
            return body
        raise _dated(self._refusal(call, response.status, body, is_order), expires)

    def expiry(self, is_urgent: bool) -> int:
        """Return for how long (ns) after it has been signed the venue may take an order.

        What guards or leaves a position has less time than an entry: the sooner a lost one is known to be lost, the
        sooner the next one guards. One that a slow way has made late is refused unseen, and signed anew.
        """
        longest = self.config.order_expiry_ms * MILLISECOND
        if not is_urgent:
            return longest
        return min(longest, self.config.urgent_expiry_ms * MILLISECOND + _EXPIRY_ROUND_TRIPS * self.round_trip)

    async def until_free(self, endpoint: str, market: str) -> None:
        """Wait until an urgent request could leave at once, as far as the limits let us know."""
        wait = self.limiter.wait(endpoint, market, self.ticks())
        await asyncio.sleep(min(wait, self.config.limit_wait_max_ms / 1000))

    async def wait_turn(self, endpoint: str, market: str, is_urgent: bool) -> None:
        """Book the next place that the limits leave for a request, and wait for it.

        Raises
        ------
        GateioError
            It lies too far ahead: nothing is booked, and nothing may be sent.
        """
        most = self.config.limit_wait_max_ms / 1000
        wait = self.limiter.reserve(endpoint, market, self.ticks(), is_urgent, most)
        if wait > most:
            raise GateioError(
                f"{endpoint}: not sent, the venue's rate limit is used up for {wait:.1f} s",
                label="", status=0, reaction=Reaction.SLOW_DOWN, is_retryable=True,
            )  # fmt: skip
        if wait > 0:
            await asyncio.sleep(wait)

    def _headers(self, call: Call, now: int, expires: int) -> dict[str, str]:
        """Return what signs the request at a moment (ns, the venue's clock)."""
        if not call.is_signed:
            return {}
        if self._credentials is None:
            raise ConfigurationError(f"{call.endpoint} needs an API key", hint="name the credentials file")
        who = self._credentials
        stamp = str(now // SECOND)
        sign = sign_rest(who.secret, call.method, _PREFIX + call.path, call.query, call.body, stamp)
        headers = {"KEY": who.key, "Timestamp": stamp, "SIGN": sign}
        if expires:
            headers["x-gate-exptime"] = str(expires // MILLISECOND)
        return headers

    async def _body(self, response: aiohttp.ClientResponse, call: Call, is_order: bool) -> bytes:
        most, parts, size = self.config.body_max, [], 0
        async for part in response.content.iter_chunked(_CHUNK):
            size += len(part)
            if size > most:
                response.close()  # the rest is not waited for
                raise _lost(call, is_order, f"the answer is longer than {most} bytes", is_retryable=False)
            parts.append(part)
        return b"".join(parts)

    def learn(self, endpoint: str, market: str, status: int, headers: Mapping[str, str], sent: int) -> None:
        """Learn from an answer, over whatever way it came, what the venue has counted; `sent` is in `ticks`."""
        if status != 429:
            self.limiter.observe(headers, endpoint, market, sent)
            return
        reset = headers.get("X-Gate-RateLimit-Reset-Timestamp", "")
        now, ticks = self.venue_now() / SECOND, self.ticks()
        wait = wait_urgent = _PUNISH_S
        # When the venue says when to come back, that counts, and not that all was used up at this moment. It says so in
        # whole seconds: what guards or leaves a position tries from the first moment on that may be meant.
        is_told = reset.isascii() and reset.isdecimal() and len(reset) <= 13 and int(reset) > now
        if is_told:
            wait = min(max(int(reset) - now, _PUNISH_S), _PAUSE_MAX_S)
            wait_urgent = max(wait - 1.0, _PUNISH_S)
        else:
            self.limiter.observe(headers, endpoint, market, sent)
        until, until_urgent = ticks + int(wait * SECOND), ticks + int(wait_urgent * SECOND)
        self.limiter.punish(endpoint, until, market, until_urgent)

    def _refusal(
        self, call: Call, status: int, body: bytes, is_order: bool
    ) -> GateioError | GateioUnknownError | GateioKeyError:
        label = message = ""
        try:
            error = wire.ERROR.read(body)
            label, message = error.label, error.message or error.detail
        except VenueError:
            message = "a redirect, which is never followed" if 300 <= status < 400 else "an answer that is no JSON"
        if self._credentials is not None:
            label, message = self._credentials.hide(label), self._credentials.hide(message)
        return error_of(label, f"{call.endpoint}: {message}", status, is_order)

    @staticmethod
    def ticks() -> int:
        """Return the moment (ns) on the clock of the limits."""
        # The limits need a clock that never goes back; the wall's may.
        return int(asyncio.get_running_loop().time() * SECOND)


def _is_expired(error: VenueError) -> bool:
    return isinstance(error, GateioError) and error.reaction is Reaction.RESYNC


def _not_sent(call: Call, error: Exception) -> VenueError:
    """Return the error for a request that certainly never left."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return VenueError(
            f"{call.endpoint}: not sent, the venue's certificate does not verify", venue=VENUE,
            hint="somebody may stand between you and the venue; check clock, proxy and certificates of this machine",
        )  # fmt: skip
    return VenueError(f"{call.endpoint}: not sent, no connection ({_cause(error)})", venue=VENUE, is_retryable=True)


def _lost(call: Call, is_order: bool, cause: str, is_retryable: bool = True) -> VenueError:
    if is_order:
        return GateioUnknownError(f"{call.endpoint}: sent, and no certain answer ({cause})")
    return VenueError(f"{call.endpoint}: no usable answer ({cause})", venue=VENUE, is_retryable=is_retryable)


def _dated(error: E, expires: int) -> E:
    if isinstance(error, GateioUnknownError):
        error.ts_expires = expires
    return error


def _cause(error: Exception) -> str:
    # By its kind alone: its text may quote headers, and so the key.
    return "it took too long" if isinstance(error, TimeoutError) else type(error).__name__

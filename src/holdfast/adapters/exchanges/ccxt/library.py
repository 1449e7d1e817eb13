"""ccxt, loaded when a venue is opened and held to our rules: an order leaves once, numbers stay text, no redirects."""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Final, Protocol, cast

import aiohttp

from holdfast.adapters.exchanges.ccxt.config import CcxtConfig, CcxtKey
from holdfast.adapters.exchanges.ccxt.errors import FOREIGN, CcxtUnknownError, Tree, error_of, words_of
from holdfast.adapters.exchanges.ccxt.profiles import Profile
from holdfast.core.errors import ConfigurationError, DomainError, VenueError
from holdfast.core.time import MILLISECOND, SECOND, Clock

BODY_MAX: Final = 64 * 1024 * 1024
"""Bytes of one answer; all markets of a large venue are about 20 MiB."""
_CHUNK: Final = 64 * 1024
_READS: Final = frozenset({"GET", "HEAD"})
_OF_THE_MARKET: Final = frozenset(
    {"load_markets", "fetch_time", "fetch_ohlcv", "fetch_ticker", "fetch_tickers", "fetch_order_book"}
)
"""What is asked of the market: it may be long, and no order waits for it."""


class _Call:
    """One question, or one order, on its way out."""

    __slots__ = ("is_order", "is_sent", "patience_s", "ts_sent")

    def __init__(self, patience_s: float | None, *, is_order: bool = False) -> None:
        self.is_order, self.is_sent, self.ts_sent = is_order, False, 0
        self.patience_s = patience_s  # with each request of it, once connected


class _Patience:
    """How long one answer is waited for. The time begins once there is a connection: a slow one loses no order."""

    def __init__(self, seconds: float | None) -> None:
        self.deadline = asyncio.timeout(None)
        self._seconds = seconds

    def begin(self) -> None:
        if self._seconds is not None and not self.deadline.expired():
            self.deadline.reschedule(asyncio.get_running_loop().time() + self._seconds)


_call: ContextVar[_Call | None] = ContextVar("_call", default=None)
_patience: ContextVar[_Patience | None] = ContextVar("_patience", default=None)


async def _on_connected(_session: aiohttp.ClientSession, context: SimpleNamespace, _parameters: object) -> None:
    if isinstance(patience := context.trace_request_ctx, _Patience):
        patience.begin()


def _connections() -> aiohttp.TraceConfig:
    """Return what tells each request's _Patience that it has a connection."""
    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(_on_connected)
    trace.on_connection_reuseconn.append(_on_connected)
    return trace


class Client(Protocol):
    """ccxt's venue, as far as it is used by name."""

    has: Mapping[str, object]
    markets: Mapping[str, Mapping[str, object]] | None
    precisionMode: int  # noqa: N815  # ccxt's name
    session: object
    own_session: bool
    timeframes: Mapping[str, str] | None

    def __getattr__(self, name: str) -> Callable[..., Awaitable[object]]: ...


class BoundedResponse(aiohttp.ClientResponse):
    """An answer that may not be endless."""

    async def read(self) -> bytes:
        """Return the body.

        Raises
        ------
        aiohttp.ClientPayloadError
            It is larger than any true one.
        """
        if self._body is None:
            found = bytearray()
            async for part in self.content.iter_chunked(_CHUNK):
                found += part
                if len(found) > BODY_MAX:
                    self.close()
                    raise aiohttp.ClientPayloadError("the answer is too large")
            self._body = bytes(found)
        return self._body


class OneWaySession:
    """aiohttp's session without redirects: one would carry an order, and the key, to another place."""

    def __init__(self) -> None:
        self._session = aiohttp.ClientSession(response_class=BoundedResponse, trace_configs=[_connections()])

    def __getattr__(self, name: str) -> object:
        found = getattr(self._session, name)
        if name not in ("get", "post", "put", "delete", "patch", "head"):
            return found

        def once(url: object, **words: object) -> object:
            return found(url, **{**words, "allow_redirects": False, "trace_request_ctx": _patience.get()})

        return once


def load(name: str, *, is_streaming: bool = False) -> tuple[type, Tree]:
    """Return ccxt's class of a venue, with streams where they are asked for and there, and its exceptions.

    Raises
    ------
    ConfigurationError
        ccxt is not installed, or has no such venue.
    """
    try:
        library = importlib.import_module("ccxt.async_support")
    except ImportError:
        raise ConfigurationError(
            f"ccxt:{name} needs ccxt, which is not installed", hint="pip install 'holdfast[ccxt]'"
        ) from None
    if name not in library.exchanges:
        near = ", ".join(x for x in library.exchanges if x.startswith(name[:3])) or "binance, coinbase, kraken"
        raise ConfigurationError(f"ccxt has no venue {name!r}", hint=f"such as {near}")
    kind = getattr(library, name)
    if is_streaming:
        streams = importlib.import_module("ccxt.pro")
        kind = getattr(streams, name) if name in streams.exchanges else kind
    return cast("type", kind), cast("Tree", library)


class Venue:
    """One venue of ccxt's: every call goes through `read` or `order`, and every error comes out as one of ours."""

    def __init__(self, config: CcxtConfig, key: CcxtKey | None, profile: Profile, clock: Clock) -> None:
        self.name, self.profile, self._clock = config.name, profile, clock
        self.is_streaming = config.is_streaming and profile.has_pushes and key is not None
        kind, self.tree = load(config.name, is_streaming=self.is_streaming)
        settings: dict[str, object] = {
            "timeout": config.request_timeout_ms, "enableRateLimit": True, "options": dict(profile.options),
        }  # fmt: skip
        if key is not None:
            settings |= {"apiKey": key.key, "secret": key.secret.reveal(), "password": key.password.reveal()}
        self.client = cast("Client", _guarded(kind, self)(settings))
        _tame(self.client, config.url)
        self._session: OneWaySession | None = None
        self._is_clock_doubted = False
        self._answer_s = config.answer_timeout_ms / 1000
        self.offset = 0  # by how much (ns) the venue's clock is ahead of ours

    async def open(self) -> None:
        """Open the connections, measure the clock and load the markets."""
        await self.sync_clock()
        await self.read("load_markets")
        if not self.client.markets:
            raise VenueError(f"{self.name} tells of no markets", venue=self.name, is_retryable=True)

    async def close(self) -> None:
        """Let the connections go."""
        await self.client.close()
        if self._session is not None:
            await cast("aiohttp.ClientSession", self._session).close()

    def _prepare(self) -> Client:
        if self._session is None:
            self._session = OneWaySession()  # here, for it belongs to the loop that runs now
            self.client.session, self.client.own_session = self._session, False
        return self.client

    async def sync_clock(self) -> None:
        """Measure how far the venue's clock is from ours, where it tells the time."""
        if not self.client.has.get("fetchTime"):
            return
        before = self._clock.now()
        there = await self.read("fetch_time")
        after = self._clock.now()
        if isinstance(there, int):
            self.offset = there * MILLISECOND - (before + after) // 2

    def now(self) -> int:
        """Return the venue's time (ns)."""
        return self._clock.now() + self.offset

    async def read(self, method: str, *given: object) -> object:
        """Ask what changes nothing.

        Raises
        ------
        VenueError
            No answer, a refusal, or one that cannot be read.
        ConfigurationError
            The key is not taken.
        """
        if self._is_clock_doubted and method != "fetch_time":
            self._is_clock_doubted = False
            await self.sync_clock()
        mark = _call.set(_Call(None if method in _OF_THE_MARKET else self._answer_s))
        try:
            return await getattr(self._prepare(), method)(*given)
        except (self.tree.BaseError, *FOREIGN) as error:
            self._doubt_clock(error)
            raise error_of(error, self.tree, self.name, is_order=False, certain=self.profile.certain_refusals) from None
        finally:
            _call.reset(mark)

    async def order(self, method: str, *given: object) -> object:
        """Ask what may change an order: it leaves once, and without an answer its outcome is unknown.

        Raises
        ------
        CcxtUnknownError
            The venue may or may not have acted.
        CcxtRefusalError
            It has not.
        """
        mark = _call.set(call := _Call(self._answer_s, is_order=True))
        try:
            return await getattr(self._prepare(), method)(*given)
        except (self.tree.BaseError, DomainError, *FOREIGN) as error:
            self._doubt_clock(error)
            told = error_of(error, self.tree, self.name, is_order=True, certain=self.profile.certain_refusals)
            if isinstance(told, CcxtUnknownError):
                told.ts_sent = call.ts_sent
            raise told from None
        finally:
            _call.reset(mark)

    def _doubt_clock(self, error: Exception) -> None:
        # Measured again before the next question: the venue calls our time wrong.
        is_time = (
            isinstance(error, self.tree.InvalidNonce) or words_of(error, self.name)[0] in self.profile.clock_refusals
        )
        self._is_clock_doubted = self._is_clock_doubted or is_time

    def admit(self, method: str, headers: Mapping[str, str] | None) -> dict[str, str]:
        """Let a request out, with an expiry if it carries an order.

        Raises
        ------
        DomainError
            It is the second one of an order: ccxt was about to send it again.
        """
        found = dict(headers or {})
        call = _call.get()
        if call is not None and call.is_order and method not in _READS:
            if call.is_sent:
                raise DomainError("an order leaves once")
            call.is_sent, call.ts_sent = True, self.now()
            if self.profile.expiry_header:
                found[self.profile.expiry_header] = str(self.now() // MILLISECOND + self.profile.window_ms)
        return found

    async def patiently(self, fetch: Awaitable[object]) -> object:
        """Return the answer to one request, unless it takes longer than an order may be without one."""
        call = _call.get()
        mark = _patience.set(patience := _Patience(None if call is None else call.patience_s))
        try:
            async with patience.deadline:
                return await fetch
        except TimeoutError:
            raise self.tree.RequestTimeout("no answer in time") from None
        finally:
            _patience.reset(mark)

    def refuse_gateway(self, status: int) -> None:
        """Raise for what a gateway answers: behind it the venue may have acted, whatever its words say."""
        if status >= 500:
            raise self.tree.ExchangeNotAvailable(f"HTTP {status}")


def _guarded(kind: type, venue: Venue) -> type:
    class Guarded(kind):  # type: ignore[misc]  # the venue's class is chosen when the program runs
        async def fetch(
            self, url: str, method: str = "GET", headers: Mapping[str, str] | None = None, body: object = None
        ) -> object:
            return await venue.patiently(super().fetch(url, method, venue.admit(method, headers), body))

        # What is signed carries the venue's time: a clock of ours that is off would have every request refused.
        def milliseconds(self) -> int:
            return venue.now() // MILLISECOND

        def seconds(self) -> int:
            return venue.now() // SECOND

        def microseconds(self) -> int:
            return venue.now() // 1_000

        def handle_errors(self, code: int, *rest: object) -> object:
            venue.refuse_gateway(code)
            return super().handle_errors(code, *rest)

        def parse_ohlcv(self, ohlcv: list[object], market: object = None) -> list[object]:
            found: list[object] = super().parse_ohlcv(ohlcv, market)
            if column := venue.profile.closed_column:
                found.append(len(ohlcv) <= column or str(ohlcv[column]).lower() == "true")
            return found

    return Guarded


def _tame(client: Client, url: str) -> None:
    """Let numbers stay the venue's text, keep requests out of every log, and nothing of them in memory."""
    logger = logging.Logger("ccxt")  # of nobody's tree: its debug lines hold keys
    logger.disabled = True
    words: dict[str, object] = {
        "number": str, "logger": logger, "verbose": False, "enableLastHttpResponse": False,
        "enableLastJsonResponse": False, "enableLastResponseHeaders": False,
    }  # fmt: skip
    for name, value in words.items():
        setattr(client, name, value)
    if url:
        urls = cast("dict[str, object]", client.urls)
        urls["api"] = _moved(urls["api"], url.rstrip("/"))


def _moved(found: object, url: str) -> object:
    """Return addresses with another scheme and host; their paths stay."""
    if isinstance(found, dict):
        return {name: _moved(value, url) for name, value in found.items()}
    if isinstance(found, str) and "://" in found:
        path = found.split("://", 1)[1].partition("/")[2]
        if found.startswith("ws"):
            url = "ws" + url.removeprefix("http")
        return f"{url}/{path}" if path else url
    return found

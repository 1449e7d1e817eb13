"""The websocket to Gate.io: it comes back by itself, says when it is up, and never lets a lost answer pass for a no."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from random import SystemRandom
from typing import Final

import aiohttp
import msgspec

from holdfast.adapters.exchanges.gateio import frames
from holdfast.adapters.exchanges.gateio.auth import Credentials
from holdfast.adapters.exchanges.gateio.calls import Calls, NotSentError, checked, lost
from holdfast.adapters.exchanges.gateio.config import GateioConfig
from holdfast.adapters.exchanges.gateio.errors import GateioError, GateioKeyError, Reaction, cleaned, error_of
from holdfast.adapters.exchanges.gateio.messages import (
    PRIVATE,
    Answer,
    Message,
    MessageError,
    Other,
    Pong,
    Subscribed,
    read,
)  # fmt: skip
from holdfast.adapters.exchanges.gateio.shape import VENUE
from holdfast.core.errors import ConfigurationError, HoldfastError, VenueError
from holdfast.core.record import Record
from holdfast.core.time import SECOND

_NO_LOGIN, _TOO_LATE = "AUTHENTICATION_FAILED", "REQUEST_EXPIRED"
_SERVER_SIDE: Final = frozenset({3, -1})  # codes of a refusal that says nothing about what was asked
_GARBAGE_WINDOW_S: Final = 60.0
_TURN: Final = 64  # messages, after which others may run
_HELD_S: Final = 0.005
_CLOSE_S: Final = 1.0
_TRANSIENT: Final = (aiohttp.ClientError, OSError, TimeoutError)
_BOUNDS: Final = {
    "ping_interval_ms": (10, 60_000),
    "stall_timeout_ms": (50, 300_000),
    "subscribe_timeout_ms": (50, 60_000),
    "call_timeout_ms": (50, 60_000),
    "send_timeout_ms": (50, 60_000),
    "backoff_min_ms": (1, 60_000),
    "backoff_max_ms": (1, 300_000),
    "stable_ms": (0, 3_600_000),
    "message_max": (1_024, 64 * 1024 * 1024),
    "garbage_max": (0, 10_000),
}


class SocketConfig(Record, frozen=True):
    """Patience and bounds of one websocket."""

    ping_interval_ms: int = 5_000
    stall_timeout_ms: int = 15_000  # without a message that can be read; pings are answered, so there always is one
    subscribe_timeout_ms: int = 10_000
    call_timeout_ms: int = 5_000
    send_timeout_ms: int = 5_000
    backoff_min_ms: int = 200
    backoff_max_ms: int = 30_000
    stable_ms: int = 30_000  # a connection that held so long starts the backoff anew
    message_max: int = 4 * 1024 * 1024  # bytes
    garbage_max: int = 20  # unreadable messages in a minute, before it connects anew

    def __post_init__(self) -> None:
        for name, (least, most) in _BOUNDS.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise ConfigurationError(f"socket.{name} must lie in [{least}, {most}], found {value}")
        if self.stall_timeout_ms <= self.ping_interval_ms:
            raise ConfigurationError("socket.stall_timeout_ms must exceed socket.ping_interval_ms")


class Handlers(msgspec.Struct, frozen=True, gc=False):
    """Who is told what. All are called on the socket's loop and must return at once: a slow reader takes an Outbox."""

    on_message: Callable[[Message], None]
    on_link: Callable[[bool, str], None]  # up or down, and why
    on_failure: Callable[[HoldfastError, bool], None]  # what went wrong, and whether nothing more will come
    is_held: Callable[[], bool] = lambda: False  # while it is true nothing is read
    resync: Callable[[], Awaitable[object]] = partial(asyncio.sleep, 0)  # measures the venue's clock, after it was late


class GateioSocket:
    """One connection that is kept up: subscribed again after each loss, pinged, watched, and used for calls.

    `now` is the venue's clock (ns). After `on_link(False, ...)` whatever happened since the last message is unknown:
    ask over REST once it is up again. A wrong key ends it; anything else is tried again, with growing pauses.
    """

    def __init__(
        self, config: GateioConfig, credentials: Credentials | None, now: Callable[[], int], handlers: Handlers,
        settings: SocketConfig | None = None,
    ) -> None:  # fmt: skip
        self.received = 0  # messages
        self.garbage = 0  # messages that could not be read
        self.connections = 0
        self.last_error = ""
        self._config, self._credentials, self._now, self._handlers = config, credentials, now, handlers
        self._settings = settings or SocketConfig()
        self._subscriptions: dict[tuple[str, tuple[str, ...]], None] = {}  # in order
        self._acks: dict[int, tuple[str, asyncio.Future[Subscribed]]] = {}
        self._calls = Calls()
        self._ids = count(1)
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._wants_login = self._is_logged_in = False
        self._link: bool | None = None
        self._up = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._failure: HoldfastError | None = None
        self._heard = self._garbage_since = 0.0
        self._garbage_lately = 0
        self._random = SystemRandom()

    @property
    def is_up(self) -> bool:
        return self._up.is_set()

    @property
    def is_ready(self) -> bool:
        """Tell whether a call could leave now."""
        return self._socket is not None and not self._socket.closed and self._is_logged_in

    def start(self) -> None:
        """Begin to connect."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="gateio-socket")

    async def wait_up(self, timeout_s: float) -> None:
        """Return once it is connected, logged in if asked, and subscribed.

        Raises
        ------
        VenueError, ConfigurationError
            Not within the time; the key is refused.
        """
        self.start()
        waiter = asyncio.ensure_future(self._up.wait())
        tasks = {waiter} if self._task is None else {waiter, self._task}
        await asyncio.wait(tasks, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        waiter.cancel()
        if self._failure is not None:
            raise self._failure
        if not self._up.is_set():
            why = self.last_error or "no answer"
            raise VenueError(f"the websocket is not up after {timeout_s:g} s: {why}", venue=VENUE, is_retryable=True)

    async def close(self) -> None:
        """End it; calls in flight have an unknown outcome."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    # -- subscriptions

    async def subscribe(self, channel: str, payload: Sequence[str] = ()) -> None:
        """Take part in a channel, now and after each loss; if it is connected, return once the venue agreed.

        Raises
        ------
        VenueError
            The venue refuses it, or does not answer; it is asked again after the next loss all the same.
        """
        if channel in PRIVATE and self._credentials is None:
            raise ConfigurationError(f"{channel} is a private channel", hint="give an API key")
        key = (channel, tuple(payload))
        self._subscriptions[key] = None
        socket = self._socket
        if socket is not None:
            self._check(await self._await_ack(await self._ask(socket, *key, "subscribe")))

    async def unsubscribe(self, channel: str, payload: Sequence[str] = ()) -> None:
        """Take part no longer."""
        key = (channel, tuple(payload))
        socket = self._socket
        if self._subscriptions.pop(key, key) is None and socket is not None:
            await self._await_ack(await self._ask(socket, *key, "unsubscribe"))

    async def _ask(
        self, socket: aiohttp.ClientWebSocketResponse, channel: str, payload: Sequence[str], event: str
    ) -> asyncio.Future[Subscribed]:
        number, future = next(self._ids), asyncio.get_running_loop().create_future()
        self._acks[number] = (channel, future)
        frame = frames.subscription_of(channel, payload, number, self._now() // SECOND, self._credentials, event)
        try:
            await self._send(socket, frame)
        except _TRANSIENT as error:
            why = f"{channel}: not sent ({type(error).__name__})"
            raise VenueError(why, venue=VENUE, is_retryable=True) from None
        return future

    async def _await_ack(self, future: asyncio.Future[Subscribed]) -> Subscribed:
        try:
            async with asyncio.timeout(self._settings.subscribe_timeout_ms / 1000):
                return await future
        except TimeoutError:
            raise VenueError("no answer to a subscription", venue=VENUE, is_retryable=True) from None

    def _check(self, answer: Subscribed) -> None:
        if not answer.code:
            return
        text = f"{answer.channel}: refused with code {answer.code}: {cleaned(answer.message)}"
        if _TOO_LATE in answer.message:
            raise error_of(_TOO_LATE, text, 401, is_order=False)
        if answer.is_auth_failure:
            raise GateioKeyError(text, label="INVALID_CREDENTIALS", status=401)
        raise VenueError(text, venue=VENUE, is_retryable=answer.code in _SERVER_SIDE)

    # -- calls

    async def login(self) -> None:
        """Open the socket for calls, now and after each loss.

        Raises
        ------
        VenueError, ConfigurationError
            No answer, and it is tried again; there is no key, or it is refused.
        """
        if self._credentials is None:
            raise ConfigurationError("orders over the websocket need an API key")
        self._wants_login = True
        if self._socket is not None and not self._is_logged_in:
            await self._log_in(self._socket)

    async def call(
        self, channel: str, params: bytes, request_id: str, *, header: dict[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Answer:  # fmt: skip
        """Send `params` (JSON) once, and return the answer of success.

        Raises
        ------
        OutcomeUnknownError
            No answer in time, the connection was lost, or the answer says nothing: it may have been done.
        NotSentError
            The socket is not logged in, and nothing was written.
        VenueError
            It was refused.
        ConfigurationError
            The key may not do this.
        """
        return checked(channel, await self.ask(channel, params, request_id, header=header, timeout_s=timeout_s))

    async def ask(
        self, channel: str, params: bytes, request_id: str, *, header: dict[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Answer:  # fmt: skip
        """Do the same, and return also the answer that refuses, without our key in the venue's words."""
        socket = self._socket
        if socket is None or not self.is_ready:
            raise NotSentError(channel)
        frame = frames.call_of(channel, params, request_id, self._now() // SECOND, header)
        is_trusted = False
        try:
            answer = await self._exchange(socket, channel, request_id, frame, timeout_s)
            is_trusted = answer.label != _NO_LOGIN
            return answer
        finally:
            # What follows goes another way until the watch has logged in again: a connection that is dead without a
            # word must not leave one order after the other in doubt.
            if not is_trusted and socket is self._socket:
                self._is_logged_in = False

    async def _exchange(
        self, socket: aiohttp.ClientWebSocketResponse, channel: str, request_id: str, frame: bytes,
        timeout_s: float | None = None,
    ) -> Answer:  # fmt: skip
        future = self._calls.open(channel, request_id)
        try:
            async with asyncio.timeout(timeout_s or self._settings.call_timeout_ms / 1000):
                await socket.send_frame(frame, aiohttp.WSMsgType.TEXT)
                answer = await future
        except TimeoutError:
            raise lost(channel, "no answer in time") from None
        except (aiohttp.ClientError, OSError) as error:
            # Part of it may have left.
            raise lost(channel, f"the connection broke ({type(error).__name__})") from None
        finally:
            self._calls.close(request_id)
        who = self._credentials
        if who is not None and not answer.is_success:
            answer.label, answer.message = who.hide(answer.label), who.hide(answer.message)
        return answer

    async def _log_in(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        if self._credentials is None:
            return
        request_id = f"login-{next(self._ids)}"
        frame = frames.login_of(self._credentials, request_id, self._now() // SECOND)
        answer = await self._exchange(socket, "spot.login", request_id, frame)
        checked("spot.login", answer)
        self._is_logged_in = socket is self._socket

    # -- the connection

    async def _run(self) -> None:
        try:
            await self._keep_up()
        except ConfigurationError as error:
            self._end(error)
        # top of task: the socket ends, and whoever listens is told so as a fatal failure
        except Exception as error:
            self._end(VenueError(f"the websocket's reader failed: {error!r}", venue=VENUE))
            raise

    async def _keep_up(self) -> None:
        loop, attempt = asyncio.get_running_loop(), 0
        connector = aiohttp.TCPConnector(limit=2)
        async with aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
        ) as session:
            while True:
                started = loop.time()
                why, is_late = "closed by us", False
                try:
                    await self._serve(session)
                except (*_TRANSIENT, VenueError) as error:
                    why = str(error) if isinstance(error, VenueError) else f"{type(error).__name__}: {error}"
                    is_late = isinstance(error, GateioError) and error.reaction is Reaction.RESYNC
                except ConfigurationError as error:
                    why = str(error)
                    raise
                finally:
                    self._drop(cleaned(why))
                attempt = 1 if loop.time() - started >= self._settings.stable_ms / 1000 else attempt + 1
                await asyncio.sleep(self._pause(attempt))
                if is_late:
                    with suppress(VenueError):  # then it is late once more
                        await self._handlers.resync()

    def _pause(self, attempt: int) -> float:
        least, most = self._settings.backoff_min_ms / 1000, self._settings.backoff_max_ms / 1000
        # Spread, so that not all clients of a venue come back at one moment.
        return min(most, self._random.uniform(least, max(least, least * 2.0 ** min(attempt, 20))))

    async def _serve(self, session: aiohttp.ClientSession) -> None:
        async with asyncio.timeout(self._config.connect_timeout_ms / 1000):
            socket = await session.ws_connect(
                self._config.socket_url,
                proxy=self._config.proxy,
                max_msg_size=self._settings.message_max,
                compress=0,  # a small message must not become a large one
                timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_S),
            )
        self.connections += 1
        self._socket, self._heard = socket, asyncio.get_running_loop().time()
        reader, watch, greeter = (
            asyncio.create_task(part) for part in (self._read(socket), self._watch(socket), self._greet(socket))
        )
        tasks: set[asyncio.Task[None]] = {reader, watch, greeter}
        try:
            while not reader.done():
                done, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in sorted(done, key=lambda task: task is reader):
                    task.result()
        finally:
            self._socket = None
            await asyncio.sleep(0)  # the greeter may hold the reason why the venue hung up
            for task in (reader, watch, greeter):
                task.cancel()
            results = await asyncio.gather(reader, watch, greeter, return_exceptions=True)
            with suppress(TimeoutError):
                async with asyncio.timeout(2 * _CLOSE_S):
                    await socket.close()
            for result in results:
                if isinstance(result, ConfigurationError):
                    raise result

    async def _greet(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        if self._wants_login:
            await self._log_in(socket)
        asked = [await self._ask(socket, *key, "subscribe") for key in tuple(self._subscriptions)]
        for future in asked:
            try:
                self._check(await self._await_ack(future))
            except VenueError as error:
                if error.is_retryable:
                    raise
                # One market that is gone must not keep the others away.
                self._handlers.on_failure(error, False)
        self._up.set()
        self._tell(True, f"connection {self.connections}")

    async def _watch(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        loop, settings = asyncio.get_running_loop(), self._settings
        while True:
            await asyncio.sleep(settings.ping_interval_ms / 1000)
            silent = loop.time() - self._heard
            if silent > settings.stall_timeout_ms / 1000:
                raise VenueError(f"nothing was heard for {silent:.1f} s", venue=VENUE, is_retryable=True)
            if self._wants_login and not self._is_logged_in and self._up.is_set():
                await self._log_in(socket)
            await self._send(socket, frames.ping_of(self._now() // SECOND))
            async with asyncio.timeout(settings.send_timeout_ms / 1000):
                await socket.ping()

    async def _send(self, socket: aiohttp.ClientWebSocketResponse, frame: bytes) -> None:
        async with asyncio.timeout(self._settings.send_timeout_ms / 1000):
            await socket.send_frame(frame, aiohttp.WSMsgType.TEXT)

    def _drop(self, why: str) -> None:
        self._up.clear()
        self._is_logged_in = False
        self._garbage_lately = 0
        self.last_error = why
        self._calls.fail_all(f"the connection was lost: {why}")
        acks, self._acks = self._acks, {}
        for _, future in acks.values():
            if not future.done():
                future.set_exception(VenueError(f"the connection was lost: {why}", venue=VENUE, is_retryable=True))
                future.exception()  # whoever waited may be gone, and that is no accident
        self._tell(False, why)

    def _tell(self, is_up: bool, detail: str) -> None:
        if self._link is not is_up:
            self._link = is_up
            self._handlers.on_link(is_up, detail)

    def _end(self, error: HoldfastError) -> None:
        self._failure = error
        self._handlers.on_failure(error, True)

    # -- what comes in

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        loop, is_held, turn = asyncio.get_running_loop(), self._handlers.is_held, 0
        while True:
            message = await socket.receive()
            if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                raise _closed(socket, message)
            self._take(message.data, loop.time())
            turn += 1
            if turn % _TURN == 0:
                # A venue that sends without end must not keep the watch from its turn.
                await asyncio.sleep(0)
            while is_held():
                await asyncio.sleep(_HELD_S)
                self._heard = loop.time()  # it is we who do not listen

    def _take(self, raw: bytes | str, now_s: float) -> None:
        self.received += 1
        try:
            messages = read(raw)
        except MessageError as error:
            self._count_garbage(error, now_s)
            return
        self._heard = now_s
        for message in messages:
            if isinstance(message, _OURS):
                self._take_ours(message)
            else:
                self._handlers.on_message(message)

    def _take_ours(self, message: Subscribed | Answer | Pong | Other) -> None:
        if isinstance(message, Answer):
            if not self._calls.resolve(message):
                self._handlers.on_message(message)  # late, but it tells what became of an order
        elif isinstance(message, Subscribed):
            future = self._ack_of(message)
            if future is not None and not future.done():
                future.set_result(message)
            # Not only where it is awaited: the venue may hang up at once, and a wrong key is never tried again.
            if message.is_auth_failure:
                self._check(message)

    def _ack_of(self, message: Subscribed) -> asyncio.Future[Subscribed] | None:
        number = message.id
        if number not in self._acks:
            # Without its id an answer belongs to whoever asked first for the channel.
            number = next((key for key, (channel, _) in self._acks.items() if channel == message.channel), None)
        return self._acks.pop(number)[1] if isinstance(number, int) else None

    def _count_garbage(self, error: MessageError, now_s: float) -> None:
        self.garbage += 1
        if now_s - self._garbage_since > _GARBAGE_WINDOW_S:
            self._garbage_since, self._garbage_lately = now_s, 0
        self._garbage_lately += 1
        if self._garbage_lately == 1:
            self._handlers.on_failure(error, False)
        # Something happened to our own orders or money, and nobody knows what: it must be asked for.
        if error.channel in PRIVATE:
            raise VenueError(str(error), venue=VENUE, is_retryable=True)
        if self._garbage_lately > self._settings.garbage_max:
            raise VenueError(f"{self._garbage_lately} unreadable messages", venue=VENUE, is_retryable=True)


_OURS: Final = (Subscribed, Answer, Pong, Other)


def _closed(socket: aiohttp.ClientWebSocketResponse, message: aiohttp.WSMessage) -> VenueError:
    fault = message.data if message.type is aiohttp.WSMsgType.ERROR else None
    detail = f"{type(fault).__name__}" if fault is not None else f"code {socket.close_code}"
    return VenueError(f"the venue's websocket was closed: {detail}", venue=VENUE, is_retryable=True)

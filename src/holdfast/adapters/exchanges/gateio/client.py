"""Gate.io as `ports.live.LiveExchange`: an event loop in a thread of its own, and an inbox between the two worlds."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import Future
from decimal import Decimal
from functools import partial
from itertools import count
from typing import Final, TypeVar

from holdfast.adapters.exchanges.gateio import wire
from holdfast.adapters.exchanges.gateio.auth import Credentials
from holdfast.adapters.exchanges.gateio.config import SOCKET_ORDERS, GateioConfig
from holdfast.adapters.exchanges.gateio.errors import GateioError
from holdfast.adapters.exchanges.gateio.mapping import (
    instrument_id_of,
    instrument_of,
    order_id_of,
    pair_of,
    side_of,
)  # fmt: skip
from holdfast.adapters.exchanges.gateio.market_feed import MarketFeed
from holdfast.adapters.exchanges.gateio.messages import Message
from holdfast.adapters.exchanges.gateio.order_desk import DeskConfig, OrderDesk
from holdfast.adapters.exchanges.gateio.own import OwnTrade
from holdfast.adapters.exchanges.gateio.rest import GateioRest
from holdfast.adapters.exchanges.gateio.shape import VENUE
from holdfast.adapters.exchanges.gateio.socket import GateioSocket, Handlers
from holdfast.adapters.exchanges.gateio.socket_orders import SocketOrders
from holdfast.adapters.net.inbox import Inbox
from holdfast.core.errors import ConfigurationError, HoldfastError, VenueError
from holdfast.core.time import Clock
from holdfast.domain.decision import Approved, ApprovedAmend
from holdfast.domain.instrument import Instrument
from holdfast.domain.market import BarClosed, Timeframe
from holdfast.domain.order import Order, OrderEvent
from holdfast.domain.values import Asset, InstrumentId, OrderId
from holdfast.ports.live import AccountReport, Capabilities, Failure, Incoming, KeyReport, LinkChanged, OrderAtVenue

T = TypeVar("T")
_WAIT_S: Final = 60.0  # the longest that a call which blocks may take
_UP_S: Final = 20.0
_LOGIN_S: Final = 10.0
_CLOCK_EVERY_S: Final = 60.0
_PAGE: Final = 100  # orders in one answer
_PAUSES_S: Final = (0.2, 0.5, 1.0, 2.0)
_COUNTDOWN_MIN_S: Final = 5
_BEAT_TRIES: Final = 3  # of ending the dead-man timer: twice is the same as once
_LAST_WORDS_S: Final = 10.0
_LOOK_PAUSE_S: Final = 0.1  # however many pushes come: the venue allows 200 questions in 10 s


class GateioExchange:
    """One account at Gate.io. All methods may be called from one thread that is not the loop's."""

    venue = VENUE
    capabilities = Capabilities(
        resting_stops=True, resting_targets=True, asks_by_client_id=True, order_expiry=True, dead_man=True, pushes=True
    )

    def __init__(
        self, config: GateioConfig, credentials: Credentials | None, clock: Clock, desk: DeskConfig | None = None,
        ring: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        self._config, self._credentials = config, credentials
        self._inbox = Inbox(ring)
        self._rest = GateioRest(config, credentials, clock)
        self._feed = MarketFeed(self._rest, self._inbox.put, self._on_ask)
        self._orders = SocketOrders(self._rest) if config.orders == SOCKET_ORDERS else None
        self._desk = OrderDesk(
            self._rest, desk or DeskConfig(), self._inbox.put, lambda: self._feed.market_ts, self._orders
        )
        self._sockets: list[GateioSocket] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._report_turn, self._is_report_waiting = asyncio.Lock(), False
        self._beats: set[Future[None]] = set()
        self._beat_turn = asyncio.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="gateio", daemon=True)
        self._thread.start()
        self._is_open = False

    # -- before the start --------------------------------------------------------------------------
    def instruments(self, pairs: Sequence[str]) -> tuple[Instrument, ...]:
        """Return the instruments of pairs like BTC/USDT, with the grid and the fees that they have for this account.

        Raises
        ------
        ConfigurationError
            The venue does not trade one of them.
        VenueError
            It does not answer.
        """
        return self._wait(self._instruments(pairs))

    async def _instruments(self, pairs: Sequence[str]) -> tuple[Instrument, ...]:
        await self._open()
        found: list[Instrument] = []
        for name in pairs:
            try:
                pair = await self._rest.pair(name.replace("/", "_"))
            except GateioError as error:
                if error.label != "INVALID_CURRENCY_PAIR":
                    raise
                raise ConfigurationError(f"{VENUE} has no market {name}", hint="name pairs like BTC/USDT") from None
            fee = await self._rest.fee(pair.id) if self._credentials is not None else None
            if fee is not None and (fee.gt_discount or fee.debit_fee == 1):
                self._desk.is_fee_in_base = False
            instrument = instrument_of(pair, fee, self._config.suffix)
            self._desk.pairs[instrument.id] = pair
            self._desk.instruments[instrument.id] = instrument
            found.append(instrument)
        return tuple(found)

    async def _open(self) -> None:
        if not self._is_open:
            await self._rest.open()
            await self._rest.sync_clock()
            self._is_open = True

    def pairs(self) -> tuple[str, ...]:
        """Return what can be traded, as BTC/USDT."""
        return self._wait(self._pairs())

    async def _pairs(self) -> tuple[str, ...]:
        await self._open()
        return tuple(
            f"{pair.base}/{pair.quote}" for pair in await self._rest.pairs() if pair.trade_status == "tradable"
        )

    def clock_skew(self) -> int:
        """Return how far the venue's clock is ahead of ours (ns)."""
        self._wait(self._open())
        return self._rest.clock_offset

    def key_report(self) -> KeyReport:
        """Return what the key may do.

        Raises
        ------
        ConfigurationError
            The venue does not take it.
        """
        return self._wait(self._key_report())

    async def _key_report(self) -> KeyReport:
        await self._open()
        found = await self._rest.key_info()
        return KeyReport(found.can_trade, found.can_withdraw, bool(found.ip_whitelist), tuple(found.ip_whitelist or ()))

    def user_id(self) -> str:
        """Return whose account the key belongs to, empty where the venue does not say; blocks.

        Raises
        ------
        ConfigurationError, VenueError
            The venue does not answer this question.
        """
        return self._wait(self._user_id())

    async def _user_id(self) -> str:
        await self._open()
        return str((await self._rest.account_detail()).user_id or "")

    def check_login(self) -> None:
        """Open a websocket for orders, and let it go again.

        Raises
        ------
        ConfigurationError
            There is no key, or the venue does not take it there.
        VenueError
            It does not answer, or not as it should.
        """
        self._wait(self._check_login())

    async def _check_login(self) -> None:
        await self._open()
        handlers = Handlers(
            lambda _message: None,
            lambda _is_up, _why: None,
            lambda _error, _is_fatal: None,
            resync=self._rest.sync_clock,
        )
        socket = GateioSocket(self._config, self._credentials, self._rest.venue_now, handlers)
        await socket.login()
        try:
            await socket.wait_up(_LOGIN_S)
        finally:
            await socket.close()

    def balances(self) -> dict[Asset, Decimal]:
        """Return what the account holds, free and bound."""
        return self._wait(self._balances())

    async def _balances(self) -> dict[Asset, Decimal]:
        await self._open()
        return {Asset(account.currency): account.total for account in await self._rest.accounts()}

    # -- ports.live.LiveExchange ---------------------------------------------------------------------
    def know(self, orders: Sequence[Order]) -> None:
        """Take up the orders of an earlier process that are not final."""
        self._wait(self._know(orders))

    async def _know(self, orders: Sequence[Order]) -> None:
        await self._need({order.spec.instrument_id for order in orders})
        self._desk.know(orders)

    def start(self, instruments: Sequence[Instrument], bars: Timeframe) -> None:
        """Connect and subscribe; returns when both links are up. Without a key there is only the market's."""
        self._wait(self._start(instruments, bars))

    async def _start(self, instruments: Sequence[Instrument], bars: Timeframe) -> None:
        # Until the first look knows better: an earlier process may have left doubts.
        self._rest.is_hurried = self._credentials is not None
        await self._need({instrument.id for instrument in instruments})
        self._feed.begin([instrument.id for instrument in instruments], bars)
        self._desk.triggers.begin()
        market = self._socket("market", None, self._feed.on_message)
        account = None if self._credentials is None else self._socket("account", self._credentials, self._on_private)
        self._sockets = [market] if account is None else [market, account]
        if account is not None and self._orders is not None:
            await account.login()
            self._orders.socket = account
        for instrument in instruments:
            self._on_ticker(await self._patiently(partial(self._rest.tickers, pair_of(instrument.id))))
        for socket in self._sockets:
            socket.start()
        for socket in self._sockets:
            await socket.wait_up(_UP_S)
        await self._feed.subscribe(market)
        self._tasks = [asyncio.ensure_future(self._feed.watch())]
        if account is not None:  # else there is nobody whose orders could be looked at
            for instrument in instruments:
                for channel in ("spot.orders", "spot.usertrades", "spot.priceorders"):
                    await account.subscribe(channel, [pair_of(instrument.id)])
            self._tasks += [asyncio.ensure_future(self._look_on()), asyncio.ensure_future(self._keep_time())]
        for task in self._tasks:
            task.add_done_callback(self._on_done)

    def history(self, instrument_id: InstrumentId, count: int, ts_after: int = 0) -> Sequence[BarClosed]:
        """Return the last finished bars that close after `ts_after`, oldest first."""
        return self._wait(self._history(instrument_id, count, ts_after))

    async def _history(self, instrument_id: InstrumentId, count: int, ts_after: int) -> Sequence[BarClosed]:
        return await self._patiently(partial(self._feed.history, instrument_id, count, ts_after))

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Return the answer to a question of a start, which must not fail because the venue is busy for a moment."""
        for pause in _PAUSES_S:
            try:
                return await ask()
            except VenueError as error:
                if not error.is_retryable:
                    raise
            await asyncio.sleep(pause)
        return await ask()

    def submit(self, approved: Approved, ts: int) -> Sequence[OrderEvent]:
        """Send an order."""
        self._loop.call_soon_threadsafe(self._desk.submit, approved)
        return ()

    def amend(self, amend: ApprovedAmend, ts: int) -> Sequence[OrderEvent]:
        """Move a stop."""
        self._loop.call_soon_threadsafe(self._desk.amend, amend)
        return ()

    def cancel(self, order_id: OrderId, ts: int, reason: str) -> Sequence[OrderEvent]:
        """Take an order back."""
        self._loop.call_soon_threadsafe(self._desk.cancel, order_id, reason)
        return ()

    def ask(self, orders: Sequence[Order]) -> None:
        """Find out about orders."""
        self._loop.call_soon_threadsafe(self._desk.ask, orders)

    def ask_account(self) -> None:
        """Ask for an AccountReport; without an answer there is none, and it may be asked for again.

        One is asked for at a time, and one waits: many that wait for a slow answer would say one thing many times.
        """
        self._later(self._report_in_turn())

    def beat(self, timeout_s: int) -> None:
        """Renew the dead-man timer, on the pairs that are traded."""
        beat = self._later(self._beat(timeout_s))
        self._beats.add(beat)
        beat.add_done_callback(self._beats.discard)

    def take(self, timeout_s: float) -> Sequence[Incoming]:
        """Return what has come in."""
        return self._inbox.take(timeout_s)

    @property
    def order_ways(self) -> dict[str, int]:
        """Return how many calls about orders have left over the socket and over REST, where the socket is chosen."""
        return {} if self._orders is None else dict(self._orders.ways)

    def describe(self) -> list[str]:
        """Say of each open order what is known of it and what is being done; for whoever looks for a fault."""
        return self._desk.describe()

    def close(self) -> None:
        """Let the connections go, and end the thread; what was said of the dead-man timer is said first."""
        if self._loop.is_closed():
            return
        try:
            self._wait(self._close())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_WAIT_S)
            self._loop.close()

    async def _close(self) -> None:
        last_words = [asyncio.wrap_future(beat) for beat in tuple(self._beats)]
        if last_words:
            await asyncio.wait(last_words, timeout=_LAST_WORDS_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._desk.close()
        for socket in self._sockets:
            await socket.close()
        await self._rest.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    # -- in the loop -------------------------------------------------------------------------------
    async def _need(self, names: set[InstrumentId]) -> None:
        missing = [pair_of(name).replace("_", "/") for name in names if name not in self._desk.pairs]
        if missing:
            await self._instruments(missing)
        else:
            await self._open()

    def _socket(self, link: str, who: Credentials | None, on_message: object) -> GateioSocket:
        def on_link(is_up: bool, detail: str) -> None:
            self._inbox.put([LinkChanged(self._rest.venue_now(), link, is_up, detail)])
            if is_up and link == "market":
                self._feed.resume()
            self._desk.wake.set()

        def on_failure(error: HoldfastError, is_fatal: bool) -> None:
            self._inbox.put([Failure(self._rest.venue_now(), str(error), error.hint, is_fatal)])

        handlers = Handlers(
            on_message,  # type: ignore[arg-type]  # a bound method of two kinds
            on_link, on_failure, resync=self._rest.sync_clock,
        )  # fmt: skip
        return GateioSocket(self._config, who, self._rest.venue_now, handlers)

    def _on_ask(self, name: InstrumentId, ask: Decimal) -> None:
        self._desk.asks[name] = ask

    def _on_private(self, message: Message) -> None:
        # Whatever it says, the venue is asked: a push may be late, doubled, or the last of several.
        if isinstance(message, OwnTrade):
            self._desk.hear(message)
        self._desk.wake.set()

    def _on_ticker(self, tickers: Sequence[wire.Ticker]) -> None:
        for ticker in tickers:
            price = ticker.lowest_ask or ticker.last
            if price:
                self._desk.asks[instrument_id_of(ticker.currency_pair, self._config.suffix)] = price

    async def _look_on(self) -> None:
        """Look at the account whenever a push says so, and from time to time while something is open."""
        desk = self._desk
        while True:
            pause = desk.pause()
            try:
                # Not wait_for: before Python 3.12 it loses a cancellation that comes together with what it waits for.
                async with asyncio.timeout(pause):
                    await desk.wake.wait()
            except TimeoutError:
                if not desk.is_waiting:
                    continue
            desk.wake.clear()
            try:
                await desk.look()
                await asyncio.sleep(_LOOK_PAUSE_S)
            except VenueError as error:
                desk.troubles, desk.last_trouble = desk.troubles + 1, str(error)
                await asyncio.sleep(max(pause, _LOOK_PAUSE_S))

    async def _keep_time(self) -> None:
        """Measure the venue's clock from time to time; a venue that does not answer is asked again later."""
        while True:
            await asyncio.sleep(_CLOCK_EVERY_S)
            try:
                await self._rest.refresh_clock()
            except VenueError as error:
                self._desk.troubles, self._desk.last_trouble = self._desk.troubles + 1, str(error)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        """Say that nobody looks any more, rather than go on blindly."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    def _fail(self, error: BaseException, *, is_fatal: bool = True) -> None:
        told = str(error) if isinstance(error, HoldfastError) else f"{type(error).__name__}: {error}"
        hint = error.hint if isinstance(error, HoldfastError) else ""
        self._inbox.put([Failure(self._rest.venue_now(), told, hint or "holdfast doctor", is_fatal)])

    async def _report_in_turn(self) -> None:
        if self._is_report_waiting:
            return  # it will see what this one would
        self._is_report_waiting = True
        async with self._report_turn:
            self._is_report_waiting = False
            await self._report()

    async def _report(self) -> None:
        ts = self._rest.venue_now()
        orders, triggers = await self._resting()
        balances = await self._balances()
        owners = {name: found for found in self._desk.tracked.values() for name in found.trigger_ids}
        books = {name: found for found in self._desk.tracked.values() for name in found.venue_ids}
        suffix = self._config.suffix
        there = [
            OrderAtVenue(
                order.venue_order_id, instrument_id_of(order.currency_pair, suffix), side_of(order.side),
                order.left if order.left is not None else order.amount,
                books[order.venue_order_id].order_id if order.venue_order_id in books else order_id_of(order.text),
                order.text,
            )
            for order in orders
        ]  # fmt: skip
        there += [
            OrderAtVenue(
                trigger.venue_order_id, instrument_id_of(trigger.market, suffix), side_of(trigger.put.side),
                trigger.put.amount,
                owners[trigger.venue_order_id].order_id if trigger.venue_order_id in owners else OrderId(""),
                "", trigger.trigger.price,
            )
            for trigger in triggers
        ]  # fmt: skip
        self._inbox.put([AccountReport(ts, balances, tuple(there))])

    async def _resting(self) -> tuple[list[wire.Order], list[wire.TriggerOrder]]:
        """Return all that rests, page by page; what moves from one page to the next meanwhile counts once."""
        orders: dict[str, wire.Order] = {}
        for page in count(1):
            markets = await self._rest.open_orders(page, _PAGE)
            orders.update((order.venue_order_id, order) for market in markets for order in market.orders)
            if not any(len(market.orders) >= _PAGE for market in markets):
                break
        triggers: dict[str, wire.TriggerOrder] = {}
        for offset in count(0, _PAGE):
            found = await self._rest.triggers("open", limit=_PAGE, offset=offset)
            triggers.update((trigger.venue_order_id, trigger) for trigger in found)
            if len(found) < _PAGE:
                break
        return list(orders.values()), list(triggers.values())

    async def _beat(self, timeout_s: int) -> None:
        """Set the timer, one after the other, so that the last word is the last to arrive; to end it is tried again."""
        async with self._beat_turn:
            for tries_left in range(_BEAT_TRIES if timeout_s == 0 else 1, 0, -1):
                try:
                    await self._rest.countdown(max(timeout_s, _COUNTDOWN_MIN_S) if timeout_s else 0)
                except VenueError as error:
                    if tries_left == 1 and timeout_s == 0:
                        told = (
                            f"the venue may cancel resting orders within its dead-man time: it was not ended ({error})"
                        )
                        self._inbox.put([Failure(self._rest.venue_now(), told, "look at the orders there", False)])
                    if tries_left == 1:
                        raise
                else:
                    return

    # -- between the threads -----------------------------------------------------------------------
    def _wait(self, work: Coroutine[object, object, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(_WAIT_S)
        except TimeoutError:
            future.cancel()
            raise VenueError(f"no answer within {_WAIT_S:.0f} s", venue=VENUE, is_retryable=True) from None

    def _later(self, work: Coroutine[object, object, None]) -> Future[None]:
        async def quietly() -> None:
            try:
                await work
            except VenueError as error:
                self._desk.troubles, self._desk.last_trouble = self._desk.troubles + 1, str(error)
            except HoldfastError as error:
                # Without its key nothing more will come; an account that cannot be understood is asked for again.
                self._fail(error, is_fatal=isinstance(error, ConfigurationError))

        return asyncio.run_coroutine_threadsafe(quietly(), self._loop)

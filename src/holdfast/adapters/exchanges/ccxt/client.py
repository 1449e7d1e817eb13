"""A venue of ccxt's as `ports.live.LiveExchange`: an event loop in a thread of its own, and an inbox between."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from decimal import Decimal
from typing import Final, TypeVar

import msgspec

from holdfast.adapters.exchanges.ccxt.config import PREFIX, CcxtConfig, CcxtKey
from holdfast.adapters.exchanges.ccxt.library import Venue
from holdfast.adapters.exchanges.ccxt.market_feed import MarketFeed
from holdfast.adapters.exchanges.ccxt.markets import instrument_of
from holdfast.adapters.exchanges.ccxt.order_desk import OrderDesk
from holdfast.adapters.exchanges.ccxt.profiles import capabilities_of, profile_of
from holdfast.adapters.exchanges.ccxt.shape import VenueOrder
from holdfast.adapters.exchanges.ccxt.tracker import HELD
from holdfast.adapters.net.inbox import Inbox
from holdfast.core.errors import ConfigurationError, HoldfastError, VenueError
from holdfast.core.time import MILLISECOND, SECOND, Clock
from holdfast.domain.decision import Approved, ApprovedAmend
from holdfast.domain.instrument import Instrument
from holdfast.domain.market import BarClosed, Timeframe
from holdfast.domain.order import Order, OrderEvent
from holdfast.domain.values import ZERO, Asset, InstrumentId, OrderId, Side
from holdfast.ports.live import (
    AccountReport,
    Failure,
    Incoming,
    KeyReport,
    LinkChanged,
    OrderAtVenue,
)

T = TypeVar("T")
_WAIT_S: Final = 90.0
_PAUSES_S: Final = (0.2, 0.5, 1.0, 2.0)
_LOOK_PAUSE_S: Final = 0.05
_DOWN_AFTER: Final = 3
_COUNTDOWN_MIN_S: Final = 5
_LAST_WORDS_S: Final = 10.0
_LISTEN_PAUSE_S: Final = 1.0
_LISTEN_PAUSE_MAX_S: Final = 60.0


class CcxtExchange:
    """One spot account at a venue of ccxt's. All methods may be called from one thread that is not the loop's."""

    def __init__(
        self, config: CcxtConfig, key: CcxtKey | None, clock: Clock, ring: Callable[[], None] | None = None
    ) -> None:  # fmt: skip
        self.venue = f"{PREFIX}{config.name}"
        profile = profile_of(config.name)
        self.capabilities = capabilities_of(profile)
        self._config, self._key, self._inbox = config, key, Inbox(ring)
        self._venue = Venue(config, key, profile, clock)
        poll_s = config.poll_ms * MILLISECOND / SECOND
        self._feed = MarketFeed(self._venue, self._inbox.put, poll_s)
        self._desk = OrderDesk(self._venue, config, self._inbox.put, self._feed)
        self._tasks: list[asyncio.Task[None]] = []
        self._is_report_asked = False
        self._beats: set[Future[None]] = set()
        self._beat_turn = asyncio.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=config.name, daemon=True)
        self._thread.start()
        self._is_open = False

    # -- before the start --------------------------------------------------------------------------
    def instruments(self, pairs: Sequence[str]) -> tuple[Instrument, ...]:
        """Return the instruments of pairs like BTC/USDT, with the grid and the fees that they have for this account."""
        return self._wait(self._instruments(pairs))

    async def _instruments(self, pairs: Sequence[str]) -> tuple[Instrument, ...]:
        await self._open()
        return tuple([await self._instrument(pair) for pair in pairs])

    async def _instrument(self, pair: str) -> Instrument:
        parser, client = self._desk.questions.parser, self._venue.client
        market = (client.markets or {}).get(pair)
        if market is None:
            raise ConfigurationError(f"{self.venue} has no market {pair}", hint="name pairs like BTC/USDT")
        fee: Mapping[str, object] = {}
        if self._key is not None and client.has.get("fetchTradingFee") is True:
            fee = parser.row(await self._surely("fetch_trading_fee", pair), "a fee")
        instrument, limits = instrument_of(market, parser, client.precisionMode, self._config.suffix, fee)
        if (is_fee_in_base := self._venue.profile.is_fee_in_base) is not None:
            limits = msgspec.structs.replace(limits, is_fee_in_base=is_fee_in_base)
        self._desk.instruments[instrument.id] = (instrument, limits)
        return instrument

    async def _open(self) -> None:
        if not self._is_open:
            await self._venue.open()
            self._is_open = True

    def pairs(self) -> tuple[str, ...]:
        """Return what can be traded, as BTC/USDT."""
        return self._wait(self._pairs())

    async def _pairs(self) -> tuple[str, ...]:
        await self._open()
        markets = self._venue.client.markets or {}
        return tuple(
            x for x, found in markets.items() if found.get("spot") is True and found.get("active") is not False
        )

    def clock_skew(self) -> int:
        """Return how far the venue's clock is ahead of ours (ns)."""
        self._wait(self._open())
        return self._venue.offset

    def key_report(self) -> KeyReport:
        """Return what the key may do, as far as ccxt gives a way to ask.

        Raises
        ------
        ConfigurationError
            The venue does not take it.
        """
        return self._wait(self._key_report())

    async def _key_report(self) -> KeyReport:
        await self._open()
        await self._surely("fetch_balance")  # a key that is not taken is known by this
        method = self._venue.profile.key_method
        if not method:
            return KeyReport(None, None, False)
        row = self._desk.questions.parser.row(await self._surely(method), "what the key may do")

        def may(*names: str) -> bool | None:
            found = [row[name] for name in names if isinstance(row.get(name), bool)]
            return any(found) if found else None

        return KeyReport(
            may("enableSpotAndMarginTrading", "can_trade"), may("enableWithdrawals", "can_transfer"),
            bool(row.get("ipRestrict")),
        )  # fmt: skip

    def balances(self) -> dict[Asset, Decimal]:
        """Return what the account holds, free and bound."""
        return self._wait(self._balances())

    async def _balances(self) -> dict[Asset, Decimal]:
        await self._open()
        parser = self._desk.questions.parser
        total = parser.row(parser.row(await self._venue.read("fetch_balance"), "a balance").get("total"), "a balance")
        return {Asset(name): parser.amount(value, "a balance") or ZERO for name, value in total.items()}

    # -- ports.live.LiveExchange ---------------------------------------------------------------------
    def know(self, orders: Sequence[Order]) -> None:
        """Take up the orders of an earlier process that are not final."""
        self._wait(self._know(orders))

    async def _know(self, orders: Sequence[Order]) -> None:
        await self._need({order.spec.instrument_id for order in orders})
        self._desk.know(orders)

    def start(self, instruments: Sequence[Instrument], bars: Timeframe) -> None:
        """Begin to ask; returns when market and account have answered. Without a key there is only the market's."""
        self._wait(self._start(instruments, bars))

    async def _start(self, instruments: Sequence[Instrument], bars: Timeframe) -> None:
        await self._need({instrument.id for instrument in instruments})
        self._feed.begin({x.id: self._desk.instruments[x.id][1].symbol for x in instruments}, bars)
        await self._feed.look()
        self._desk.stops.turns.begin()
        self._begin(self._feed.watch())
        if self._key is not None:
            await self._surely("fetch_balance")
            self._inbox.put([LinkChanged(self._venue.now(), "account", True)])
            self._begin(self._look_on())
            if self._venue.is_streaming:
                for symbol in sorted({limits.symbol for _, limits in self._desk.instruments.values()}):
                    self._begin(self._listen(symbol))

    def _begin(self, work: Coroutine[object, object, None]) -> None:
        self._tasks.append(task := asyncio.ensure_future(work))
        task.add_done_callback(self._on_done)

    def history(self, instrument_id: InstrumentId, count: int, ts_after: int = 0) -> Sequence[BarClosed]:
        """Return the last finished bars that close after `ts_after`, oldest first."""
        return self._wait(self._history(instrument_id, count, ts_after))

    async def _history(self, instrument_id: InstrumentId, count: int, ts_after: int) -> Sequence[BarClosed]:
        return await _tried_again(lambda: self._feed.history(instrument_id, count, ts_after))

    async def _surely(self, method: str, *given: object) -> object:
        """Ask before the start: one slow answer must not keep the agent from it."""
        return await _tried_again(lambda: self._venue.read(method, *given))

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
        """Ask for an AccountReport; without an answer there is none, and it may be asked for again."""
        if not self._is_report_asked:
            self._is_report_asked = True  # before it is begun: the loop may be through with it at once
            self._later(self._report())

    def beat(self, timeout_s: int) -> None:
        """Renew the dead-man timer, where the venue has one."""
        if self._venue.profile.countdown_method:
            self._beats.add(beat := self._later(self._beat(timeout_s)))
            beat.add_done_callback(self._beats.discard)

    async def _beat(self, timeout_s: int) -> None:
        async with self._beat_turn:  # one after the other, so that the last word is the last to arrive
            wanted = max(timeout_s, _COUNTDOWN_MIN_S) if timeout_s else 0
            await self._venue.read(self._venue.profile.countdown_method, {"timeout": wanted})

    def take(self, timeout_s: float) -> Sequence[Incoming]:
        """Return what has come in."""
        return self._inbox.take(timeout_s)

    def close(self) -> None:
        """Let the connections go, and end the thread."""
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
        await self._venue.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    # -- in the loop -------------------------------------------------------------------------------
    async def _need(self, names: set[InstrumentId]) -> None:
        await self._open()
        for name in sorted(names - self._desk.instruments.keys()):
            if not name.endswith(self._config.suffix):
                raise ConfigurationError(f"{name} is no instrument of {self.venue}")
            await self._instrument(name.removesuffix(self._config.suffix))

    async def _look_on(self) -> None:
        """Look at the account again and again while something is open."""
        desk, failures = self._desk, 0
        while True:
            try:
                # Not wait_for: before Python 3.12 it loses a cancellation that comes together with what it waits for.
                async with asyncio.timeout(desk.pause()):
                    await desk.wake.wait()
            except TimeoutError:
                if not desk.is_waiting:
                    continue
            desk.wake.clear()
            try:
                await desk.look()
                if failures >= _DOWN_AFTER:
                    self._inbox.put([LinkChanged(self._venue.now(), "account", True)])
                failures = 0
                await asyncio.sleep(_LOOK_PAUSE_S)
            except VenueError as error:
                failures += 1
                desk.troubles, desk.last_trouble = desk.troubles + 1, str(error)
                if failures == _DOWN_AFTER:
                    self._inbox.put([LinkChanged(self._venue.now(), "account", False, str(error))])
                await asyncio.sleep(max(desk.pause(), _LOOK_PAUSE_S))

    async def _listen(self, symbol: str) -> None:
        """Let a push make the next look earlier; where none comes, the look comes by itself."""
        pause = _LISTEN_PAUSE_S
        while True:
            try:
                await self._venue.read("watch_orders", symbol)
                pause = _LISTEN_PAUSE_S
                self._desk.wake.set()
            except HoldfastError as error:
                self._desk.last_trouble = str(error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LISTEN_PAUSE_MAX_S)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    def _fail(self, error: BaseException, *, is_fatal: bool = True) -> None:
        told = str(error) if isinstance(error, HoldfastError) else f"{type(error).__name__}: {error}"
        hint = error.hint if isinstance(error, HoldfastError) else ""
        self._inbox.put([Failure(self._venue.now(), told, hint or "holdfast doctor --live", is_fatal)])

    async def _report(self) -> None:
        try:
            report = await self._look_at_account()
        finally:
            self._is_report_asked = False  # before it is there: whoever has it may ask for the next at once
        self._inbox.put([report])

    async def _look_at_account(self) -> AccountReport:
        ts, desk = self._venue.now(), self._desk
        symbols = {limits.symbol: name for name, (_, limits) in desk.instruments.items()}
        there: list[OrderAtVenue] = []
        for symbol, name in symbols.items():
            look = await desk.questions.look({symbol})
            there += [self._at_venue(order, name) for order in {**look.orders, **look.waiting}.values()]
        there += [
            OrderAtVenue(HELD, x.instrument.id, x.order.spec.side, x.order.left, x.order_id)
            for x in desk.tracked.values()
            if x.is_held and not x.is_over and not x.book
        ]
        return AccountReport(ts, await self._balances(), tuple(there))

    def _at_venue(self, order: VenueOrder, name: InstrumentId) -> OrderAtVenue:
        ids = self._venue.profile.client_id
        owner = next(
            (x.order_id for x in self._desk.tracked.values() if order.venue_order_id in (*x.book, *x.waiting)),
            ids.order_id(order.client_id) if order.client_id else OrderId(""),
        )
        side = Side.BUY if order.side == "buy" else Side.SELL
        left = (order.amount or ZERO) - order.filled
        return OrderAtVenue(order.venue_order_id, name, side, left, owner, order.client_id, order.trigger_price)

    # -- between the threads -----------------------------------------------------------------------
    def _wait(self, work: Coroutine[object, object, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(_WAIT_S)
        except TimeoutError:
            future.cancel()
            raise VenueError(f"no answer within {_WAIT_S:.0f} s", venue=self.venue, is_retryable=True) from None

    def _later(self, work: Coroutine[object, object, None]) -> Future[None]:
        async def quietly() -> None:
            try:
                await work
            except VenueError as error:
                self._desk.troubles, self._desk.last_trouble = self._desk.troubles + 1, str(error)
            except HoldfastError as error:
                self._fail(error, is_fatal=isinstance(error, ConfigurationError))

        return asyncio.run_coroutine_threadsafe(quietly(), self._loop)


async def _tried_again(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask once more where the venue is busy for a moment."""
    for pause in _PAUSES_S:
        try:
            return await ask()
        except VenueError as error:
            if not error.is_retryable:
                raise
        await asyncio.sleep(pause)
    return await ask()

"""Bars and quotes of the traded pairs: from the websocket, and over REST where it has been silent or was down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

from holdfast.adapters.exchanges.gateio.errors import GateioError
from holdfast.adapters.exchanges.gateio.mapping import bar_of, interval_of, pair_of
from holdfast.adapters.exchanges.gateio.messages import BookTicker, Candle, Message, Ticker
from holdfast.adapters.exchanges.gateio.rest import GateioRest, Page
from holdfast.adapters.exchanges.gateio.socket import GateioSocket
from holdfast.core.errors import DataError, VenueError
from holdfast.core.time import SECOND
from holdfast.domain.market import BarClosed, Timeframe
from holdfast.domain.values import InstrumentId
from holdfast.ports.live import Incoming, Quote

PAGE_MAX: Final = 999
"""Candles in one answer."""
_CATCH_UP_MAX: Final = 20 * PAGE_MAX  # two weeks of minutes; who was away for longer begins again
_GRACE: Final = 2 * SECOND  # how long after a bar's end, by the market's time, the socket may take to bring it
_LOOK_S: Final = 1.0
_TOO_LONG_AGO: Final = "INVALID_PARAM_VALUE"
_HALT_PAGES_MAX: Final = 11
"""Empty answers in a row that are looked past: the venue tells of its last 10,000 bars alone."""

Tell = Callable[[Sequence[Incoming]], None]


class MarketFeed:
    """One account's market data. Each bar is told once and in order; what is missing at the venue stays missing."""

    def __init__(self, rest: GateioRest, tell: Tell, on_ask: Callable[[InstrumentId, Decimal], None]) -> None:
        self._rest, self._tell, self._on_ask = rest, tell, on_ask
        self._timeframe = Timeframe.H1
        self._names: dict[str, InstrumentId] = {}  # by pair
        self._last: dict[InstrumentId, int] = {}  # closing time of the last bar that was told
        self._prices: dict[InstrumentId, float] = {}
        self._asking: set[InstrumentId] = set()
        self._quoted: set[InstrumentId] = set()  # by the book: then tickers give the last price only
        self._pending: set[asyncio.Task[None]] = set()
        self.market_ts = 0

    def begin(self, names: Sequence[InstrumentId], timeframe: Timeframe) -> None:
        """Say what is followed."""
        interval_of(timeframe)  # refused here, and not with the first bar
        self._timeframe = timeframe
        self._names = {pair_of(name): name for name in names}

    async def subscribe(self, socket: GateioSocket) -> None:
        """Ask for everything that is followed."""
        for pair in self._names:
            await socket.subscribe("spot.candlesticks", [interval_of(self._timeframe), pair])
            await socket.subscribe("spot.tickers", [pair])
            await socket.subscribe("spot.book_ticker", [pair])

    def on_message(self, message: Message) -> None:
        """Take a message of the public socket."""
        match message:
            case BookTicker():
                name = self._names.get(message.currency_pair)
                if name is not None and message.bid and message.ask:
                    if not self._quoted:
                        self.market_ts = 0  # from here on the book tells the market's time, and no ticker
                    self._quoted.add(name)
                    self._quote(name, int(message.time_ms * 1_000) * 1_000, message.bid, message.ask)
            case Ticker():
                name = self._names.get(message.currency_pair)
                if name is not None:
                    self._prices[name] = message.last
                    if message.highest_bid and message.lowest_ask and name not in self._quoted:
                        self._quote(name, message.ts_event, message.highest_bid, message.lowest_ask)
            case Candle():
                self._on_candle(message)
            case _:
                pass

    def _quote(self, name: InstrumentId, ts: int, bid: float, ask: float) -> None:
        # A ticker carries the time at which it was sent: where a market of the past is played, that is another one.
        if name in self._quoted or not self._quoted:
            self.market_ts = max(self.market_ts, ts)
        self._on_ask(name, Decimal(repr(ask)))
        self._tell([Quote(name, ts, bid, ask, self._prices.get(name, (bid + ask) / 2))])

    def _on_candle(self, candle: Candle) -> None:
        name = self._names.get(candle.currency_pair)
        if name is None or candle.interval != interval_of(self._timeframe):
            return
        nanos = self._timeframe.nanos
        closes, last = candle.ts_open + nanos, self._last.get(name, 0)
        if closes <= last:
            return
        is_next = not last or closes == last + nanos
        if candle.is_closed and is_next and candle.low > 0:
            self._last[name] = closes
            bar = BarClosed(name, closes, candle.open, candle.high, candle.low, candle.close, candle.base_volume)
            self._tell([bar])
        elif not is_next and last:
            self._fetch(name)  # one was missed: they come in order, or not at all

    # -- over REST ---------------------------------------------------------------------------------
    async def history(self, name: InstrumentId, count: int, ts_after: int) -> list[BarClosed]:
        """Return the last `count` finished bars that close after `ts_after`, oldest first."""
        bars = await self._closed(name, count, ts_after)
        if bars:
            self._last[name] = max(self._last.get(name, 0), bars[-1].ts_event)
        return bars

    async def _closed(self, name: InstrumentId, count: int, ts_after: int) -> list[BarClosed]:
        pair, nanos = pair_of(name), self._timeframe.nanos
        found: dict[int, BarClosed] = {}
        ts_to: int | None = None
        empty = 0
        while len(found) < count and empty <= _HALT_PAGES_MAX:
            want = PAGE_MAX if empty else min(count - len(found) + 1, PAGE_MAX)
            page = Page(limit=want)
            if ts_to is not None:
                page = Page(ts_from=(ts_to - want * nanos) // SECOND, ts_to=ts_to // SECOND)
            try:
                candles = await self._rest.candlesticks(pair, interval_of(self._timeframe), page)
            except GateioError as error:
                if found and error.label == _TOO_LONG_AGO:
                    break  # it gives the last 10,000 alone; what is missing is missed by who asked
                raise
            bars = [bar_of(candle, name, self._timeframe) for candle in candles if candle.is_closed]
            fresh = [bar for bar in bars if bar.ts_event > ts_after and bar.ts_event not in found]
            found.update((bar.ts_event, bar) for bar in fresh)
            if fresh:
                empty, ts_to = 0, min(bar.ts_event for bar in fresh) - 2 * nanos
            elif ts_to is None:
                break  # the last bars of all are not wanted, or there are none
            else:
                # No end of the history: the market may have been halted for longer than one answer reaches.
                empty, ts_to = empty + 1, ts_to - (want + 1) * nanos
            if ts_to + nanos <= ts_after:
                break  # what is older was not asked for
        return [found[ts] for ts in sorted(found)][-count:]

    def _fetch(self, name: InstrumentId) -> None:
        if name not in self._asking:
            self._asking.add(name)
            self._pending.add(task := asyncio.ensure_future(self._catch_up(name)))
            task.add_done_callback(self._pending.discard)

    async def _catch_up(self, name: InstrumentId) -> None:
        """Tell the bars that have closed since the last one."""
        try:
            last = self._last.get(name, 0)
            found = await self._closed(name, _CATCH_UP_MAX, last) if last else []
            # The socket may have brought some of them while the answer was on its way.
            missed = [bar for bar in found if bar.ts_event > self._last[name]]
            if missed:
                self._last[name] = missed[-1].ts_event
                self._tell(missed)
        except (VenueError, DataError):
            pass  # asked again with the next look; the age of quotes and bars says that something is wrong
        finally:
            self._asking.discard(name)

    async def watch(self) -> None:
        """Look for bars that the socket should have brought, for as long as this runs."""
        while True:
            await asyncio.sleep(_LOOK_S)
            for name, last in list(self._last.items()):
                if self.market_ts > last + self._timeframe.nanos + _GRACE:
                    self._fetch(name)

    def resume(self) -> None:
        """After the link was down: ask for what may have been missed."""
        for name in self._names.values():
            self._fetch(name)

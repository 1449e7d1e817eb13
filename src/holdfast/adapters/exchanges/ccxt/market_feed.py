"""Bars and quotes of the traded pairs by asking for them; each bar once and in order."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

from holdfast.adapters.exchanges.ccxt.library import Venue
from holdfast.adapters.exchanges.ccxt.shape import Parser
from holdfast.core.errors import ConfigurationError, HoldfastError
from holdfast.core.time import MILLISECOND
from holdfast.domain.market import BarClosed, Timeframe
from holdfast.domain.values import InstrumentId
from holdfast.ports.live import Incoming, LinkChanged, Quote

_DOWN_AFTER: Final = 3  # failures in a row
_CATCH_UP: Final = 5_000
_TS_MAX: Final = 4_102_444_800_000
_COLUMNS: Final = 6


class MarketFeed:
    """One venue's market. `bids` and `asks` are the last best prices, exact."""

    def __init__(self, venue: Venue, tell: Callable[[Sequence[Incoming]], None], poll_s: float) -> None:
        self._venue, self._tell, self._poll_s = venue, tell, poll_s
        self._parser = Parser(venue.name)
        self._timeframe = Timeframe.H1
        self._names: dict[InstrumentId, str] = {}  # to ccxt's symbols
        self._last: dict[InstrumentId, int] = {}
        self.bids: dict[InstrumentId, Decimal] = {}
        self.asks: dict[InstrumentId, Decimal] = {}
        self.market_ts = 0
        self._failures = 0
        self._is_up = False

    def begin(self, names: dict[InstrumentId, str], timeframe: Timeframe) -> None:
        """Say what is followed.

        Raises
        ------
        ConfigurationError
            The venue has no bars of this length.
        """
        lengths = self._venue.client.timeframes or {}
        if timeframe.value not in lengths:
            raise ConfigurationError(
                f"{self._venue.name} has no bars of {timeframe.value}", hint=f"it has {', '.join(lengths)}"
            )
        self._names, self._timeframe = names, timeframe

    async def look(self) -> None:
        """Ask for quotes and for the bars that must have closed since."""
        for name, symbol in self._names.items():
            await self._quote(name, symbol)
            last = self._last.get(name, 0)
            if last and self._now() >= last + self._timeframe.nanos:
                bars = await self._closed(name, _CATCH_UP, last)
                if bars:
                    self._last[name] = bars[-1].ts_event
                    self.market_ts = max(self.market_ts, bars[-1].ts_event)
                    self._tell(bars)

    async def watch(self) -> None:
        """Look for as long as this runs, and tell when the venue answers no more, and when it does again."""
        while True:
            try:
                await self.look()
                self._failures = 0
                self._link(is_up=True)
            except ConfigurationError:
                raise
            except HoldfastError as error:
                self._failures += 1
                if self._failures >= _DOWN_AFTER:
                    self._link(is_up=False, detail=str(error))
            await asyncio.sleep(self._poll_s)

    def _link(self, *, is_up: bool, detail: str = "") -> None:
        if is_up is not self._is_up:
            self._is_up = is_up
            self._tell([LinkChanged(self._venue.now(), "market", is_up, detail)])

    async def _quote(self, name: InstrumentId, symbol: str) -> None:
        parser = self._parser
        if self._venue.profile.quote_by_book:
            row = parser.row(await self._venue.read("fetch_order_book", symbol, 5), "a book")
            bid, ask = (self._best(row.get(side)) for side in ("bids", "asks"))
            last = bid
        else:
            row = parser.row(await self._venue.read("fetch_ticker", symbol), "a ticker")
            bid, ask = (parser.amount(row.get(side), side) for side in ("bid", "ask"))
            last = parser.amount(row.get("last"), "last")
        if not bid or not ask:
            return
        found = row.get("timestamp")
        ts = found * MILLISECOND if isinstance(found, int) and 0 < found < _TS_MAX else self._venue.now()
        self.bids[name], self.asks[name] = bid, ask
        self.market_ts = max(self.market_ts, ts)
        self._tell([Quote(name, ts, float(bid), float(ask), float(last or bid))])

    def _best(self, side: object) -> Decimal | None:
        if not isinstance(side, list):
            raise self._parser.wrong("a book")
        if not side:
            return None
        if not isinstance(side[0], list) or not side[0]:
            raise self._parser.wrong("a book")
        price = side[0][0]
        return self._parser.amount(price if isinstance(price, str) else repr(price), "a price")

    # -- bars --------------------------------------------------------------------------------------
    async def history(self, name: InstrumentId, count: int, ts_after: int) -> list[BarClosed]:
        """Return the last `count` finished bars that close after `ts_after`, oldest first."""
        bars = await self._closed(name, count, ts_after)
        if bars:
            self._last[name] = max(self._last.get(name, 0), bars[-1].ts_event)
            self.market_ts = max(self.market_ts, bars[-1].ts_event)
        return bars

    async def _closed(self, name: InstrumentId, count: int, ts_after: int) -> list[BarClosed]:
        is_near = ts_after and (self._now() - ts_after) // self._timeframe.nanos <= count
        found = await (self._after(name, ts_after) if is_near else self._latest(name, count, ts_after))
        return [found[ts] for ts in sorted(found) if ts > ts_after][-count:]

    async def _after(self, name: InstrumentId, since: int) -> dict[int, BarClosed]:
        """Return the bars that close after a moment, page by page from there on."""
        found: dict[int, BarClosed] = {}
        while since <= self._now() - self._timeframe.nanos:
            bars = await self._page(name, since, self._venue.profile.page_bars)
            fresh = [bar for bar in bars if bar.ts_event > since]
            found.update((bar.ts_event, bar) for bar in fresh)
            if not fresh:
                break
            since = max(bar.ts_event for bar in fresh)
        return found

    async def _latest(self, name: InstrumentId, count: int, ts_after: int) -> dict[int, BarClosed]:
        """Return the last bars, page by page backwards."""
        step, page = self._timeframe.nanos, self._venue.profile.page_bars
        found: dict[int, BarClosed] = {}
        since: int | None = None
        while len(found) < count:
            want = min(count - len(found) + 2, page)
            fresh = [bar for bar in await self._page(name, since, want) if bar.ts_event not in found]
            found.update((bar.ts_event, bar) for bar in fresh)
            if not fresh or min(found) <= ts_after:
                break
            oldest = min(found) - step  # the page before ends where this one begins
            since = max(oldest - min(count - len(found) + 2, page) * step, 0)
        return found

    async def _page(self, name: InstrumentId, since: int | None, want: int) -> list[BarClosed]:
        ms = None if since is None else since // MILLISECOND
        rows = await self._venue.read("fetch_ohlcv", self._names[name], self._timeframe.value, ms, want)
        if not isinstance(rows, list):
            raise self._parser.wrong("candles")
        return [bar for row in rows if (bar := self._bar(name, row)) is not None]

    def _now(self) -> int:
        """Return the market's time, or the venue's where that is later."""
        return max(self._venue.now(), self.market_ts)

    def _bar(self, name: InstrumentId, row: object) -> BarClosed | None:
        """Return a finished bar, None for one that is not."""
        if not isinstance(row, list) or len(row) < _COLUMNS or not isinstance(row[0], int):
            raise self._parser.wrong("a candle")
        opens, step = row[0] * MILLISECOND, self._timeframe.nanos
        if not 0 < row[0] < _TS_MAX or opens % step:
            raise self._parser.wrong("a candle's time")
        is_closed = row[_COLUMNS] if len(row) > _COLUMNS else opens + step <= self._now()
        if not is_closed:
            return None
        try:
            values = [float(value) for value in row[1:_COLUMNS]]
        except (TypeError, ValueError):
            raise self._parser.wrong("a candle") from None
        if not all(math.isfinite(value) for value in values) or min(values[:4]) <= 0.0:
            raise self._parser.wrong("a candle")
        opened, high, low, close, volume = values
        return BarClosed(name, opens + step, opened, high, low, close, volume)

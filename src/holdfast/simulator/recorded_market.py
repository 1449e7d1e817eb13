"""A market that was recorded event by event: its own trades are the prints, its own book stands around them.

What an account takes from a recorded level is gone until the recording speaks of that level again.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final

from holdfast.domain.instrument import Instrument
from holdfast.domain.market import BarClosed, Timeframe, TradePrint
from holdfast.domain.recorded_book import BookDelta, Levels
from holdfast.domain.values import ZERO
from holdfast.simulator.market import MarketConfig, PairMarket, Print

_TRADES_AROUND: Final = 200
"""Without a recorded book, strangers offer as much as so many trades before them had together."""


class RecordedMarket(PairMarket):
    """One pair's recorded trades and book; bars are made of the trades."""

    def __init__(
        self, instrument: Instrument, timeframe: Timeframe, events: Iterable[TradePrint | BookDelta],
        config: MarketConfig,
    ) -> None:  # fmt: skip
        super().__init__(instrument, timeframe, (), (), config)
        self._lately: deque[Decimal] = deque(maxlen=_TRADES_AROUND)
        self._has_book = False
        self._prints = self._told(iter(events))
        self.next = next(self._prints, None)

    def surround(self, found: Print) -> None:
        """Let the recorded book stand, or, where there is none, strangers around the trade."""
        if found.book is not None:
            self._has_book = True
            strangers, book = self.strangers, found.book
            if book.is_whole:
                strangers.bids, strangers.asks = [], []
            _apply(strangers.bids, book.bids, -1)
            _apply(strangers.asks, book.asks, 1)
        elif found.volume and not self._has_book:
            self._lately.append(found.volume)
            self.strangers.gather(found.price, sum(self._lately, ZERO))

    def _told(self, events: Iterator[TradePrint | BookDelta]) -> Iterator[Print]:
        bar: BarClosed | None = None
        for event in events:
            if bar is not None and event.ts_event >= bar.ts_event:
                yield Print(bar.ts_event, self.instrument.price(bar.close), ZERO, bar)
                bar = None
            if isinstance(event, BookDelta):
                yield Print(event.ts_event, ZERO, ZERO, book=event)
                continue
            bar = self._grown(bar, event)
            yield Print(event.ts_event, event.price, event.quantity, side=event.aggressor)

    def _grown(self, bar: BarClosed | None, trade: TradePrint) -> BarClosed:
        price, volume = float(trade.price), float(trade.quantity)
        if bar is None:
            closes = trade.ts_event // self.timeframe.nanos * self.timeframe.nanos + self.timeframe.nanos
            return BarClosed(self.instrument.id, closes, price, price, price, price, volume)
        return BarClosed(
            bar.instrument_id, bar.ts_event, bar.open, max(bar.high, price), min(bar.low, price), price,
            bar.volume + volume,
        )  # fmt: skip


def _apply(levels: list[list[Decimal]], changes: Levels, sign: int) -> None:
    """Set levels of one side, which stand best first: `sign` is 1 where the lowest price is the best."""
    for price, quantity in changes:
        at = bisect_left(levels, sign * price, key=lambda level: sign * level[0])
        is_there = at < len(levels) and levels[at][0] == price
        if not quantity:
            if is_there:
                del levels[at]
        elif is_there:
            levels[at][1] = quantity
        else:
            levels.insert(at, [price, quantity])

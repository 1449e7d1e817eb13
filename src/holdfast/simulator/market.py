"""The market around the accounts: bars become prints, and each print leaves a book of strangers' orders around it.

A bar is walked as open, low, high, close: for who holds, the worse extreme comes first. Times are the bars' own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, Decimal
from typing import Final

import msgspec

from holdfast.core.record import Record
from holdfast.domain.instrument import Instrument
from holdfast.domain.market import BarClosed, Timeframe
from holdfast.domain.recorded_book import BookDelta
from holdfast.domain.values import Side

HISTORY_KEPT: Final = 5_000
"""Finished bars that can still be asked for."""
_WAY: Final = ((0.0, 0.1), (0.25, 0.25), (0.6, 0.25), (0.999, 0.4))
"""Where within the bar each of the four prints comes, and which share of the volume it has."""
_LEVELS: Final = 20
_PARTS: Final = Decimal(200)  # one level offers this part of a print's volume, times its number


class MarketConfig(Record, frozen=True):
    """How the strangers behave: shares of the price, and of a print's volume."""

    half_spread: Decimal = Decimal("0.0001")
    participation_max: Decimal = Decimal("0.5")  # of a print, for all resting orders that it goes through


class Print(msgspec.Struct, frozen=True, gc=False):
    """One step of the market: a trade, where it has a volume, a bar that is finished, or a book that has changed.

    `side` is who crossed the spread, as far as it is known.
    """

    ts: int
    price: Decimal
    volume: Decimal
    bar: BarClosed | None = None
    side: Side | None = None
    book: BookDelta | None = None
    is_walked: bool = False  # the market came here price by price, and did not jump


class Candle(Record, frozen=True):
    """A bar as it stands, in floats; `ts_open` in ns."""

    ts_open: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    is_closed: bool


class Strangers:
    """Bids and asks around the last print; what is taken from them is gone until the next one."""

    __slots__ = ("_half_spread", "_instrument", "asks", "bids")

    def __init__(self, instrument: Instrument, half_spread: Decimal) -> None:
        self._instrument, self._half_spread = instrument, half_spread
        self.bids: list[list[Decimal]] = []  # price and quantity, best first
        self.asks: list[list[Decimal]] = []

    def gather(self, price: Decimal, volume: Decimal) -> None:
        """Stand anew around `price`."""
        tick, lot = self._instrument.tick, self._instrument.lot
        step = max(tick, (price * self._half_spread / tick).to_integral_value(ROUND_CEILING) * tick)
        ask = max((price * (1 + self._half_spread) / tick).to_integral_value(ROUND_CEILING) * tick, price + tick)
        bid = (price * (1 - self._half_spread) / tick).to_integral_value(ROUND_FLOOR) * tick
        bid = min(bid, price)
        self.asks, self.bids = [], []
        for number in range(_LEVELS):
            quantity = max((volume * (number + 1) / _PARTS / lot).to_integral_value(ROUND_DOWN) * lot, lot)
            self.asks.append([ask + step * number, quantity])
            if (down := bid - step * number) > 0:
                self.bids.append([down, quantity])

    def against(self, side: Side) -> list[list[Decimal]]:
        """Return what an order of `side` can take, best first."""
        return self.asks if side is Side.BUY else self.bids


class PairMarket:
    """One pair's prints, in order, and the bars that they make."""

    def __init__(
        self, instrument: Instrument, timeframe: Timeframe, bars: Iterable[BarClosed], history: Sequence[BarClosed],
        config: MarketConfig,
    ) -> None:  # fmt: skip
        self.instrument, self.timeframe, self.config = instrument, timeframe, config
        self.strangers = Strangers(instrument, config.half_spread)
        self.finished: deque[BarClosed] = deque(history, maxlen=HISTORY_KEPT)
        self.last = instrument.price(history[-1].close) if history else Decimal(0)
        self.growing: Candle | None = None
        self.is_falling = False
        self._prints = self._walk(iter(bars))
        self.next = next(self._prints, None)
        if history:
            self.strangers.gather(self.last, Decimal(repr(history[-1].volume)) or Decimal(1))

    def step(self) -> Print | None:
        """Take the next print, after which the strangers stand around it; None at the market's end."""
        found, self.next = self.next, next(self._prints, None)
        if found is None:
            return None
        if found.volume:
            self.is_falling = found.price < self.last
            self.last = found.price
        self.surround(found)
        if found.book is None:
            self._grow(found)
        return found

    def touch(self, price: Decimal, volume: Decimal) -> None:
        """Let the market pass `price` on its way to the next print, whose volume says how many stand there."""
        self.is_falling = price < self.last
        self.last = price
        self.strangers.gather(price, volume)

    def surround(self, found: Print) -> None:
        """Let strangers stand around the market after a step."""
        if found.volume:
            self.strangers.gather(found.price, found.volume)

    def candles(self, ts_from: int, ts_to: int) -> list[Candle]:
        """Return the bars that open in [ts_from, ts_to], the growing one last."""
        nanos = self.timeframe.nanos
        found: list[Candle] = []
        for bar in reversed(self.finished):
            opened = bar.ts_event - nanos
            if opened < ts_from:
                break
            if opened <= ts_to:
                found.append(Candle(opened, bar.open, bar.high, bar.low, bar.close, bar.volume, True))
        found.reverse()
        if self.growing is not None and ts_from <= self.growing.ts_open <= ts_to:
            found.append(self.growing)
        return found

    @property
    def begin(self) -> int:
        """Return the first moment that the bars that are kept tell of."""
        if self.finished:
            return self.finished[0].ts_event - self.timeframe.nanos
        return self.growing.ts_open if self.growing is not None else 0

    def opened_from(self, ts: int) -> float:
        """Return the opening price of the first bar that opens at `ts` or later, 0 where there is none."""
        first = self.growing.open if self.growing is not None and self.growing.ts_open >= ts else 0.0
        for bar in reversed(self.finished):
            if bar.ts_event - self.timeframe.nanos < ts:
                break
            first = bar.open
        return first

    def _grow(self, found: Print) -> None:
        nanos, price = self.timeframe.nanos, float(found.price)
        if found.bar is not None:
            self.finished.append(found.bar)
            self.growing = None
            return
        opened = found.ts // nanos * nanos
        before = self.growing
        if before is None:
            self.growing = Candle(opened, price, price, price, price, float(found.volume), False)
            return
        self.growing = Candle(
            before.ts_open, before.open, max(before.high, price), min(before.low, price), price,
            before.volume + float(found.volume), False,
        )  # fmt: skip

    def _walk(self, bars: Iterator[BarClosed]) -> Iterator[Print]:
        nanos, make, lot = self.timeframe.nanos, self.instrument.price, self.instrument.lot
        for bar in bars:
            opened = bar.ts_event - nanos
            prices = (bar.open, bar.low, bar.high, bar.close)
            for (share, part), price in zip(_WAY, prices, strict=True):
                volume = (Decimal(repr(bar.volume * part)) / lot).to_integral_value(ROUND_DOWN) * lot
                yield Print(opened + int(nanos * share), make(price), volume, is_walked=share > 0)
            yield Print(bar.ts_event, make(bar.close), Decimal(0), bar)

"""Market data: bars, prints, quotes and books. Floats here are estimates; money is made from them by an Instrument."""

from __future__ import annotations

from enum import IntFlag, StrEnum

import numpy as np
import numpy.typing as npt

from holdfast.core.errors import ConfigurationError, DataError
from holdfast.core.record import Record
from holdfast.core.time import DAY, HOUR, MINUTE, UnixNanos
from holdfast.domain.values import InstrumentId, Price, Quantity, Side

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


class Timeframe(StrEnum):
    """The length of a bar."""

    M1 = "1m"
    M3 = "3m"
    M5 = "5m"
    M15 = "15m"
    M30 = "30m"
    H1 = "1h"
    H2 = "2h"
    H4 = "4h"
    H6 = "6h"
    H8 = "8h"
    H12 = "12h"
    D1 = "1d"
    W1 = "1w"

    @property
    def nanos(self) -> int:
        """Return the length in nanoseconds."""
        return int(self.value[:-1]) * _UNIT[self.value[-1]]


_UNIT = {"m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}


def timeframe(text: str) -> Timeframe:
    """Return the Timeframe that `text` names.

    Raises
    ------
    ConfigurationError
        There is none of that name.
    """
    try:
        return Timeframe(text)
    except ValueError as error:
        raise ConfigurationError(
            f"unknown timeframe {text!r}", hint="one of " + ", ".join(t.value for t in Timeframe)
        ) from error


class BarFlag(IntFlag):
    """What is known about a bar beyond its prices."""

    NONE = 0
    GAP_BEFORE = 1  # at least one bar is missing between this one and the one before
    NO_TRADE = 2  # flat and without volume: an outage that looks like a bar; nothing fills in it
    AFTER_NO_TRADE = 4  # its open is a gap open: nothing that is trusted traded right before it, or at it
    SUSPECT = 8  # a price that no market has had, or is not known to have: neither stop nor size may come from it
    SYNTHETIC = 16  # made by a seeded model, not by a market
    FALSE_OPEN = 32  # which price of a suspect bar is not trusted; with both nothing fills in it, so it is NO_TRADE
    FALSE_CLOSE = 64
    NO_ENTRY = 128  # it came late, or the market around it is stale or crossed: nothing is entered on it


_FALSE_CLOSE = int(BarFlag.FALSE_CLOSE)
_FALSE_BODY = int(BarFlag.FALSE_OPEN | BarFlag.FALSE_CLOSE)


class BarClosed(Record, frozen=True, tag=True):
    """One finished bar. `ts_event` is its closing time; prices are in quote units, volume in base units."""

    instrument_id: InstrumentId
    ts_event: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    flags: int = 0


class TradePrint(Record, frozen=True, tag=True):
    """One public trade; `aggressor` is the side that crossed the spread."""

    instrument_id: InstrumentId
    ts_event: int
    trade_id: str
    price: Price
    quantity: Quantity
    aggressor: Side


class Quote(Record, frozen=True, tag=True):
    """Best bid and ask."""

    instrument_id: InstrumentId
    ts_event: int
    bid: Price
    bid_quantity: Quantity
    ask: Price
    ask_quantity: Quantity

    @property
    def is_crossed(self) -> bool:
        """Tell whether the bid is not below the ask: such a quote must not be traded on."""
        return self.bid >= self.ask


class BookLevel(Record, frozen=True):
    """A price and what rests there."""

    price: Price
    quantity: Quantity


class Book(Record, frozen=True):
    """A snapshot of resting orders: bids from high to low, asks from low to high."""

    instrument_id: InstrumentId
    ts_event: int
    bids: tuple[BookLevel, ...]
    asks: tuple[BookLevel, ...]

    def __post_init__(self) -> None:
        bids, asks = [x.price for x in self.bids], [x.price for x in self.asks]
        if bids != sorted(set(bids), reverse=True) or asks != sorted(set(asks)):
            raise DataError(f"{self.instrument_id}: book levels are not sorted and unique")
        if bids and asks and bids[0] >= asks[0]:
            raise DataError(f"{self.instrument_id}: book is crossed, bid {bids[0]} >= ask {asks[0]}")


class BarSeries:
    """Columns of bars of one instrument: `ts` (int64 ns, *opening* time), prices and volume (float64), flags (uint8).

    All arrays have one length; they are taken as they are and set read-only, so that nobody can rewrite history.
    `reference` is the last trusted close before the first bar, 0.0 where there is none; a slice of a labelled series
    knows its own, so that it can do without its false prints, as the whole can.
    """

    __slots__ = ("close", "flags", "high", "instrument_id", "low", "open", "reference", "timeframe", "ts", "volume")

    def __init__(
        self,
        instrument_id: InstrumentId,
        timeframe: Timeframe,
        ts: Ints,
        prices: tuple[Floats, Floats, Floats, Floats],
        volume: Floats,
        flags: Flags,
        reference: float = 0.0,
    ) -> None:
        self.instrument_id, self.timeframe, self.ts = instrument_id, timeframe, ts
        self.open, self.high, self.low, self.close = prices
        self.volume, self.flags, self.reference = volume, flags, reference
        for column in (ts, *prices, volume, flags):
            if column.shape != ts.shape or column.ndim != 1:
                raise DataError(f"{instrument_id}: columns differ in length: {column.shape} and {ts.shape}")
            column.setflags(write=False)

    def __len__(self) -> int:
        return len(self.ts)

    def between(self, ts_from: int | None, ts_to: int | None) -> BarSeries:
        """Return the bars that open in [ts_from, ts_to)."""
        first = 0 if ts_from is None else int(np.searchsorted(self.ts, ts_from))
        last = len(self.ts) if ts_to is None else int(np.searchsorted(self.ts, ts_to))
        return self.slice(first, last)

    def slice(self, first: int, last: int) -> BarSeries:
        """Return bars first to last - 1, counted from 0."""
        part = slice(first, last)
        prices = (self.open[part], self.high[part], self.low[part], self.close[part])
        return BarSeries(
            self.instrument_id, self.timeframe, self.ts[part], prices, self.volume[part], self.flags[part],
            self.reference_at(first),
        )  # fmt: skip

    def replaced(
        self, prices: tuple[Floats, Floats, Floats, Floats] | None = None, volume: Floats | None = None,
        flags: Flags | None = None, instrument_id: InstrumentId | None = None, reference: float | None = None,
    ) -> BarSeries:  # fmt: skip
        """Return the same bars with what is given in place of what there was."""
        return BarSeries(
            self.instrument_id if instrument_id is None else instrument_id,
            self.timeframe,
            self.ts,
            (self.open, self.high, self.low, self.close) if prices is None else prices,
            self.volume if volume is None else volume,
            self.flags if flags is None else flags,
            self.reference if reference is None else reference,
        )

    def reference_at(self, row: int) -> float:
        """Return the last trusted close before bar `row` of a labelled series, 0.0 where there is none."""
        for index in range(min(row, len(self.ts)) - 1, -1, -1):
            false = int(self.flags[index]) & _FALSE_BODY
            if false != _FALSE_BODY:
                return float(self.open[index] if false & _FALSE_CLOSE else self.close[index])
        return self.reference

    @property
    def ts_close(self) -> Ints:
        """Return the closing times (ns)."""
        return self.ts + self.timeframe.nanos

    def span(self) -> tuple[UnixNanos, UnixNanos]:
        """Return the first opening and the last closing time."""
        return UnixNanos(int(self.ts[0])), UnixNanos(int(self.ts[-1]) + self.timeframe.nanos)

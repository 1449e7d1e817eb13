"""A plausible top of the book around a bar's close, for paper trading where no real book is known."""

from __future__ import annotations

import zlib
from decimal import Decimal

from holdfast.domain.instrument import Instrument
from holdfast.domain.market import BarClosed, Book, BookLevel, Quote
from holdfast.domain.values import Quantity

# Half of the spread: a share of the price that liquid pairs have at calm, and more when the bar was wide.
_HALF_SPREAD_CALM = 0.00005
_HALF_SPREAD_PER_RANGE = 0.02
# What rests at the best price, as a share of the bar's volume; deeper levels hold more.
_BEST_SHARE = 0.01
_MORE_PER_LEVEL = 0.35
LEVELS = 10


def quote_at(bar: BarClosed, instrument: Instrument) -> Quote:
    """Return best bid and ask at the bar's close; the same bar gives the same quote."""
    book = book_at(bar, instrument, 1)
    bid, ask = book.bids[0], book.asks[0]
    return Quote(instrument.id, bar.ts_event, bid.price, bid.quantity, ask.price, ask.quantity)


def book_at(bar: BarClosed, instrument: Instrument, levels: int = LEVELS) -> Book:
    """Return a snapshot with up to `levels` a side: wider after a wide bar, thinner after a quiet one."""
    close = Decimal(repr(bar.close))
    spread_share = _HALF_SPREAD_CALM + _HALF_SPREAD_PER_RANGE * (bar.high - bar.low) / bar.close
    half = max(instrument.tick / 2, close * Decimal(repr(spread_share)))
    # Levels lie a spread apart, on the tick.
    step = instrument.price_up(max(instrument.tick, half))
    best_bid = instrument.price_down(max(close - half, instrument.tick))
    best_ask = max(instrument.price_up(close + half), instrument.price(best_bid + instrument.tick))
    bids = tuple(
        BookLevel(instrument.price(best_bid - index * step), _resting(bar, instrument, index))
        for index in range(levels)
        if best_bid - index * step > 0
    )
    asks = tuple(
        BookLevel(instrument.price(best_ask + index * step), _resting(bar, instrument, -1 - index))
        for index in range(levels)
    )
    return Book(instrument.id, bar.ts_event, bids, asks)


def _resting(bar: BarClosed, instrument: Instrument, level: int) -> Quantity:
    depth = level if level >= 0 else -1 - level
    # Between half and one and a half, the same for the same bar and level.
    uneven = 0.5 + zlib.crc32(f"{bar.instrument_id} {bar.ts_event} {level}".encode()) / float(1 << 32)
    quantity = instrument.quantity(bar.volume * _BEST_SHARE * (1.0 + _MORE_PER_LEVEL * depth) * uneven)
    return max(quantity, Quantity(instrument.lot))

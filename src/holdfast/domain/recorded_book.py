"""What a recording of an order book says: which levels have changed."""

from __future__ import annotations

from decimal import Decimal

from holdfast.core.record import Record
from holdfast.domain.values import InstrumentId

Levels = tuple[tuple[Decimal, Decimal], ...]
"""Prices, and what rests at each of them; a quantity of zero takes the level away."""


class BookDelta(Record, frozen=True, tag=True):
    """Levels that are now so; with `is_whole` there are no others."""

    instrument_id: InstrumentId
    ts_event: int
    bids: Levels
    asks: Levels
    is_whole: bool = False

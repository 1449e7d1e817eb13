"""Numbers with a meaning. Arithmetic on them gives a plain Decimal, which must pass its Instrument again."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import NewType

from holdfast.core.errors import CurrencyMismatchError
from holdfast.core.record import Record

Price = NewType("Price", Decimal)
"""Quote units for one base unit, on the instrument's tick."""
Quantity = NewType("Quantity", Decimal)
"""Base units on the instrument's lot, never negative."""
Ratio = NewType("Ratio", Decimal)
"""Dimensionless: 0.02 is 2 %."""
Asset = NewType("Asset", str)
InstrumentId = NewType("InstrumentId", str)
"""`BTC/USDT.BINANCE`: base, quote and venue."""
OrderId = NewType("OrderId", str)
"""Ours, made before the order leaves the house; sent to the venue as client order id."""

ZERO = Decimal(0)
ONE = Decimal(1)


class Side(StrEnum):
    """Which way an order trades."""

    BUY = "BUY"
    SELL = "SELL"

    sign: int
    """+1 for BUY, -1 for SELL."""
    opposite: Side
    """The other side."""


Side.BUY.sign, Side.SELL.sign = 1, -1
Side.BUY.opposite, Side.SELL.opposite = Side.SELL, Side.BUY


class VenueCash(Record, frozen=True):
    """What lies at one venue (see `venue_of`), in quote units."""

    venue: str
    amount: Decimal


def venue_of(instrument_id: InstrumentId) -> str:
    """Return where an instrument is traded: `BINANCE` of `BTC/USDT.BINANCE`.

    It names the account, too: a second one at the same venue has a name of its own, like `GATEIO-SAVINGS`.
    """
    return instrument_id.rpartition(".")[2]


class Money(Record, frozen=True):
    """An exact amount of one asset; may be negative."""

    amount: Decimal
    asset: Asset

    def __add__(self, other: Money) -> Money:
        if self.asset != other.asset:
            raise CurrencyMismatchError(f"cannot add {other.asset} to {self.asset}")
        return Money(self.amount + other.amount, self.asset)

    def __sub__(self, other: Money) -> Money:
        return self + -other

    def __neg__(self) -> Money:
        return Money(-self.amount, self.asset)

    def __str__(self) -> str:
        return f"{self.amount} {self.asset}"

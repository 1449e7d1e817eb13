"""What is traded at one venue, and the grid that its numbers live on."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from functools import cached_property

from holdfast.core.errors import ConfigurationError, DomainError
from holdfast.core.record import Record
from holdfast.domain.values import ZERO, Asset, InstrumentId, Money, Price, Quantity


class Market(StrEnum):
    """What kind of contract: only a perpetual can be sold short."""

    SPOT = "spot"
    PERPETUAL = "perp"


class FeeTier(Record, frozen=True):
    """Fee rates from a 30-day volume (quote units) upwards, as shares of the notional: 0.001 is 0.1 %."""

    volume_from: Decimal
    maker: Decimal
    taker: Decimal


class Instrument(Record, frozen=True, dict=True, gc=True):
    """One market: its assets, its grid and its fees. The only maker of a Price or a Quantity."""

    id: InstrumentId
    base: Asset
    quote: Asset
    tick: Decimal
    lot: Decimal
    notional_min: Decimal
    fee_tiers: tuple[FeeTier, ...]
    market: Market = Market.SPOT

    def __post_init__(self) -> None:
        if not all(value.is_finite() for value in (self.tick, self.lot, self.notional_min)):
            raise ConfigurationError(
                f"{self.id}: tick, lot and notional_min must be finite numbers,"
                f" found {self.tick}, {self.lot} and {self.notional_min}"
            )
        if self.tick <= 0 or self.lot <= 0 or self.notional_min < 0:
            raise ConfigurationError(f"{self.id}: tick and lot must be positive, notional_min not negative")
        if not self.fee_tiers:
            raise ConfigurationError(f"{self.id}: at least one fee tier is needed")
        for tier in self.fee_tiers:
            is_finite = tier.taker.is_finite() and tier.maker.is_finite()
            if not (is_finite and ZERO <= tier.taker < 1 and -1 < tier.maker < 1):
                raise ConfigurationError(
                    f"{self.id}: fee rates must be shares of the notional, taker in [0, 1), maker in (-1, 1);"
                    f" found maker {tier.maker}, taker {tier.taker}",
                    hint="write 0.1 % as 0.001",
                )

    def price(self, value: Decimal | float) -> Price:
        """Round to the nearest tick.

        Raises
        ------
        DomainError
            The value is not a finite positive number, or rounds to zero.
        """
        return self._on_tick(value, ROUND_HALF_EVEN)

    def price_down(self, value: Decimal | float) -> Price:
        """Round down to the tick."""
        return self._on_tick(value, ROUND_FLOOR)

    def price_up(self, value: Decimal | float) -> Price:
        """Round up to the tick."""
        return self._on_tick(value, ROUND_CEILING)

    def quantity(self, value: Decimal | float) -> Quantity:
        """Round down to the lot, so that we never order more than was asked; zero is possible.

        Raises
        ------
        DomainError
            The value is negative or not finite.
        """
        exact = _exact(value, self.id)
        if exact < ZERO:
            raise DomainError(f"{self.id}: quantity {value} is negative")
        return Quantity((exact / self.lot).to_integral_value(ROUND_DOWN) * self.lot)

    def notional(self, price: Decimal, quantity: Decimal) -> Money:
        """Return what `quantity` is worth at `price`, in quote units."""
        return Money(price * quantity, self.quote)

    def fees(self, volume_30d: Decimal = ZERO) -> FeeTier:
        """Return the tier that applies after `volume_30d` quote units in thirty days."""
        tiers = self.fee_tiers
        best = tiers[0]
        if len(tiers) == 1:
            return best
        for tier in tiers:
            if tier.volume_from <= volume_30d and tier.volume_from >= best.volume_from:
                best = tier
        return best

    @cached_property
    def _is_tick_decimal(self) -> bool:
        return _is_power(self.tick)

    def _on_tick(self, value: Decimal | float, rounding: str) -> Price:
        tick = self.tick
        # By type and range first, which no NaN and no infinity passes: a market's prices are all such floats.
        if type(value) is float and -_QUANTIZABLE < value < _QUANTIZABLE and self._is_tick_decimal:
            # The way below in fewer steps, and as short a decimal: what lies on the tick stays as it is.
            exact = Decimal(repr(value))
            price = exact.quantize(tick, rounding) if exact % tick else exact
        else:
            price = (_exact(value, self.id) / tick).to_integral_value(rounding) * tick
        if price <= ZERO:
            raise DomainError(f"{self.id}: price {value} is not positive on tick {tick}")
        return Price(price)


# A float below it, on at most twelve decimals, fits the 28 digits that a Decimal has.
_QUANTIZABLE = 1e15
_DECIMALS_MAX = 12


def _is_power(step: Decimal) -> bool:
    _, digits, exponent = step.as_tuple()
    return digits == (1,) and isinstance(exponent, int) and -_DECIMALS_MAX <= exponent < 0


def _exact(value: Decimal | float, instrument_id: str) -> Decimal:
    if type(value) is float:
        if math.isfinite(value):
            # repr gives the shortest decimal that names this float: 0.1 stays 0.1, not 0.1000000000000000055.
            return Decimal(repr(value))
    elif isinstance(value, Decimal):
        if value.is_finite():
            return value
    elif isinstance(value, int):
        return Decimal(value)
    elif math.isfinite(value):
        return Decimal(repr(float(value)))  # a number of numpy's names its type, too
    raise DomainError(f"{instrument_id}: {value} is not a finite number")

"""What a round trip costs at worst, and so what one unit loses at its stop and gains at its target."""

from __future__ import annotations

from decimal import Decimal
from functools import cached_property
from typing import Final

from holdfast.core.errors import ConfigurationError
from holdfast.core.record import Record
from holdfast.domain.instrument import Instrument
from holdfast.domain.values import ONE, ZERO, Ratio, Side

# Read once: from its class a member takes as long as ten comparisons.
_BUY: Final = Side.BUY


class CostReserve(Record, frozen=True, dict=True, gc=True):
    """What is set aside: shares of the price, in [0, 1), and an amount for rounding, of 0 or more.

    The entry is a limit, so by default only the exit may slip.
    """

    fee_taker: Ratio  # on each leg
    slippage_exit: Ratio
    slippage_entry: Ratio = Ratio(ZERO)  # only where the entry is a market order
    rounding: Decimal = ZERO  # quote units a unit: prices live on ticks, and fills are rounded to them against us

    def __post_init__(self) -> None:
        for rate in (self.fee_taker, self.slippage_exit, self.slippage_entry):
            if not rate.is_finite() or not ZERO <= rate < ONE:
                raise ConfigurationError(
                    f"cost reserve {rate} must be a share of the price, 0 <= x < 1", hint="write 0.1 % as 0.001"
                )
        if not self.rounding.is_finite() or self.rounding < 0:
            raise ConfigurationError(f"cost reserve for rounding {self.rounding} must be an amount of 0 or more")

    def entered(self) -> CostReserve:
        """Return what is still to be reserved once the entry has filled: the exit's half, the other is known by now."""
        return self._entered

    @cached_property
    def _entered(self) -> CostReserve:
        return CostReserve(self.fee_taker, self.slippage_exit, rounding=self.rounding / 2)

    @cached_property
    def factors(self) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        """Return what a unit's price is multiplied by: bought in, sold out, sold in, bought out; costs included."""
        fee, entry, out = self.fee_taker, self.slippage_entry, self.slippage_exit
        return (1 + entry) * (1 + fee), (1 - out) * (1 - fee), (1 - entry) * (1 - fee), (1 + out) * (1 + fee)


def cost_reserve(
    instrument: Instrument, slippage_max: Ratio, *, is_entry_market: bool = False, volume_30d: Decimal = ZERO
) -> CostReserve:
    """Return what to reserve on `instrument`: taker fee and a tick on both legs, slippage on each that can slip."""
    entry, fee = slippage_max if is_entry_market else Ratio(ZERO), instrument.fees(volume_30d).taker
    return CostReserve(Ratio(fee), slippage_max, entry, 2 * instrument.tick * (1 + fee))


def loss_per_unit(side: Side, entry: Decimal, stop: Decimal, reserve: CostReserve) -> Decimal:
    """Return what one base unit loses (quote units) when it is entered at `entry` and stopped out at `stop`.

    BUY:  entry x (1 + slippage_entry) x (1 + fee) - stop x (1 - slippage_exit) x (1 - fee) + rounding
    SELL: stop x (1 + slippage_exit) x (1 + fee) - entry x (1 - slippage_entry) x (1 - fee) + rounding

    The same with the target in place of the stop is minus the net gain.
    """
    bought_in, sold_out, sold_in, bought_out = reserve.factors
    if side is _BUY:
        return entry * bought_in - stop * sold_out + reserve.rounding
    return stop * bought_out - entry * sold_in + reserve.rounding


def cash_per_unit(entry: Decimal, reserve: CostReserve) -> Decimal:
    """Return the quote units that one base unit ties up, fee included; a short is held to the same: no leverage."""
    return entry * reserve.factors[0]

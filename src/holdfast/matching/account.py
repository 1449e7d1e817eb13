"""What an account at a venue holds, and what of it open orders and short positions have bound."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from holdfast.core.errors import ConfigurationError
from holdfast.domain.instrument import Instrument, Market
from holdfast.domain.order import OrderFilled
from holdfast.domain.values import ONE, ZERO, Asset, InstrumentId, Side

# Read once: from its class a member takes as long as ten comparisons.
_BUY: Final = Side.BUY
_SELL: Final = Side.SELL
_PERPETUAL: Final = Market.PERPETUAL

Holds = tuple[Decimal, Decimal]
"""What the open orders of one instrument bind: base units, quote units."""

NO_HOLDS: Holds = (ZERO, ZERO)

# A short of one unit binds the proceeds of its sale and as much again: leverage is one.
_SHORT_COVER = 2


class Account:
    """Balances per asset. On spot no balance falls below zero; the base of a perpetual is a signed position."""

    __slots__ = ("_held", "_holds", "balances", "proceeds")

    def __init__(self, balances: Mapping[Asset, Decimal]) -> None:
        for asset, amount in balances.items():
            if amount < 0:
                raise ConfigurationError(f"a balance cannot be negative: {amount} {asset}")
        self.balances: dict[Asset, Decimal] = dict(balances)
        self.proceeds: dict[InstrumentId, Decimal] = {}  # what open shorts were sold for (quote units)
        self._holds: dict[InstrumentId, Holds] = {}
        self._held: dict[Asset, Decimal] = {}

    def balance(self, asset: Asset) -> Decimal:
        """Return what the account has of the asset, bound or not."""
        return self.balances.get(asset, ZERO)

    def held(self, asset: Asset) -> Decimal:
        """Return what open orders and shorts bind of the asset."""
        return self._held.get(asset, ZERO)

    def available(self, asset: Asset) -> Decimal:
        """Return what a new order may use; never negative on spot."""
        return self.balances.get(asset, ZERO) - self._held.get(asset, ZERO)

    def closable(self, instrument: Instrument, side: Side) -> Decimal:
        """Return the base units that an order of `side` can still give back: a long's for SELL, a short's for BUY."""
        base = instrument.base
        owned = self.balances.get(base, ZERO)
        return (owned if side is _SELL else -owned) - self._held.get(base, ZERO)

    def hold(self, instrument: Instrument, holds: Holds) -> None:
        """Bind exactly `holds` for the open orders of the instrument, in place of what was bound for it before."""
        before = self._holds.get(instrument.id, NO_HOLDS)
        if before == holds:
            return
        self._holds[instrument.id] = holds
        (base, quote), (base_before, quote_before) = holds, before
        if base != base_before:
            self._bind(instrument.base, base - base_before)
        if quote != quote_before:
            self._bind(instrument.quote, quote - quote_before)

    def held_for(self, instrument: Instrument) -> Holds:
        """Return what is bound for the open orders of the instrument."""
        return self._holds.get(instrument.id, NO_HOLDS)

    def settle(self, instrument: Instrument, side: Side, fill: OrderFilled) -> None:
        """Book a fill: base against quote, and the fee in quote."""
        base, quote, balances = instrument.base, instrument.quote, self.balances
        before, cash = balances.get(base, ZERO), balances.get(quote, ZERO)
        quantity, value = fill.quantity, fill.price * fill.quantity
        if side is _BUY:
            after, cash = before + quantity, cash - value
        else:
            after, cash = before - quantity, cash + value
        balances[base], balances[quote] = after, cash - fill.fee.amount
        if instrument.market is _PERPETUAL:
            self._cover(instrument, before, after, fill.price)

    def restore(self, balances: Mapping[Asset, Decimal], proceeds: Mapping[InstrumentId, Decimal]) -> None:
        """Take up recorded balances; holds are computed anew by whoever has the orders."""
        self.balances, self.proceeds = dict(balances), dict(proceeds)
        self._holds, self._held = {}, {}

    def bind_short(self, instrument: Instrument) -> None:
        """Bind the cover of a restored short."""
        self._bind(instrument.quote, _SHORT_COVER * self.proceeds.get(instrument.id, ZERO))

    def _cover(self, instrument: Instrument, before: Decimal, after: Decimal, price: Decimal) -> None:
        bound = self.proceeds.get(instrument.id, ZERO)
        short_before, short_after = max(-before, ZERO), max(-after, ZERO)
        if short_after > short_before:
            needed = bound + (short_after - short_before) * price
        else:
            needed = bound * short_after / short_before if short_after else ZERO
        self.proceeds[instrument.id] = needed
        self._bind(instrument.quote, _SHORT_COVER * (needed - bound))

    def _bind(self, asset: Asset, amount: Decimal) -> None:
        if amount:
            self._held[asset] = self._held.get(asset, ZERO) + amount


def margin(price: Decimal, quantity: Decimal, rate: Decimal) -> Decimal:
    """Return the quote units that opening `quantity` at `price` takes, with a fee of `rate`."""
    return price * quantity * (ONE + rate)

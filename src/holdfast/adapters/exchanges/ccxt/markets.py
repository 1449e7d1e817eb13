"""ccxt's markets as instruments, and the venue's own limits, which are checked before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_UP, Decimal
from typing import Final

from holdfast.adapters.exchanges.ccxt.shape import Parser
from holdfast.core.errors import ConfigurationError
from holdfast.core.record import Record
from holdfast.domain.instrument import FeeTier, Instrument
from holdfast.domain.values import ONE, ZERO, Asset, InstrumentId, Quantity

_DECIMALS, _TICKS = 2, 4  # ccxt's precisionMode
_FEE_UNKNOWN: Final = Decimal("0.01")


class Limits(Record, frozen=True):
    """What the venue takes on one market; None where it says nothing."""

    symbol: str
    is_active: bool
    amount: tuple[Decimal | None, Decimal | None]
    price: tuple[Decimal | None, Decimal | None]
    value: tuple[Decimal | None, Decimal | None]
    is_fee_in_base: bool  # of a purchase

    def refusal(self, amount: Decimal, price: Decimal | None) -> str:
        """Return why an order would not be taken, empty if it would."""
        if not self.is_active:
            return "market_closed"
        checks = [("amount", amount, self.amount)]
        if price is not None:
            checks += [("price", price, self.price), ("value", amount * price, self.value)]
        for name, found, (least, most) in checks:
            if least is not None and found < least:
                return f"{name} {found:f} is below the least, {least:f}"
            if most and found > most:
                return f"{name} {found:f} is above the most, {most:f}"
        return ""


def instrument_of(
    market: Mapping[str, object], parser: Parser, precision_mode: int, suffix: str, fee: Mapping[str, object]
) -> tuple[Instrument, Limits]:
    """Return a spot market as an instrument, with its limits; `fee` holds the account's `maker` and `taker` rates.

    Raises
    ------
    ConfigurationError
        It is no spot market, or the venue does not say on what grid it trades.
    """
    symbol = parser.text(market.get("symbol"), "a market's name")
    if market.get("spot") is not True:
        raise ConfigurationError(f"{symbol}{suffix} is no spot market", hint="name pairs like BTC/USDT")
    grid = parser.row(market.get("precision"), "a market's grid")
    limits = parser.row(market.get("limits"), "a market's limits")
    tick, lot = (_step(grid.get(name), parser, precision_mode) for name in ("price", "amount"))
    if not tick or not lot:
        raise ConfigurationError(f"{symbol}{suffix}: the venue does not say on what grid it trades")
    base, quote = (Asset(parser.text(market.get(side), f"a {side}")) for side in ("base", "quote"))
    value = _bounds(limits.get("cost"), parser)
    maker, taker = (_rate(fee.get(name), market.get(name), parser) for name in ("maker", "taker"))
    instrument = Instrument(
        InstrumentId(f"{symbol}{suffix}"), base, quote, tick, lot, value[0] or ZERO, (FeeTier(ZERO, maker, taker),)
    )
    found = Limits(
        symbol, market.get("active") is not False, _bounds(limits.get("amount"), parser),
        _bounds(limits.get("price"), parser), value, market.get("feeSide", "get") in ("get", "base"),
    )  # fmt: skip
    return instrument, found


def grossed_up(quantity: Decimal, fee_rate: Decimal, instrument: Instrument) -> Quantity:
    """Return the lots to buy so that `quantity` is left once the fee was taken in base units."""
    exact = quantity / (ONE - fee_rate)
    return Quantity((exact / instrument.lot).to_integral_value(ROUND_UP) * instrument.lot)


def _step(found: object, parser: Parser, mode: int) -> Decimal | None:
    value = parser.amount(found, "a grid")
    if value is None or mode == _TICKS:
        return value
    return Decimal((0, (1,), -int(value))) if mode == _DECIMALS else None


def _bounds(found: object, parser: Parser) -> tuple[Decimal | None, Decimal | None]:
    row = parser.row(found if found is not None else {}, "limits")
    return parser.amount(row.get("min"), "a limit"), parser.amount(row.get("max"), "a limit")


def _rate(mine: object, listed: object, parser: Parser) -> Decimal:
    found = mine if mine is not None else listed
    # Dearer than any venue, where none says: a cost that is too high is refused, one that is too low is lost.
    return _FEE_UNKNOWN if found is None else parser.signed(str(found) if isinstance(found, float) else found, "a fee")

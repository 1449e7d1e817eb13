"""What the venue checks before it takes an order, in its own labels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from holdfast.domain.values import ZERO, Side
from holdfast.simulator.records import OrderAsk
from holdfast.simulator.refusal import VenueRefusal
from holdfast.simulator.venue_market import VenueMarket

QUOTE_MAX: Final = Decimal(5_000_000)
"""What one order may be worth, in quote units."""
_TEXT: Final = re.compile(r"t-[0-9A-Za-z_.-]{1,28}", re.ASCII)
_TYPES: Final = {"limit": ("gtc", "ioc", "poc", "fok"), "market": ("ioc", "fok")}
_STP: Final = ("-", "cn", "co", "cb")


def need_pair(markets: Mapping[str, VenueMarket], pair: str) -> VenueMarket:
    """Return the market of a pair, or refuse."""
    market = markets.get(pair)
    if market is None:
        raise VenueRefusal("INVALID_CURRENCY_PAIR", f"Invalid currency pair {pair}")
    return market


def check_form(ask: OrderAsk) -> None:
    """Refuse what is no order: an unknown type or time in force, a text or an amount that cannot be."""
    allowed = _TYPES.get(ask.type)
    if allowed is None:
        raise _invalid("type", ask.type)
    if ask.time_in_force not in allowed:
        raise _invalid("time_in_force", ask.time_in_force)
    if ask.stp_act not in _STP:
        raise _invalid("stp_act", ask.stp_act)
    if ask.text and not _TEXT.fullmatch(ask.text):
        raise _invalid("text", ask.text)
    if ask.type == "limit" and (ask.price is None or not ask.price.is_finite() or ask.price <= 0):
        raise VenueRefusal("MISSING_REQUIRED_PARAM", "Missing required parameter: price")
    if not ask.amount.is_finite() or ask.amount <= 0:
        raise _invalid("amount", ask.amount)


def check_grid(market: VenueMarket, ask: OrderAsk) -> None:
    """Refuse what is off the grid, too small, or on a market that does not take it now."""
    instrument, status = market.spec.instrument, market.spec.trade_status
    if status == "untradable" or status == ("sellable" if ask.side is Side.BUY else "buyable"):
        raise VenueRefusal("INVALID_CURRENCY_PAIR", f"{ask.pair} cannot be traded so now")
    is_by_quote = is_in_quote(ask)
    if (ask.price is not None and ask.price % instrument.tick) or (not is_by_quote and ask.amount % instrument.lot):
        raise VenueRefusal("INVALID_PRECISION", "Invalid precision")
    value = ask.amount if is_by_quote else ask.amount * (ask.price or market.prints.last)
    if value < instrument.notional_min:
        least = f"{instrument.notional_min:f} {instrument.quote}"
        raise VenueRefusal("AMOUNT_TOO_LITTLE", f"Your order size {value:f} is too small. The minimum is {least}")
    if value > QUOTE_MAX:
        raise VenueRefusal("AMOUNT_TOO_MUCH", f"Your order size {value:f} is too large. The maximum is {QUOTE_MAX}")


def check_market(market: VenueMarket, ask: OrderAsk) -> None:
    """Refuse an order that may not take at once, or that must be filled whole and cannot be."""
    limit = ask.price if ask.type == "limit" else None
    if ask.time_in_force == "poc" and market.reach(ask.side, limit):
        raise VenueRefusal("POC_FILL_IMMEDIATELY", "Order would match and take immediately so it is cancelled")
    if ask.time_in_force == "fok" and not _is_whole(market, ask, limit):
        raise VenueRefusal("FOK_NOT_FILL", "Order cannot be filled completely")


def _is_whole(market: VenueMarket, ask: OrderAsk, limit: Decimal | None) -> bool:
    if is_in_quote(ask):
        return market.worth(ask.side) >= ask.amount
    return market.reach(ask.side, limit) >= ask.amount


def needed(market: VenueMarket, ask: OrderAsk, filled: Decimal = ZERO) -> tuple[str, Decimal]:
    """Return which asset an order needs, and how much of it for what is not filled yet."""
    instrument = market.spec.instrument
    if ask.side is Side.SELL:
        return str(instrument.base), ask.amount - filled
    return str(instrument.quote), ask.amount if is_in_quote(ask) else (ask.amount - filled) * (ask.price or ZERO)


def is_in_quote(ask: OrderAsk) -> bool:
    """Tell whether the amount is in quote units: that of a market buy is."""
    return ask.type == "market" and ask.side is Side.BUY


def _invalid(name: str, value: object) -> VenueRefusal:
    return VenueRefusal("INVALID_PARAM_VALUE", f"Invalid parameter `{name}` with value: {value}")

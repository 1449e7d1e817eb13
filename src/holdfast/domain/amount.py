"""How an amount of money is written for a person: as many decimals as its asset deserves. Programs get every digit."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

CENTS: Final = 2
DIGITS_MAX: Final = 8
"""Of an amount in a coin, before and after the point; a hundred-millionth is the smallest part of a bitcoin."""

_COUNTED_IN_CENTS: Final = frozenset(
    "USDT USDC USD FDUSD BUSD TUSD DAI USDP USDE USDS PYUSD GUSD LUSD FRAX UST USTC EUR EURT EURC EURI GBP CHF AUD CAD"
    " NZD SGD HKD JPY CNY KRW INR TRY BRL MXN ARS ZAR PLN CZK SEK NOK DKK RUB UAH NGN THB IDR".split()
)
"""Money of states, and coins that are worth as much: below a cent there is nothing to tell."""


def quote_of(instrument_id: str) -> str:
    """Return the quote asset of an instrument's id: `USDT` of `BTC/USDT-PERP.GATEIO`; empty where it names none."""
    return instrument_id.partition("/")[2].partition(".")[0].partition("-")[0].partition(":")[0]


def amount_places(value: Decimal | float, quote: str) -> int:
    """Return how many decimals an amount of `quote` gets: 2 in dollars and their like, up to 8 in a coin."""
    if quote in _COUNTED_IN_CENTS or not quote:
        return CENTS
    magnitude = abs(float(value))
    whole = len(f"{magnitude:.0f}") if magnitude >= 1.0 else 0
    return max(CENTS, DIGITS_MAX - whole)


def amount_text(value: Decimal | float, quote: str, *, sign: str = "", parted: str = "") -> str:
    """Return an amount of `quote`: `10234.51` in USDT, `0.93214567` in BTC, and never a negative nothing.

    Parameters
    ----------
    sign
        `+` shows the sign of what is not negative, too.
    parted
        What parts thousands.
    """
    places = amount_places(value, quote)
    text = f"{value:{sign}z,.{places}f}".replace(",", parted)
    if places > CENTS:
        # Idle zeros say nothing, but cents are what a person expects of any amount.
        idle = len(text) - len(text.rstrip("0"))
        text = text[: len(text) - min(idle, places - CENTS)]
    return text

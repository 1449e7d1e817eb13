"""Numbers and times as a person reads them. A narrow no-break space parts thousands."""

from __future__ import annotations

import re
from decimal import Decimal

from holdfast.core.time import rfc3339
from holdfast.domain.amount import amount_text

_THIN = "\u202f"
_MEAN_PLACES = 4
_DIGITS_MAX = 8
_LONG = re.compile(r"(?<![\w.\-\u202f])(-?\d+\.\d{9,})(?!\w|\.\d)(?: ([A-Z]{3,5})\b)?")
"""A number with more decimals than any price or quantity has, and the asset behind it; never a part of an id."""


def money(value: Decimal | float, quote: str) -> str:
    """Return an amount of `quote` with thousands parted, as `domain.amount` has it: `10 234.51`, `0.00012345`."""
    return amount_text(value, quote, parted=_THIN)


def signed(value: Decimal | float, quote: str) -> str:
    """Return an amount that shows its sign, so that colour is never needed: `+12.40`."""
    return amount_text(value, quote, sign="+", parted=_THIN)


def mean_price(value: Decimal, price: Decimal) -> str:
    """Return the mean of several fills, to four decimals, or to those of `price`, on the same tick, if it has more."""
    places = max(_MEAN_PLACES, -int(price.as_tuple().exponent))
    return f"{value:z,.{places}f}".replace(",", _THIN)


def exact(value: Decimal | None) -> str:
    """Return all digits of a price or quantity without idle zeros; `-` for nothing."""
    if value is None:
        return "-"
    text = f"{value:,f}".replace(",", _THIN)
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(value: Decimal | float, places: int = 2) -> str:
    """Return a share in percent: `3.10 %`."""
    return f"{value * 100:z.{places}f} %"


def minute(ts: int) -> str:
    """Return a time to the minute, UTC: `2021-05-19 12:00`; `-` for none."""
    return rfc3339(ts)[:16].replace("T", " ") if ts else "-"


def readable(text: str) -> str:
    """Return a recorded sentence with its raw figures rounded: in money as all money is, else to eight digits.

    The journal and JSON keep every digit.
    """
    return _LONG.sub(_rounded, text)


def shortened(value: Decimal) -> Decimal:
    """Return a number that has more than eight decimals with its first eight digits; any other as it is."""
    if int(value.as_tuple().exponent) >= -_DIGITS_MAX or not value.is_finite():
        return value
    return round(value, max(2, _DIGITS_MAX - 1 - value.adjusted()))


def _rounded(found: re.Match[str]) -> str:
    value, asset = Decimal(found[1]), found[2]
    behind = f" {asset}" if asset else ""
    if asset and abs(value) >= 1:  # below that it may be a price, of which no digit is idle
        return amount_text(value, asset) + behind
    text = f"{shortened(value):zf}".rstrip("0").rstrip(".")
    return text + behind

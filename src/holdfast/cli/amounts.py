"""Numbers and times as a person reads them. A narrow no-break space parts thousands."""

from __future__ import annotations

from decimal import Decimal

from holdfast.core.time import rfc3339
from holdfast.domain.amount import amount_text

_THIN = "\u202f"
_MEAN_PLACES = 4


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

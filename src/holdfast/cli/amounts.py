"""Numbers and times as a person reads them. A narrow no-break space parts thousands."""

from __future__ import annotations

from decimal import Decimal

from holdfast.core.time import rfc3339

_THIN = "\u202f"


def money(value: Decimal | float, places: int = 2) -> str:
    """Return an amount with thousands parted: `10 234.51`."""
    return f"{value:z,.{places}f}".replace(",", _THIN)


def signed(value: Decimal | float, places: int = 2) -> str:
    """Return an amount that shows its sign, so that colour is never needed: `+12.40`."""
    return f"{value:+z,.{places}f}".replace(",", _THIN)


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

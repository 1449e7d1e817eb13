"""A stored series as engine and sweeps must see it; the stored one stays as the venue published it."""

from __future__ import annotations

from decimal import Decimal

from holdfast.domain.catalog import PERPETUAL_SUFFIX, untraded
from holdfast.domain.false_prints import trusted
from holdfast.domain.instrument import Market
from holdfast.domain.listings import LISTINGS
from holdfast.domain.market import BarSeries

# Whose perpetual candles count contracts (the catalog's lot is the size of one), and whose count quote units.
_IN_CONTRACTS = frozenset({"GATEIO"})
_IN_QUOTE = frozenset({"FTX"})


def tradable(series: BarSeries) -> BarSeries:
    """Return the series with volume in base units and without false prints; the same object where nothing changes.

    Everything that decides on bars takes them through here, so that a sweep and the event engine see the same numbers.
    """
    # In this order: a volume in quote units is divided by a close that is trusted.
    return in_base_units(trusted(series))


def in_base_units(series: BarSeries) -> BarSeries:
    """Return the series with its volume in base units, as every BarClosed has it."""
    pair, venue = _perpetual_of(series)
    if venue in _IN_QUOTE:
        volume = series.volume / series.close
    elif (size := _contract_size(pair, venue)) is not None and size != 1:
        # Dividing by a whole number gives the float nearest to the decimal; multiplying by 0.0001 would not.
        volume = series.volume * float(size) if size > 1 else series.volume / float(1 / size)
    else:
        return series
    return series.replaced(volume=volume)


def volume_note(series: BarSeries) -> str:
    """Return what a person should know of the volume column of a stored series; empty when it is in base units."""
    if what := untraded(series.instrument_id):
        return f"these are {what}, which nobody trades: their volume means nothing"
    pair, venue = _perpetual_of(series)
    base, _, quote = pair.partition("/")
    if venue in _IN_QUOTE:
        return f"volume is in {quote}, as {venue} counts; the feed divides it by the close"
    if venue in _IN_CONTRACTS:
        size = _contract_size(pair, venue)
        if size is None:
            return f"volume is in contracts of {venue}, whose size for {pair} is not known"
        return f"volume is in contracts of {size} {base}, as {venue} counts; the feed turns it into {base}"
    return ""


def _perpetual_of(series: BarSeries) -> tuple[str, str]:
    """Return pair and venue of a perpetual, or two empty texts."""
    name, _, venue = series.instrument_id.rpartition(".")
    return (name.removesuffix(PERPETUAL_SUFFIX), venue) if name.endswith(PERPETUAL_SUFFIX) else ("", "")


def _contract_size(pair: str, venue: str) -> Decimal | None:
    if venue not in _IN_CONTRACTS:
        return None
    grid = LISTINGS.get((venue, Market.PERPETUAL), {}).get(pair)
    return None if grid is None else Decimal(grid[1])

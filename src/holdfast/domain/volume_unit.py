"""Volume in base units, whatever a venue counts in: contracts of a fixed size, or quote units."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from holdfast.domain.catalog import market_name
from holdfast.domain.instrument import Market
from holdfast.domain.listings import LISTINGS
from holdfast.domain.market import BarSeries, Floats

# Whose perpetual candles count contracts (the catalog's lot is the size of one), and whose count quote units.
_IN_CONTRACTS = frozenset({"GATEIO"})
_IN_QUOTE = frozenset({"FTX"})


@dataclass(frozen=True)
class BaseVolume:
    """A series with volume in base units; `note` says what was done, if anything."""

    series: BarSeries
    note: str = ""


def in_base_units(series: BarSeries) -> BaseVolume:
    """Return the series with its volume in base units, as every BarClosed has it; for files as venues publish them."""
    if "-MARK." in series.instrument_id:
        return BaseVolume(series, "these are mark prices: their volume means nothing")
    name = market_name(series.instrument_id)
    if name.market is not Market.PERPETUAL:
        return BaseVolume(series)
    if name.venue in _IN_QUOTE:
        note = f"{name.venue} counts volume in {name.pair.partition('/')[2]}: divided by the close"
        return BaseVolume(_with_volume(series, series.volume / series.close), note)
    if name.venue in _IN_CONTRACTS:
        grid = LISTINGS.get((name.venue, name.market), {}).get(name.pair)
        if grid is None:
            return BaseVolume(
                series, f"volume is in contracts of {name.venue}, whose size for {name.pair} is not known"
            )
        size = Decimal(grid[1])
        # Dividing by a whole number gives the float nearest to the decimal; multiplying by 0.0001 would not.
        volume = series.volume * float(size) if size >= 1 else series.volume / float(1 / size)
        return BaseVolume(_with_volume(series, volume), f"volume in contracts of {size} was turned into base units")
    return BaseVolume(series)


def _with_volume(series: BarSeries, volume: Floats) -> BarSeries:
    prices = (series.open, series.high, series.low, series.close)
    return BarSeries(series.instrument_id, series.timeframe, series.ts, prices, volume, series.flags)

"""Instruments that we know by name: grids and fees as the venues publish them, and what can be told from data alone.

A venue changes its grid now and then, and old bars lie on old grids: `fitted` refines an instrument to a series. Before
an order leaves for a real venue, the instrument is fetched from that venue; these defaults are for backtests and paper.
"""

from __future__ import annotations

import difflib
from decimal import Decimal

from holdfast.core.errors import ConfigurationError
from holdfast.core.record import Record
from holdfast.domain.instrument import FeeTier, Instrument, Market
from holdfast.domain.listings import LISTINGS, TERMS, Terms
from holdfast.domain.market import BarSeries, Floats
from holdfast.domain.precision import decimal_places
from holdfast.domain.values import ZERO, Asset, InstrumentId

PERPETUAL_SUFFIX = "-PERP"
# Bars of the price that a venue liquidates at; nothing trades at it, so such a series has an id of its own.
MARK_SUFFIX = "-MARK"
# Bars of what several venues trade at, weighed; no market either.
INDEX_SUFFIX = "-INDEX"
_UNTRADED = {MARK_SUFFIX: "mark prices", INDEX_SUFFIX: "index prices"}
# With no grid in the data: a tick of about a hundred-thousandth of the price, which is what venues choose.
_DIGITS_WITHOUT_GRID = 5
_LOT_PLACES_ASSUMED = 8
_GRID_STEPS_MAX = 1e12


class MarketName(Record, frozen=True):
    """An instrument's id taken apart: `BTC/USDT-PERP.GATEIO`."""

    pair: str
    venue: str
    market: Market

    @property
    def id(self) -> InstrumentId:
        """Return the id that the rest of the house uses."""
        suffix = PERPETUAL_SUFFIX if self.market is Market.PERPETUAL else ""
        return InstrumentId(f"{self.pair}{suffix}.{self.venue}")


class Listing(Record, frozen=True):
    """An instrument, and where its numbers come from; `note` is empty when they are the venue's own."""

    instrument: Instrument
    note: str = ""


def market_name(text: str) -> MarketName:
    """Return the parts of `BTC/USDT.BINANCE`, `BTC/USDT-PERP.GATEIO` or `BTC/USDT:USDT.GATEIO`; case does not matter.

    The id of a mark or an index price gives the perpetual that it belongs to.

    Raises
    ------
    ConfigurationError
        A part is missing.
    """
    pair, dot, venue = text.strip().upper().rpartition(".")
    market = Market.SPOT
    suffix = next((suffix for suffix in (PERPETUAL_SUFFIX, *_UNTRADED) if pair.endswith(suffix)), "")
    if suffix:
        pair, market = pair.removesuffix(suffix), Market.PERPETUAL
    elif ":" in pair:
        pair, market = pair.partition(":")[0], Market.PERPETUAL
    base, slash, quote = pair.partition("/")
    if not (dot and slash and _is_code(base) and _is_code(quote) and _is_code(venue)):
        raise ConfigurationError(
            f"{text!r} names no instrument",
            hint="write base/quote.VENUE, like BTC/USDT.BINANCE, or BTC/USDT-PERP.GATEIO for a perpetual",
        )
    return MarketName(pair, venue, market)


def untraded(name: str) -> str:
    """Return what a series of this id holds that nobody trades, like "mark prices"; empty for a market."""
    pair = name.strip().upper().partition(".")[0]
    return next((what for suffix, what in _UNTRADED.items() if pair.endswith(suffix)), "")


def series_id(text: str) -> InstrumentId:
    """Return the id of a market, or of the mark or index prices of one, as the rest of the house writes it.

    Raises
    ------
    ConfigurationError
        A part is missing.
    """
    name = market_name(text)
    suffix = next((suffix for suffix, what in _UNTRADED.items() if what == untraded(text)), "")
    return InstrumentId(f"{name.pair}{suffix}.{name.venue}") if suffix else name.id


def instrument_for(pair: str, venue: str, market: Market = Market.SPOT, series: BarSeries | None = None) -> Instrument:
    """Return the instrument of a pair at a venue; for an unknown one the grid is read from `series`.

    Raises
    ------
    ConfigurationError
        The pair is unknown there and no series was given; the hint lists near names.
    """
    return listing_for(pair, venue, market, series).instrument


def listing_for(pair: str, venue: str, market: Market = Market.SPOT, series: BarSeries | None = None) -> Listing:
    """Return the instrument of a pair at a venue with a note on where its numbers come from.

    Raises
    ------
    ConfigurationError
        As `instrument_for`.
    """
    name = market_name(f"{pair}{PERPETUAL_SUFFIX if market is Market.PERPETUAL else ''}.{venue}".replace("_", "/"))
    grid = LISTINGS.get((name.venue, name.market), {}).get(name.pair)
    if grid is not None:
        instrument = _instrument(name, Decimal(grid[0]), Decimal(grid[1]))
        return Listing(instrument) if series is None else _fitted_listing(instrument, series)
    if series is None:
        raise ConfigurationError(f"{name.id} is not in the list of known instruments", hint=_near(name))
    tick, lot, note = _grid_of(series)
    return Listing(_instrument(name, tick, lot), f"{name.id} is not in the list of known instruments; {note}")


def fitted(instrument: Instrument, series: BarSeries) -> Instrument:
    """Return the instrument with tick and lot as fine as the series needs: old bars lie on old grids."""
    return _fitted_listing(instrument, series).instrument


def known_instruments() -> list[InstrumentId]:
    """Return the ids of all known instruments, sorted."""
    return sorted(MarketName(pair, venue, market).id for (venue, market), pairs in LISTINGS.items() for pair in pairs)


def _fitted_listing(instrument: Instrument, series: BarSeries) -> Listing:
    tick_places, lot_places = _places_of(series)
    # Where the data lie on no decimal grid they say nothing, and today's grid stands.
    tick = instrument.tick if tick_places is None else min(_step(tick_places), instrument.tick)
    # Many venues count the volume of perpetuals in contracts or quote units, which says nothing about the lot.
    is_lot_seen = lot_places is not None and instrument.market is Market.SPOT
    lot = min(_step(lot_places or 0), instrument.lot) if is_lot_seen else instrument.lot
    if (tick, lot) == (instrument.tick, instrument.lot):
        return Listing(instrument)
    finer = Instrument(
        instrument.id, instrument.base, instrument.quote, tick, lot,
        instrument.notional_min, instrument.fee_tiers, instrument.market,
    )  # fmt: skip
    note = f"{instrument.id}: the bars lie on a finer grid than today's; tick {tick} and lot {lot} are theirs"
    return Listing(finer, note)


def _instrument(name: MarketName, tick: Decimal, lot: Decimal) -> Instrument:
    base, _, quote = name.pair.partition("/")
    terms = TERMS.get((name.venue, name.market), Terms())
    # A minimum is published in the venue's dollars; other quotes have their own, far smaller number.
    notional_min = terms.notional_min if quote in _DOLLARS else _NOTIONAL_MIN_COIN.get(quote, ZERO)
    return Instrument(
        name.id,
        Asset(base),
        Asset(quote),
        tick,
        lot,
        notional_min,
        tuple(_tier(*tier) for tier in terms.fees),
        name.market,
    )


def _tier(volume_from: str, maker: str, taker: str) -> FeeTier:
    return FeeTier(Decimal(volume_from), Decimal(maker), Decimal(taker))


def _grid_of(series: BarSeries) -> tuple[Decimal, Decimal, str]:
    tick_places, lot_places = _places_of(series)
    assumed = " and ".join(name for name, found in (("tick", tick_places), ("lot", lot_places)) if found is None)
    note = f"its bars lie on no decimal grid, so {assumed} is assumed" if assumed else "its grid is read from its bars"
    if tick_places is None:
        tick_places = _places_by_size(series.low)
    return _step(tick_places), _step(_LOT_PLACES_ASSUMED if lot_places is None else lot_places), note


def _places_of(series: BarSeries) -> tuple[int | None, int | None]:
    return _grid_places(series.open, series.high, series.low, series.close), _grid_places(series.volume)


def _grid_places(*columns: Floats) -> int | None:
    places = decimal_places(*columns)
    # A third written with sixteen digits is no grid either.
    is_noise = places is not None and max(float(x.max()) for x in columns) * 10**places > _GRID_STEPS_MAX
    return None if is_noise else places


def _step(places: int) -> Decimal:
    return Decimal(1).scaleb(-places)


def _places_by_size(prices: Floats) -> int:
    lowest, digits = float(prices.min()), _DIGITS_WITHOUT_GRID - 1
    while lowest >= 10.0 and digits > 0:
        lowest, digits = lowest / 10.0, digits - 1
    while lowest < 1.0 and digits < 12:
        lowest, digits = lowest * 10.0, digits + 1
    return digits


def _near(name: MarketName) -> str:
    known = known_instruments()
    near = difflib.get_close_matches(name.id, known, n=4, cutoff=0.6)
    same_pair = [item for item in known if item.startswith((f"{name.pair}.", f"{name.pair}{PERPETUAL_SUFFIX}."))]
    names = list(dict.fromkeys([*near, *same_pair]))[:6] or known[:6]
    return "near names: " + ", ".join(names) + "; for any other market give its bars, and the grid is read from them"


def _is_code(text: str) -> bool:
    return text.isascii() and text.isalnum()


_DOLLARS = frozenset({"USDT", "USD", "USDC", "FDUSD", "BUSD", "TUSD", "DAI", "EUR"})
_NOTIONAL_MIN_COIN = {"BTC": Decimal("0.0001"), "ETH": Decimal("0.001"), "BNB": Decimal("0.01")}

"""Instruments that are known by name, and those that are read from bars."""

from decimal import Decimal

import numpy as np
import pytest
from tests.unit.domain.conftest import make_series, make_walk

from holdfast.core.errors import ConfigurationError
from holdfast.domain.catalog import (
    MarketName,
    fitted,
    instrument_for,
    known_instruments,
    listing_for,
    market_name,
)
from holdfast.domain.instrument import Market
from holdfast.domain.listings import LISTINGS
from holdfast.domain.market import BarSeries, Timeframe
from holdfast.domain.values import InstrumentId


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("BTC/USDT.BINANCE", MarketName("BTC/USDT", "BINANCE", Market.SPOT)),
        ("btc/usdt-perp.gateio", MarketName("BTC/USDT", "GATEIO", Market.PERPETUAL)),
        ("BTC/USDT:USDT.GATEIO", MarketName("BTC/USDT", "GATEIO", Market.PERPETUAL)),
        ("BTC/USDT-MARK.GATEIO", MarketName("BTC/USDT", "GATEIO", Market.PERPETUAL)),
        ("BTC/USDT-INDEX.GATEIO", MarketName("BTC/USDT", "GATEIO", Market.PERPETUAL)),
    ],
)
def test_a_name_is_taken_apart(text: str, expected: MarketName):
    assert market_name(text) == expected


@pytest.mark.parametrize(
    "text", ["", "BTC", "BTC/USDT", "BTCUSDT.BINANCE", "/USDT.BINANCE", "BTC/.X", "B C/USDT.X", "../x.Y"]
)
def test_what_names_nothing_is_refused_with_an_example(text: str):
    with pytest.raises(ConfigurationError, match="names no instrument") as caught:
        market_name(text)
    assert "BTC/USDT.BINANCE" in caught.value.hint


def test_ids_come_back_from_their_parts():
    for name in known_instruments():
        assert market_name(name).id == name


def test_every_listing_makes_an_instrument():
    for (venue, market), pairs in LISTINGS.items():
        for pair in pairs:
            instrument = instrument_for(pair, venue, market)
            assert instrument.market is market
            assert f"{instrument.base}/{instrument.quote}" == pair
            assert instrument.fees().taker >= instrument.fees().maker


def test_fees_are_those_of_the_venue():
    assert instrument_for("BTC/USDT", "BINANCE").fees().taker == Decimal("0.001")
    assert instrument_for("BTC/USDT", "GATEIO").fees().taker == Decimal("0.002")
    assert instrument_for("BTC/USD", "COINBASE").fees().taker == Decimal("0.006")
    perpetual = instrument_for("BTC/USDT", "GATEIO", Market.PERPETUAL)
    assert perpetual.fees().taker < instrument_for("BTC/USDT", "GATEIO").fees().taker
    assert perpetual.id == "BTC/USDT-PERP.GATEIO"


def test_fees_fall_with_volume():
    for (venue, market), pairs in LISTINGS.items():
        tiers = instrument_for(next(iter(pairs)), venue, market).fee_tiers
        assert [tier.taker for tier in tiers] == sorted((tier.taker for tier in tiers), reverse=True)
        assert [tier.volume_from for tier in tiers] == sorted(tier.volume_from for tier in tiers)


def test_an_unknown_pair_is_refused_with_near_names():
    with pytest.raises(ConfigurationError, match=r"BTC/UST\.BINANCE is not in the list") as caught:
        instrument_for("BTC/UST", "BINANCE")
    assert "BTC/USDT.BINANCE" in caught.value.hint


def test_an_unknown_pair_takes_its_grid_from_its_bars_and_says_so():
    listing = listing_for("AAA/USDT", "NOWHERE", series=make_walk(100))
    assert (listing.instrument.tick, listing.instrument.lot) == (Decimal("0.01"), Decimal("0.0001"))
    assert "its grid is read from its bars" in listing.note
    assert listing.instrument.fee_tiers


@pytest.mark.parametrize(
    ("price", "tick"), [(60_000 / 7, "0.1"), (1 / 3, "0.00001"), (100 / 3, "0.001"), (1e-7 / 3, "1E-12")]
)
def test_bars_on_no_grid_get_a_tick_that_fits_their_price(price: float, tick: str):
    listing = listing_for("AAA/USDT", "NOWHERE", series=make_series([(0, price, price, price, price, 1 / 3)]))
    assert listing.instrument.tick == Decimal(tick)
    assert "tick and lot is assumed" in listing.note


def test_old_bars_refine_the_grid_and_never_coarsen_it():
    old = make_series([(0, 3.0634, 3.0765, 2.4693, 2.4693, 1.5)])
    today = instrument_for("LINK/USDT", "BINANCE")
    then = fitted(today, old)
    assert (today.tick, then.tick) == (Decimal("0.01"), Decimal("0.0001"))
    assert then.lot == today.lot
    assert "finer grid than today's" in listing_for("LINK/USDT", "BINANCE", series=old).note
    whole = make_series([(0, 3.0, 3.0, 3.0, 3.0, 1.0)])
    assert fitted(today, whole) == today
    assert listing_for("LINK/USDT", "BINANCE", series=whole).note == ""


def test_contracts_say_nothing_about_the_lot():
    series = make_series([(0, 0.7, 0.7, 0.7, 0.7, 123.0)])
    assert instrument_for("ADA/USDT", "GATEIO", Market.PERPETUAL, series).lot == 10


def test_pairs_may_be_written_with_an_underscore():
    assert instrument_for("btc_usdt", "binance").id == InstrumentId("BTC/USDT.BINANCE")


def test_every_instrument_rounds_real_prices():
    series: BarSeries = make_walk(10, timeframe=Timeframe.D1)
    instrument = listing_for("AAA/USDT", "NOWHERE", series=series).instrument
    assert [float(instrument.price(value)) for value in series.close.tolist()] == series.close.tolist()
    assert np.isfinite(series.close).all()

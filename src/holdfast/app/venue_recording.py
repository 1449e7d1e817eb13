"""Recordings finer than bars as the market of the simulated venue: single trades, or a book with its trades."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from holdfast.adapters.sources.file_names import read_name, split_symbol
from holdfast.adapters.sources.parquet_trades import is_trade_file, read_trades
from holdfast.adapters.sources.recorded_events import MarketEvent, book_events, is_book_file, trade_events
from holdfast.app.sections import MarketSettings
from holdfast.core.errors import ConfigurationError, DataError
from holdfast.domain.catalog import listing_for, market_name
from holdfast.domain.instrument import Instrument
from holdfast.domain.market import Timeframe, timeframe

_BOOK_VENUE = "BINANCE"


@dataclass(frozen=True)
class Recording:
    """One market, event by event; `events` begins anew with each call. It has no past: bars come as it goes."""

    instrument: Instrument
    timeframe: Timeframe
    events: Callable[[], Iterator[MarketEvent]]
    notes: tuple[str, ...]


def recording_of(settings: MarketSettings) -> Recording | None:
    """Return the recording that the settings name; None where they name bars, or a market that is made.

    Raises
    ------
    ConfigurationError
        It is not there, or cannot be told which market it is.
    DataError
        It is damaged.
    """
    path = settings.path
    if path is None or not path.is_file():
        return None
    length = timeframe(settings.timeframe)
    if is_book_file(path):
        return _book(path, settings, length)
    return _trades(path, settings, length) if is_trade_file(path) else None


def _book(path: Path, settings: MarketSettings, length: Timeframe) -> Recording:
    # `binance-spot-BTCUSDT-raw-20240808.gz`
    symbol = path.name.partition("-raw-")[0].rpartition("-")[2]
    pair = _named(settings) or split_symbol(symbol.upper(), _BOOK_VENUE)
    if pair is None:
        raise ConfigurationError(f"{path.name} does not say which market it is", hint="--instrument BTC/USDT")
    instrument = listing_for(pair, _BOOK_VENUE).instrument
    return Recording(instrument, length, lambda: book_events(path, instrument), (_said(path, "book and its trades"),))


def _trades(path: Path, settings: MarketSettings, length: Timeframe) -> Recording:
    name = read_name(path)
    if name is None:  # its kind was read from its name
        raise DataError(
            f"{path.name} does not say which market it is", hint="name it like binance-spot-BTC_USDT-trades"
        )
    asked = _named(settings)
    if asked is not None and asked != name.market_name.pair:
        raise ConfigurationError(f"{path.name} holds {name.market_name.pair}, not {asked}", hint="name another file")
    series, _ = read_trades(path, length)
    named = name.market_name
    listing = listing_for(named.pair, named.venue, named.market, series)
    notes = (_said(path, "trades"), *((listing.note,) if listing.note else ()))
    return Recording(listing.instrument, length, lambda: trade_events(path, listing.instrument), notes)


def _named(settings: MarketSettings) -> str | None:
    if len(settings.instruments) > 1:
        raise ConfigurationError("a recording is of one market", hint="name one --instrument, or none")
    if not settings.instruments:
        return None
    text = settings.instruments[0].upper().replace("_", "/")
    return market_name(text if "." in text else f"{text}.{_BOOK_VENUE}").pair


def _said(path: Path, what: str) -> str:
    return f"{path.name}: the recorded {what} are the market; it has no past, its bars come as it goes"

"""What a file's name says about the candles in it: venue, market, pair, timeframe."""

from __future__ import annotations

import re
from pathlib import Path

from holdfast.core.record import Record
from holdfast.domain.catalog import INDEX_SUFFIX, MARK_SUFFIX, MarketName
from holdfast.domain.instrument import Market
from holdfast.domain.listings import LISTINGS
from holdfast.domain.market import Timeframe
from holdfast.domain.values import InstrumentId

CANDLES, MARK, INDEX, PREMIUM, FUNDING, TRADES = "candles", "mark", "index", "premium", "funding", "trades"
BARS = (CANDLES, MARK, INDEX)
"""Kinds whose files hold bars of prices; a premium may be below nothing, and is none."""

_TIMEFRAMES = "|".join(item.value for item in Timeframe)
# `binance-perp-BTC_USDT-1h-mark-20230101-20231231`
_RECORDED = re.compile(
    rf"(?P<venue>[a-z0-9]+)(?:-(?P<market>spot|perp))?-(?P<base>[A-Za-z0-9]+)_(?P<quote>[A-Za-z0-9]+)"
    rf"-(?P<kind>{_TIMEFRAMES}|funding|trades)(?:-(?P<price>mark|index|premium)(?:_?(?:price|index)s?)?)?(?:-.*)?"
)
# `BTCUSDT-1m-2024-01`, as the archive of Binance names its files
_ARCHIVED = re.compile(rf"(?P<symbol>[A-Z0-9]{{5,20}})-(?P<timeframe>{_TIMEFRAMES})(?:-\d{{4}}-\d\d(?:-\d\d)?)?")
# Where that archive keeps what is no market; the files in there are called like those of the candles.
_ARCHIVE_FOLDERS = {"markPriceKlines": MARK, "indexPriceKlines": INDEX, "premiumIndexKlines": PREMIUM}
# `Coinbase_BTCUSD_1h`, `Binance_BTCUSDT_d`, as collections of daily exports name theirs
_EXPORTED = re.compile(
    r"(?P<venue>Binance|Coinbase|Gateio|Gate)_(?P<symbol>[A-Z0-9]{5,20})_(?P<timeframe>\d+[mhdw]|d|minute)"
)
# `BTC_USDT-202401`, as the archive of Gate.io names its files; the folder says the timeframe
_GATE_ARCHIVE = re.compile(r"(?P<base>[A-Z0-9]+)_(?P<quote>[A-Z0-9]+)-\d{6}(?:\d\d)?")
_QUOTES = ("USDT", "USDC", "USD", "EUR", "GBP", "DAI", "BTC", "ETH")
# Dollars that only one venue quotes in. Elsewhere DOTUSD would be read as DO/TUSD.
_QUOTES_BINANCE = ("FDUSD", "BUSD", "TUSD", *_QUOTES, "BNB")
_BASES = frozenset(pair.partition("/")[0] for pairs in LISTINGS.values() for pair in pairs)
_TIMEFRAME_BY_NAME = {item.value: item for item in Timeframe}
_SHORT = {"d": "1d", "minute": "1m"}


class FileName(Record, frozen=True):
    """What a name says; `kind` is candles, mark, index, premium, funding or trades."""

    market_name: MarketName
    kind: str = CANDLES
    timeframe: Timeframe | None = None

    @property
    def id(self) -> InstrumentId:
        """Return the instrument's id; mark and index prices are no market that trades: they have names of their own."""
        name, suffix = self.market_name, {MARK: MARK_SUFFIX, INDEX: INDEX_SUFFIX}.get(self.kind)
        return InstrumentId(f"{name.pair}{suffix}.{name.venue}") if suffix else name.id


def read_name(path: Path) -> FileName | None:
    """Return what the file's name says, or None when it follows no known convention."""
    stem = path.name.partition(".")[0]
    if found := _RECORDED.fullmatch(stem):
        market = Market.PERPETUAL if found["market"] == "perp" else Market.SPOT
        name = MarketName(f"{found['base']}/{found['quote']}".upper(), found["venue"].upper(), market)
        if found["kind"] in (FUNDING, TRADES):
            return FileName(name, found["kind"])
        return FileName(name, found["price"] or CANDLES, Timeframe(found["kind"]))
    if found := _ARCHIVED.fullmatch(stem):
        kind = next((_ARCHIVE_FOLDERS[part] for part in path.parts if part in _ARCHIVE_FOLDERS), CANDLES)
        return _of_symbol(found["symbol"], "BINANCE", found["timeframe"], kind)
    if found := _EXPORTED.fullmatch(stem):
        venue = {"GATE": "GATEIO"}.get(found["venue"].upper(), found["venue"].upper())
        return _of_symbol(found["symbol"], venue, _SHORT.get(found["timeframe"], found["timeframe"]))
    if found := _GATE_ARCHIVE.fullmatch(stem):
        timeframe = _TIMEFRAME_BY_NAME.get(path.parent.parent.name.removeprefix("candlesticks_"))
        return FileName(MarketName(f"{found['base']}/{found['quote']}", "GATEIO", Market.SPOT), CANDLES, timeframe)
    return None


def split_symbol(symbol: str, venue: str) -> str | None:
    """Return `BTC/USDT` for `BTCUSDT`, or None when no quote asset of the venue ends it.

    Where several do, the one that leaves a known base: DOTUSD is DOT/USD, BTCTUSD is BTC/TUSD.
    """
    quotes = _QUOTES_BINANCE if venue == "BINANCE" else _QUOTES
    splits = [(symbol.removesuffix(quote), quote) for quote in quotes if symbol.endswith(quote) and symbol != quote]
    splits.sort(key=lambda split: split[0] not in _BASES)
    return "/".join(splits[0]) if splits else None


def _of_symbol(symbol: str, venue: str, timeframe: str, kind: str = CANDLES) -> FileName | None:
    pair = split_symbol(symbol, venue)
    if pair is None:
        return None
    market = Market.SPOT if kind == CANDLES else Market.PERPETUAL
    return FileName(MarketName(pair, venue, market), kind, _TIMEFRAME_BY_NAME.get(timeframe))

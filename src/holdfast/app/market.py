"""Which market is traded: recorded bars where there are any, else the synthetic one, and always labelled."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import takewhile
from pathlib import Path
from typing import Final

import msgspec

from holdfast.adapters.sources.feed import SeriesFeed
from holdfast.adapters.sources.file_names import read_name
from holdfast.adapters.sources.loading import MARKET_FOLDER, LoadedBars, available, load_bars
from holdfast.adapters.sources.synthetic import NOTE, SyntheticFeed, SyntheticMarket, SyntheticSettings
from holdfast.adapters.storage.parquet.store import ParquetBarStore
from holdfast.app.home import Home
from holdfast.app.sections import AUTO, SYNTHETIC, VENUE, MarketSettings
from holdfast.core.errors import ConfigurationError, DataError
from holdfast.core.time import DAY, parse_time, rfc3339
from holdfast.domain.bar_quality import quality_report
from holdfast.domain.catalog import listing_for, market_name, untraded
from holdfast.domain.false_prints import trusted
from holdfast.domain.instrument import FeeTier, Instrument, Market
from holdfast.domain.market import BarClosed, BarSeries, Timeframe, timeframe
from holdfast.domain.resample import resample
from holdfast.domain.values import InstrumentId
from holdfast.ports.market import Feed

DATA_VARIABLE: Final = "HOLDFAST_DATA"
_SHARED: Final = Path("..") / "shared" / "data" / MARKET_FOLDER
# What a newcomer has heard of; taken in this order when no instrument is named.
FAVOURITES: Final = ("BTC/USDT", "ETH/USDT", "BNB/USDT", "SOL/USDT", "ADA/USDT")
"""The pairs that are traded where none are named, the first of them that are there."""
_FAVOURITES_MAX: Final = 3
# Enough history to watch for days, and little enough to load at once.
_WATCHED: Final = 730 * DAY
# How long a synthetic backtest is when nothing else is said.
_SYNTHETIC: Final = 365 * DAY

_Lengths = dict[str, list[Timeframe]]


@dataclass(frozen=True)
class TradedMarket:
    """Instruments of one timeframe with the feed of their bars; `series` holds those bars where they have an end.

    `source` is for a person, `notes` say what to know of the data. `whole` is there where the settings name no start:
    `feed` is what a new run begins with then, and `whole` has the bars before, for a run that is still among them.
    `left_out` are instruments without bars in the asked time; the notes say so of each.
    """

    instruments: tuple[Instrument, ...]
    feed: Feed
    series: tuple[BarSeries, ...]
    timeframe: Timeframe
    source: str
    is_synthetic: bool
    notes: tuple[str, ...]
    whole: Feed | None = None
    left_out: tuple[InstrumentId, ...] = ()
    warnings: list[str] | None = None  # what a live market has to warn of while it runs


def open_market(
    home: Home, settings: MarketSettings, file_format: str = "auto", *, is_endless: bool = False
) -> TradedMarket:
    """Return the market that the settings name; see `find_source` for how `auto` chooses.

    Parameters
    ----------
    is_endless
        Let a synthetic market go on for ever, unless the settings say until when.

    Raises
    ------
    DataError
        A file is missing or cannot be trusted.
    ConfigurationError
        The source has no such instrument or timeframe, or nothing in the asked time.
    """
    if settings.source == VENUE:
        raise ConfigurationError(
            "only a paper agent can trade a venue's live market",
            hint="type: holdfast run --market venue; everything else needs recorded or synthetic bars",
        )
    source = find_source(home, settings)
    length = timeframe(settings.timeframe)
    if source is None:
        return charged(_synthetic(settings, length, is_endless=is_endless), settings)
    found, left_out = [], []
    names = _names(home, source, settings, length)
    for name in names:
        try:
            found.append(_load(home, source, name, length, file_format))
        except DataError as error:
            # What was named must be there, and an agent goes on with the markets that it began with, or not at all.
            if settings.instruments or (name == names[-1] and not found):
                raise
            if is_endless:
                others = " ".join(f"--instrument {other}" for other in names if other != name)
                hint = f"{error.hint}; or trade without it: {others}" if others else error.hint
                raise DataError(f"{name}: {error}", hint=hint) from error
            left_out.append(f"{name} is left out: {error}; next: {error.hint}")
    market = _traded(found, settings, length, str(source.resolve()), is_cut=_is_default(settings) and is_endless)
    return charged(replace(market, notes=(*left_out, *market.notes)), settings)


def charged(market: TradedMarket, settings: MarketSettings) -> TradedMarket:
    """Return the market with the fees that the settings name in place of the venues'."""
    maker, taker = settings.fee_maker, settings.fee_taker
    if maker is None and taker is None:
        return market
    instruments = []
    for instrument in market.instruments:
        listed = instrument.fees()
        tier = FeeTier(Decimal(0), listed.maker if maker is None else maker, listed.taker if taker is None else taker)
        instruments.append(msgspec.structs.replace(instrument, fee_tiers=(tier,)))
    told = ", ".join(f"{x.id} maker {x.fees().maker:f}, taker {x.fees().taker:f}" for x in instruments)
    notes = (*market.notes, f"fees are yours and not the venue's: {told}")
    return replace(market, instruments=tuple(instruments), notes=notes)


def find_source(home: Home, settings: MarketSettings) -> Path | None:
    """Return where recorded bars are, None for the synthetic market.

    A named source is taken as it is. `auto` takes the market/ in HOLDFAST_DATA (or HOLDFAST_DATA itself, where it holds
    the candle files), else the home's own store, else ../shared/data/market, else the synthetic market.
    """
    if settings.source == SYNTHETIC:
        return None
    if settings.path is not None:
        return settings.path
    if os.environ.get(DATA_VARIABLE):
        data = Path(os.environ[DATA_VARIABLE]).expanduser()
        return data / MARKET_FOLDER if (data / MARKET_FOLDER).is_dir() else data
    if home.bars.is_dir() and any(home.bars.glob("*/*.parquet")):
        return home.bars
    return _SHARED if _SHARED.is_dir() else None


@dataclass(frozen=True)
class _Ended:
    """A feed that ends where it is told to."""

    feed: Feed
    ts_until: int

    def groups(self) -> Iterator[Sequence[BarClosed]]:
        return takewhile(lambda group: group[0].ts_event <= self.ts_until, self.feed.groups())


def _synthetic(settings: MarketSettings, length: Timeframe, *, is_endless: bool) -> TradedMarket:
    first = parse_time(settings.start) if settings.start else SyntheticSettings().ts_start
    first -= first % DAY
    until = parse_time(settings.until) if settings.until else None
    pairs = settings.instruments or FAVOURITES[:_FAVOURITES_MAX]
    market = SyntheticMarket(pairs, length, settings.seed, SyntheticSettings(ts_start=first))
    series: tuple[BarSeries, ...] = ()
    feed: Feed = SyntheticFeed(market)
    if not is_endless:
        bars = ((until or first + _SYNTHETIC) - first) // length.nanos
        if bars < 1:
            raise _ends_early(first, length, "--to")
        series = tuple(market.series(bars))
        feed = SeriesFeed(series)
    elif until is not None:
        if until < first + length.nanos:
            raise _ends_early(first, length, "--until")
        feed = _Ended(feed, until)
    label = f"synthetic market, seed {settings.seed}, from {rfc3339(first)}"
    return TradedMarket(market.instruments, feed, series, length, label, True, (NOTE,))


def _ends_early(first: int, length: Timeframe, option: str) -> ConfigurationError:
    closes = rfc3339(first + length.nanos)
    return ConfigurationError(
        f"no bars in the asked time: the synthetic market begins at {rfc3339(first)}, its first {length.value} bar"
        f" closes at {closes}, and it goes on for ever",
        hint=f"give an end from {closes} on ({option}), or an earlier beginning (--from)",
    )


def _names(home: Home, source: Path, settings: MarketSettings, length: Timeframe) -> tuple[str, ...]:
    if settings.instruments:
        return settings.instruments
    if not source.is_dir():
        return ("",)  # what the file's own name says
    # A damaged series counts: whether a run can do without it is seen when it is read.
    there = _both(*_stored(home)) if source == home.bars else available(source)
    fitting = [name for name, lengths in there.items() if any(length.nanos % item.nanos == 0 for item in lengths)]
    only = ", ".join(sorted({what for name in fitting if (what := untraded(name))}))
    fitting = [name for name in fitting if not untraded(name)]
    spot = [name for name in fitting if market_name(name).market is Market.SPOT]
    liked = [name for pair in FAVOURITES for name in spot if name.rpartition(".")[0] == pair]
    chosen = _one_per_base(liked or spot or fitting)[:_FAVOURITES_MAX]
    if not chosen:
        raise DataError(
            f"{source}: no {length.value} candles in this folder"
            + (f", only {only}, which nobody trades" if only else ""),
            hint="import some with `holdfast data import FILE`, or take --market synthetic",
        )
    return tuple(chosen)


def _one_per_base(names: Sequence[str]) -> list[str]:
    # One account holds one balance of an asset: the plan refuses two markets of it.
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(market_name(name).pair.partition("/")[0], name)
    return list(first.values())


def _stored(home: Home) -> tuple[_Lengths, _Lengths]:
    """Return what the store has, by instrument: the sound series, and those whose file is damaged."""
    sound: _Lengths = {}
    damaged: _Lengths = {}
    catalog = ParquetBarStore(home.bars).catalog()
    for info in catalog.datasets:
        sound.setdefault(info.instrument_id, []).append(Timeframe(info.timeframe))
    for one in catalog.damaged:
        if _is_series(one.instrument_id, one.timeframe):
            damaged.setdefault(one.instrument_id, []).append(Timeframe(one.timeframe))
    return sound, damaged


def _both(sound: _Lengths, damaged: _Lengths) -> _Lengths:
    return {name: [*sound.get(name, []), *damaged.get(name, [])] for name in sorted({*sound, *damaged})}


def _is_series(name: str, length: str) -> bool:
    try:
        market_name(name)
        return bool(timeframe(length))
    except ConfigurationError:
        return False


def _load(home: Home, source: Path, name: str, length: Timeframe, file_format: str) -> LoadedBars:
    if source == home.bars:
        found = _from_store(home, name, length)
    elif not source.exists():
        raise ConfigurationError(
            f"{source}: there is no such file or folder",
            hint="check the path, or set HOLDFAST_DATA to the folder that contains market/, or take synthetic",
        )
    else:
        if source.is_file() and (said := read_name(source)) is not None:
            _require_traded(said.id, source)  # before a name that it does not have is missed in it
        found = load_bars(source, name or None, length, file_format)
    _require_traded(found.series.instrument_id, source)
    return found


def _require_traded(instrument_id: str, source: Path) -> None:
    what = untraded(instrument_id)
    if not what:
        return
    if source.is_dir():
        raise DataError(f"{instrument_id} holds {what}, which nobody trades", hint="name a market, like BTC/USDT")
    raise DataError(f"{source.name}: this file holds {what}, which nobody trades", hint="name a candle file")


def _from_store(home: Home, name: str, length: Timeframe) -> LoadedBars:
    sound, damaged = _stored(home)
    there = _both(sound, damaged)
    plain = name.upper().replace("_", "/")
    matches = [item for item in there if plain in (item, item.rpartition(".")[0])]
    if len(matches) != 1:
        what = "names several stored markets" if matches else "is not in the store"
        raise ConfigurationError(f"{name} {what}", hint="name one of: " + ", ".join(matches or there))
    lengths = _usable(sound, matches[0], length) or _usable(damaged, matches[0], length)
    if not lengths:
        stored = ", ".join(item.value for item in there[matches[0]])
        raise ConfigurationError(f"{matches[0]} is not stored in {length.value}", hint=f"it is stored in: {stored}")
    finest = length if length in lengths else max(lengths, key=lambda item: item.nanos)
    series = resample(ParquetBarStore(home.bars).load(matches[0], finest), length)
    return LoadedBars(series, quality_report(series))


def _usable(there: _Lengths, name: str, length: Timeframe) -> list[Timeframe]:
    return [item for item in there.get(name, []) if length.nanos % item.nanos == 0]


def _traded(
    found: list[LoadedBars], settings: MarketSettings, length: Timeframe, label: str, *, is_cut: bool
) -> TradedMarket:
    notes: list[str] = []
    instruments: list[Instrument] = []
    series: list[BarSeries] = []
    earlier: list[BarSeries] = []
    absent: list[BarSeries] = []
    start: int | None = parse_time(settings.start) if settings.start else None
    until = parse_time(settings.until) if settings.until else None
    if is_cut:
        start = _watched_from([item.series.between(None, until) for item in found])
    for item in found:
        # The grid is read from all bars, so that it depends neither on the stretch that is traded nor on a false print.
        name = market_name(item.series.instrument_id)
        listing = listing_for(name.pair, name.venue, name.market, trusted(item.series))
        part = item.series.between(start, until)
        if not len(part):
            absent.append(item.series)
            continue
        instruments.append(listing.instrument)
        series.append(part)
        earlier.append(item.series.between(None, until))
        notes += [f"{name.id}: {note}" for note in item.report.notes] + ([listing.note] if listing.note else [])
    if not series:
        names = " and ".join(item.instrument_id for item in absent)
        spans = ", ".join(f"{item.instrument_id} {_span(item)}" for item in absent)
        raise ConfigurationError(f"{names}: no bars in the asked time", hint=f"there are: {spans}")
    notes += [f"{item.instrument_id} is left out: no bars in the asked time, only {_span(item)}" for item in absent]
    is_synthetic = any(quality_report(part).is_synthetic for part in series)
    return TradedMarket(
        tuple(instruments), SeriesFeed(series), tuple(series), length, label, is_synthetic, tuple(notes),
        SeriesFeed(earlier) if is_cut else None, tuple(item.instrument_id for item in absent),
    )  # fmt: skip


def _is_default(settings: MarketSettings) -> bool:
    return settings.source == AUTO and not settings.start


def _watched_from(series: list[BarSeries]) -> int | None:
    there = [item for item in series if len(item)]
    if not there:
        return None
    ends = [int(item.ts[-1]) for item in there]
    first = max(ends) - _WATCHED
    if min(ends) < first:
        # A market that has ended would drop out as the others grow, and a run that trades it could not go on.
        first = min(ends) - _WATCHED
    # Midnight, so that the first day is a whole one.
    return first - first % DAY if all(int(item.ts[0]) < first for item in there) else None


def _span(series: BarSeries) -> str:
    first, last = series.span()
    return f"{rfc3339(first)} to {rfc3339(last)}"

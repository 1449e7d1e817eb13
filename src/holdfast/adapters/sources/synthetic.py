"""A seeded market that never ends: regimes, clustered volatility, jumps, correlated assets, outages if asked for.

It is made for demonstrations and drills where no real bars are, and every bar says so: venue SYNTHETIC, flag SYNTHETIC.
Nothing learnt on it says anything about a real market.

The same seed gives the same bars on every machine: random numbers are the raw 64-bit words of PCG64, normal draws are
sums of uniform ones, and the rest is + - * / and sqrt, which IEEE 754 defines to the last bit. No exp, no log, no sin.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import msgspec
import numpy as np
import numpy.typing as npt

from holdfast.adapters.sources.feed import SeriesFeed
from holdfast.adapters.sources.loading import LoadedBars
from holdfast.core.errors import ConfigurationError
from holdfast.core.record import Record
from holdfast.core.time import DAY, HOUR
from holdfast.domain.bar_quality import grid_offset, label, quality_report
from holdfast.domain.catalog import instrument_for
from holdfast.domain.instrument import Instrument
from holdfast.domain.market import BarClosed, BarFlag, BarSeries, Floats, Ints, Timeframe
from holdfast.domain.values import Asset, InstrumentId

VENUE = "SYNTHETIC"
NOTE = "synthetic bars from a seeded model: nothing learnt on them says anything about a real market"
# Draws are made by the block, so that a short run is the beginning of a longer one.
BLOCK_BARS = 1_024
_TS_START = 1_704_067_200_000_000_000  # 2024-01-01, a Monday: on the grid of every timeframe
_YEAR_DAYS = 365.0


class SyntheticSettings(Record, frozen=True):
    """What the market does beyond moving: rates per day of market time; `ts_start` (ns) is moved down to the grid."""

    ts_start: int = _TS_START
    jumps_per_day: float = 0.05
    outages_per_day: float = 0.0  # bars are missing
    outage_bars_max: int = 12
    silences_per_day: float = 0.0  # a flat bar without volume, and a gap open after it


class SyntheticAsset(Record, frozen=True):
    """How one asset behaves; `correlation` is that of its returns with the market's common factor."""

    price_start: float
    volatility_year: float
    correlation: float
    turnover_hour: float


_ASSETS = {
    "BTC": SyntheticAsset(42_000.0, 0.55, 0.90, 25_000_000.0),
    "ETH": SyntheticAsset(2_300.0, 0.70, 0.85, 14_000_000.0),
    "BNB": SyntheticAsset(310.0, 0.60, 0.75, 3_000_000.0),
    "SOL": SyntheticAsset(100.0, 0.95, 0.75, 5_000_000.0),
    "XRP": SyntheticAsset(0.62, 0.85, 0.65, 3_000_000.0),
    "ADA": SyntheticAsset(0.60, 0.90, 0.70, 1_500_000.0),
}
_ASSET_UNKNOWN = SyntheticAsset(25.0, 1.0, 0.6, 500_000.0)


@dataclass(frozen=True)
class _Regime:
    """A state of the whole market: drift per year, volatility against the usual, mean length in days, what follows."""

    drift_year: float
    volatility: float
    days: float
    follows: tuple[int, ...]  # the indices of the next regimes, each as likely as the others


_UP, _DOWN, _RANGE, _PANIC = range(4)
_REGIMES = (
    _Regime(0.9, 0.85, 20.0, (_RANGE, _RANGE, _DOWN)),
    _Regime(-1.0, 1.15, 12.0, (_RANGE, _UP, _PANIC)),
    _Regime(0.0, 0.65, 12.0, (_UP, _UP, _DOWN)),
    _Regime(-40.0, 2.6, 0.4, (_DOWN, _RANGE, _UP)),
)
# In a panic everything falls together, and a range pulls back to where it began.
_PANIC_CORRELATION = 0.5
_RANGE_PULL_PER_DAY = 0.35
# Variance follows its last surprise and itself, and returns to 1.
_VARIANCE_BASE, _VARIANCE_SURPRISE, _VARIANCE_MEMORY = 0.02, 0.13, 0.85
_RETURN_MIN, _RETURN_MAX = -0.35, 0.45
# Wider wicks would be marked as false prints.
_LOW_SHARE_MIN, _HIGH_SHARE_MAX = 0.6, 1.8


class SyntheticMarket:
    """One seeded market of several correlated pairs in one timeframe."""

    def __init__(
        self, pairs: Sequence[str], timeframe: Timeframe, seed: int, settings: SyntheticSettings | None = None
    ) -> None:
        names = list(dict.fromkeys(pair.upper().partition(".")[0].replace("_", "/") for pair in pairs))
        if not names:
            raise ConfigurationError("a synthetic market needs a pair", hint="name one, like BTC/USDT")
        self.instruments = tuple(_instrument(name) for name in names)
        self._timeframe, self._seed = timeframe, seed
        settings = settings or SyntheticSettings()
        offset = grid_offset(timeframe)
        start = (settings.ts_start - offset) // timeframe.nanos * timeframe.nanos + offset
        self._settings = msgspec.structs.replace(settings, ts_start=start)

    def chunks(self, ts_from: int | None = None) -> Iterator[list[BarSeries]]:
        """Yield bars of all pairs, block after block, for ever; each call begins anew.

        Parameters
        ----------
        ts_from
            Leave out what opens before; the rest is the same, so that an agent goes on where it stopped.
        """
        weather = _Weather(self._timeframe, self._seed, self._settings)
        walks = [_Walk(item, self._timeframe, self._seed) for item in self.instruments]
        before: list[BarSeries | None] = [None] * len(walks)
        while True:
            spell = weather.block()
            series = [label(walk.block(spell), last) for walk, last in zip(walks, before, strict=True)]
            before = [item if len(item) else last for item, last in zip(series, before, strict=True)]
            if ts_from is None or int(spell.ts[-1]) >= ts_from:
                yield [item.between(ts_from, None) for item in series]

    def series(self, bars: int) -> list[BarSeries]:
        """Return the first `bars` steps of the market; an outage takes its bars out of them."""
        blocks = list(islice(self.chunks(), -(-bars // BLOCK_BARS)))
        ts_end = self._settings.ts_start + bars * self._timeframe.nanos
        return [_joined([block[index] for block in blocks]).between(None, ts_end) for index in range(len(blocks[0]))]


class SyntheticFeed:
    """A synthetic market as a feed that does not end."""

    def __init__(self, market: SyntheticMarket, ts_from: int | None = None) -> None:
        self._market, self._ts_from = market, ts_from

    def groups(self) -> Iterator[Sequence[BarClosed]]:
        """Yield groups of bars with one closing time, for ever."""
        for series in self._market.chunks(self._ts_from):
            yield from SeriesFeed(series).groups()


def synthetic_bars(
    pairs: Sequence[str], timeframe: Timeframe, seed: int, bars: int, settings: SyntheticSettings | None = None
) -> list[LoadedBars]:
    """Return the first bars of a synthetic market as if they had been loaded, with a note that says what they are."""
    found = SyntheticMarket(pairs, timeframe, seed, settings).series(bars)
    return [LoadedBars(series, quality_report(series, (f"{NOTE}; seed {seed}",))) for series in found]


@dataclass(frozen=True)
class _Spell:
    """What one block holds for every asset alike."""

    ts: Ints
    factor: list[float]
    regimes: list[_Regime]
    is_range: list[bool]
    jumps: list[float]  # in units of a day's volatility
    is_silent: list[bool]
    is_there: list[bool]


class _Weather:
    """The common state: regime, factor, jumps, outages."""

    def __init__(self, timeframe: Timeframe, seed: int, settings: SyntheticSettings) -> None:
        self._draws = np.random.PCG64(np.random.SeedSequence([seed, 0]))
        self._step, self._settings = timeframe.nanos, settings
        self._ts, self._regime, self._outage = settings.ts_start, _RANGE, 0

    def block(self) -> _Spell:
        factor = _normals(self._draws, BLOCK_BARS).tolist()
        turns, nexts, jumps, sizes, silences, outages, lengths = (
            _uniforms(self._draws, BLOCK_BARS).tolist() for _ in range(7)
        )
        days, settings = self._step / DAY, self._settings
        regimes: list[int] = []
        is_there: list[bool] = []
        for index in range(BLOCK_BARS):
            regime = _REGIMES[self._regime]
            if turns[index] * regime.days < days:
                self._regime = regime.follows[int(nexts[index] * len(regime.follows))]
            regimes.append(self._regime)
            if self._outage == 0 and outages[index] < settings.outages_per_day * days:
                self._outage = 1 + int(lengths[index] * settings.outage_bars_max)
            is_there.append(self._outage == 0)
            self._outage = max(0, self._outage - 1)
        ts = self._ts + np.arange(BLOCK_BARS, dtype=np.int64) * self._step
        self._ts += BLOCK_BARS * self._step
        jump = [
            _jump(size) if chance < settings.jumps_per_day * days else 0.0
            for chance, size in zip(jumps, sizes, strict=True)
        ]
        return _Spell(
            ts, factor, [_REGIMES[index] for index in regimes], [index == _RANGE for index in regimes], jump,
            [chance < settings.silences_per_day * days for chance in silences], is_there,
        )  # fmt: skip


class _Walk:
    """The path of one asset through the weather."""

    def __init__(self, instrument: Instrument, timeframe: Timeframe, seed: int) -> None:
        self._instrument, self._timeframe = instrument, timeframe
        self._asset = _ASSETS.get(instrument.base, _ASSET_UNKNOWN)
        name = zlib.crc32(instrument.id.encode())
        self._draws = np.random.PCG64(np.random.SeedSequence([seed, name]))
        self._days = timeframe.nanos / DAY
        self._price = self._anchor = self._asset.price_start
        self._variance = 1.0
        # Where the last bar that traded closed, in ticks.
        self._ticks = round(self._price / float(instrument.tick))

    def block(self, spell: _Spell) -> BarSeries:
        moves, own = self._path(spell)
        opens, closes = self._ends(spell, moves)
        upper, lower = (np.abs(_normals(self._draws, BLOCK_BARS)) for _ in range(2))
        width = 0.35 * self._volatility() * np.array([regime.volatility for regime in spell.regimes])
        body_high, body_low = np.maximum(opens, closes), np.minimum(opens, closes)
        silent = np.array(spell.is_silent)
        highs = np.where(silent, body_high, np.rint(body_high * np.minimum(1.0 + width * upper, _HIGH_SHARE_MAX)))
        lows = np.where(silent, body_low, np.rint(body_low * np.maximum(1.0 - width * lower, _LOW_SHARE_MIN)))
        lows = np.minimum(np.maximum(lows, 1.0), body_low)
        volume = np.where(silent, 0.0, self._volume(np.array(own), closes))
        keep = np.array(spell.is_there)
        prices = (
            self._floats(opens, keep),
            self._floats(highs, keep),
            self._floats(lows, keep),
            self._floats(closes, keep),
        )
        flags = np.full(int(keep.sum()), int(BarFlag.SYNTHETIC), dtype=np.uint8)
        return BarSeries(self._instrument.id, self._timeframe, spell.ts[keep], prices, volume[keep], flags)

    def _path(self, spell: _Spell) -> tuple[list[float], list[float]]:
        """Return the true price after each bar, and how large each move was against the usual."""
        noise = _normals(self._draws, BLOCK_BARS).tolist()
        volatility = self._volatility()
        # A short bar holds only a part of what a jump does in an hour.
        jump_scale = (
            self._asset.volatility_year / math.sqrt(_YEAR_DAYS) * math.sqrt(math.sqrt(min(1.0, 24.0 * self._days)))
        )
        path: list[float] = []
        sizes: list[float] = []
        was_range = False
        for index, regime in enumerate(spell.regimes):
            share = self._asset.correlation
            if regime.drift_year < -10.0:
                share += (1.0 - share) * _PANIC_CORRELATION
            shock = share * spell.factor[index] + math.sqrt(1.0 - share * share) * noise[index]
            size = regime.volatility * math.sqrt(self._variance) * shock
            # Half the variance on top, so that a market without drift goes nowhere instead of down.
            drift = regime.drift_year * self._days / _YEAR_DAYS + 0.5 * volatility * volatility * self._variance
            if spell.is_range[index]:
                self._anchor = self._anchor if was_range else self._price
                drift = _RANGE_PULL_PER_DAY * self._days * (1.0 - self._price / self._anchor)
            was_range = spell.is_range[index]
            move = drift + volatility * size + jump_scale * spell.jumps[index]
            self._price *= 1.0 + min(max(move, _RETURN_MIN), _RETURN_MAX)
            self._variance = (
                _VARIANCE_BASE + (_VARIANCE_SURPRISE * min(shock * shock, 16.0) + _VARIANCE_MEMORY) * self._variance
            )
            path.append(self._price)
            sizes.append(abs(size))
        return path, sizes

    def _ends(self, spell: _Spell, path: list[float]) -> tuple[Floats, Floats]:
        """Return opens and closes in ticks: a bar opens where the last one closed, unless nobody was there."""
        tick = float(self._instrument.tick)
        closes = np.maximum(np.rint(np.array(path) / tick), 10.0)
        opens = np.concatenate((np.array([float(self._ticks)]), closes[:-1]))
        self._ticks = int(closes[-1])
        for index in np.flatnonzero(spell.is_silent).tolist():
            # The bar stands still where the last trade was; the next bar opens at the price that moved on unseen.
            if index and spell.is_silent[index - 1]:
                opens[index] = closes[index - 1]
            closes[index] = opens[index]
        return opens, closes

    def _volume(self, sizes: Floats, closes: Floats) -> Floats:
        noise = _normals(self._draws, BLOCK_BARS)
        turnover = (
            self._asset.turnover_hour * (self._timeframe.nanos / HOUR) * (0.2 + 0.6 * sizes + 0.25 * noise * noise)
        )
        lot = self._instrument.lot
        lots = np.maximum(np.rint(turnover / (closes * float(self._instrument.tick)) / float(lot)), 1.0)
        volume: Floats = lots * float(lot) if lot >= 1 else lots / float(1 / lot)
        return volume

    def _floats(self, ticks: Floats, keep: npt.NDArray[np.bool_]) -> Floats:
        # A tick is n or 1/n units; dividing integers gives the float that a venue's text would give, multiplying not.
        tick = self._instrument.tick
        prices: Floats = ticks[keep] * float(tick) if tick >= 1 else ticks[keep] / float(1 / tick)
        return prices

    def _volatility(self) -> float:
        """Return the usual volatility of one bar."""
        return self._asset.volatility_year * math.sqrt(self._days / _YEAR_DAYS)


def _instrument(pair: str) -> Instrument:
    try:
        return instrument_for(pair, VENUE)
    except ConfigurationError:
        # A pair that no list knows lives on the grid of SOL.
        known = instrument_for("SOL/USDT", VENUE)
        base, slash, quote = pair.partition("/")
        if not (slash and base and quote):
            raise
        return Instrument(
            InstrumentId(f"{pair}.{VENUE}"), Asset(base), Asset(quote), known.tick, known.lot,
            known.notional_min, known.fee_tiers, known.market,
        )  # fmt: skip


def _jump(size: float) -> float:
    """Return a jump in units of a day's volatility: half to three of them, three of five downwards."""
    return -(0.5 + 2.5 * size / 0.6) if size < 0.6 else 0.5 + 2.5 * (size - 0.6) / 0.4


def _uniforms(draws: np.random.PCG64, count: int) -> Floats:
    """Return numbers in [0, 1): the top 53 bits of raw words."""
    words = np.asarray(draws.random_raw(count), dtype=np.uint64)
    uniforms: Floats = (words >> np.uint64(11)).astype(np.float64) / float(1 << 53)
    return uniforms


def _normals(draws: np.random.PCG64, count: int) -> Floats:
    """Return nearly normal numbers: twelve uniform 16-bit parts of three words, summed as integers; within +-6."""
    words = np.ascontiguousarray(np.asarray(draws.random_raw(3 * count), dtype="<u8"))
    parts = words.view("<u2").reshape(count, 12).astype(np.int64)
    normals: Floats = (parts.sum(axis=1) - 6 * 65_535).astype(np.float64) / 65_536.0
    return normals


def _joined(parts: list[BarSeries]) -> BarSeries:
    first = parts[0]
    columns = [np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS]
    prices = (columns[1], columns[2], columns[3], columns[4])
    return BarSeries(first.instrument_id, first.timeframe, columns[0], prices, columns[5], columns[6])


_COLUMNS = ("ts", "open", "high", "low", "close", "volume", "flags")

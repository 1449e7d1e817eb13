"""Hostile markets from a seed: regimes, bursts, open gaps, missing bars, outages, false prints and thin volume.

Plain Python and one `Dice`, which asks no C library, so that a seed gives the same market on every machine.
"""

from __future__ import annotations

from decimal import Decimal

from holdfast.core.record import Record
from holdfast.domain.instrument import Instrument
from holdfast.domain.market import BarSeries, Timeframe
from holdfast.testing.builders import Row, make_series
from holdfast.testing.dice import Dice, exp, log

TICKS_MIN = 60
"""No price falls below so many ticks: a market that is nearly worthless has no grid left to trade on."""
TICKS_MAX = 1e9


class Weather(Record, frozen=True):
    """How rough a market is. Probabilities are per bar, sizes are shares of the price."""

    volatility: float = 0.01
    burst: float = 0.02  # probability that volatility jumps
    jump: float = 0.01  # probability of an open gap without a missing bar
    crash: float = 0.003  # probability of an open gap of -10 % to -60 %
    missing: float = 0.01  # probability that bars are missing
    outage: float = 0.01  # probability of NO_TRADE bars
    false_print: float = 0.005
    thin: float = 0.05  # probability that a bar has hardly any volume
    volume: float = 1e6  # mean volume of a bar in quote units


def draw_weather(rng: Dice) -> Weather:
    """Return the weather of one market: mild, rough or absurd."""
    rough = rng.choice((0.3, 1.0, 1.0, 3.0))
    return Weather(
        volatility=exp(rng.uniform(log(0.001), log(0.03))),
        burst=0.02 * rough,
        jump=0.02 * rough * rng.random(),
        crash=0.004 * rough * rng.random(),
        missing=0.01 * rough * rng.random(),
        outage=0.01 * rough * rng.random(),
        false_print=0.01 * rough * rng.random(),
        thin=0.1 * rough * rng.random(),
        volume=exp(rng.uniform(log(2e4), log(1e7))),
    )


def draw_series(
    rng: Dice, instrument: Instrument, bars: int, timeframe: Timeframe, ts_first: int, price: float
) -> BarSeries:
    """Return about `bars` labelled bars from `ts_first` on; bars that are missing were never there."""
    weather = draw_weather(rng)
    maker = _Maker(rng, instrument, weather, price)
    rows: list[Row] = []
    times: list[int] = []
    ts = ts_first
    idle = 0
    for _ in range(bars):
        if rng.random() < weather.missing:
            ts += rng.choice((1, 1, 2, 3, 12)) * timeframe.nanos
        if not idle and rng.random() < weather.outage:
            idle = rng.choice((1, 1, 2, 5))
        rows.append(maker.idle() if idle else maker.bar())
        times.append(ts)
        idle -= idle > 0
        ts += timeframe.nanos
    return make_series(instrument, rows, timeframe=timeframe, ts=times)


class _Maker:
    def __init__(self, rng: Dice, instrument: Instrument, weather: Weather, price: float) -> None:
        self._rng, self._weather = rng, weather
        self._tick = float(instrument.tick)
        self._digits = max(0, -_exponent(instrument.tick))
        self._close = self._on_tick(price)
        self._burst = 1.0
        self._drift = 0.0

    def idle(self) -> Row:
        close = self._close
        return (close, close, close, close, 0.0)

    def bar(self) -> Row:
        rng, weather = self._rng, self._weather
        if rng.random() < 0.02:
            self._drift = rng.choice((-0.3, 0.0, 0.0, 0.3)) * rng.random()
        self._burst = 1.0 + (self._burst - 1.0) * 0.9
        if rng.random() < weather.burst:
            self._burst += rng.expovariate(0.3)
        sigma = weather.volatility * self._burst
        start = self._on_tick(self._close * (1.0 + self._gap()))
        close = self._on_tick(start * exp(sigma * (rng.gauss(0.0, 1.0) + self._drift)))
        high = max(start, close, self._on_tick(max(start, close) * (1.0 + sigma * abs(rng.gauss(0.0, 0.7)))))
        low = min(start, close, self._on_tick(min(start, close) * exp(-sigma * abs(rng.gauss(0.0, 0.7)))))
        if rng.random() < weather.false_print:
            if rng.random() < 0.6:
                low = self._on_tick(low * rng.choice((0.4, 0.1, 0.0001)), floor=1)
            else:
                high = self._on_tick(high * rng.choice((2.5, 10.0)))
        self._close = close
        volume = weather.volume / start * exp(rng.gauss(0.0, 0.8)) * self._burst
        if rng.random() < weather.thin:
            volume *= rng.choice((0.0, 0.001, 0.01, 0.1))
        return (start, high, low, close, round(volume, 6))

    def _gap(self) -> float:
        rng, weather = self._rng, self._weather
        if rng.random() < weather.crash:
            return -rng.uniform(0.1, 0.6)
        if rng.random() < weather.jump:
            return rng.gauss(0.0, 4.0 * weather.volatility)
        return 0.0 if rng.random() < 0.5 else rng.gauss(0.0, 0.1 * weather.volatility)

    def _on_tick(self, price: float, floor: int = TICKS_MIN) -> float:
        ticks = min(max(round(price / self._tick), floor), TICKS_MAX)
        return round(ticks * self._tick, self._digits)


def _exponent(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0

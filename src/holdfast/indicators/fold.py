"""Indicators over whole arrays: each one a fold over its step, so it can see no bar before that bar has come."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from holdfast.domain.market import BarSeries, Floats
from holdfast.indicators.atr import ATR_SLOTS, atr_step
from holdfast.indicators.compilation import State, compiled
from holdfast.indicators.ema import EMA_SLOTS, ema_alpha, ema_step
from holdfast.indicators.macd import MACD_HISTOGRAM, MACD_LINE, MACD_SLOTS, macd_step
from holdfast.indicators.rsi import RSI_SLOTS, rsi_step
from holdfast.indicators.sma import sma_slots, sma_step
from holdfast.indicators.swing import SWING_HIGHS, SWING_LOWS, SWING_SLOTS, swing_step
from holdfast.indicators.volume import volume_slots, volume_step


def fold(
    step: Callable[..., float],
    slots: int,
    columns: Sequence[Floats],
    constants: Sequence[float],
    *,
    watch: Sequence[int] = (),
    accelerate: bool = False,
) -> tuple[Floats, ...]:
    """Run `step(state, 0, *row, *constants)` over the rows of `columns` (one to three), from a state of zeros.

    Returns
    -------
    tuple of Floats
        What the step returned; then one array for each slot in `watch`, as it stood after the step.
    """
    template = _TEMPLATES[len(columns) - 1]
    length, floats = len(columns[0]), tuple(map(float, constants))
    if accelerate:
        out: Floats = np.empty((1 + len(watch), length))
        arrays = tuple(np.ascontiguousarray(column) for column in columns)
        slots_watched = np.array(watch, dtype=np.int64)
        compiled(template)(compiled(step), np.zeros(slots), (arrays, floats), slots_watched, out)
        return tuple(out)
    rows = [[0.0] * length for _ in range(1 + len(watch))]
    lists = tuple(column.tolist() for column in columns)
    template(step, [0.0] * slots, (lists, floats), watch, rows)
    return tuple(np.array(row) for row in rows)


def ema(values: Floats, length: int, *, accelerate: bool = False) -> Floats:
    """Return the exponential moving average, seeded with the first value."""
    return fold(ema_step, EMA_SLOTS, [values], [ema_alpha(length)], accelerate=accelerate)[0]


def sma(values: Floats, length: int, *, accelerate: bool = False) -> Floats:
    """Return the simple moving average; NaN before `length` values are known."""
    return _hidden(fold(sma_step, sma_slots(length), [values], [length], accelerate=accelerate)[0], length - 1)


def rsi(values: Floats, length: int = 14, *, accelerate: bool = False) -> Floats:
    """Return Wilder's relative strength index; NaN before `length` changes are known."""
    return _hidden(fold(rsi_step, RSI_SLOTS, [values], [length], accelerate=accelerate)[0], length)


def atr(series: BarSeries, length: int = 14, *, accelerate: bool = False) -> Floats:
    """Return Wilder's average true range; NaN before `length` true ranges are known."""
    columns = (series.high, series.low, series.close)
    return _hidden(fold(atr_step, ATR_SLOTS, columns, [length], accelerate=accelerate)[0], length)


def macd(
    values: Floats, fast: int = 12, slow: int = 26, signal: int = 9, *, accelerate: bool = False
) -> tuple[Floats, Floats, Floats]:
    """Return line, signal and histogram, all from the first value on."""
    alphas = (ema_alpha(fast), ema_alpha(slow), ema_alpha(signal))
    watch = (MACD_LINE, MACD_HISTOGRAM)
    _, line, histogram = fold(macd_step, MACD_SLOTS, [values], alphas, watch=watch, accelerate=accelerate)
    return line, line - histogram, histogram


def relative_volume(volume: Floats, length: int = 20, *, accelerate: bool = False) -> Floats:
    """Return each volume as a multiple of the mean of the `length` before it; NaN before there are as many."""
    return _hidden(fold(volume_step, volume_slots(length), [volume], [length], accelerate=accelerate)[0], length)


def swings(series: BarSeries, k: int = 3, *, accelerate: bool = False) -> tuple[Floats, Floats]:
    """Return the newest confirmed swing high and low as known at each bar's close; NaN while there is none."""
    watch = (SWING_HIGHS, SWING_LOWS)
    columns = (series.high, series.low)
    _, highs, lows = fold(swing_step, SWING_SLOTS, columns, [k], watch=watch, accelerate=accelerate)
    return np.where(highs > 0.0, highs, np.nan), np.where(lows > 0.0, lows, np.nan)


def _hidden(values: Floats, count: int) -> Floats:
    values[:count] = np.nan
    return values


_Given = tuple[Sequence[Sequence[float]], tuple[float, ...]]  # columns and constants
_Step = Callable[..., float]


def _fold_1(step: _Step, state: State, given: _Given, watch: Sequence[int], out: Sequence[State]) -> None:
    columns, constants = given
    for i in range(len(columns[0])):
        out[0][i] = step(state, 0, columns[0][i], *constants)
        for j in range(len(watch)):
            out[j + 1][i] = state[watch[j]]


def _fold_2(step: _Step, state: State, given: _Given, watch: Sequence[int], out: Sequence[State]) -> None:
    columns, constants = given
    for i in range(len(columns[0])):
        out[0][i] = step(state, 0, columns[0][i], columns[1][i], *constants)
        for j in range(len(watch)):
            out[j + 1][i] = state[watch[j]]


def _fold_3(step: _Step, state: State, given: _Given, watch: Sequence[int], out: Sequence[State]) -> None:
    columns, constants = given
    for i in range(len(columns[0])):
        out[0][i] = step(state, 0, columns[0][i], columns[1][i], columns[2][i], *constants)
        for j in range(len(watch)):
            out[j + 1][i] = state[watch[j]]


_TEMPLATES: tuple[Callable[..., None], ...] = (_fold_1, _fold_2, _fold_3)

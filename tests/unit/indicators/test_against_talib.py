"""TA-Lib is the oracle wherever it defines an indicator as we do; where its seed differs, both must converge."""

import numpy as np
import pytest
import talib

from holdfast.domain.market import BarSeries, Floats
from holdfast.indicators import fold

CLOSE_ENOUGH = 1e-9
LENGTHS = [2, 5, 14, 50]


def agree(ours: Floats, theirs: Floats, scale: float) -> None:
    known = ~np.isnan(theirs)
    assert known.sum() > 100
    assert not np.isnan(ours[known]).any()
    np.testing.assert_allclose(ours[known], theirs[known], rtol=CLOSE_ENOUGH, atol=CLOSE_ENOUGH * scale)


def with_flat_beginning(values: Floats, length: int) -> Floats:
    """Give the values after `length` equal ones, on which every seed is the same."""
    return np.concatenate([np.full(length, values[0]), values])


@pytest.mark.parametrize("length", LENGTHS)
def test_sma_is_talibs(bars: BarSeries, length: int):
    ours, theirs = fold.sma(bars.close, length), talib.SMA(bars.close, length)
    agree(ours, theirs, bars.close.max())
    assert np.array_equal(np.isnan(ours), np.isnan(theirs))


@pytest.mark.parametrize("length", LENGTHS)
def test_rsi_is_talibs_where_anything_has_moved(bars: BarSeries, length: int):
    ours, theirs = fold.rsi(bars.close, length), talib.RSI(bars.close, length)
    assert np.array_equal(np.isnan(ours), np.isnan(theirs))
    # Where gains and losses are both 0, TA-Lib says 0 and we say 50: nothing moves, so nobody is stronger.
    has_moved = np.maximum.accumulate(np.abs(np.diff(bars.close, prepend=bars.close[0]))) > 0
    agree(ours[has_moved], theirs[has_moved], 100.0)


@pytest.mark.parametrize("length", LENGTHS)
def test_atr_is_talibs(bars: BarSeries, length: int):
    ours, theirs = fold.atr(bars, length), talib.ATR(bars.high, bars.low, bars.close, length)
    agree(ours, theirs, bars.high.max())
    assert np.array_equal(np.isnan(ours), np.isnan(theirs))


@pytest.mark.parametrize("length", LENGTHS)
def test_ema_is_talibs_to_the_bit_after_a_flat_beginning(bars: BarSeries, length: int):
    values = with_flat_beginning(bars.close, length)
    theirs = talib.EMA(values, length)
    agree(fold.ema(values, length), theirs, bars.close.max())


@pytest.mark.parametrize("length", LENGTHS)
def test_ema_converges_to_talibs_from_another_seed(bars: BarSeries, length: int):
    difference = np.abs(fold.ema(bars.close, length) - talib.EMA(bars.close, length))
    # The seeds differ by less than the range of the first values; the difference shrinks by 1 - alpha a bar.
    first = np.ptp(bars.close[:length])
    bound = first * (1 - 2 / (length + 1)) ** np.arange(len(bars) - length + 1) + CLOSE_ENOUGH * bars.close.max()
    assert (difference[length - 1 :] <= bound).all()


@pytest.mark.parametrize(("fast", "slow", "signal"), [(12, 26, 9), (3, 10, 16)])
def test_macd_is_talibs_after_a_flat_beginning(bars: BarSeries, fast: int, slow: int, signal: int):
    values = with_flat_beginning(bars.close, slow + signal)
    for ours, theirs in zip(fold.macd(values, fast, slow, signal), talib.MACD(values, fast, slow, signal), strict=True):
        agree(ours, theirs, bars.close.max())


def test_macd_converges_to_talibs_from_another_seed(bars: BarSeries):
    for ours, theirs in zip(fold.macd(bars.close), talib.MACD(bars.close), strict=True):
        np.testing.assert_allclose(ours[500:], theirs[500:], atol=1e-9 * bars.close.max())

"""A batch is a fold: its prefix is the batch of the prefix, plain and compiled give the same bits."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.market import BarSeries, Floats
from holdfast.indicators import fold

BATCHES: dict[str, Callable[..., object]] = {
    "ema": lambda bars, **how: fold.ema(bars.close, 9, **how),
    "sma": lambda bars, **how: fold.sma(bars.close, 9, **how),
    "rsi": lambda bars, **how: fold.rsi(bars.close, 9, **how),
    "atr": lambda bars, **how: fold.atr(bars, 9, **how),
    "macd": lambda bars, **how: fold.macd(bars.close, 5, 9, 4, **how),
    "volume": lambda bars, **how: fold.relative_volume(bars.volume, 9, **how),
    "swings": lambda bars, **how: fold.swings(bars, 2, **how),
}


@pytest.mark.parametrize("name", BATCHES)
def test_batch_of_a_prefix_is_the_prefix_of_the_batch(bars: BarSeries, name: str):
    batch = BATCHES[name]
    whole = np.atleast_2d(np.array(batch(bars.slice(0, 400))))
    for cut in (1, 2, 10, 57, 399):
        assert np.array_equal(np.atleast_2d(np.array(batch(bars.slice(0, cut)))), whole[:, :cut], equal_nan=True)


@pytest.mark.parametrize("name", BATCHES)
def test_compiled_batch_has_the_same_bits(bars: BarSeries, name: str):
    plain, fast = np.array(BATCHES[name](bars)), np.array(BATCHES[name](bars, accelerate=True))
    assert plain.tobytes() == fast.tobytes()


prices = st.lists(st.floats(0.01, 1e6), min_size=1, max_size=120).map(np.array)


@given(prices, st.integers(1, 30))
def test_sma_is_the_mean_of_what_the_window_holds(values: Floats, length: int):
    ours = fold.sma(values, length)
    for i in range(length - 1, len(values)):
        assert ours[i] == pytest.approx(values[i - length + 1 : i + 1].mean(), rel=1e-9)


@given(prices, st.integers(2, 30))
def test_ema_stays_within_what_it_has_seen(values: Floats, length: int):
    ours = fold.ema(values, length)
    slack = 1e-9 * values.max()
    assert (ours <= np.maximum.accumulate(values) + slack).all()
    assert (ours >= np.minimum.accumulate(values) - slack).all()


@given(prices, st.integers(2, 30))
def test_rsi_stays_between_its_bounds_and_mirrors(values: Floats, length: int):
    ours, mirrored = fold.rsi(values, length), fold.rsi(-values, length)
    known = ~np.isnan(ours)
    assert ((ours[known] >= 0.0) & (ours[known] <= 100.0)).all()
    np.testing.assert_allclose(ours[known] + mirrored[known], 100.0, atol=1e-6)


def test_relative_volume_leaves_the_bar_itself_out_of_what_is_usual():
    volume = np.array([10.0, 20.0, 30.0, 40.0, 0.0, 0.0, 0.0, 5.0])
    ours = fold.relative_volume(volume, 3)
    np.testing.assert_allclose(ours[3:], [2.0, 0.0, 0.0, 0.0, 0.0])
    assert np.isnan(ours[:3]).all()

"""The built-in market."""

from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.domain.conftest import START, is_same

from holdfast.adapters.sources.synthetic import (
    BLOCK_BARS,
    SyntheticFeed,
    SyntheticMarket,
    SyntheticSettings,
    synthetic_bars,
)
from holdfast.adapters.sources.synthetic_book import book_at, quote_at
from holdfast.core.errors import ConfigurationError
from holdfast.domain.bar_quality import label, validate
from holdfast.domain.catalog import instrument_for
from holdfast.domain.market import BarClosed, BarFlag, Timeframe
from holdfast.domain.series_digest import series_digest

PAIRS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")
ROUGH = SyntheticSettings(outages_per_day=0.2, silences_per_day=0.2, jumps_per_day=1.0)


@given(
    st.integers(0, 2**63), st.sampled_from([Timeframe.M1, Timeframe.H1, Timeframe.D1]), st.sampled_from([None, ROUGH])
)
def test_every_seed_gives_valid_bars_on_the_instruments_grid(
    seed: int, timeframe: Timeframe, settings: SyntheticSettings | None
):
    market = SyntheticMarket(PAIRS, timeframe, seed, settings)
    for instrument, series in zip(market.instruments, market.series(300), strict=True):
        validate(series)
        assert (series.flags & BarFlag.SYNTHETIC).all()
        assert not (series.flags & BarFlag.SUSPECT).any()
        assert is_same(label(series), series)
        for value in (series.open[-1], series.high[-1], series.low[-1], series.close[-1]):
            assert float(instrument.price(float(value))) == value


def test_bars_are_the_same_on_every_machine():
    """A digest of bars that were made elsewhere: a change here means that seeds no longer mean what they meant."""
    digests = [
        series_digest(item.series) for item in synthetic_bars(("BTC/USDT", "NEW/USDT"), Timeframe.H1, 7, 3_000, ROUGH)
    ]
    assert digests == [
        "b7f8cb039e75e4fe7351f7a25cd0e278c5416420ae20199982f741b35bcd631e",
        "e78c430c580f04b7c591b0dc0ec56e4abc1067337e142688bc30e2e25100c7ef",
    ]


def test_a_short_run_is_the_beginning_of_a_longer_one_and_of_the_endless_one():
    market = SyntheticMarket(PAIRS, Timeframe.M1, 3, ROUGH)
    long, short = market.series(3_000), market.series(1_500)
    endless = list(islice(market.chunks(), 3))
    for index in range(len(PAIRS)):
        assert is_same(long[index].slice(0, len(short[index])), short[index])
        joined = np.concatenate([chunk[index].close for chunk in endless])
        assert joined[: len(long[index])].tolist() == long[index].close.tolist()
    assert len(endless[0][0]) <= BLOCK_BARS


def test_it_goes_on_from_any_time():
    market = SyntheticMarket(PAIRS[:1], Timeframe.M1, 3, ROUGH)
    whole = market.series(4_000)[0]
    for row in (0, 5, 1_300, 2_100):
        later = next(market.chunks(int(whole.ts[row])))[0]
        assert is_same(later, whole.slice(row, row + len(later)))
    assert next(SyntheticFeed(market, int(whole.ts[1_300])).groups())[0].ts_event == whole.ts_close[1_300]


def test_it_begins_on_the_grid():
    settings = SyntheticSettings(ts_start=START + 61_000_000_000)
    assert int(SyntheticMarket(PAIRS, Timeframe.H1, 3, settings).series(5)[0].ts[0]) == START
    assert int(SyntheticMarket(PAIRS, Timeframe.W1, 3, settings).series(5)[0].ts[0]) == START


def test_another_asset_beside_it_changes_nothing():
    alone, together = (SyntheticMarket(pairs, Timeframe.H1, 5).series(500) for pairs in (PAIRS[:1], PAIRS))
    assert is_same(alone[0], together[0])


def test_seeds_differ():
    one, other = (SyntheticMarket(PAIRS[:1], Timeframe.H1, seed).series(100)[0] for seed in (1, 2))
    assert not is_same(one, other)


@pytest.mark.slow
def test_it_moves_like_a_market():
    """Fat tails, clustered volatility, assets that move together, volume that follows volatility."""
    kurtosis, clustering, together, volume = [], [], [], []
    for seed in range(6):
        found = SyntheticMarket(PAIRS, Timeframe.H1, seed).series(8_760)
        returns = [np.diff(np.log(item.close)) for item in found]
        first, size = returns[0], np.abs(returns[0])
        kurtosis.append(((first - first.mean()) ** 4).mean() / first.var() ** 2)
        clustering.append(np.corrcoef(size[1:], size[:-1])[0, 1])
        together.append(np.corrcoef(returns)[0, 1])
        volume.append(np.corrcoef(found[0].volume[1:], size)[0, 1])
    assert 8 < np.median(kurtosis) < 100
    assert np.median(clustering) > 0.12
    assert 0.6 < np.median(together) < 0.95
    assert np.median(volume) > 0.2


def test_outages_are_gaps_and_silences_are_no_trade_for_all_pairs_alike():
    found = synthetic_bars(PAIRS, Timeframe.H1, 11, 4_000, ROUGH)
    reports = [item.report for item in found]
    assert reports[0].missing > 0
    assert reports[0].no_trade
    assert {(report.gaps, report.no_trade) for report in reports} == {(reports[0].gaps, reports[0].no_trade)}
    assert all(
        report.is_synthetic and "synthetic" in report.notes[0] and "seed 11" in report.notes[0] for report in reports
    )
    series = found[0].series
    after = (series.flags & BarFlag.AFTER_NO_TRADE) != 0
    rows = np.flatnonzero(after)
    assert (series.open[rows] != series.close[rows - 1]).any()


def test_the_feed_does_not_end_and_has_all_pairs():
    groups = list(islice(SyntheticFeed(SyntheticMarket(PAIRS, Timeframe.H1, 1)).groups(), BLOCK_BARS + 5))
    assert len(groups) == BLOCK_BARS + 5
    assert [bar.instrument_id for bar in groups[-1]] == [f"{pair}.SYNTHETIC" for pair in sorted(PAIRS)]


def test_names_are_taken_in_any_form_and_once():
    market = SyntheticMarket(["btc_usdt", "BTC/USDT.BINANCE", "NEW/USDT"], Timeframe.H1, 1)
    assert [item.id for item in market.instruments] == ["BTC/USDT.SYNTHETIC", "NEW/USDT.SYNTHETIC"]
    with pytest.raises(ConfigurationError, match="needs a pair"):
        SyntheticMarket([], Timeframe.H1, 1)
    with pytest.raises(ConfigurationError):
        SyntheticMarket(["BTC"], Timeframe.H1, 1)


@given(
    st.integers(1, 10**9), st.integers(0, 1_000), st.integers(0, 1_000), st.floats(0, 1e6), st.integers(1, 20)
)  # fmt: skip
def test_books_are_sound_around_any_bar(ticks: int, up: int, down: int, volume: float, levels: int):
    instrument = instrument_for("BTC/USDT", "SYNTHETIC")
    close = ticks / 100
    bar = BarClosed(instrument.id, 1_000, close, close * (1 + up / 1_000), close / (1 + down / 1_000), close, volume)
    book, quote = book_at(bar, instrument, levels), quote_at(bar, instrument)
    assert not quote.is_crossed
    assert quote == quote_at(bar, instrument)
    assert 1 <= len(book.bids) <= len(book.asks) == levels
    assert all(level.quantity >= instrument.lot for level in (*book.bids, *book.asks))
    assert (book.bids[0].price, book.asks[0].price) == (quote.bid, quote.ask)


def test_a_wide_bar_has_a_wide_spread():
    instrument = instrument_for("BTC/USDT", "SYNTHETIC")
    calm = quote_at(BarClosed(instrument.id, 1, 100.0, 100.1, 99.9, 100.0, 10.0), instrument)
    wild = quote_at(BarClosed(instrument.id, 1, 100.0, 120.0, 80.0, 100.0, 10.0), instrument)
    assert wild.ask - wild.bid > 5 * (calm.ask - calm.bid)

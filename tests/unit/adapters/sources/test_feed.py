"""Series as a feed."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.domain.conftest import START, make_series, make_walk

from holdfast.adapters.sources.feed import SeriesFeed, StreamFeed, bars_of
from holdfast.core.errors import ConfigurationError
from holdfast.core.time import HOUR
from holdfast.domain.bar_quality import label
from holdfast.domain.market import BarClosed, BarFlag, BarSeries, Timeframe
from holdfast.domain.tradable import tradable
from holdfast.ports.market import Feed


def expected_groups(series: list[BarSeries]) -> list[list[BarClosed]]:
    """The same, one bar at a time and by hand."""
    found: dict[int, list[BarClosed]] = {}
    for item in sorted(series, key=lambda item: item.instrument_id):
        seen = tradable(item)
        for row in range(len(item)):
            closes_at = int(seen.ts[row]) + item.timeframe.nanos
            numbers = (getattr(seen, name)[row].item() for name in ("open", "high", "low", "close", "volume"))
            bar = BarClosed(item.instrument_id, closes_at, *numbers, int(seen.flags[row]))
            found.setdefault(closes_at, []).append(bar)
    return [found[moment] for moment in sorted(found)]


def as_lists(feed: Feed) -> list[list[BarClosed]]:
    return [list(group) for group in feed.groups()]


@given(st.lists(st.tuples(st.integers(1, 60), st.sampled_from([0.0, 0.3])), min_size=1, max_size=4), st.integers(0, 99))
def test_bars_that_close_together_come_as_one_group_by_name(sizes: list[tuple[int, float]], seed: int):
    names = ["DDD/USDT.TEST", "AAA/USDT.TEST", "CCC/USDT.TEST", "BBB/USDT.TEST"]
    series = [
        label(make_walk(bars, seed + index, name=names[index], missing=missing))
        for index, (bars, missing) in enumerate(sizes)
    ]
    assert as_lists(SeriesFeed(series)) == expected_groups(series)


def test_chunks_leave_no_seam():
    series = [label(make_walk(9_000, seed, name=f"{name}/USDT.TEST", missing=0.1)) for seed, name in enumerate("CAB")]
    assert as_lists(SeriesFeed(series)) == expected_groups(series)
    assert as_lists(SeriesFeed(series[:1])) == expected_groups(series[:1])


def test_series_of_different_lengths_of_bars_meet_at_their_closings():
    series = [make_walk(8, timeframe=Timeframe.M30, name="A/B.T"), make_walk(3, name="C/D.T")]
    groups = as_lists(SeriesFeed(series))
    assert groups == expected_groups(series)
    assert [len(group) for group in groups] == [1, 2, 1, 2, 1, 2, 1, 1]


def test_numbers_are_plain_and_the_time_is_that_of_the_closing():
    (group,) = as_lists(SeriesFeed([make_walk(1)]))
    (bar,) = group
    assert bar.ts_event == START + HOUR
    assert {type(value) for value in (bar.open, bar.high, bar.low, bar.close, bar.volume)} == {float}
    assert {type(bar.ts_event), type(bar.flags)} == {int}


def test_false_prints_are_clipped_and_still_marked_and_contracts_are_converted():
    rows = [(0, 3.0634, 3.0765, 0.0001, 2.4693, 100.0)]
    series = [label(make_series(rows, name=name)) for name in ("LINK/USDT.BINANCE", "XRP/USDT-PERP.GATEIO")]
    for feed in (SeriesFeed(series), *(SeriesFeed([item]) for item in series)):
        for group in feed.groups():
            for bar in group:
                assert (bar.high, bar.low, bar.flags) == (3.0765, 2.4693, BarFlag.SUSPECT)
                assert bar.volume == (1_000.0 if "PERP" in bar.instrument_id else 100.0)


def test_a_feed_may_be_read_again():
    feed = SeriesFeed([make_walk(5), make_walk(5, name="B/C.D")])
    assert as_lists(feed) == as_lists(feed)
    assert len(as_lists(feed)) == 5


def test_an_empty_feed_ends_at_once():
    assert as_lists(SeriesFeed([])) == []
    assert as_lists(SeriesFeed([make_walk(3).slice(0, 0)])) == []
    assert as_lists(SeriesFeed([make_walk(3).slice(0, 0), make_walk(3, name="B/C.D").slice(0, 0)])) == []


def test_two_series_of_one_instrument_are_refused():
    with pytest.raises(ConfigurationError, match=r"found several of AAA/USDT\.TEST"):
        SeriesFeed([make_walk(3), make_walk(3, timeframe=Timeframe.M5)])


def test_a_stream_is_the_series_slice_by_slice_and_asks_for_no_more_than_it_needs():
    series = label(make_walk(10_000))
    asked: list[int] = []

    def slices() -> Iterator[BarSeries]:
        for first in range(0, len(series), 1_000):
            asked.append(first)
            yield series.slice(first, first + 1_000)

    feed = StreamFeed(slices)
    assert next(feed.groups()) == tuple(bars_of(series.slice(0, 1)))
    assert asked == [0]
    assert as_lists(feed) == as_lists(SeriesFeed([series]))

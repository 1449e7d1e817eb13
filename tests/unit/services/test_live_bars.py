"""Bars from a wire: each once, labelled as a backtest would, in groups that wait for one another and not for ever."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from holdfast.adapters.sources.feed import SeriesFeed
from holdfast.core.time import HOUR, MILLISECOND
from holdfast.domain.market import BarClosed, BarFlag, Timeframe
from holdfast.services.live_bars import LiveBars, merged, unfit
from holdfast.testing.builders import Row, make_bar, make_instrument, make_series

BTC, ETH = make_instrument(), make_instrument("ETH/USDT.SIM")
ROW: Row = (100.0, 101.0, 99.0, 100.5, 10.0)
GRACE = 1_500 * MILLISECOND


def bars(*names: str) -> LiveBars:
    return LiveBars([x.id for x in (BTC, ETH) if x.base in (names or ("BTC", "ETH"))], Timeframe.H1, 1_500)


def test_a_whole_group_is_given_at_once_in_order_of_names():
    live = bars()
    live.add(make_bar(ETH, 0, ROW), 0)
    assert live.ready(0) == []
    live.add(make_bar(BTC, 0, ROW), 1)
    ((one, two),) = live.ready(1)
    assert (one.instrument_id, two.instrument_id) == (BTC.id, ETH.id)
    assert live.ready(10 * GRACE) == []


def test_who_is_late_is_not_waited_for_longer_than_the_grace():
    live = bars()
    live.add(make_bar(BTC, 0, ROW), 0)
    assert live.ready(GRACE - 1) == []
    ((one,),) = live.ready(GRACE)
    assert one.instrument_id == BTC.id


def test_a_venue_that_is_silent_is_not_waited_for():
    live = bars()
    live.add(make_bar(BTC, 0, ROW), 0)
    assert live.ready(0, [BTC.id]) == [], "the other one speaks, and has said nothing yet"
    ((one,),) = live.ready(0, [ETH.id])
    assert one.instrument_id == BTC.id


def test_a_late_bar_of_the_same_time_comes_as_a_group_of_its_own():
    live = bars()
    live.add(make_bar(BTC, 0, ROW), 0)
    live.ready(GRACE)
    live.add(make_bar(ETH, 0, ROW), GRACE)
    ((late,),) = live.ready(3 * GRACE)
    assert late.instrument_id == ETH.id


def test_a_bar_behind_the_engines_time_is_refused_and_the_next_one_has_a_gap():
    live = bars()
    live.add(make_bar(ETH, 0, ROW), 0)
    live.ready(GRACE)
    live.add(make_bar(BTC, 2, ROW), GRACE)
    live.ready(3 * GRACE)
    live.add(make_bar(ETH, 1, ROW), 3 * GRACE)
    assert "is behind: its bar of 20" in live.refused[0]
    live.add(make_bar(ETH, 2, ROW), 3 * GRACE)
    ((bar,),) = live.ready(9 * GRACE)
    assert bar.flags & BarFlag.GAP_BEFORE


def test_one_that_stays_behind_is_told_once_and_again_when_it_falls_behind_anew():
    live = bars()
    for number, others in ((0, 9), (10, 19)):
        live.add(make_bar(BTC, others, ROW), 0)
        live.ready(GRACE)
        for late in range(number, number + 5):
            live.add(make_bar(ETH, late, ROW), 3 * GRACE)
        live.add(make_bar(ETH, others, ROW), 3 * GRACE)
        live.ready(9 * GRACE)
    assert len(live.refused) == 2


def test_what_comes_twice_is_given_once():
    live = bars("BTC")
    for _ in range(2):
        live.add(make_bar(BTC, 0, ROW), 0)
    assert len(live.ready(0)) == 1
    live.add(make_bar(BTC, 0, ROW), 0)
    assert live.ready(0) == []


def test_what_no_market_has_made_is_refused_and_told():
    live = bars("BTC")
    for wrong in ((100.0, 101.0, 99.0, float("nan"), 1.0), (100.0, 99.0, 98.0, 100.0, 1.0), (0.0, 1.0, 0.0, 1.0, 1.0)):
        live.add(make_bar(BTC, 0, wrong), 0)
    assert live.ready(GRACE) == []
    assert len(live.refused) == 3
    live.add(make_bar(BTC, 0, ROW), 0)
    assert len(live.ready(0)) == 1, "a whole one may still come"


def test_a_strangers_bar_is_passed_over():
    live = bars("BTC")
    live.add(make_bar(ETH, 0, ROW), 0)
    assert live.ready(GRACE) == []


def test_bars_are_labelled_one_by_one_as_a_series_is():
    rows: list[Row] = [ROW] * 30
    rows[5] = (100.0, 101.0, 0.0001, 100.0, 10.0)  # a false low
    rows[9] = (100.5, 100.5, 100.5, 100.5, 0.0)  # nothing traded
    rows[14] = (100.0, 401.0, 99.0, 400.0, 10.0)  # a close that is not believed
    rows[15] = (400.0, 401.0, 399.0, 400.0, 10.0)  # and is confirmed
    ts = [make_bar(BTC, number + (number > 20), ROW).ts_event - HOUR for number in range(30)]
    series = make_series(BTC, rows, ts=ts)
    expected = [bar for group in SeriesFeed([series]).groups() for bar in group]
    live = bars("BTC")
    found: list[BarClosed] = []
    for row, opened in zip(rows, ts, strict=True):
        live.add(BarClosed(BTC.id, opened + HOUR, *row), 0)
        found += [bar for group in live.ready(0) for bar in group]
    assert found == expected
    assert sum(bar.flags != 0 for bar in found) > 4


def test_history_goes_before_what_comes_later():
    live = bars("BTC")
    known = live.know([make_bar(BTC, 0, ROW), make_bar(BTC, 1, ROW)])
    assert [bar.ts_event for bar in known] == [make_bar(BTC, number, ROW).ts_event for number in range(2)]
    live.add(make_bar(BTC, 1, ROW), 0)
    live.add(make_bar(BTC, 2, ROW), 0)
    ((bar,),) = live.ready(0)
    assert not bar.flags & BarFlag.GAP_BEFORE


def test_unfit_adds_one_flag_and_merging_sorts_by_time_and_name():
    bar = make_bar(BTC, 0, ROW, flags=int(BarFlag.GAP_BEFORE))
    assert unfit(bar) == msgspec.structs.replace(bar, flags=int(BarFlag.GAP_BEFORE | BarFlag.NO_ENTRY))
    later, early, other = make_bar(BTC, 1, ROW), make_bar(ETH, 0, ROW), make_bar(BTC, 0, ROW)
    assert merged([later, early, other]) == [[other, early], [later]]


PRICES = st.sampled_from([0.0001, 30.0, 49.9, 50.0, 99.0, 100.0, 101.0, 199.9, 200.0, 201.0, 400.0])


@st.composite
def odd_rows(draw: st.DrawFn) -> Row:
    opened, closed, one, two = (draw(PRICES) for _ in range(4))
    flat = draw(st.booleans())
    if flat:
        return (opened, opened, opened, opened, draw(st.sampled_from([0.0, 1.0])))
    low, high = min(opened, closed, one, two), max(opened, closed, one, two)
    return (opened, high, low, closed, draw(st.sampled_from([0.0, 5.0])))


@given(st.lists(st.tuples(odd_rows(), st.integers(1, 3)), min_size=1, max_size=12))
def test_odd_bars_are_labelled_one_by_one_as_a_series_is(steps: list[tuple[Row, int]]):
    number, rows, ts = 0, [], []
    for row, step in steps:
        number += 1 if step < 3 else 2
        rows.append(row)
        ts.append(make_bar(BTC, number, ROW).ts_event - HOUR)
    expected = [bar for group in SeriesFeed([make_series(BTC, rows, ts=ts)]).groups() for bar in group]
    live = bars("BTC")
    for row, opened in zip(rows, ts, strict=True):
        live.add(BarClosed(BTC.id, opened + HOUR, *row), 0)
    assert [bar for group in live.ready(0) for bar in group] == expected

"""One number for the content of a series."""

import numpy as np
from tests.unit.domain.conftest import COLUMNS, make_walk

from holdfast.domain.bar_quality import with_flags
from holdfast.domain.market import BarSeries, Timeframe
from holdfast.domain.series_digest import series_digest


def test_every_column_name_and_length_counts():
    series = make_walk(100)
    digests = {series_digest(series), series_digest(series.slice(0, 99)), series_digest(make_walk(100, name="B/C.D"))}
    for name in COLUMNS:
        columns = {title: getattr(series, title).copy() for title in COLUMNS}
        columns[name][50] += 1
        prices = (columns["open"], columns["high"], columns["low"], columns["close"])
        other = BarSeries(
            series.instrument_id, Timeframe.H1, columns["ts"], prices, columns["volume"], columns["flags"]
        )
        digests.add(series_digest(other))
    assert len(digests) == 3 + len(COLUMNS)


def test_it_does_not_depend_on_how_the_columns_lie_in_memory():
    series = make_walk(100)
    spread = BarSeries(
        series.instrument_id, series.timeframe, series.ts.repeat(2)[::2],
        (series.open.repeat(2)[::2], series.high, series.low, series.close), series.volume, series.flags,
    )  # fmt: skip
    assert series_digest(spread) == series_digest(series)
    assert series_digest(with_flags(series, series.flags)) == series_digest(series)


def test_it_is_the_same_on_every_machine():
    assert series_digest(make_walk(3).slice(0, 0)) == series_digest(make_walk(3).slice(1, 1))
    ticks = np.array([1, 2], dtype=np.int64) * 3_600_000_000_000
    one = np.array([1.0, 2.0])
    series = BarSeries(
        make_walk(1).instrument_id, Timeframe.H1, ticks, (one, one, one, one), one, ticks.astype(np.uint8)
    )
    assert series_digest(series) == series_digest(series)

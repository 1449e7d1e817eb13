"""What a false open, close or bar may do to a run: nothing; and what a real collapse does: what it did, a bar later."""

from decimal import Decimal

import pytest

from holdfast.adapters.sources.feed import SeriesFeed
from holdfast.domain.decision import Action
from holdfast.engine.engine import Engine
from holdfast.services.assembly import build_engine
from holdfast.services.backtesting import BacktestResult, run_backtest
from holdfast.services.paper import PaperAgent
from holdfast.testing.builders import Row, make_instrument, make_plan, make_run, make_series, make_venue
from holdfast.testing.memory_journal import MemoryJournal, MemoryRecords
from holdfast.testing.scripted import Line, ScriptedStrategy

BTC = make_instrument()
PLAN = make_plan(BTC)
STILL: Row = (100.0, 101.0, 99.5, 100.0, 1e6)
FALLEN: Row = (4.1, 4.2, 3.8, 4.0, 1e6)
FALSE = 6
FALSE_BARS: dict[str, Row] = {
    "all but the high": (0.01, 101.0, 0.01, 0.01, 1e6),
    "all four": (0.01, 0.01, 0.01, 0.01, 1e6),
    "a tenth of it": (10.0, 10.1, 9.95, 10.0, 1e6),
    "the open": (0.01, 101.0, 0.01, 100.0, 1e6),
    "the close": (100.0, 101.0, 0.01, 0.01, 1e6),
    "a rise": (100.0, 1e6, 99.5, 1e6, 1e6),
}
LONG = Line(Action.ENTER_LONG, 98.0, 106.0)


def make_engine(script: dict[int, Line]) -> Engine:
    return build_engine(PLAN, lambda name: ScriptedStrategy(name, script))


def run(rows: list[Row], script: dict[int, Line], first: int = 0) -> BacktestResult:
    series = make_series(BTC, rows)
    series = series.slice(first, len(series))
    return run_backtest(
        make_run(PLAN, mode="backtest"), make_engine(script), [series], SeriesFeed([series]), make_venue(PLAN),
        MemoryJournal(),
    )  # fmt: skip


def with_bar(bar: Row, *after: Row) -> list[Row]:
    return [*[STILL] * FALSE, bar, *(after or [STILL] * 6)]


@pytest.mark.parametrize("bar", FALSE_BARS.values(), ids=FALSE_BARS)
def test_a_position_outlives_a_false_bar(bar: Row):
    result = run(with_bar(bar), {2: LONG})
    assert [(trade.exit_reason, trade.exit_price) for trade in result.run.trades] == [("end", Decimal(100))]
    assert result.performance.drawdown.share_max < 0.01
    assert any("1 false prints; nothing was filled or sized from them" in text for text in result.warnings)


@pytest.mark.parametrize("bar", FALSE_BARS.values(), ids=FALSE_BARS)
def test_an_entry_that_waits_for_a_false_bar_or_is_asked_for_in_it_is_sized_from_no_false_price(bar: Row):
    plain = run(with_bar(STILL, *[STILL] * 6), {2: LONG})
    for said in (FALSE - 1, FALSE, FALSE + 1):
        result = run(with_bar(bar), {said: LONG})
        assert result.run.refusals == ({"DATA_SUSPECT": 1} if said == FALSE else {})
        for trade in result.run.trades:
            assert 99 < trade.entry_price < 102
            assert trade.quantity <= plain.run.trades[0].quantity


@pytest.mark.parametrize("bar", [FALLEN, (99.0, 101.0, 3.9, 4.0, 1e6)], ids=["at the open", "within the bar"])
def test_in_a_real_collapse_the_stop_fills_one_bar_later_at_the_worse_price(bar: Row):
    result = run(with_bar(bar, *[FALLEN] * 5), {2: LONG})
    (trade,) = result.run.trades
    assert trade.exit_reason == "stop"
    assert Decimal("4.0") < trade.exit_price <= Decimal("4.1")
    assert not any("false prints" in text for text in result.warnings)
    assert any("1 closes at less than half" in text for text in result.warnings)


def test_a_target_is_not_filled_by_a_false_rise_and_is_filled_by_a_real_one_a_bar_later():
    risen: Row = (300.0, 301.0, 299.0, 300.0, 1e6)
    assert run(with_bar(risen), {2: LONG}).run.trades[0].exit_reason == "end"
    (trade,) = run(with_bar(risen, *[risen] * 5), {2: LONG}).run.trades
    assert (trade.exit_reason, trade.exit_price) == ("target", Decimal(106))


def test_buying_and_holding_pays_and_gets_no_false_price():
    ended = run([*[STILL] * 8, FALSE_BARS["the close"]], {})
    begun = run(with_bar(FALSE_BARS["all four"]), {}, first=FALSE)
    assert ended.performance.buy_and_hold == begun.performance.buy_and_hold == 0


@pytest.mark.parametrize("bar", FALSE_BARS.values(), ids=FALSE_BARS)
@pytest.mark.parametrize("stops_after", [FALSE, FALSE + 1, FALSE + 2])
def test_a_restart_at_a_false_bar_changes_nothing(bar: Row, stops_after: int):
    series = make_series(BTC, with_bar(bar))

    def agent(records: MemoryRecords, first: int = 0) -> PaperAgent:
        feed = SeriesFeed([series.slice(first, len(series))])
        return PaperAgent(make_run(PLAN), make_engine({2: LONG}), make_venue(PLAN), feed, MemoryJournal(records), 3)

    straight = agent(MemoryRecords())
    straight.start()
    while straight.step():
        pass
    for first in (0, stops_after):
        records = MemoryRecords()
        begun = agent(records)
        begun.start()
        for _ in range(stops_after):
            begun.step()
        again = agent(records, first)
        again.start()
        while again.step():
            pass
        assert again.digest == straight.digest

"""A session told once more sends the same orders, whatever killed it; what is unlike in the least is found."""

import contextlib
from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest

from holdfast.adapters.sources.feed import SeriesFeed
from holdfast.core.record import encode
from holdfast.domain.decision import Action, StopLevel
from holdfast.domain.instrument import FeeTier, Instrument
from holdfast.domain.market import BarFlag
from holdfast.engine.recorder import BARS, OPERATOR, RUN
from holdfast.ports.journal import Entry
from holdfast.research.parity import Cause
from holdfast.services.assembly import AccountPlan, build_engine
from holdfast.services.paper import PaperAgent
from holdfast.services.parity import Make, ParityReport, check_parity
from holdfast.testing.builders import Row, make_instrument, make_plan, make_run, make_series, make_venue
from holdfast.testing.memory_journal import MemoryJournal, MemoryRecords, PowerCutError
from holdfast.testing.scripted import Line, ScriptedStrategy

BTC = make_instrument()
SCRIPT = {
    3: Line(Action.ENTER_LONG, 98.0, 106.0),
    9: Line(Action.EXIT_LONG),
    12: Line(Action.ENTER_LONG, 98.0, 110.0),
    20: Line(Action.EXIT_LONG),
    25: Line(Action.ENTER_LONG, 99.9, 106.0),
}
Script = dict[int, Line]


def rows() -> list[Row]:
    closes = [100.0 + (number % 7) * 0.3 for number in range(40)]
    return [(close, close + 1.2, close - 1.0, close, 1e6) for close in closes]


FEED = SeriesFeed([make_series(BTC, rows())])


def agent_of(records: MemoryRecords, writes_left: int | None = None, script: Script = SCRIPT) -> PaperAgent:
    plan = make_plan(BTC)
    engine = build_engine(plan, lambda name: ScriptedStrategy(name, script))
    return PaperAgent(make_run(plan), engine, make_venue(plan), FEED, MemoryJournal(records, writes_left), 7)


def session(script: Script = SCRIPT, cut: int | None = None) -> MemoryRecords:
    """Return what a session has recorded; `cut` kills it at that write, and it goes on."""
    records = MemoryRecords()
    for writes_left in (cut, None):
        try:
            agent = agent_of(records, writes_left, script)
            agent.start()
            while agent.step():
                pass
        except PowerCutError:
            continue
    return records


def maker(script: Script = SCRIPT, plan: AccountPlan | None = None) -> Make:
    plan = plan or make_plan(BTC)
    return lambda: (build_engine(plan, lambda name: ScriptedStrategy(name, script)), make_venue(plan))


def parity(records: MemoryRecords, make: Make | None = None) -> ParityReport:
    journal = MemoryJournal(records)
    began = max(record.sequence for record in journal.read(kinds=(RUN,)))
    return check_parity(make_run(make_plan(BTC)), journal, began, make or maker(), MemoryJournal())


def test_all_of_a_session_is_reproduced():
    report = parity(session())
    again = report.reproduction
    assert again.orders == again.reproduced > 5
    assert again.decisions == again.decisions_equal > 10
    assert (again.differences, again.stopped, report.is_passed, report.is_empty) == ((), "", True, False)


@pytest.mark.parametrize("cut", range(2, 60, 3))
def test_a_kill_at_any_write_leaves_no_trace(cut: int):
    report = parity(session(cut=cut))
    assert report.is_passed
    assert report.reproduction == parity(session()).reproduction


def test_what_a_last_kill_has_cut_off_is_no_difference():
    records = MemoryRecords()
    agent = agent_of(records, 12)
    with contextlib.suppress(PowerCutError):
        agent.start()
        while agent.step():
            pass
    assert agent.groups_done < 40
    while records.durable[-1].kind != BARS:
        records.durable.pop()
    assert parity(records).reproduction.is_whole


def fee(instrument: Instrument) -> AccountPlan:
    dearer = FeeTier(Decimal(0), Decimal("0.0011"), Decimal("0.0011"))
    return make_plan(msgspec.structs.replace(instrument, fee_tiers=(dearer,)))


@pytest.mark.parametrize(
    "make",
    [
        lambda: maker({**SCRIPT, 12: Line(Action.ENTER_LONG, 98.01, 110.0)}),
        lambda: maker({number: line for number, line in SCRIPT.items() if number != 25}),
        lambda: maker({**SCRIPT, 6: Line(Action.EXIT_LONG)}),
        lambda: maker(plan=fee(BTC)),
    ],
    ids=["a level", "an entry less", "an exit more", "a fee"],
)
def test_what_is_unlike_in_the_least_is_found_and_the_rest_follows_from_it(make: Callable[[], Make]):
    report = parity(session(), make())
    again = report.reproduction
    assert not report.is_passed
    assert again.reproduced < max(again.orders, again.reproduced + len(again.differences))
    first, *others = again.differences
    assert (first.cause, first.root) == (Cause.NOT_REPEATED, "")
    assert {(x.cause, x.root) for x in others} <= {(Cause.FOLLOWS, first.order_id)}


def test_a_flat_session_is_compared_with_a_backtest_that_still_holds_by_what_both_are_worth():
    held = {3: Line(Action.ENTER_LONG, 90.0, 130.0)}
    report = parity(session({**held, 9: Line(Action.EXIT_LONG)}), maker(held))
    assert report.equity_session == report.cash_session
    assert report.cash_backtest < -100
    assert abs(report.equity_backtest) < 20
    held_last = (report.equity_backtest - report.cash_backtest) / Decimal(repr(rows()[-1][3]))
    assert held_last == held_last.quantize(Decimal("0.0001")) > 1


def test_the_session_before_the_difference_is_reproduced():
    again = parity(session(), maker({**SCRIPT, 25: Line(Action.ENTER_LONG, 99.8, 106.0)})).reproduction
    assert again.differences[0].what.startswith("trigger")
    assert 0 < again.reproduced == again.orders - len(again.differences)


def test_a_session_without_an_order_is_never_called_equal():
    records = session(script={})
    report = parity(records, maker({}))
    assert report.is_empty
    assert not report.is_passed
    with_orders = parity(records)
    assert not with_orders.is_empty
    assert not with_orders.is_passed
    assert {x.cause for x in with_orders.reproduction.differences} == {Cause.NOT_REPEATED, Cause.FOLLOWS}


def test_a_bar_that_came_late_is_reproduced_as_it_was_and_explains_what_the_backtest_has_more():
    records = MemoryRecords()
    journal = MemoryJournal(records)
    plan = make_plan(BTC)
    journal.append([Entry(RUN, encode(make_run(plan)))])
    engine = build_engine(plan, lambda name: ScriptedStrategy(name, SCRIPT))
    agent = PaperAgent(make_run(plan), engine, make_venue(plan), _Late(), journal)
    agent.start()
    while agent.step():
        pass
    report = parity(records)
    assert report.reproduction.is_whole
    assert report.parity.by_cause[Cause.UNFIT_BAR.value] == 1
    assert report.is_passed


class _Late:
    """The thirteenth bar comes late."""

    def groups(self):
        for number, (bar,) in enumerate(FEED.groups()):
            yield [msgspec.structs.replace(bar, flags=bar.flags | BarFlag.NO_ENTRY) if number == 12 else bar]


def test_a_person_is_part_of_what_it_was_told():
    records = MemoryRecords()
    agent = agent_of(records)
    agent.start()
    for number in range(40):
        agent.step()
        if number == 14:
            agent.stop(StopLevel.FLATTEN, "a test", "a test")
    assert any(record.kind == OPERATOR for record in records.durable)
    assert parity(records).is_passed

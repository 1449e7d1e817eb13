"""The limits beside what is used of them: the gate's own figures, and which keep every entry out."""

from decimal import Decimal

import msgspec
import pytest

from holdfast.adapters.sources.feed import SeriesFeed
from holdfast.domain.decision import Action, Check
from holdfast.domain.tick import Tick
from holdfast.domain.values import VenueCash
from holdfast.engine.driver import Driver
from holdfast.engine.engine import Engine
from holdfast.engine.recorder import Recorder
from holdfast.risk.config import RiskConfig
from holdfast.services.assembly import build_engine
from holdfast.services.standing import LimitLine, Progress, limits_of, situation_of, status_of
from holdfast.testing.builders import make_bar, make_instrument, make_plan, make_run, make_series, make_venue
from holdfast.testing.memory_journal import MemoryJournal
from holdfast.testing.scripted import Line, ScriptedStrategy

D = Decimal
FLAT = (100.0, 101.0, 99.0, 100.0, 1e6)
ENTER = Line(Action.ENTER_LONG, 98.0, 106.0)
NAMES = ("BTC/USDT.SIM", "ETH/USDT.SIM")


def ran(lines: dict[int, Line], names: tuple[str, ...] = NAMES, bars: int = 8) -> tuple[Engine, list[Tick]]:
    """Run the same script on each instrument."""
    instruments = [make_instrument(name) for name in names]
    plan = make_plan(*instruments, risk=RiskConfig())
    engine = build_engine(plan, lambda name: ScriptedStrategy(name, lines))
    ticks: list[Tick] = []
    recorder = Recorder(MemoryJournal(), is_durable_first=False, is_input_kept=False)
    driver = Driver(engine, make_venue(plan), recorder, ticks.append)
    driver.run(SeriesFeed([make_series(instrument, [FLAT] * bars) for instrument in instruments]))
    return engine, ticks


def line(engine: Engine, rule: str, note: str = "") -> LimitLine:
    return next(found for found in limits_of(engine) if found.rule == rule and note in found.note)


def checks(ticks: list[Tick], rule: str) -> list[Check]:
    found = [command.approved.checks for tick in ticks for command in tick.commands if hasattr(command, "approved")]
    return [check for one in found for check in one if check.rule == rule]


def test_what_moves_together_is_shown_beside_its_limit_as_the_gate_reckons_it():
    engine, _ = ran({1: ENTER})
    assert engine.held == 2
    shown, total = line(engine, "exposure_correlated"), line(engine, "exposure_total")
    assert shown.limit == D("0.60")
    # Prices that do not move count as the same thing held twice: then the weights add up, to the millionth above.
    assert total.used <= shown.used < total.used + D("0.000002")
    assert shown.used > D("0.1")


def test_of_one_position_the_correlated_exposure_is_what_the_gate_had_let_pass():
    engine, ticks = ran({1: ENTER}, NAMES[:1])
    (passed,) = checks(ticks, "EXPOSURE_CORRELATED")
    assert abs(line(engine, "exposure_correlated").used - passed.value) < D("0.01")


def test_an_account_without_positions_uses_nothing_of_what_moves_together():
    engine, _ = ran({})
    shown = line(engine, "exposure_correlated")
    assert (shown.used, shown.is_used_up) == (0, False)


def test_the_risk_of_each_trade_stands_beside_the_budget_of_the_next_one():
    engine, ticks = ran({1: ENTER})
    for name, passed in zip(NAMES, checks(ticks, "RISK_PER_TRADE"), strict=True):
        shown = line(engine, "risk_per_trade", name)
        assert shown.limit == D("0.02")
        # The entry has filled better than at its limit, so that a little less is at stake than was allowed.
        assert D(0) < shown.used * D(10_000) <= passed.value
        assert "base 2" in shown.note
        assert not shown.is_used_up


def test_an_entry_on_its_way_is_shown_with_what_the_gate_has_let_it_risk():
    engine, ticks = ran({7: ENTER}, NAMES[:1])
    (passed,) = checks(ticks, "RISK_PER_TRADE")
    assert not engine.held
    assert line(engine, "risk_per_trade").used * D(10_000) == passed.value


def test_without_a_budget_the_risk_per_trade_is_used_up():
    engine, _ = ran({}, NAMES[:1])
    engine.account.peak = 13_000.0
    shown = line(engine, "risk_per_trade")
    assert (shown.limit, shown.is_used_up) == (0, True)
    assert "no entries" in shown.note


@pytest.mark.parametrize(
    ("results", "bars_ago", "used", "note", "is_used_up"),
    [
        ([], 0, 0, "losses in a row", False),
        ([-1.0, 0.5, -1.0, -1.0], 0, 2, "losses in a row", False),
        ([-1.0] * 4, 4, 4, "losses in a row: pause for 20 more bars", True),
        ([-1.0] * 4, 24, 4, "losses in a row: the pause is over", False),
    ],
)
def test_losses_in_a_row_are_shown_and_stop_entries_for_as_long_as_the_gate_says(
    results, bars_ago, used, note, is_used_up
):
    engine, _ = ran({}, NAMES[:1], bars=40)
    engine.account.results.extend(results)
    engine.account.ts_result_last = engine.ts - bars_ago * engine.desks[NAMES[0]].bar_nanos if results else 0
    shown = line(engine, "cooldown")
    assert (shown.used, shown.limit, shown.note, shown.is_used_up) == (used, 4, note, is_used_up)


def test_a_position_that_fills_in_parts_is_one_position():
    engine, _ = ran({1: ENTER}, NAMES[:1])
    desk = engine.desks[NAMES[0]]
    desk.entry = msgspec.structs.replace(desk.entry_last, quantity=2 * desk.entry_last.quantity)
    assert len(engine.account.exposures()[0]) == 2
    assert line(engine, "positions").used == 1


def test_a_pair_that_is_traded_at_two_venues_is_told_of_at_each():
    instruments = [make_instrument(f"BTC/USDT.{venue}") for venue in ("HERE", "THERE")]
    parts = (VenueCash("HERE", D(4_000)), VenueCash("THERE", D(6_000)))
    engine = build_engine(make_plan(*instruments, capital_at=parts), lambda name: ScriptedStrategy(name, {1: ENTER}))
    for number in range(2):
        for instrument in instruments:
            engine.process(make_bar(instrument, number, FLAT))
    here, there = (situation_of(engine, instrument.id) for instrument in instruments)
    assert "An entry is on its way" in here[0]
    assert "An entry is on its way" not in there[0], "the limit on one asset counts over both venues"
    both = (*(f"BTC/USDT.HERE: {x}" for x in here), *(f"BTC/USDT.THERE: {x}" for x in there))
    assert situation_of(engine, "btc/usdt") == both
    run = make_run(make_plan(*instruments, capital_at=parts))
    assert status_of(engine, run, (), Progress(0, 0, 0, "", 0)).cash_at == parts

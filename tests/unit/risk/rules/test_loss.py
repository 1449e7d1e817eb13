"""What may be lost: by one trade, by all stops, in a day, in a week, from the peak, in a row."""

from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.time import MINUTE
from holdfast.risk.rules.loss import cooldown, drawdown, loss_day, loss_week, risk_open_total, risk_per_trade


def test_loss_at_the_stop_above_the_budget_is_refused_and_at_it_passes(room):
    # One unit loses 100 x 1.001 - 98 x 0.998 x 0.999 + 0.02 x 1.001 at its stop; the budget is 2 % of 10,000.
    assert room.case.loss == Decimal("24.13824")
    assert not room.changed(quantity="82.857").verdict(risk_per_trade)[0]
    assert room.changed(quantity="82.856").verdict(risk_per_trade)[0]
    border = room.case.loss * 50
    passed, check = room.changed(equity=border, equity_peak=border).verdict(risk_per_trade)
    assert passed
    assert check.value == check.limit
    border -= Decimal("0.0001")
    assert not room.changed(equity=border, equity_peak=border).verdict(risk_per_trade)[0]


def test_costs_count_as_loss(room):
    tight = room.changed(stop="99.99", target="101", quantity="400")
    # 0.01 a unit on the levels is 4 USDT; fees, slippage and two ticks make it 171.
    assert tight.verdict(risk_per_trade)[1].value > 170


def test_all_stops_together_are_limited(room, exposure):
    left = str(Decimal(800) - room.case.loss)
    assert room.changed(exposures=(exposure("BBB", risk_open=left),)).verdict(risk_open_total)[0]
    above = str(Decimal(left) + Decimal("0.00001"))
    assert not room.changed(exposures=(exposure("BBB", risk_open=above),)).verdict(risk_open_total)[0]


def test_loss_of_the_day_stops_entries_before_the_limit_can_be_passed(room):
    # The day began with 10,000, so that 500 may be lost, 24.13824 of them by this trade.
    border = Decimal(9500) + room.case.loss
    assert room.changed(equity=border).verdict(loss_day)[0]
    assert not room.changed(equity=border - Decimal("0.0001")).verdict(loss_day)[0]
    assert not room.changed(equity="9500").verdict(loss_day)[0]
    assert room.changed(equity="9500", equity_day_start="9500").verdict(loss_day)[0]


def test_loss_of_the_week_stops_entries_before_the_limit_can_be_passed(room):
    border = Decimal(9000) + room.case.loss
    monday = room.changed(equity_day_start="9100")
    assert monday.changed(equity=border).verdict(loss_week)[0]
    assert not monday.changed(equity=border - Decimal("0.0001")).verdict(loss_week)[0]


def test_drawdown_locks_at_its_last_step(room):
    assert not room.changed(equity="8000").verdict(drawdown)[0], "at the border: 20 %"
    assert room.changed(equity="8000.01").verdict(drawdown)[0]
    assert room.changed(equity="12000").verdict(drawdown)[0], "a new peak that the view does not know yet"


def test_losses_in_a_row_pause_entries_for_some_bars(room):
    losing = room.changed(results=(2.0, -1.0, -1.0, -1.0, -1.0), ts_result_last=room.view.ts - 23 * MINUTE)
    passed, check = losing.verdict(cooldown)
    assert not passed
    assert "1 more" in check.detail
    assert losing.changed(ts_result_last=room.view.ts - 24 * MINUTE).verdict(cooldown)[0], "at the border: over"
    assert losing.changed(results=(-1.0, -1.0, -1.0)).verdict(cooldown)[0]
    assert losing.changed(results=(-1.0, -1.0, -1.0, -1.0, 0.5)).verdict(cooldown)[0]
    assert losing.changed(cooldown_bars=0).verdict(cooldown)[0]


@given(data=st.data())
def test_loss_rules_agree_with_their_definition(any_room, data):
    room = data.draw(any_room)
    view, loss = room.view, room.loss()
    equity, peak, day, week = (
        Fraction(x) for x in (view.equity, view.equity_peak, view.equity_day_start, view.equity_week_start)
    )
    assert Fraction(room.case.loss) == loss
    assert room.verdict(risk_per_trade)[0] == (loss <= Fraction(room.case.budget))
    assert room.verdict(risk_open_total)[0] == (room.total("risk_open") + loss <= equity * Fraction(8, 100))
    assert room.verdict(drawdown)[0] == (equity > peak * Fraction(80, 100))
    for rule, start, share in ((loss_day, day, Fraction(5, 100)), (loss_week, week, Fraction(10, 100))):
        assert room.verdict(rule)[0] == (equity - loss >= start * (1 - share))
    streak = 0
    while streak < len(view.results) and view.results[-1 - streak] < 0:
        streak += 1
    is_resting = streak >= 4 and view.ts - view.ts_result_last < 24 * MINUTE
    assert room.verdict(cooldown)[0] == (not is_resting)

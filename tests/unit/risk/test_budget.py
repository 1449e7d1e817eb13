"""What the next trade may lose, and the governor that takes it away."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.risk.budget import budget_ratio, losses_in_row, risk_budget
from holdfast.risk.config import DRAWDOWN_STEPS, RiskConfig
from holdfast.risk.drawdown import drawdown_of, governor_factor, lock_drawdown

WIN = (1.0,) * 10
floats = st.floats(allow_nan=True, allow_infinity=True)


def budget(room, **changes):
    room = room.changed(**changes)
    return risk_budget(room.view, room.market, room.config)


def test_usual_market_and_no_results_give_the_base(room):
    found = budget(room)
    assert found.ratio == Decimal("0.02")
    assert found.reasons == ("base 2%",)


def test_twice_the_usual_range_halves_it_and_more_does_no_more(room):
    assert budget(room, range_fast=0.02).ratio == Decimal("0.01")
    assert budget(room, range_fast=0.9).ratio == Decimal("0.01")


def test_calm_grows_it_by_a_fifth_at_most(room):
    assert budget(room, range_fast=0.009).ratio == Decimal("0.02") * Decimal("1.1111")
    assert budget(room, range_fast=0.001).ratio == Decimal("0.024")


def test_unknown_range_changes_nothing(room):
    assert budget(room, range_fast=0.0).ratio == budget(room, range_slow=0.0).ratio == Decimal("0.02")


def test_losing_streak_shrinks_it_step_by_step(room):
    ratios = [budget(room, results=(3.0, *(-1.0,) * count)).ratio for count in range(8)]
    assert ratios[0] == ratios[1] == Decimal("0.02")
    assert ratios[1:] == sorted(ratios[1:], reverse=True)
    assert ratios[-1] == Decimal("0.008")


def test_winning_grows_it_modestly_and_only_on_evidence(room):
    assert budget(room, results=WIN).ratio == Decimal("0.023")
    assert budget(room, results=WIN[1:]).ratio == Decimal("0.02")
    assert budget(room, results=(0.1,) * 20).ratio == Decimal("0.02")


def test_nothing_grows_while_the_governor_acts(room):
    calm_and_winning = {"results": WIN, "range_fast": 0.001}
    assert budget(room, equity="9500", **calm_and_winning).ratio == Decimal("0.015")
    assert budget(room, equity="9500", range_fast=0.02).ratio == Decimal("0.0075")


def test_static_risk_still_obeys_the_governor(room):
    static = {"is_risk_dynamic": False, "range_fast": 0.02, "results": (-1.0,) * 6}
    assert budget(room, **static).ratio == Decimal("0.02")
    assert budget(room, equity="9000", **static).ratio == Decimal("0.01")


def test_reasons_name_what_moved_it(room):
    reasons = " | ".join(budget(room, equity="9000", range_fast=0.02, results=(-1.0,) * 3).reasons)
    assert "drawdown 10.00%: x0.50" in reasons
    assert "2.00 times its usual" in reasons
    assert "3 losses in a row" in reasons
    assert "no entries" in " ".join(budget(room, equity="8000").reasons)


@pytest.mark.parametrize(
    ("equity", "factor"),
    [("10000", "1"), ("9500.01", "1"), ("9500", "0.75"), ("9000", "0.5"), ("8500", "0.25"), ("8000", "0"), ("1", "0")],
)
def test_governor_steps_at_its_very_drawdowns(equity, factor):
    assert governor_factor(Decimal(equity), Decimal(10_000), DRAWDOWN_STEPS) == Decimal(factor)


def test_a_mean_at_the_very_limit_is_decided_alike_in_every_python(room):
    """Added one by one, ten times 0.3 is a bit less than 3; the `sum` of Python 3.12 and later says 3."""
    assert budget(room, results=(0.3,) * 10).ratio == Decimal("0.02")
    assert budget(room, results=(0.31,) * 10).ratio == Decimal("0.023")


def test_governor_is_quiet_at_a_new_peak_and_locks_without_one():
    assert governor_factor(Decimal(2), Decimal(1), DRAWDOWN_STEPS) == 1
    assert governor_factor(Decimal(0), Decimal(0), DRAWDOWN_STEPS) == 0
    assert governor_factor(Decimal(-1), Decimal(0), DRAWDOWN_STEPS) == 0


def test_drawdown_is_a_share_of_the_peak():
    assert drawdown_of(Decimal(75), Decimal(100)) == Decimal("0.25")
    assert drawdown_of(Decimal(101), Decimal(100)) == 0
    assert drawdown_of(Decimal(0), Decimal(0)) == 1
    assert lock_drawdown(DRAWDOWN_STEPS) == Decimal("0.20")


def test_nan_counts_as_a_loss():
    assert losses_in_row((1.0, float("nan"), -1.0)) == 2
    assert losses_in_row((-1.0, 0.0)) == 0


@given(data=st.data(), fast=floats, slow=floats, results=st.lists(floats, max_size=20))
def test_budget_stays_within_its_bounds_whatever_is_measured(any_room, data, fast, slow, results):
    room = data.draw(any_room).changed(range_fast=fast, range_slow=slow, results=tuple(results))
    found = risk_budget(room.view, room.market, room.config)
    config = room.config
    assert found.ratio == budget_ratio(room.view, room.market, config)
    locked = room.view.equity <= room.view.equity_peak * Decimal("0.8")
    assert found.ratio == 0 if locked else config.risk_min <= found.ratio <= config.risk_max
    assert found.reasons


@given(st.lists(st.decimals("0.01", "0.5", places=4), min_size=2, max_size=2).map(sorted))
def test_deeper_drawdown_never_allows_more(drawdowns):
    peak = Decimal(10_000)
    shallow, deep = (governor_factor(peak * (1 - lost), peak, RiskConfig().drawdown_steps) for lost in drawdowns)
    assert deep <= shallow

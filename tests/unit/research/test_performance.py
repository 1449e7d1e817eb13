"""What a run was worth: sums by hand, identities that must hold for every run, and what is undefined."""

import json
import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.research.conftest import make_trade

from holdfast.core.errors import DomainError
from holdfast.core.summation import plain_sum
from holdfast.core.time import DAY, HOUR
from holdfast.domain.trade_log import TradeLog
from holdfast.research.performance import Performance, buy_and_hold, measure
from holdfast.research.report import performance_json

CAPITAL = Decimal(1_000)
money = st.decimals(-500, 500, places=4, allow_nan=False, allow_infinity=False)
runs = st.lists(
    st.tuples(money, st.sampled_from(["0", "10", "25.5"]), st.integers(0, 10**9), st.floats(0.0, 100.0)), max_size=30
)


def made(run) -> list:
    return [make_trade(str(pnl), risk=risk, entry_ts=begun * HOUR, hours=hours) for pnl, risk, begun, hours in run]


def measured(*pnls: str, **settings) -> Performance:
    trades = [make_trade(pnl, entry_ts=at * 2 * HOUR, **settings) for at, pnl in enumerate(pnls)]
    return measure(trades, [], [], CAPITAL)


# -- by hand -------------------------------------------------------------------------------------------
def test_a_run_of_five_trades_by_hand():
    trades = [
        make_trade("20", entry_ts=0, hours=2, reason="target"),
        make_trade("-5", entry_ts=10 * HOUR, hours=1),
        make_trade("-15", entry_ts=20 * HOUR, hours=3, cause="gap"),
        make_trade("0", entry_ts=30 * HOUR, hours=2, reason="signal"),
        make_trade("12", entry_ts=40 * HOUR, hours=2, reason="end"),
    ]
    curve = [1_020.0, 1_015.0, 1_000.0, 1_012.0]
    found = measure(trades, [DAY * i for i in range(1, 5)], curve, CAPITAL, 3, [[100.0, 50.0, 110.0], [10.0, 13.0]])
    trading = found.trading
    assert (trading.trades, trading.trades_open, trading.wins, trading.losses) == (5, 1, 2, 2)
    assert trading.win_rate == pytest.approx(0.4)
    assert trading.profit_factor == pytest.approx(32 / 20)
    assert trading.net_pnl == 12
    assert (trading.fees, trading.slippage) == (Decimal("1.0"), Decimal("0.5"))
    assert trading.gross_pnl == Decimal("13.5")
    assert trading.expectancy == Decimal("2.4")
    assert trading.r_average == pytest.approx((2.0 - 0.5 - 1.5 + 0.0 + 1.2) / 5)
    assert (trading.best_trade, trading.worst_trade) == (20, -15)
    assert trading.losing_streak_longest == 2
    assert trading.holding_hours_average == pytest.approx(2.0)
    assert trading.exits == {"end": 1, "signal": 1, "stop": 2, "target": 1}
    assert (trading.losses_excess, trading.losses_excess_causes) == (1, {"gap": 1})
    assert found.equity_end == Decimal("1012.0")
    assert found.total_return == pytest.approx(0.012)
    assert found.cagr == pytest.approx(1.012 ** (365 / 4) - 1)
    assert found.exposure == pytest.approx(0.75)
    assert found.buy_and_hold == pytest.approx((0.1 + 0.3) / 2)
    assert found.drawdown.share_max == pytest.approx(20 / 1_020)
    assert found.calmar == pytest.approx(found.cagr / (20 / 1_020))
    assert (found.days, found.points, found.ts_start, found.ts_end) == (4.0, 4, 0, 4 * DAY)
    returns = np.diff([1_000.0, *curve]) / [1_000.0, *curve[:-1]]
    assert found.sharpe == pytest.approx(np.mean(returns) / np.std(returns, ddof=1) * math.sqrt(365))
    assert found.sortino == pytest.approx(
        np.mean(returns) / math.sqrt(np.mean(np.minimum(returns, 0) ** 2)) * math.sqrt(365)
    )


def test_losses_in_a_row_are_counted_by_the_time_of_the_exit():
    trades = [make_trade(pnl, entry_ts=at * HOUR) for at, pnl in ((3, "-1"), (1, "-1"), (2, "5"), (4, "-1"))]
    assert measure(trades, [], [], CAPITAL).trading.losing_streak_longest == 2


def test_a_trade_without_gain_ends_a_losing_streak():
    assert measured("-1", "-1", "0", "-1", "2", "-1", "-1", "-1").trading.losing_streak_longest == 3
    assert measured("-1", "-1", "0", "-1").trading.losing_streak_longest == 2
    assert measured().trading.losing_streak_longest == 0


def test_a_loss_of_exactly_the_risk_is_no_excess():
    assert measured("-10").trading.losses_excess == 0
    assert measured("-10.0001").trading.losses_excess_causes == {"unexplained": 1}
    assert measured("-10.0001", cause="liquidity").trading.losses_excess_causes == {"liquidity": 1}


def test_trades_without_a_recorded_risk_have_no_multiple():
    assert measured("5", "-3", risk="0").trading.r_average is None


# -- undefined -----------------------------------------------------------------------------------------
def test_a_run_without_trades_and_without_a_curve_has_nothing_undefined_but_nulls():
    found = measure([], [], [], CAPITAL)
    document = performance_json(found)
    undefined = {name for name, value in document.items() if value is None}
    assert undefined == {
        "win_rate", "profit_factor", "expectancy", "r_average", "best_trade", "worst_trade", "holding_hours_average",
        "cagr", "sharpe", "sharpe_error", "sortino", "calmar", "exposure", "buy_and_hold",
    }  # fmt: skip
    assert found.total_return == 0.0


@pytest.mark.parametrize("pnls", [["1"], ["1", "2", "3"], ["0"]])
def test_a_profit_factor_without_a_loss_is_undefined(pnls: list[str]):
    assert measured(*pnls).trading.profit_factor is None


def test_a_profit_factor_without_a_win_is_zero():
    assert measured("-1").trading.profit_factor == 0.0


def test_a_run_that_loses_everything_is_measured():
    found = measure([make_trade("-1000")], [DAY, 2 * DAY], [500.0, 0.0], CAPITAL)
    assert found.cagr == -1.0
    assert found.drawdown.share_max == 1.0
    assert found.sharpe is None


# -- benchmark -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("prices", [[], [0.0, 1.0], [1.0, -1.0], [math.nan, 1.0], [1.0, math.inf]])
def test_a_benchmark_without_prices_is_refused(prices):
    with pytest.raises(DomainError):
        buy_and_hold([prices])


@given(st.lists(st.floats(0.01, 1e6), min_size=1, max_size=20), st.floats(0.001, 1_000.0))
def test_buy_and_hold_does_not_depend_on_the_unit_of_a_price(prices: list[float], scale: float):
    once = buy_and_hold([prices])
    assert buy_and_hold([np.array(prices) * scale]) == pytest.approx(once, abs=1e-9, rel=1e-9)
    assert buy_and_hold([prices, prices]) == pytest.approx(once)


# -- properties ----------------------------------------------------------------------------------------
@given(runs)
def test_gross_less_costs_is_net_exactly(run):
    trading = measure(made(run), [], [], CAPITAL).trading
    assert trading.gross_pnl - trading.fees - trading.slippage == trading.net_pnl == sum(x[0] for x in run)


@given(runs)
def test_the_figures_agree_with_numpy(run):
    trading = measure(made(run), [], [], CAPITAL).trading
    pnl = np.array([float(x[0]) for x in run])
    if not len(pnl):
        return
    assert trading.win_rate == pytest.approx(np.mean(pnl > 0))
    assert (trading.wins, trading.losses) == ((pnl > 0).sum(), (pnl < 0).sum())
    assert float(trading.expectancy) == pytest.approx(pnl.mean(), abs=1e-8)
    assert (float(trading.best_trade), float(trading.worst_trade)) == pytest.approx((pnl.max(), pnl.min()))
    if (pnl < 0).any():
        assert trading.profit_factor == pytest.approx(pnl[pnl > 0].sum() / -pnl[pnl < 0].sum())
    risk = np.array([float(x[1]) for x in run])
    if (risk > 0).any():
        assert trading.r_average == pytest.approx(np.mean(pnl[risk > 0] / risk[risk > 0]), abs=1e-9)
        assert trading.losses_excess == np.sum((pnl < -risk) & (risk > 0))
    assert trading.holding_hours_average == pytest.approx(np.mean([x[3] for x in run]), abs=1e-6)
    assert sum(trading.exits.values()) == trading.trades == len(run)


@given(runs, st.randoms(use_true_random=False))
def test_the_order_in_which_trades_are_handed_in_does_not_matter(run, random):
    unique = [(pnl, risk, at * 1_000, hours) for at, (pnl, risk, _, hours) in enumerate(run)]
    shuffled = list(unique)
    random.shuffle(shuffled)
    assert measure(made(shuffled), [], [], CAPITAL).trading == measure(made(unique), [], [], CAPITAL).trading


@given(runs)
def test_the_sums_are_those_of_the_definitions_to_the_last_digit(run):
    ordered = sorted(made(run), key=lambda trade: trade.exit_ts)
    trading = measure(made(run), [], [], CAPITAL).trading
    pnls = [trade.pnl for trade in ordered]
    gains, losses = [x for x in pnls if x > 0], [x for x in pnls if x < 0]
    multiples = [float(trade.pnl / trade.risk) for trade in ordered if trade.risk]
    excess = [trade for trade in ordered if trade.risk and trade.pnl < -trade.risk]
    assert str(trading.net_pnl) == str(sum(pnls, Decimal(0)))
    assert str(trading.best_trade) == str(max(pnls, default=None))
    assert str(trading.worst_trade) == str(min(pnls, default=None))
    assert trading.profit_factor == (float(sum(gains) / -sum(losses)) if losses else None)
    assert trading.r_average == (plain_sum(multiples) / len(multiples) if multiples else None)
    streaks = "".join("L" if x < 0 else " " for x in pnls).split()
    assert trading.losing_streak_longest == max(map(len, streaks), default=0)
    assert (trading.losses_excess, sum(trading.losses_excess_causes.values())) == (len(excess), len(excess))


def test_trades_of_a_log_that_are_out_of_order_are_sorted_without_it():
    trades = [make_trade(str(i * 37 % 11 - 5), entry_ts=i * 7919 % 1_000 * HOUR) for i in range(1_000)]
    assert measure(TradeLog(trades), [], [], CAPITAL) == measure(trades, [], [], CAPITAL)


@given(runs, st.sampled_from(["2", "10", "0.5"]))
def test_ratios_of_trades_do_not_change_with_the_unit_of_money(run, scale: str):
    factor = Decimal(scale)
    scaled = [(pnl * factor, str(Decimal(risk) * factor), begun, hours) for pnl, risk, begun, hours in run]
    one, other = (measure(made(x), [], [], CAPITAL).trading for x in (run, scaled))
    assert (one.win_rate, one.losing_streak_longest) == (other.win_rate, other.losing_streak_longest)
    assert one.losses_excess == other.losses_excess
    for name in ("profit_factor", "r_average"):
        before, after = getattr(one, name), getattr(other, name)
        assert (before is None) == (after is None)
        assert before is None or before == pytest.approx(after)
    assert other.net_pnl == one.net_pnl * factor


@given(runs, st.lists(st.floats(-1e300, 1e300), max_size=40), st.integers(1, 40), st.floats(0.01, 1e9))
def test_no_run_gives_a_figure_that_json_cannot_hold(run, equity: list[float], hours: int, last: float):
    ts = [(i + 1) * hours * HOUR for i in range(len(equity))]
    found = measure(made(run), ts, equity, CAPITAL, len(equity), [[1.0, last]])
    text = json.dumps(performance_json(found), allow_nan=False)
    assert "e+" not in json.dumps({k: v for k, v in json.loads(text).items() if isinstance(v, str)})

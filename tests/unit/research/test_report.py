"""Reports: every figure under its name, money as text, nothing that JSON cannot hold."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.research.conftest import make_trade

from holdfast.core.time import DAY, parse_time
from holdfast.research.performance import Performance, measure
from holdfast.research.report import performance_json, performance_lines, plain, trade_json, trade_lines
from holdfast.research.trade_figures import TradeFigures

TRADE_KEYS = {
    "trade_id", "strategy", "instrument", "side", "quantity", "entry_ts", "entry_price", "exit_ts", "exit_price",
    "exit_reason", "stop_price", "target_price", "fees", "slippage", "pnl", "risk", "r_multiple", "excess_cause",
    "reasons",
}  # fmt: skip


def run() -> Performance:
    trades = [make_trade("20", reason="target"), make_trade("-15", entry_ts=DAY, cause="gap")]
    curve = [1_020.0, 1_005.0]
    return measure(trades, [DAY, 2 * DAY], curve, Decimal(1_000), 1, [[100.0, 110.0]])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1E+3", "1000"), ("0.10", "0.1"), ("0E-8", "0"), ("-0", "0"), ("-0.00", "0"), ("-1.50", "-1.5"),
        ("1E-10", "0.0000000001"), ("100", "100"), ("12345678901234567890.123456789", "12345678901234567890.123456789"),
    ],
)  # fmt: skip
def test_an_exact_number_is_written_without_exponent(value: str, text: str):
    assert plain(Decimal(value)) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30))
def test_the_text_of_a_number_gives_the_number_back(value: Decimal):
    assert Decimal(plain(value)) == value
    assert "E" not in plain(value)


def test_a_trade_line_has_every_key_and_exact_money():
    line = trade_json(make_trade("-15.50", entry_ts=DAY, hours=2, cause="gap"))
    assert set(line) == TRADE_KEYS
    assert (line["pnl"], line["risk"], line["r_multiple"]) == ("-15.5", "10", -1.55)
    assert (line["entry_ts"], line["exit_ts"]) == ("1970-01-02T00:00:00Z", "1970-01-02T02:00:00Z")
    assert (line["excess_cause"], line["reasons"], line["side"]) == ("gap", ["because"], "BUY")
    assert parse_time(str(line["exit_ts"])) == DAY + 2 * 3_600_000_000_000


def test_a_trade_without_risk_has_no_multiple():
    assert trade_json(make_trade("5", risk="0"))["r_multiple"] is None


def test_trade_lines_are_one_json_document_each():
    trades = [make_trade("5"), make_trade("-5")]
    lines = list(trade_lines(trades))
    assert [json.loads(line) for line in lines] == [trade_json(trade) for trade in trades]
    assert not any("\n" in line for line in lines)


def test_the_document_holds_every_figure_of_the_performance():
    document = performance_json(run())
    fields = {*Performance.__struct_fields__, *TradeFigures.__struct_fields__} - {"trading", "drawdown"}
    assert fields <= set(document)
    assert {"drawdown_max", "drawdown_max_days", "drawdown_longest_days", "is_drawdown_recovered"} <= set(document)
    assert "365" in str(document["annualisation"])
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_money_is_text_and_ratios_are_numbers():
    document = performance_json(run())
    for name in ("capital", "equity_end", "net_pnl", "gross_pnl", "fees", "slippage", "expectancy", "best_trade"):
        assert isinstance(document[name], str), name
        Decimal(str(document[name]))
    for name in ("total_return", "win_rate", "profit_factor", "drawdown_max", "exposure", "buy_and_hold", "r_average"):
        assert isinstance(document[name], float), name


def test_the_table_says_what_it_annualises_with_and_warns_at_the_end():
    lines = performance_lines(run(), "USDT")
    text = "\n".join(lines)
    assert "365 days, from daily equity" in text
    assert "Trades                  2 (1 won, 1 lost)" in lines
    assert "Net result              5.00 USDT" in lines
    assert "Losses beyond the risk  1 (gap 1)" in lines
    warnings = [line for line in lines if line.startswith("Warning: ")]
    assert lines[-len(warnings) :] == warnings
    assert len(warnings) == len(run().warnings) > 0
    assert not any(line != line.rstrip() for line in lines)


def test_the_table_of_a_run_in_a_coin_has_the_decimals_of_that_coin():
    trades = [make_trade("0.00012", risk="0.001")]
    lines = performance_lines(measure(trades, [DAY], [1.00012], Decimal(1)), "BTC")
    assert "Net result              0.00012 BTC" in lines
    assert "Equity                  1.00 BTC to 1.00012 BTC" in lines


def test_the_table_of_an_empty_run_has_no_figures_to_show():
    lines = performance_lines(measure([], [], [], Decimal(1_000)), "USDT")
    assert "Sharpe ratio            n/a" in lines
    assert "Exits                   none" in lines

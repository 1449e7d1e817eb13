"""A performance as lines of plain text and as JSON; trades as JSON lines. Money is text, time is RFC 3339."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from holdfast.core.record import encode
from holdfast.core.time import rfc3339
from holdfast.domain.amount import amount_text
from holdfast.domain.portfolio import ClosedTrade
from holdfast.research.performance import Performance

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]

_NOTHING = "n/a"


def plain(value: Decimal) -> str:
    """Return the shortest text of an exact number, never with an exponent: `1E+3` is `1000`, `0.10` is `0.1`."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def trade_json(trade: ClosedTrade) -> dict[str, Json]:
    """Return a trade as it stands in a JSON line; `r_multiple` is null where no risk was recorded."""
    return {
        "trade_id": trade.trade_id,
        "strategy": trade.strategy,
        "instrument": trade.instrument_id,
        "side": trade.side.value,
        "quantity": plain(trade.quantity),
        "entry_ts": rfc3339(trade.entry_ts),
        "entry_price": plain(trade.entry_price),
        "exit_ts": rfc3339(trade.exit_ts),
        "exit_price": plain(trade.exit_price),
        "exit_reason": trade.exit_reason,
        "stop_price": plain(trade.stop_price),
        "target_price": plain(trade.target_price),
        "fees": plain(trade.fees),
        "slippage": plain(trade.slippage),
        "pnl": plain(trade.pnl),
        "risk": plain(trade.risk),
        "r_multiple": float(trade.r_multiple) if trade.risk else None,
        "excess_cause": trade.excess_cause,
        "reasons": list(trade.reasons),
    }


def trade_lines(trades: Iterable[ClosedTrade]) -> Iterable[str]:
    """Yield one line of JSON per trade."""
    for trade in trades:
        yield encode(trade_json(trade)).decode()


def performance_json(performance: Performance) -> dict[str, Json]:
    """Return the performance for a JSON document: money as text, ratios as numbers, what is undefined as null."""
    document: dict[str, Json] = {
        "ts_start": rfc3339(performance.ts_start),
        "ts_end": rfc3339(performance.ts_end),
        "annualisation": "365 days, from daily equity, risk-free rate 0",
    }
    _spread(performance, document)
    return document


def _spread(record: Performance, document: dict[str, Json]) -> None:
    trading, drawdown = record.trading, record.drawdown
    for part in (record, trading):
        for name in part.__struct_fields__:
            value = getattr(part, name)
            if isinstance(value, Decimal):
                document[name] = plain(value)
            elif name not in {"trading", "drawdown", "ts_start", "ts_end"}:
                document[name] = list(value) if isinstance(value, tuple) else value
    document["drawdown_max"] = drawdown.share_max
    document["drawdown_max_days"] = drawdown.days_max
    document["drawdown_longest_days"] = drawdown.days_longest
    document["is_drawdown_recovered"] = drawdown.is_recovered


def performance_lines(performance: Performance, quote: str) -> list[str]:
    """Return a table of two columns as lines of plain text, then the warnings."""
    rows = [*_result_rows(performance, quote), *_trade_rows(performance, quote)]
    width = max(len(label) for label, _ in rows) + 2
    lines = [f"{label:<{width}}{value}".rstrip() for label, value in rows]
    return [*lines, *(f"Warning: {warning}" for warning in performance.warnings)]


def _result_rows(performance: Performance, quote: str) -> list[tuple[str, str]]:
    drawdown = performance.drawdown
    ended = "recovered" if drawdown.is_recovered else "not recovered"
    error = "" if performance.sharpe_error is None else f" (standard error {performance.sharpe_error:.2f})"
    return [
        ("Period", f"{rfc3339(performance.ts_start)} to {rfc3339(performance.ts_end)}, {performance.days:.1f} days"),
        ("Equity", f"{_money(performance.capital, quote)} to {_money(performance.equity_end, quote)}"),
        ("Return", _share(performance.total_return)),
        ("Buy and hold", _share(performance.buy_and_hold)),
        ("CAGR", _share(performance.cagr)),
        ("Sharpe ratio", _number(performance.sharpe) + error),
        ("Sortino ratio", _number(performance.sortino)),
        ("Calmar ratio", _number(performance.calmar)),
        ("Largest drawdown", f"{_share(drawdown.share_max)}, {drawdown.days_max:.1f} days, {ended}"),
        ("Longest drawdown", f"{drawdown.days_longest:.1f} days"),
        ("Time in market", _share(performance.exposure)),
        ("Annualised with", "365 days, from daily equity, risk-free rate 0"),
    ]


def _trade_rows(performance: Performance, quote: str) -> list[tuple[str, str]]:
    trading = performance.trading
    still_open = f", {trading.trades_open} still open" if trading.trades_open else ""
    causes = ", ".join(f"{cause} {count}" for cause, count in trading.losses_excess_causes.items())
    return [
        ("Trades", f"{trading.trades} ({trading.wins} won, {trading.losses} lost{still_open})"),
        ("Exits", ", ".join(f"{reason} {count}" for reason, count in trading.exits.items()) or "none"),
        ("Win rate", _share(trading.win_rate)),
        ("Profit factor", _number(trading.profit_factor)),
        ("Net result", _money(trading.net_pnl, quote)),
        ("Gross result", _money(trading.gross_pnl, quote)),
        ("Fees", _money(trading.fees, quote)),
        ("Spread and slippage", _money(trading.slippage, quote)),
        ("Mean trade", f"{_money(trading.expectancy, quote)}, {_number(trading.r_average)} R"),
        ("Best trade", _money(trading.best_trade, quote)),
        ("Worst trade", _money(trading.worst_trade, quote)),
        ("Longest losing streak", str(trading.losing_streak_longest)),
        ("Mean holding time", _hours(trading.holding_hours_average)),
        ("Losses beyond the risk", f"{trading.losses_excess} ({causes})" if causes else "0"),
    ]


def _money(value: Decimal | None, quote: str) -> str:
    return _NOTHING if value is None else f"{amount_text(value, quote, parted=',')} {quote}"


def _share(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:z,.2%}"


def _number(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:z,.2f}"


def _hours(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:z,.1f} hours"

"""What the commands do that only look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

from holdfast.app.projections import explained, recent_lines
from holdfast.app.standing import BacktestJournalError, Standing
from holdfast.app.strategies import StrategyLine, known_strategies
from holdfast.cli.amounts import exact, mean_price, minute, money, percent, readable, shortened, signed
from holdfast.cli.given import Place, read
from holdfast.cli.output import columns, print_json, print_pairs, print_table, say, say_waiting, warn
from holdfast.core.errors import ConfigurationError
from holdfast.domain.decision import StopLevel
from holdfast.portfolio.explain import Explanation, is_named
from holdfast.portfolio.status import DecisionLine, PositionLine, Status
from holdfast.services.emergency import DRAWDOWN_ANEW
from holdfast.services.inspection import why_not_in_backtest, why_not_of
from holdfast.services.standing import LimitLine


class IdOptions(Place, frozen=True):
    """What `explain` takes."""

    decision_id: str = ""


class SymbolOptions(Place, frozen=True):
    """What `why-not` takes."""

    symbol: str = ""


def status(options: Mapping[str, object]) -> int:
    """Show how the account stands."""
    given = read(options, Place)
    standing = Standing(given.folder, say_waiting)
    found = standing.status()
    _warn_of(standing)
    if given.is_json:
        print_json({"is_running": standing.is_running, "status": found, "warnings": standing.warnings})
        return 0
    _say_mode(found, is_running=standing.is_running)
    share = found.risk_open / found.equity if found.equity > 0 else found.equity
    gain, quote = found.equity - found.capital, found.quote
    at_risk = f"{money(found.risk_open, quote)} of {money(found.risk_open_limit, quote)} ({percent(share)} of equity)"
    print_pairs(
        [
            ("Equity", f"{money(found.equity, quote)} {quote} ({signed(gain, quote)} since the start)"),
            ("Cash", f"{money(found.cash, quote)} {quote}"),
            *((f"Cash at {there.venue}", f"{money(there.amount, quote)} {quote}") for there in found.cash_at),
            ("Today", signed(found.day_pnl, quote)),
            ("Open risk", at_risk),
            ("Drawdown", f"{percent(found.drawdown)} from {money(found.peak, quote)}"),
            ("Trades", f"{found.trades}, {found.wins} won"),
            ("Stop", found.stop_level.replace("_", " ")),
            ("Journal", f"record {found.journal_sequence}, digest {found.digest[:16]}"),
        ]
    )
    click.echo()
    _print_positions(found.positions, found.quote)
    if found.decisions:
        click.echo()
        _print_decisions(found.decisions[:10])
    return 0


def positions(options: Mapping[str, object]) -> int:
    """List open positions."""
    given = read(options, Place)
    standing = Standing(given.folder, say_waiting)
    found = standing.status()
    _warn_of(standing)
    if given.is_json:
        print_json({"quote": found.quote, "ts": found.ts, "positions": found.positions, "warnings": standing.warnings})
    else:
        _print_positions(found.positions, found.quote)
    return 0


def orders(options: Mapping[str, object]) -> int:
    """List live orders."""
    given = read(options, Place)
    standing = Standing(given.folder, say_waiting)
    found = standing.status()
    _warn_of(standing)
    if given.is_json:
        print_json({"ts": found.ts, "orders": found.orders, "warnings": standing.warnings})
        return 0
    if not found.orders:
        click.echo("no order is open")
        return 0
    titles = ("Order", "Instrument", "Role", "Side", "Type", "State", "Quantity", "Filled", "Trigger", "Limit")
    rows = [
        (x.order_id, x.instrument_id, x.role, x.side, x.type, x.state, exact(x.quantity), exact(x.filled),
         exact(x.trigger_price), exact(x.limit_price))
        for x in found.orders
    ]  # fmt: skip
    print_table(titles, rows, left=6)
    return 0


def risk(options: Mapping[str, object]) -> int:
    """Show the limits."""
    given = read(options, Place)
    standing = Standing(given.folder, say_waiting)
    limits, found = standing.limits(), standing.status()
    _warn_of(standing)
    if given.is_json:
        account = {"ts": found.ts, "equity": found.equity, "stop_level": found.stop_level}
        print_json({**account, "limits": limits, "links_down": found.links_down, "warnings": standing.warnings})
        return 0
    _say_mode(found, is_running=standing.is_running)
    print_table(("Limit", "Note", "Used", "Allowed", "Share"), [_limit_row(line) for line in limits], left=2)
    if found.positions:
        click.echo()
        _print_positions(found.positions, found.quote)
    return 0


def explain(options: Mapping[str, object]) -> int:
    """Tell the story of a decision."""
    given = read(options, IdOptions)
    return _tell(explained(given.folder, given.decision_id), is_json=given.is_json)


def why_not(options: Mapping[str, object]) -> int:
    """Tell what stands in the way of an entry."""
    given = read(options, SymbolOptions)
    standing = Standing(given.folder, say_waiting)
    try:
        found, situation = standing.status(), standing.situation(given.symbol)
    except BacktestJournalError as error:
        ended = why_not_in_backtest(error.run, given.symbol, recent_lines(given.folder, given.symbol))
        return _tell(ended, is_json=given.is_json)
    if not situation:
        raise _not_traded(found, given.symbol)
    recent = recent_lines(given.folder, given.symbol)
    answer = why_not_of(found, given.symbol, recent, situation, standing.limits())
    return _tell(answer, is_json=given.is_json)


def _not_traded(found: Status, symbol: str) -> ConfigurationError:
    if left_out := next((name for name in found.left_out if is_named(name, symbol)), ""):
        return ConfigurationError(
            f"{left_out} is not traded by this agent: it was left out, for it had no bars in the asked time",
            hint="ask for a time that has bars of it; `holdfast run --fresh` begins a new run with it",
        )
    return ConfigurationError(
        f"{symbol} is not traded by this agent",
        hint="the first line of `holdfast run` names what is; `holdfast run --fresh --instrument PAIR ...` begins a new"
        " run with others",
    )


def strategies(options: Mapping[str, object]) -> int:
    """List strategies."""
    given = read(options, Place)
    found = known_strategies()
    if given.is_json:
        print_json({"strategies": found})
        return 0
    for line in found:
        _print_strategy(line)
    click.echo("Your own: --strategy path.py:Name")
    return 0


def _tell(answer: Explanation, *, is_json: bool) -> int:
    if is_json:
        print_json(answer)
        return 0
    for line in answer.lines():
        say(readable(line), bold=not line.startswith(" "))
    return 0


def _warn_of(standing: Standing) -> None:
    for warning in standing.warnings:
        warn(warning)


def _say_mode(status: Status, *, is_running: bool) -> None:
    if status.is_synthetic:
        warn("SYNTHETIC MARKET: these prices are made by a seeded model")
    state = "running" if is_running else "not running; as of the last record"
    say(f"{status.mode} agent, {state}, market time {minute(status.ts)} UTC", bold=True)
    if StopLevel(status.stop_level) is not StopLevel.NONE:
        way_out = "it is to be released when the account is flat"
        way_out = way_out if status.is_release_wished else "holdfast resume releases it"
        warn(f"the emergency stop is at {status.stop_level.replace('_', ' ')}; {way_out}")
    for link in status.links_down:
        warn(f"{link.told}; nothing is entered there until it is back")
    if status.is_drawdown_locked:
        warn(f"the drawdown leaves no risk budget; holdfast resume accepts the loss: {DRAWDOWN_ANEW}")


def _print_positions(lines: Sequence[PositionLine], quote: str) -> None:
    if not lines:
        click.echo("no open position")
        return
    titles = (
        "Instrument",
        "Side",
        "Since",
        "Quantity",
        "Entry",
        "Last",
        "Profit",
        "Stop",
        "Target",
        "At risk",
        "Trade",
    )
    rows = [
        (x.instrument_id, "long" if x.side == "BUY" else "short", minute(x.ts_opened), exact(x.quantity),
         mean_price(x.entry_price, x.stop), exact(x.price_last), signed(x.unrealized, quote), exact(x.stop),
         exact(x.target), money(x.risk_open, quote), x.trade_id)
        for x in lines
    ]  # fmt: skip
    print_table(titles, rows, left=3)


def _print_decisions(lines: Sequence[DecisionLine]) -> None:
    for line in lines:
        pair = line.instrument_id.rpartition(".")[0] or "account"
        rule = f" ({line.rule})" if line.rule else ""
        say(f"{minute(line.ts)}  {pair}  {line.what}{rule}: {readable(line.reason)}  [{line.decision_id}]")


def _limit_row(line: LimitLine) -> tuple[str, ...]:
    share = percent(line.used / line.limit, 0) if line.limit else "-"
    if line.unit:
        return (line.rule, line.note or line.unit, *(exact(shortened(x)) for x in (line.used, line.limit)), share)
    return (line.rule, line.note, percent(line.used), percent(line.limit), share)


def _print_strategy(line: StrategyLine) -> None:
    width = columns()
    if width is None or len(line.name) + len(line.summary) + 2 <= width:
        click.echo(click.style(line.name, bold=True) + (f"  {line.summary}" if line.summary else ""))
    else:
        click.echo(click.style(line.name, bold=True))
        say(f"  {line.summary}", hang=0)
    for name, value in line.parameters.items():
        click.echo(f"  --set {name}={value}")

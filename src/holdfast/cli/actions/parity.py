"""What `parity` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

from holdfast.app.parity import parity_of
from holdfast.cli.amounts import minute, money
from holdfast.cli.given import Place, read
from holdfast.cli.output import print_json, print_table, say, warn
from holdfast.core.time import rfc3339
from holdfast.research.parity import Difference
from holdfast.research.reproduction import Reproduction
from holdfast.services.parity import ParityReport

_SHOWN = 40


class ParityOptions(Place, frozen=True):
    """What `parity` takes."""

    run_id: str | None = None
    without_operator: bool = False


def parity(options: Mapping[str, object]) -> int:
    """Compare, and tell."""
    given = read(options, ParityOptions)
    report = parity_of(given.folder, given.run_id, with_operator=not given.without_operator)
    if given.is_json:
        found, again = report.parity, report.reproduction
        print_json(
            {
                "run_id": report.run_id, "mode": report.mode, "bars": report.bars, "orders": found.orders,
                "is_empty": report.is_empty, "is_reproduced": again.is_whole, "reproduced": again.reproduced,
                "decisions": again.decisions, "decisions_equal": again.decisions_equal,
                "not_reproduced": [_document(x) for x in again.differences], "stopped": again.stopped,
                "equal": found.equal, "is_equal": not found.differences, "fills_equal": found.fills_equal,
                "by_cause": found.by_cause, "differences": [_document(x) for x in found.differences],
                "slippage_bps": found.slippage_bps,
                "gain_session": report.equity_session, "gain_backtest": report.equity_backtest,
                "cash_session": report.cash_session, "cash_backtest": report.cash_backtest,
            }
        )  # fmt: skip
    else:
        _show(report)
    if report.is_empty:
        warn(
            f"NOTHING WAS COMPARED: neither the session nor the backtest sent an order in {report.bars} bars;"
            " let it run for longer, or name another run with --run"
        )
    return 0 if report.is_passed else 1


def _show(report: ParityReport) -> None:
    found = report.parity
    click.echo(f"{report.mode} run {report.run_id}: {report.bars} bars, {found.orders} orders")
    if report.is_empty:
        return
    _show_reproduction(report.reproduction)
    if not found.differences:
        fills = "prices and fees of every fill, too" if found.fills_equal else "though fills had other prices or fees"
        click.echo(f"the backtest sends the same {found.equal} orders; {fills}")
    else:
        _show_differences(found.differences, "backtest")
        causes = ", ".join(f"{count} {name}" for name, count in sorted(found.by_cause.items()))
        click.echo(f"{found.equal} orders are equal, {len(found.differences)} differ: {causes}")
    slips = list(found.slippage_bps.values())
    if slips and not found.fills_equal:
        click.echo(slippage_told(sum(slips) / len(slips)))
    ours, theirs = (money(gain, report.quote) for gain in (report.equity_session, report.equity_backtest))
    click.echo(f"equity changed by {ours} {report.quote} in the session and by {theirs} in the backtest")
    ours, theirs = (money(gain, report.quote) for gain in (report.cash_session, report.cash_backtest))
    say(f"what is still held counts at its last close; cash alone changed by {ours} and by {theirs}")


def slippage_told(mean_bps: float) -> str:
    """Return how fills compare with those of the backtest, in words that need no sign."""
    size = f"{abs(mean_bps):.2f}"
    if not float(size):
        return "fills were neither better nor worse than in the backtest on average"
    return f"fills were {size} basis points {'worse' if mean_bps > 0 else 'better'} than in the backtest on average"


def _document(x: Difference) -> dict[str, object]:
    return {name: getattr(x, name) for name in x.__struct_fields__} | {"bar": rfc3339(x.bar) if x.bar else None}


def _show_reproduction(again: Reproduction) -> None:
    if again.is_whole:
        click.echo(
            f"told the same once more, it sends each of these {again.reproduced} orders again, and all"
            f" {again.decisions} decisions are equal"
        )
        return
    _show_differences(again.differences, "replay")
    click.echo(
        f"NOT REPRODUCED: told the same once more, it sends {again.reproduced} of {again.orders} orders again;"
        f" {again.decisions_equal} of {again.decisions} decisions are equal"
    )
    if again.stopped:
        click.echo(f"the replay ended early: {again.stopped}")
    say("program, strategy or settings are not those of the session; see docs/upgrade.md")


def _show_differences(differences: Sequence[Difference], beside: str) -> None:
    rows = [
        [
            minute(x.bar), x.instrument_id.partition(".")[0], x.role, x.what, x.session or "-", x.backtest or "-",
            x.cause.value + (f" {x.root}" if x.root else ""),
        ]
        for x in differences[:_SHOWN]
    ]  # fmt: skip
    print_table(("bar", "market", "role", "what", "session", beside, "cause"), rows)
    if (more := len(differences) - _SHOWN) > 0:
        say(f"and {more} more; --json has all")

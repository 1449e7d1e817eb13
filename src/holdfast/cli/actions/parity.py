"""What `parity` does."""

from __future__ import annotations

from collections.abc import Mapping

import click

from holdfast.app.parity import parity_of
from holdfast.cli.amounts import minute, money
from holdfast.cli.given import Place, read
from holdfast.cli.output import print_json, print_table, say
from holdfast.research.parity import Cause
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
    unknown = report.parity.by_cause.get(Cause.UNKNOWN.value, 0)
    if given.is_json:
        found = report.parity
        print_json(
            {
                "run_id": report.run_id, "mode": report.mode, "bars": report.bars, "orders": found.orders,
                "equal": found.equal, "is_equal": not found.differences, "fills_equal": found.fills_equal,
                "by_cause": found.by_cause, "differences": found.differences, "slippage_bps": found.slippage_bps,
                "gain_session": report.cash_session, "gain_backtest": report.cash_backtest,
            }
        )  # fmt: skip
    else:
        _show(report)
    return 1 if unknown else 0


def _show(report: ParityReport) -> None:
    found = report.parity
    click.echo(f"{report.mode} run {report.run_id}: {report.bars} bars, {found.orders} orders")
    if not found.differences:
        fills = "prices and fees of every fill, too" if found.fills_equal else "though fills had other prices or fees"
        click.echo(f"the backtest sends the same {found.equal} orders; {fills}")
    else:
        rows = [
            [
                minute(x.bar), x.instrument_id.partition(".")[0], x.role, x.what, x.session or "-", x.backtest or "-",
                x.cause.value + (f" {x.root}" if x.root else ""),
            ]
            for x in found.differences[:_SHOWN]
        ]  # fmt: skip
        print_table(("bar", "market", "role", "what", "session", "backtest", "cause"), rows)
        if (more := len(found.differences) - _SHOWN) > 0:
            say(f"and {more} more; --json has all")
        causes = ", ".join(f"{count} {name}" for name, count in sorted(found.by_cause.items()))
        click.echo(f"{found.equal} orders are equal, {len(found.differences)} differ: {causes}")
    slips = list(found.slippage_bps.values())
    if slips and not found.fills_equal:
        click.echo(f"fills were {sum(slips) / len(slips):+.2f} basis points worse than in the backtest on average")
    ours, theirs = (money(gain, report.quote) for gain in (report.cash_session, report.cash_backtest))
    click.echo(f"cash changed by {ours} {report.quote} in the session and by {theirs} in the backtest")

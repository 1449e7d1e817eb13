"""The commands that only look: status, positions, orders, explain, why-not, risk, strategies."""

from __future__ import annotations

import click

from holdfast.cli.lazy import perform
from holdfast.cli.options import reading


@click.command()
@reading
def status(**options: object) -> int:
    """Show how the account stands: equity, open risk, drawdown, positions, last decisions.

    Asks the running agent; without one it reads the journal.
    """
    return perform("inspection:status", options)


@click.command()
@reading
def positions(**options: object) -> int:
    """List open positions with stop, target and the money at risk."""
    return perform("inspection:positions", options)


@click.command()
@reading
def orders(**options: object) -> int:
    """List the orders that have no final state."""
    return perform("inspection:orders", options)


@click.command()
@click.argument("decision_id", metavar="ID")
@reading
def explain(**options: object) -> int:
    """Tell why a decision was made: signal, proposal, each check of the gate, orders, fills, result.

    ID is that of a decision, an order or a trade, as `status` and the live view show it.
    """
    return perform("inspection:explain", options)


@click.command("why-not")
@click.argument("symbol", metavar="SYMBOL")
@reading
def why_not(**options: object) -> int:
    """Tell why SYMBOL (such as BTC/USDT) is not traded now: what the strategy waits for, and what was refused."""
    return perform("inspection:why_not", options)


@click.command()
@reading
def risk(**options: object) -> int:
    """Show each limit of the risk gate beside what is used of it."""
    return perform("inspection:risk", options)


@click.command()
@reading
def strategies(**options: object) -> int:
    """List the strategies that --strategy takes, and the parameters that --set takes."""
    return perform("inspection:strategies", options)

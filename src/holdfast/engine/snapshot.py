"""The engine's whole state as one record: what a checkpoint keeps and a restart takes up."""

from __future__ import annotations

from collections import OrderedDict

from holdfast.core.errors import ConfigurationError
from holdfast.core.record import State
from holdfast.domain.decision import Proposal
from holdfast.domain.order import Order
from holdfast.engine.account import AccountState
from holdfast.engine.desk import DeskState
from holdfast.engine.engine import Engine


class EngineState(State):
    """Orders, money and every desk, by instrument."""

    sequence: int
    orders_made: int
    ts: int
    ts_bar: int
    orders: list[Order]
    finished: list[Order]
    proposals: list[Proposal]
    account: AccountState
    desks: dict[str, DeskState]


def snapshot(engine: Engine) -> EngineState:
    """Return the state of `engine`; encode it before the engine moves on, for it shares what is mutable.

    Raises
    ------
    DomainError
        Its ledger and its positions contradict each other.
    """
    engine.account.portfolio.require_agreement()
    return EngineState(
        engine.sequence, engine.orders_made, engine.ts, engine.ts_bar,
        list(engine.orders.values()), list(engine.finished.values()), list(engine.proposals.values()),
        engine.account.snapshot(), {str(name): desk.snapshot() for name, desk in engine.desks.items()},
    )  # fmt: skip


def restore(engine: Engine, state: EngineState) -> None:
    """Make a fresh `engine` continue where `state` was taken.

    Raises
    ------
    ConfigurationError
        The engine trades other instruments than the state knows.
    DomainError
        The state's ledger and positions contradict each other.
    """
    if set(state.desks) != set(engine.desks):
        raise ConfigurationError(
            f"the journal's agent trades {sorted(state.desks)}, the settings say {sorted(engine.desks)}",
            hint="start with the same instruments, or with a fresh --home",
        )
    engine.sequence, engine.orders_made = state.sequence, state.orders_made
    engine.ts, engine.ts_bar = state.ts, state.ts_bar
    engine.orders = {order.spec.order_id: order for order in state.orders}
    engine.finished = OrderedDict((order.spec.order_id, order) for order in state.finished)
    engine.proposals = {proposal.proposal_id: proposal for proposal in state.proposals}
    for name, desk in engine.desks.items():
        desk.restore(state.desks[name])
    engine.held = sum(bool(desk.held) for desk in engine.desks.values())
    engine.account.restore(state.account)
    engine.account.portfolio.require_agreement()

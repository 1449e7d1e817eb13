"""What a tick decided, as one line for a list: the id that `explain` takes, what was done, and why."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from holdfast.domain.command import AmendOrder, AskOpinion, SubmitOrder
from holdfast.domain.event import EmergencyStopped, TradingResumed
from holdfast.domain.market import BarClosed
from holdfast.domain.order import Order, OrderCanceled, OrderFilled, OrderRejected, Role
from holdfast.domain.portfolio import ClosedTrade
from holdfast.domain.tick import Tick
from holdfast.domain.values import OrderId
from holdfast.portfolio.status import DecisionLine

_EXITS: Final = {
    "stop": "stopped",
    "trailing_stop": "stopped",
    "target": "target",
    "signal": "exited",
    "emergency": "flattened",
}
_R_STEP: Final = Decimal("0.01")


def note_id(sequence: int) -> str:
    """Return the id of the decision of a tick that made neither proposal nor order."""
    return f"n{sequence}"


def lines_of(tick: Tick, order: Order | None, orders: Mapping[OrderId, Order]) -> list[DecisionLine]:
    """Return what the tick decided, oldest first; empty for most ticks.

    Parameters
    ----------
    order
        The order that the tick's event is about, after it.
    orders
        Live orders by id, before the tick's commands.
    """
    lines = _event_lines(tick, order)
    lines += _proposal_lines(tick)
    lines += _command_lines(tick, orders)
    return lines


def _event_lines(tick: Tick, order: Order | None) -> list[DecisionLine]:
    event = tick.event
    match event:
        case OrderFilled() if order is not None:
            spec = order.spec
            if tick.closed is not None:
                return [_closed_line(tick.closed)]
            what = "entered" if spec.role is Role.ENTRY else "part sold" if spec.side == "SELL" else "part bought"
            price = f"{event.quantity:f} at {event.price:f}"
            return [DecisionLine(spec.order_id, event.ts_event, spec.instrument_id, what, price)]
        case OrderCanceled() | OrderRejected() if order is not None and order.spec.role is Role.ENTRY:
            what = "not filled" if not order.filled else "partly filled"
            return [DecisionLine(order.spec.order_id, event.ts_event, order.spec.instrument_id, what, event.reason)]
        case EmergencyStopped():
            reason = f"{event.level.value} by {event.actor}: {event.reason}"
            return [DecisionLine(note_id(tick.sequence), event.ts_event, "", "emergency stop", reason)]
        case TradingResumed():
            reason = f"by {event.actor}: {event.reason}"
            return [DecisionLine(note_id(tick.sequence), event.ts_event, "", "resumed", reason)]
        case _:
            return []


def _closed_line(trade: ClosedTrade) -> DecisionLine:
    result = f"{trade.pnl:f} or {trade.r_multiple.quantize(_R_STEP)} R" if trade.risk else f"{trade.pnl:f}"
    what = _EXITS.get(trade.exit_reason, trade.exit_reason)
    reason = f"{trade.exit_reason.replace('_', ' ')} at {trade.exit_price:f}: {result}"
    return DecisionLine(trade.trade_id, trade.exit_ts, trade.instrument_id, what, reason)


def _proposal_lines(tick: Tick) -> list[DecisionLine]:
    proposal, ts = tick.proposal, tick.event.ts_event
    if proposal is None:
        name = tick.event.instrument_id if isinstance(tick.event, BarClosed) else ""
        return [DecisionLine(note_id(tick.sequence), ts, name, "passed over", note) for note in tick.notes]
    if tick.refused is not None:
        reason = f"{proposal.reason} But: {tick.refused.detail}"
        return [DecisionLine(proposal.proposal_id, ts, proposal.instrument_id, "refused", reason, tick.refused.rule)]
    is_asked = any(isinstance(command, AskOpinion) for command in tick.commands)
    what = "asked a model" if is_asked else "ordered"
    return [DecisionLine(proposal.proposal_id, ts, proposal.instrument_id, what, proposal.reason)]


def _command_lines(tick: Tick, orders: Mapping[OrderId, Order]) -> list[DecisionLine]:
    lines: list[DecisionLine] = []
    ts = tick.event.ts_event
    for command in tick.commands:
        if isinstance(command, AmendOrder) and command.amend.trigger_price is not None:
            order = orders.get(command.amend.order_id)
            if order is not None:
                moved = f"from {order.trigger_price or 0:f} to {command.amend.trigger_price:f}"
                lines.append(DecisionLine(order.spec.order_id, ts, order.spec.instrument_id, "moved stop", moved))
        elif isinstance(command, SubmitOrder) and command.approved.order.role in (Role.EXIT, Role.EMERGENCY):
            spec = command.approved.order
            reason = " ".join(signal.reason for signal in tick.signals) or "the emergency stop"
            lines.append(DecisionLine(spec.order_id, ts, spec.instrument_id, "leaving", reason))
    return lines

"""What a tick decided, as one line for a list: the id that `explain` takes, what was done, and why."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from holdfast.domain.amount import amount_text, quote_of
from holdfast.domain.command import AmendOrder, AskOpinion, SubmitOrder
from holdfast.domain.decision import Action, Signal
from holdfast.domain.event import EmergencyStopped, TradingResumed
from holdfast.domain.market import BarClosed
from holdfast.domain.order import (
    BALANCE,
    VENUE_DOWN,
    Order,
    OrderCanceled,
    OrderEvent,
    OrderFilled,
    OrderRejected,
    OrderSpec,
    Role,
)
from holdfast.domain.portfolio import ClosedTrade
from holdfast.domain.tick import Tick
from holdfast.domain.values import OrderId, Side
from holdfast.portfolio.status import DecisionLine

_EXITS: Final = {
    "stop": "stopped",
    "trailing_stop": "stopped",
    "target": "target",
    "signal": "exited",
    "emergency": "flattened",
}
MOVED_STOP: Final = "moved stop"
WAYS_OUT: Final = {
    Role.EXIT: "The exit that was decided on before is sent for what is still held.",
    Role.EMERGENCY: "The emergency stop closes everything.",
    Role.STOP: "The stop was touched while none rested at the venue: what is held is sold at the market.",
    Role.TARGET: "The target was reached while none waited at the venue: what is held is sold at the market.",
}
"""Why we leave at market, by role, where no signal says it better."""
_LEAVE: Final = {
    Side.SELL: (Action.EXIT_LONG, Action.ENTER_SHORT),
    Side.BUY: (Action.EXIT_SHORT, Action.ENTER_LONG),
}
_ROUTINE: Final = frozenset({"group", "never_arrived"})
"""Why a way out comes to nothing although all is well: another order had sold by then, or it never got to the venue."""
_R_STEP: Final = Decimal("0.01")


FindOrder = Callable[[OrderId], Order | None]


def is_thwarted(event: OrderEvent, order: Order) -> bool:
    """Tell whether the venue has not let a way out sell all that it was to: what is held then has no stop."""
    if not order.spec.is_way_out:
        return False
    if isinstance(event, OrderRejected):
        return event.reason not in _ROUTINE and not event.reason.startswith(VENUE_DOWN)
    return isinstance(event, OrderCanceled) and event.reason == BALANCE


def signal_to_leave(tick: Tick, spec: OrderSpec) -> Signal | None:
    """Return the signal for which a way out was sent; None where something else was the reason.

    A way out that came to nothing is sent again with the next bar, whose signal may even ask to enter once more.
    """
    if spec.role is not Role.EXIT:
        return None
    wanted = _LEAVE[spec.side]
    name = spec.instrument_id
    return next((x for x in tick.signals if x.action in wanted and x.instrument_id == name), None)


def note_id(sequence: int) -> str:
    """Return the id of the decision of a tick that made neither proposal nor order."""
    return f"n{sequence}"


def lines_of(tick: Tick, order: Order | None, find: FindOrder) -> list[DecisionLine]:
    """Return what the tick decided, oldest first; empty for most ticks.

    Parameters
    ----------
    order
        The order that the tick's event is about, after it.
    find
        Gives a live order as it was before the tick's commands.
    """
    lines = _event_lines(tick, order)
    lines += _proposal_lines(tick)
    lines += _command_lines(tick, find)
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
        case OrderCanceled() | OrderRejected() if order is not None and is_thwarted(event, order):
            return [_thwarted_line(event, order)]
        case EmergencyStopped():
            reason = f"{event.level.value} by {event.actor}: {event.reason}"
            return [DecisionLine(note_id(tick.sequence), event.ts_event, "", "emergency stop", reason)]
        case TradingResumed():
            reason = f"by {event.actor}: {event.reason}"
            return [DecisionLine(note_id(tick.sequence), event.ts_event, "", "resumed", reason)]
        case _:
            return []


def _thwarted_line(event: OrderEvent, order: Order) -> DecisionLine:
    spec = order.spec
    what = "not sold" if spec.side is Side.SELL else "not bought"
    if isinstance(event, OrderRejected):
        told = f"{spec.quantity:f}, for the venue refused it: {event.reason}. It is sent again until nothing is held."
    else:
        told = f"{order.left:f} of {spec.quantity:f} are not free at the venue, or not there; what was free is sold."
    return DecisionLine(spec.order_id, event.ts_event, spec.instrument_id, what, told)


def _closed_line(trade: ClosedTrade) -> DecisionLine:
    # For a person: the exact amount stands in the trade itself.
    result = amount_text(trade.pnl, quote_of(trade.instrument_id), sign="+") + (
        f" or {trade.r_multiple.quantize(_R_STEP)} R" if trade.risk else ""
    )
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


def _command_lines(tick: Tick, find: FindOrder) -> list[DecisionLine]:
    lines: list[DecisionLine] = []
    ts = tick.event.ts_event
    for command in tick.commands:
        if isinstance(command, AmendOrder) and command.amend.trigger_price is not None:
            order = find(command.amend.order_id)
            if order is not None:
                moved = f"from {order.trigger_price or 0:f} to {command.amend.trigger_price:f}"
                lines.append(DecisionLine(order.spec.order_id, ts, order.spec.instrument_id, MOVED_STOP, moved))
        elif isinstance(command, SubmitOrder) and command.approved.order.is_way_out:
            spec = command.approved.order
            signal = signal_to_leave(tick, spec)
            reason = WAYS_OUT[spec.role] if signal is None else signal.reason
            lines.append(DecisionLine(spec.order_id, ts, spec.instrument_id, "leaving", reason))
    return lines

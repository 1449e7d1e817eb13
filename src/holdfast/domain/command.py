"""What the engine asks the outside to do. Imperative; carried out only after its record is durable."""

from __future__ import annotations

from holdfast.core.record import Record
from holdfast.domain.decision import Approved, ApprovedAmend, Proposal
from holdfast.domain.values import OrderId


class AskOpinion(Record, frozen=True, tag=True):
    """Ask a model about a proposal; silence after `ts_deadline` is an answer too."""

    proposal: Proposal
    ts_deadline: int


class SubmitOrder(Record, frozen=True, tag=True):
    """Send an order that the gate approved."""

    approved: Approved


class AmendOrder(Record, frozen=True, tag=True):
    """Change a resting order within what the gate let pass."""

    amend: ApprovedAmend


class CancelOrder(Record, frozen=True, tag=True):
    """Take an order back."""

    order_id: OrderId
    reason: str


Command = AskOpinion | SubmitOrder | AmendOrder | CancelOrder

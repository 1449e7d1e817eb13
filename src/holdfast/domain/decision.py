"""From a leaning to a permission: signal, proposal, opinion, checks, verdict."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from holdfast.core.record import Record
from holdfast.domain.order import OrderSpec
from holdfast.domain.values import ZERO, InstrumentId, OrderId, Price, Quantity, Ratio, Side


class Action(StrEnum):
    """What a strategy would like."""

    ENTER_LONG = "enter_long"
    EXIT_LONG = "exit_long"
    ENTER_SHORT = "enter_short"
    EXIT_SHORT = "exit_short"


class Signal(Record, frozen=True):
    """A strategy's leaning. Floats: estimates, not amounts.

    `entry`, `stop` and `target` are price levels; on an exit `stop` and `target` are 0. With `is_anchored_to_fill`
    stop and target keep their distance from the price at which the entry really fills.
    """

    instrument_id: InstrumentId
    ts_event: int
    strategy: str
    action: Action
    strength: float  # confidence, 0 to 1
    entry: float
    stop: float
    target: float
    reason: str  # one sentence for a person
    evidence: tuple[tuple[str, float], ...] = ()  # the figures that it rests on
    is_anchored_to_fill: bool = False


class Proposal(Record, frozen=True):
    """A position that somebody would like: not yet allowed."""

    proposal_id: OrderId
    instrument_id: InstrumentId
    ts_event: int
    side: Side
    quantity: Quantity
    entry: Price  # the worst price that the entry may pay
    stop: Price
    target: Price
    strategy: str
    reason: str
    strength: float = 1.0
    is_anchored_to_fill: bool = False
    reference: Price = Price(ZERO)  # the market when it was proposed; stop and target were set against it
    limited_by: str = ""  # the rule that kept the quantity down


class Opinion(Record, frozen=True, tag=True):
    """A model's view of a proposal. It may shrink or veto; it can never enlarge."""

    proposal_id: OrderId
    ts_event: int
    scale: Ratio  # 0 = veto, 1 = as proposed; anything above counts as 1
    reason: str
    model: str


class OpinionTimedOut(Record, frozen=True, tag=True):
    """The model did not answer in time; policy says what that means."""

    proposal_id: OrderId
    ts_event: int


class Check(Record, frozen=True):
    """What one rule saw: its value, its limit, and whether the proposal passed."""

    rule: str
    value: Decimal
    limit: Decimal
    is_passed: bool
    detail: str = ""


class Refused(Record, frozen=True, tag=True):
    """The gate said no; `rule` names the first rule that failed."""

    proposal: Proposal
    rule: str
    detail: str
    checks: tuple[Check, ...]


class Approved(Record, frozen=True, tag=True):
    """Made by `holdfast.risk.gate` alone; the only thing that an exchange or a chain accepts."""

    order: OrderSpec
    checks: tuple[Check, ...] = ()
    proposal_id: OrderId = OrderId("")


class ApprovedAmend(Record, frozen=True, tag=True):
    """A change of a resting order that the gate has let pass; None means unchanged."""

    order_id: OrderId
    trigger_price: Price | None = None
    quantity: Quantity | None = None


Verdict = Approved | Refused


class StopLevel(StrEnum):
    """The emergency stop's levels, from none to all."""

    NONE = "none"
    NO_ENTRIES = "no_entries"
    REDUCE_ONLY = "reduce_only"  # also cancels entries that still rest
    FLATTEN = "flatten"  # closes everything and locks

    @property
    def severity(self) -> int:
        """Return 0 to 3: a higher level includes the lower ones."""
        return _SEVERITY[self]


_SEVERITY = {StopLevel.NONE: 0, StopLevel.NO_ENTRIES: 1, StopLevel.REDUCE_ONLY: 2, StopLevel.FLATTEN: 3}

"""The books that the simulation's watch keeps by itself: orders, round trips, and what was allowed."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from holdfast.domain.decision import Proposal
from holdfast.domain.order import OrderSpec, OrderState
from holdfast.domain.values import ZERO, Side
from holdfast.testing.parts import Parts


@dataclass
class Sent:
    """An order as the watch sees it."""

    spec: OrderSpec
    quantity: Decimal
    trigger: Decimal | None
    state: OrderState = OrderState.SUBMITTED
    filled: Decimal = ZERO
    is_touched: bool = False  # a stop that a bar has reached: what it has left fills in the bars after it


@dataclass
class Round:
    """What is held of one instrument, from flat to flat."""

    side: Side
    stop: Decimal  # the first one
    parts: Parts
    allowed: Decimal = ZERO  # what the approved levels may lose on what has filled
    quantity: Decimal = ZERO
    flow: Decimal = ZERO  # quote units received minus paid, after fees
    groups: dict[str, Decimal] = field(default_factory=dict)
    has_gap: bool = False
    has_sweep: bool = False
    best_stop: Decimal | None = None


@dataclass
class Grant:
    """An approved entry: what one unit of it may lose."""

    proposal: Proposal
    unit: Decimal

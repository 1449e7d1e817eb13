"""A round trip as the parts that it was filled in, and what it would have come to without the worse ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from holdfast.domain.order import OrderFilled, Role
from holdfast.domain.values import ZERO, Side


@dataclass
class Parts:
    """The fills of a round trip by what they were for: all ways out of one role are parts of one exit."""

    side: Side
    fills: dict[Role, list[OrderFilled]] = field(default_factory=dict)

    def add(self, role: Role, fill: OrderFilled) -> None:
        """Count a fill."""
        self.fills.setdefault(role, []).append(fill)

    @property
    def is_in_parts(self) -> bool:
        """Tell whether the way in, or a way out, took more than one fill."""
        return any(len(fills) > 1 for fills in self.fills.values())

    def loss_without_worse_parts(self) -> Decimal:
        """Return what would have been lost, fees included, had no part been worse than the first one for the same end.

        Better parts keep their price: what they gained was in what they were allowed to lose.
        """
        loss = ZERO
        for role, fills in self.fills.items():
            is_buying = (role is Role.ENTRY) is (self.side is Side.BUY)
            first = fills[0].price
            for fill in fills:
                price = min(fill.price, first) if is_buying else max(fill.price, first)
                paid = price * fill.quantity
                # The fee is a share of what changes hands.
                loss += (paid if is_buying else -paid) + fill.fee.amount * price / fill.price
        return loss

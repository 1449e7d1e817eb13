"""The in-process venue: what the risk gate has approved goes to the matching rules, and nothing else does."""

from __future__ import annotations

from holdfast.domain.decision import Approved, ApprovedAmend
from holdfast.matching.book import Events
from holdfast.matching.venue import Venue


class SimulatedVenue(Venue):
    """Implements `ports.exchange.SimulatedExchange`; it is the venue itself, so that a quiet bar costs one call."""

    __slots__ = ()

    def submit(self, approved: Approved, ts: int) -> Events:
        """Send an order at `ts`: accepted or rejected at once, filled by the bars that follow."""
        return self.place(approved.order, ts)

    def amend(self, amend: ApprovedAmend, ts: int) -> Events:
        """Change a resting order: OrderAmended, or nothing if it is already gone."""
        return self.change(amend.order_id, ts, amend.trigger_price, amend.quantity)

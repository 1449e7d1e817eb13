"""A venue, as the engine's drivers see it. It takes nothing that the risk gate has not approved."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

from holdfast.domain.decision import Approved, ApprovedAmend
from holdfast.domain.market import BarClosed
from holdfast.domain.order import OrderEvent
from holdfast.domain.values import Asset, InstrumentId, OrderId


class Exchange(Protocol):
    """Sends orders; what happens to them comes back as events, from these calls or later."""

    def submit(self, approved: Approved, ts: int) -> Sequence[OrderEvent]:
        """Send an order at `ts`. The answer is OrderAccepted or OrderRejected, perhaps with fills or an end."""
        ...

    def amend(self, amend: ApprovedAmend, ts: int) -> Sequence[OrderEvent]:
        """Change a resting order: OrderAmended, or nothing if it is already gone."""
        ...

    def cancel(self, order_id: OrderId, ts: int, reason: str) -> Sequence[OrderEvent]:
        """Take an order back: OrderCanceled, or nothing if it is already gone."""
        ...

    def open_orders(self) -> Sequence[OrderId]:
        """Return what rests there now."""
        ...

    def balances(self) -> dict[Asset, Decimal]:
        """Return what the account holds."""
        ...


class Levels(Protocol):
    """Where the orders of one instrument wake up, kept up to date by the venue.

    A bar strictly between `below` and `above`, open and all, does nothing there: in place of both phases a driver may
    set `last` to its close, and save two calls for nearly every bar.
    """

    below: float
    above: float
    last: float


class SimulatedExchange(Exchange, Protocol):
    """A venue that fills from bars. For each bar: `open_phase` once, then `range_phase` until it gives nothing more.

    Between the calls the engine may send orders; they live on in the same bar where their latency allows.
    """

    def open_phase(self, bar: BarClosed) -> Sequence[OrderEvent]:
        """Fill at the bar's open what waits for it, and stops that the open has jumped past."""
        ...

    def range_phase(self, bar: BarClosed) -> Sequence[OrderEvent]:
        """Fill what the bar's range touches, stops before targets; nothing twice."""
        ...

    def levels(self, instrument_id: InstrumentId) -> Levels:
        """Return the levels of an instrument that the venue trades; the same object for good."""
        ...

    def exit_cost(self, instrument_id: InstrumentId, price: Decimal, quantity: Decimal, volume: float) -> Decimal:
        """Return about what a market order would cost, in quote units, where a bar trades `volume` base units."""
        ...

    def snapshot(self) -> bytes:
        """Return the whole state, to be restored after a restart."""
        ...

    def restore(self, state: bytes) -> None:
        """Take up a state that `snapshot` gave."""
        ...

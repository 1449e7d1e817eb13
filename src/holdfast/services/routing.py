"""Several venues as one `ports.live.LiveExchange`: each order, question and stop goes to the venue of its instrument.

One that fails is nobody else's matter: what rests at the others is looked after as before, and the one that has fallen
is tried again (see `services.lane`). Only when none is left is a failure fatal.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from holdfast.core.errors import ConfigurationError, HoldfastError, VenueError
from holdfast.domain.decision import Approved, ApprovedAmend
from holdfast.domain.instrument import Instrument
from holdfast.domain.market import BarClosed, Timeframe
from holdfast.domain.order import Order, OrderEvent
from holdfast.domain.values import InstrumentId, OrderId, venue_of
from holdfast.ports.live import AccountReport, Failure, Incoming
from holdfast.services.lane import Lane

_PLACES_KEPT: Final = 10_000  # far more orders than are open at a time


class RoutedExchange:
    """The lanes by name; `bell` is set by a client that has news, so that nobody's news wait for another's silence."""

    venue = "several venues"

    def __init__(self, lanes: Mapping[str, Lane], bell: threading.Event | None = None) -> None:
        self._lanes, self._bell = dict(lanes), bell
        self._places: OrderedDict[OrderId, str] = OrderedDict()  # where an order was sent
        self._is_closed = False

    # -- life --------------------------------------------------------------------------------------
    def know(self, orders: Sequence[Order]) -> None:
        """Tell each venue of its orders."""
        for name, mine in self._shares(orders).items():
            self._lanes[name].know(mine)

    def start(self, instruments: Sequence[Instrument], bars: Timeframe) -> None:
        """Start all at once; one that is not reached is tried again later.

        Raises
        ------
        ConfigurationError
            One of them refuses the key, or does not have what is traded.
        VenueError
            None of them is reached.
        """
        ways = {
            name: lane.begin([x for x in instruments if venue_of(x.id) == name], bars)
            for name, lane in self._lanes.items()
        }
        errors: list[HoldfastError] = []
        begun = {name: way for name, way in ways.items() if way is not None}
        for way in begun.values():
            way.wait()
        for name, way in begun.items():
            if (error := self._lanes[name].settle(way)) is not None:
                errors.append(error)
        for error in errors:
            if isinstance(error, ConfigurationError):
                raise error
        if not any(lane.is_up for lane in self._lanes.values()):
            raise errors[0] if errors else VenueError("no venue is reached", venue=self.venue, is_retryable=True)

    def close(self) -> None:
        """Let all go, also where one cannot.

        Raises
        ------
        HoldfastError
            What the first of them said that could not be closed; the others are.
        """
        if self._is_closed:
            return
        self._is_closed = True
        errors: list[HoldfastError] = []
        threads = [threading.Thread(target=_close, args=(lane, errors)) for lane in self._lanes.values()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]

    # -- to the venue of the instrument ------------------------------------------------------------
    def history(self, instrument_id: InstrumentId, count: int, ts_after: int = 0) -> Sequence[BarClosed]:
        """Return bars of the past from where the instrument is traded."""
        return self._lane(instrument_id).history(instrument_id, count, ts_after)

    def submit(self, approved: Approved, ts: int) -> Sequence[OrderEvent]:
        """Send an order."""
        spec = approved.order
        self._place(spec.order_id, venue_of(spec.instrument_id))
        self._lane(spec.instrument_id).submit(approved, ts)
        return ()

    def amend(self, amend: ApprovedAmend, ts: int) -> Sequence[OrderEvent]:
        """Change an order where it rests."""
        for lane in self._of(amend.order_id):
            lane.amend(amend, ts)
        return ()

    def cancel(self, order_id: OrderId, ts: int, reason: str) -> Sequence[OrderEvent]:
        """Take an order back where it rests."""
        for lane in self._of(order_id):
            lane.cancel(order_id, ts, reason)
        return ()

    def ask(self, orders: Sequence[Order]) -> None:
        """Find out about each order where it was sent."""
        for name, mine in self._shares(orders).items():
            self._lanes[name].ask(mine)

    # -- to all ------------------------------------------------------------------------------------
    def ask_account(self) -> None:
        """Ask each venue for a report of its own."""
        for lane in self._lanes.values():
            lane.ask_account()

    def beat(self, timeout_s: int) -> None:
        """Renew the timer of each."""
        for lane in self._lanes.values():
            lane.beat(timeout_s)

    def take(self, timeout_s: float) -> Sequence[Incoming]:
        """Return what has come in from any, each in its own order; wait for the first as long as was said."""
        if self._bell is None:
            return self._gathered(timeout_s / len(self._lanes))
        self._bell.clear()  # before looking: what comes meanwhile rings again
        taken = self._gathered(0.0)
        if not taken and timeout_s > 0:
            self._bell.wait(timeout_s)
            taken = self._gathered(0.0)
        return taken

    # -- parts -------------------------------------------------------------------------------------
    def _gathered(self, timeout_s: float) -> list[Incoming]:
        taken: list[Incoming] = []
        was_up = {name for name, lane in self._lanes.items() if lane.is_up}
        for lane in self._lanes.values():
            for item in lane.take(timeout_s):
                if isinstance(item, AccountReport):
                    for order in item.orders:
                        self._place(order.order_id, lane.name)
                taken.append(item)
        if was_up and not any(lane.is_up for lane in self._lanes.values()):
            # The last one has fallen: nobody is left whose positions could be looked after.
            last = max(at for at, item in enumerate(taken) if isinstance(item, Failure))
            taken[last] = msgspec.structs.replace(taken[last], is_fatal=True)
        return taken

    def _lane(self, instrument_id: InstrumentId) -> Lane:
        return self._lanes[venue_of(instrument_id)]

    def _place(self, order_id: OrderId, venue: str) -> None:
        if order_id:
            self._places[order_id] = venue
            self._places.move_to_end(order_id)
            if len(self._places) > _PLACES_KEPT:
                self._places.popitem(last=False)

    def _of(self, order_id: OrderId) -> Sequence[Lane]:
        """Return where an order is. Where nobody knows, all are told: it changes nothing where it is not."""
        venue = self._places.get(order_id)
        return tuple(self._lanes.values()) if venue is None else (self._lanes[venue],)

    def _shares(self, orders: Sequence[Order]) -> dict[str, list[Order]]:
        shares: dict[str, list[Order]] = {}
        for order in orders:
            venue = venue_of(order.spec.instrument_id)
            self._place(order.spec.order_id, venue)
            shares.setdefault(venue, []).append(order)
        return shares


def _close(lane: Lane, errors: list[HoldfastError]) -> None:
    try:
        lane.close()
    except HoldfastError as error:
        errors.append(error)

"""One of several venues of an agent: its client, what rests there, and the way back after it has fallen.

A client that cannot start, or says that nothing more will come, is closed, and a fresh one is opened from time to time,
beside the agent's own thread. It is told of the orders as a new process would be, and asks about each of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from holdfast.core.errors import HoldfastError, VenueError
from holdfast.core.time import SECOND
from holdfast.domain.decision import Approved, ApprovedAmend
from holdfast.domain.instrument import Instrument
from holdfast.domain.market import BarClosed, Timeframe
from holdfast.domain.order import VENUE_DOWN, Order, OrderEvent, OrderRejected
from holdfast.domain.values import InstrumentId, OrderId
from holdfast.portfolio.status import VENUE_LINK
from holdfast.ports.live import AccountReport, Answered, Failure, Incoming, LinkChanged, LiveExchange, Quote

LINK: Final = VENUE_LINK
"""The link that is down from a fall until every order is accounted for again, beside those of the client itself."""

_PAUSE_FIRST: Final = 5 * SECOND
_PAUSE_MAX: Final = 60 * SECOND
_CLOSE_S: Final = 100.0  # longer than a client's own patience

Opener = Callable[[], LiveExchange]


class Lane:
    """All methods belong to the agent's thread; what blocks is done beside it."""

    def __init__(
        self, name: str, opener: Opener, client: LiveExchange | None, steady: Callable[[], int],
        beside: type[threading.Thread] = threading.Thread,
    ) -> None:  # fmt: skip
        self.name, self.why = name, "it was not reached"
        self._open, self._client, self._steady, self._beside = opener, client, steady, beside
        self._orders: dict[OrderId, Order] = {}  # that are not over, as far as it was heard
        self._cancels: dict[OrderId, str] = {}  # that wait for the way back
        self._unanswered: set[OrderId] = set()  # asked about on the way back
        self._is_reported = True
        self._is_told = True  # that it is up, or down
        self._news: list[Incoming] = []
        self._instruments: Sequence[Instrument] = ()
        self._bars = Timeframe.H1
        self._due, self._pause = 0, _PAUSE_FIRST
        self._way_back: WayBack | None = None
        self._ts = 0

    # -- life --------------------------------------------------------------------------------------
    @property
    def is_up(self) -> bool:
        """Tell whether orders can be sent."""
        return self._client is not None

    def begin(self, instruments: Sequence[Instrument], bars: Timeframe) -> WayBack | None:
        """Start the first client beside this thread; `settle` takes up how that ended. None where there is none."""
        self._instruments, self._bars = instruments, bars
        client, self._client = self._client, None
        if client is None:
            self._news.append(self._link(is_up=False, detail=self.why))
            self._is_told = False
            self._due = self._steady() + self._pause
            return None
        return self._way(lambda: client)

    def settle(self, way: WayBack) -> HoldfastError | None:
        """Take up how the first start ended, and return what it failed with.

        Raises
        ------
        Exception
            An error that is none of ours: the program is wrong, and not the venue.
        """
        if way.error is None:
            self._client, self.why = way.client, ""
            return None
        if not isinstance(way.error, HoldfastError):
            raise way.error
        self._fall(way.error)
        return way.error

    def know(self, orders: Iterable[Order]) -> None:
        """Take up the orders of an earlier process; the client is told when it starts."""
        self._orders.update((order.spec.order_id, order) for order in orders)

    def close(self) -> None:
        """Let the client go, and keep what it says to the end; blocks."""
        self._instruments = ()  # nothing leads back any more
        way, self._way_back = self._way_back, None
        if way is not None:
            way.abandon()
        client, self._client = self._client, None
        if client is not None:
            client.close()
            self._news += [
                msgspec.structs.replace(item, is_fatal=False, venue=self.name)
                for item in client.take(0.0)
                if isinstance(item, Failure)
            ]

    # -- orders ------------------------------------------------------------------------------------
    def submit(self, approved: Approved, ts: int) -> None:
        """Send an order, or refuse it where nothing can be sent: then it has surely not left."""
        spec = approved.order
        if self._client is None:
            self._news.append(
                OrderRejected(spec.order_id, ts, f"{VENUE_DOWN}: {self.name} is out of reach: {self.why}")
            )
            return
        self._orders[spec.order_id] = Order.sent(spec)
        self._client.submit(approved, ts)

    def amend(self, amend: ApprovedAmend, ts: int) -> None:
        """Change an order. What cannot be sent now, the next comparison with the account finds."""
        if (order := self._orders.get(amend.order_id)) is not None:
            self._orders[amend.order_id] = order.amended(amend.trigger_price, amend.quantity)
        if self._client is not None:
            self._client.amend(amend, ts)

    def cancel(self, order_id: OrderId, ts: int, reason: str) -> None:
        """Take an order back, now or on the way back."""
        if self._client is None:
            self._cancels[order_id] = reason
        else:
            self._client.cancel(order_id, ts, reason)

    def ask(self, orders: Sequence[Order]) -> None:
        """Find out about orders, now or on the way back, where each is asked about.

        Nothing is taken from them: whoever asks may not have heard yet what came in with the same news.
        """
        if self._client is not None:
            self._client.ask(orders)

    def ask_account(self) -> None:
        """Ask for a report."""
        if self._client is not None:
            self._client.ask_account()

    def beat(self, timeout_s: int) -> None:
        """Renew the dead-man timer; while nothing is reached, it may run out."""
        if self._client is not None:
            self._client.beat(timeout_s)

    def history(self, name: InstrumentId, count: int, ts_after: int) -> Sequence[BarClosed]:
        """Return bars of the past.

        Raises
        ------
        VenueError
            They cannot be had.
        """
        if self._client is None:
            raise VenueError(f"{self.name} is out of reach: {self.why}", venue=self.name, is_retryable=True)
        return self._client.history(name, count, ts_after)

    # -- what comes in -----------------------------------------------------------------------------
    def take(self, timeout_s: float) -> list[Incoming]:
        """Return what has come in, with the venue's name on it; and look after the way back."""
        self._return()
        if self._client is not None:
            for item in self._client.take(timeout_s):
                self._see(item)
        self._tell_up()
        news, self._news = self._news, []
        return news

    def _see(self, item: Incoming) -> None:
        self._ts = max(self._ts, item.ts_event)
        match item:
            case LinkChanged():
                self._news.append(msgspec.structs.replace(item, venue=self.name))
            case AccountReport():
                self._is_reported = True
                self._news.append(msgspec.structs.replace(item, venue=self.name))
            case Failure():
                self._news.append(msgspec.structs.replace(item, is_fatal=False, venue=self.name))
                if item.is_fatal:
                    self._fall(VenueError(item.message, venue=self.name, hint=item.hint))
            case Answered():
                if item.is_certain:
                    self._unanswered.discard(item.order_id)
                self._news.append(item)
            case BarClosed() | Quote():
                self._news.append(item)
            case _:
                self._follow(item)
                self._news.append(item)

    def _follow(self, event: OrderEvent) -> None:
        order = self._orders.get(event.order_id)
        if order is None:
            return
        after = order.apply(event)
        if after.state.is_final:
            del self._orders[event.order_id]
            self._unanswered.discard(event.order_id)
        else:
            self._orders[event.order_id] = after

    # -- the fall and the way back -----------------------------------------------------------------
    def _fall(self, error: Exception) -> None:
        client, self._client = self._client, None
        self.why = str(error) if isinstance(error, HoldfastError) else f"{type(error).__name__}: {error}"
        self._unanswered, self._is_reported = set(), False
        if self._is_told:
            self._is_told = False
            self._news.append(self._link(is_up=False, detail=self.why))
        self._due = self._steady() + self._pause
        self._pause = min(2 * self._pause, _PAUSE_MAX)
        if client is not None:
            self._beside(target=_close_quietly, args=(client,), name=f"leave {self.name}", daemon=True).start()

    def _way(self, opener: Opener) -> WayBack:
        return WayBack(opener, tuple(self._orders.values()), self._instruments, self._bars, self._beside)

    def _return(self) -> None:
        if self._client is not None:
            return
        way = self._way_back
        if way is None:
            if self._instruments and self._steady() >= self._due:
                self._way_back = self._way(self._open)
            return
        if not way.is_done:
            return
        self._way_back = None
        if way.error is not None:
            self._fall(way.error)  # told as it is, whatever it is: the others go on
            return
        self._client, self.why, self._pause = way.client, "", _PAUSE_FIRST
        assert self._client is not None  # it has started without an error
        self._unanswered = set(self._orders)
        self._client.ask(list(self._orders.values()))
        self._client.ask_account()
        cancels, self._cancels = self._cancels, {}
        for order_id, reason in cancels.items():
            self._client.cancel(order_id, self._ts, reason)

    def _tell_up(self) -> None:
        if not self._is_told and self._client is not None and not self._unanswered and self._is_reported:
            self._is_told = True
            self._news.append(self._link(is_up=True))

    def _link(self, *, is_up: bool, detail: str = "") -> LinkChanged:
        return LinkChanged(self._ts, LINK, is_up, detail, self.name)


class WayBack:
    """A client on its way up, in a thread of its own."""

    def __init__(
        self, opener: Opener, orders: Sequence[Order], instruments: Sequence[Instrument], bars: Timeframe,
        beside: type[threading.Thread],
    ) -> None:  # fmt: skip
        self.client: LiveExchange | None = None
        self.error: Exception | None = None
        self._work = (opener, orders, instruments, bars)
        self._is_abandoned = False
        self._turn = threading.Lock()
        self._thread = beside(target=self._run, name="way back", daemon=True)
        self._thread.start()

    @property
    def is_done(self) -> bool:
        return not self._thread.is_alive()

    def wait(self) -> None:
        self._thread.join()

    def abandon(self) -> None:
        """Let the client go as soon as it is there."""
        with self._turn:
            self._is_abandoned = True
        self._thread.join(_CLOSE_S)

    def _run(self) -> None:
        opener, orders, instruments, bars = self._work
        client: LiveExchange | None = None
        try:
            client = opener()
            if orders:
                client.know(orders)
            client.start(instruments, bars)
        except Exception as error:  # top of task: the client's start; the lane tells it, or raises it
            self.error = error
        with self._turn:
            if self.error is None and not self._is_abandoned:
                self.client = client
                return
        if client is not None:
            _close_quietly(client)


def _close_quietly(client: LiveExchange) -> None:
    try:
        client.close()
    except HoldfastError:
        return  # it did not answer to the end either; it has been told why it was left

"""What a live run has left at its venue, and how it is given up: its orders are taken back, its coins stay the owner's.

A new run knows nothing of them. A stop or a target that rests on would fire later and sell what the new run has bought.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from holdfast.core.errors import RefusedError, VenueError
from holdfast.core.record import Record
from holdfast.core.time import SECOND
from holdfast.domain.market import BarClosed, timeframe
from holdfast.domain.order import Order, OrderEvent, OrderFilled
from holdfast.domain.values import ZERO, Asset, InstrumentId, OrderId, venue_of
from holdfast.engine.recorder import RUN, TICK
from holdfast.portfolio.fold import JournalFold, read_run
from holdfast.portfolio.run import RunStarted
from holdfast.ports.journal import Journal, JournalRecord
from holdfast.ports.live import AccountReport, Answered, Failure, Incoming, LinkChanged, LiveExchange, Quote
from holdfast.services.run_before import own_prefix
from holdfast.services.versions import versions_named

ABANDONED: Final = "abandoned"
"""The kind of the record that holds a RunAbandoned."""
_OTHER_WAYS: Final = (
    "go on without --fresh, and type `holdfast stop --level flatten`; where the account really contradicts the journal"
    " and cannot be put right, `holdfast run --fresh --abandon` takes these orders back and leaves the coins to you"
)

HALF_GIVEN_UP: Final = (
    "the run was to be given up, and that was not finished: its stops and targets may be gone already, whatever the"
    " books say. `holdfast run` without --fresh puts a stop up again; with --fresh --abandon the rest is taken back"
)

_LIVE: Final = "live"
_REASON: Final = "abandoned"
_WAIT_S: Final = 0.02
_ASK_AGAIN: Final = 3 * SECOND // 10
_SAY_AGAIN: Final = 10 * SECOND


class Held(Record, frozen=True):
    """How much of an instrument's base asset there is."""

    instrument_id: InstrumentId
    quantity: Decimal


class RunAbandoned(Record, frozen=True):
    """Body of a record of kind "abandoned": a person gives up what a run has at its venue.

    The first is written before anything is sent, and says what the books hold. The second, with `is_taken_back`, says
    that no order rests any more, and what was really left to the owner.
    """

    run_id: str
    orders: tuple[OrderId, ...]
    held: tuple[Held, ...]
    is_taken_back: bool = False


class _Began(msgspec.Struct):
    mode: str = _LIVE


_BEGAN = msgspec.json.Decoder(_Began)
_ABANDONED = msgspec.json.Decoder(RunAbandoned)


class LeftAtVenue(Record, frozen=True):
    """What the newest live run of a journal has at its venue, as it is recorded."""

    run: RunStarted
    ts: int  # the market's time when it was last heard of
    held: tuple[Held, ...]
    orders: tuple[Order, ...]  # without a final state

    def told(self) -> str:
        """Return what it is, as a list in words."""
        held = [f"{x.quantity.normalize():f} {x.instrument_id}" for x in self.held]
        orders = [_order_told(order) for order in self.orders]
        return "; ".join(
            f"{what} {', '.join(items)}" for what, items in (("holds", held), ("has the orders", orders)) if items
        )

    def record(self) -> RunAbandoned:
        """Return what is written before anything is sent."""
        return RunAbandoned(self.run.run_id, tuple(order.spec.order_id for order in self.orders), self.held)


def _order_told(order: Order) -> str:
    spec = order.spec
    level = order.trigger_price or order.limit_price
    at = "" if level is None else f" at {level.normalize():f}"
    return f"{spec.role.value} {spec.order_id} ({spec.side.value} {order.left.normalize():f} {spec.instrument_id}{at})"


def left_at_venue(journal: Journal) -> LeftAtVenue | None:
    """Return what the newest live run has left; None where there is none, or it has nothing there any more.

    Raises
    ------
    JournalError
        What it did cannot be read, so that nobody can say what it has left.
    """
    began: JournalRecord | None = None
    for record in journal.read(kinds=(RUN,)):
        if _is_live(record):
            began = record
    if began is None:
        return None
    with versions_named(journal):
        run = read_run(began.body, began.sequence)
        fold = JournalFold(run)
        for record in journal.read(began.sequence, kinds=(RUN, TICK)):
            if record.kind == RUN:
                break  # of another mode
            fold.take(record.kind, record.body)
    assert fold.portfolio is not None  # it has been given its run
    held = tuple(Held(x.instrument_id, x.quantity) for x in fold.portfolio.positions.values() if x.quantity)
    orders = tuple(fold.orders.values())
    return LeftAtVenue(run, fold.ts, held, orders) if held or orders else None


def _is_live(record: JournalRecord) -> bool:
    try:
        return _BEGAN.decode(record.body).mode == _LIVE
    except msgspec.MsgspecError:
        return True  # then it is read in full, and refused with the version that wrote it


def require_nothing_left(left: LeftAtVenue | None) -> None:
    """Refuse a new live run while the one before has something at its venue.

    Raises
    ------
    RefusedError
        It has; the message lists it, and the hint says the ways out.
    """
    if left is not None:
        raise RefusedError(
            f"the live run before {left.told()}: a new run would not look after them, and a stop or a target that"
            " fires later would sell what it has bought",
            hint=_OTHER_WAYS,
        )


def is_half_given_up(journal: Journal) -> bool:
    """Tell whether the last run was to be given up, that was broken off, and nothing has happened to it since.

    Then its stops may be gone, whatever its books say.
    """
    last: JournalRecord | None = None
    for record in journal.read(kinds=(RUN, ABANDONED)):
        last = record
    if last is None or last.kind != ABANDONED or _ABANDONED.decode(last.body).is_taken_back:
        return False
    return next(iter(journal.read(last.sequence, kinds=(TICK,))), None) is None


def take_back(
    left: LeftAtVenue, exchange: LiveExchange, venues: Sequence[str], steady: Callable[[], int], wait_s: int,
    tell: Callable[[str], None] = lambda _: None,
) -> RunAbandoned:  # fmt: skip
    """Take back every order that was left, and return what is then left to the owner.

    Parameters
    ----------
    venues
        Whose reports are waited for: a name of each of several, or one empty name.
    tell
        Is told every ten seconds what is waited for, and why that may take a minute.

    Raises
    ------
    VenueError
        The venue was not reached, or has not confirmed within `wait_s` that none of these orders rests any more.
    """
    taking = _Taking(left)
    exchange.know(left.orders)
    exchange.start(left.run.instruments, timeframe(left.run.timeframe))
    exchange.ask(left.orders)
    for order in left.orders:
        exchange.cancel(order.spec.order_id, left.ts, _REASON)
    began, asked = steady(), 0
    ends, said = began + wait_s * SECOND, began
    while not taking.is_confirmed(venues):
        now = steady()
        if now - said >= _SAY_AGAIN:
            said = now
            tell(
                f"{(now - began) // SECOND} of {wait_s} s: still to be confirmed as gone: {taking.missing(venues)};"
                " a copy that an earlier process signed could reach the venue for a minute yet"
            )
        if now >= ends:
            raise VenueError(
                f"within {wait_s} s the venue has not confirmed that these orders are gone:"
                f" {taking.missing(venues)}{taking.trouble}",
                venue=exchange.venue,
                hint="nothing new was begun, and a stop may be gone already: try again, or go on with `holdfast run`"
                " without --fresh, which looks after what it holds",
            )
        # Only what is asked when all are over says something: a report of before may list what has gone since.
        if taking.is_over and (not asked or now - asked > _ASK_AGAIN):
            asked = now
            exchange.ask_account()
        taking.take_in(exchange.take(_WAIT_S))
    return taking.outcome()


class _Taking:
    """Follows the orders to their end."""

    def __init__(self, left: LeftAtVenue) -> None:
        self._left = left
        self._orders = {order.spec.order_id: order for order in left.orders}
        self._held = {x.instrument_id: x.quantity for x in left.held}
        self._reports: dict[str, AccountReport] = {}
        self._prefix = f"{own_prefix(left.run)}-"
        self.trouble = ""

    @property
    def is_over(self) -> bool:
        return all(order.state.is_final for order in self._orders.values())

    def is_confirmed(self, venues: Sequence[str]) -> bool:
        return self.is_over and all(venue in self._reports for venue in venues) and not self._resting()

    def missing(self, venues: Sequence[str]) -> str:
        names: list[str] = [name for name, order in self._orders.items() if not order.state.is_final]
        names += [name for name in self._resting() if name not in names]
        names += [f"all at {venue or 'the venue'}, which lists none yet" for venue in venues if self._is_silent(venue)]
        return ", ".join(names)

    def take_in(self, incoming: Sequence[Incoming]) -> None:
        for item in incoming:
            match item:
                case AccountReport():
                    self._reports[item.venue] = item
                case Failure():
                    self.trouble = f" ({item.message})"
                    if item.is_fatal:
                        raise VenueError(
                            f"the orders of the run before could not be taken back: {item.message}",
                            venue=item.venue,
                            hint=f"nothing new was begun; {item.hint or 'try again'}",
                        )
                case Answered() | BarClosed() | LinkChanged() | Quote():
                    pass  # an order's end comes as an event of its own
                case _:
                    self._follow(item)

    def outcome(self) -> RunAbandoned:
        assets: dict[InstrumentId, Asset] = {x.id: x.base for x in self._left.run.instruments}
        held = []
        for name, quantity in self._held.items():
            report = self._reports.get(venue_of(name)) or self._reports.get("")
            there = ZERO if report is None else report.balances.get(assets[name], ZERO)
            if (left := min(quantity, there)) > ZERO:  # more is the owner's own, and less was taken away
                held.append(Held(name, left))
        return RunAbandoned(self._left.run.run_id, tuple(self._orders), tuple(held), True)

    def _is_silent(self, venue: str) -> bool:
        return self.is_over and venue not in self._reports

    def _resting(self) -> list[OrderId]:
        return [
            order.order_id
            for report in self._reports.values()
            for order in report.orders
            if order.order_id in self._orders or order.order_id.startswith(self._prefix)
        ]

    def _follow(self, event: OrderEvent) -> None:
        order = self._orders.get(event.order_id)
        if order is None:
            return
        after = order.apply(event)
        if isinstance(event, OrderFilled) and after is not order:
            name = order.spec.instrument_id
            self._held[name] = self._held.get(name, ZERO) + order.spec.side.sign * event.quantity
        self._orders[event.order_id] = after

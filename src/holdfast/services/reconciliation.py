"""Compares our books with the venue's account: it is right about what is there, we are right about what we meant."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal

from holdfast.core.record import Record
from holdfast.domain.decision import ApprovedAmend
from holdfast.domain.order import Order, OrderState, Role
from holdfast.domain.values import ZERO, Asset, InstrumentId, OrderId, Quantity, venue_of
from holdfast.engine.engine import Engine
from holdfast.ports.live import AccountReport, OrderAtVenue

_GUARDING = frozenset({Role.STOP, Role.TARGET})
_RESTING = frozenset({OrderState.OPEN, OrderState.PARTIALLY_FILLED})
_UNHEARD = frozenset({OrderState.SUBMITTED, OrderState.IN_DOUBT})


class Findings(Record, frozen=True):
    """What a comparison found. Contradictions stop entries; the rest is put right, or told."""

    contradictions: tuple[str, ...] = ()
    strangers: tuple[str, ...] = ()  # orders that somebody else has at the venue
    orphans: tuple[str, ...] = ()  # orders of an earlier run of this journal, which nobody looks after
    to_ask: tuple[Order, ...] = ()  # ours rest in the books and not at the venue: what became of them?
    to_cancel: tuple[OrderId, ...] = ()  # ended in our books and still there, or guarding what is not held any more
    to_amend: tuple[ApprovedAmend, ...] = ()  # the venue has an older, looser stop, or more than is left to guard
    unsettled: tuple[OrderId, ...] = ()  # in doubt, or gone from where they rested: they may have traded meanwhile


def compare(
    engine: Engine, report: AccountReport, cash_tolerance: float, earlier: Collection[str] = ()
) -> Findings:  # fmt: skip
    """Return where the engine's books and the venue's account differ; of several venues, that of the report alone.

    More than our books say may lie at the venue: the owner's own, and what is too small to be sold. Less may not.
    `earlier` are the prefixes of the orders of runs before this one: theirs are nobody else's.
    """
    venue = report.venue
    known = {x: order for x, order in engine.orders.items() if is_at(order.spec.instrument_id, venue)}
    ours = {order.order_id: order for order in report.orders if order.order_id}
    past = [order_id for order_id in ours if order_id not in known]
    ended = [x for x in past if x in engine.finished and is_at(engine.finished[x].spec.instrument_id, venue)]
    idle, large = _guards(engine, known.values())
    strays = [order_id for order_id in past if order_id not in ended]
    prefix, before = f"{engine.config.order_prefix}-", tuple(f"{name}-" for name in earlier)
    to_ask = tuple(x for x in known.values() if x.state in _RESTING and x.spec.order_id not in ours)
    return Findings(
        contradictions=(
            *_missing(engine, report, cash_tolerance),
            *(
                f"order {x} rests at {venue or 'the venue'} and is not in the journal"
                for x in strays
                if x.startswith(prefix)
            ),
        ),
        strangers=(
            *(_told(order) for order in report.orders if not order.order_id),
            *(_told(ours[x]) for x in strays if not x.startswith((prefix, *before))),
        ),
        orphans=tuple(_told(ours[x]) for x in strays if x.startswith(before) and not x.startswith(prefix)),
        to_ask=to_ask,
        to_cancel=(*ended, *idle),
        to_amend=(*_amends(engine, known, ours), *large),
        unsettled=(*(x for x, order in known.items() if order.state in _UNHEARD), *(x.spec.order_id for x in to_ask)),
    )


def is_at(instrument_id: InstrumentId, venue: str) -> bool:
    """Tell whether an instrument is traded at a venue; without a name there is only one."""
    return not venue or venue_of(instrument_id) == venue


def guards_told(engine: Engine, report: AccountReport) -> str:
    """Return what is really left of each position at the venue, and whether a stop of ours guards it there."""
    found = []
    for name, position in engine.account.portfolio.positions.items():
        if not position.quantity or not is_at(name, report.venue):
            continue
        there = min(position.quantity, report.balances.get(engine.desks[name].instrument.base, ZERO))
        stops = [order for order in report.orders if order.instrument_id == name and _is_stop(engine, order.order_id)]
        resting = ", ".join(
            f"{order.order_id} for {order.quantity_left.normalize():f} at {order.trigger_price}" for order in stops
        )
        guard = (
            f"is guarded there by the stop {resting}" if stops else "no stop of ours rests there, so it is unguarded"
        )
        found.append(f"of {name} {there.normalize():f} is left, and {guard}" if there else f"of {name} nothing is left")
    return "; ".join(found) or "no position of ours is held there"


def _is_stop(engine: Engine, order_id: OrderId) -> bool:
    order = engine.orders.get(order_id)
    return order is not None and order.spec.role is Role.STOP


def _missing(engine: Engine, report: AccountReport, cash_tolerance: float) -> list[str]:
    portfolio, balances, venue = engine.account.portfolio, report.balances, report.venue
    found, whose = [], venue or "the venue"
    held: dict[Asset, Decimal] = {}
    for instrument_id, position in portfolio.positions.items():
        if is_at(instrument_id, venue):
            base = engine.desks[instrument_id].instrument.base
            held[base] = held.get(base, ZERO) + position.quantity
    for base, quantity in sorted(held.items()):
        if quantity > (there := balances.get(base, ZERO)):
            found.append(f"our books hold {quantity} {base}, {whose} {there}")
    cash, capital = portfolio.cash_at.get(venue, portfolio.cash), portfolio.capital_at.get(venue, portfolio.capital)
    if cash - (there := balances.get(portfolio.quote, ZERO)) > Decimal(repr(cash_tolerance)) * capital:
        found.append(f"our books hold {cash} {portfolio.quote}, {whose} {there}")
    return found


def _guards(engine: Engine, orders: Iterable[Order]) -> tuple[list[OrderId], list[ApprovedAmend]]:
    """Return which guards have nothing left to guard, and which are to become smaller.

    A venue, or an adapter for it, sees to that by itself; a crash may have come between.
    """
    idle: list[OrderId] = []
    large: list[ApprovedAmend] = []
    for order in orders:
        spec = order.spec
        if spec.role not in _GUARDING or not spec.group or order.state not in _RESTING:
            continue
        trade = engine.desks[spec.instrument_id].trade
        brackets = () if trade is None else trade.brackets
        left = next((bracket.quantity for bracket in brackets if bracket.group == spec.group), ZERO)
        if left <= ZERO:
            idle.append(spec.order_id)
        elif (
            order.left > left
            and (amend := engine.gate.amend_quantity(order, Quantity(order.filled + left))) is not None
        ):
            large.append(amend)
    return idle, large


def _amends(engine: Engine, known: dict[OrderId, Order], ours: dict[OrderId, OrderAtVenue]) -> Sequence[ApprovedAmend]:
    found = []
    for order_id, there in ours.items():
        order = known.get(order_id)
        if order is None or order.spec.role is not Role.STOP or not order.trigger_price or not there.trigger_price:
            continue
        if there.trigger_price != order.trigger_price:
            # The gate lets a stop only tighten, so the venue's is taken as what it is to be tightened from.
            at_venue = order.amended(engine.desks[order.spec.instrument_id].instrument.price(there.trigger_price), None)
            if (amend := engine.gate.amend_stop(at_venue, order.trigger_price)) is not None:
                found.append(amend)
    return found


def _told(order: OrderAtVenue) -> str:
    name = f"{order.venue_order_id}, {order.client_id}" if order.client_id else order.venue_order_id
    return f"{order.side.value} {order.quantity_left} {order.instrument_id} (order {name})"

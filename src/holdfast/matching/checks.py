"""What a venue refuses at once, and the labels under which it does."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Final

from holdfast.domain.order import OrderSpec, Role
from holdfast.domain.values import ZERO
from holdfast.matching.account import Account, Holds
from holdfast.matching.book import Book
from holdfast.matching.working import WorkingOrder

# Read once: from its class a member takes as long as ten comparisons.
_ENTRY: Final = Role.ENTRY


class Rejection(StrEnum):
    """Why an order was not taken: the `reason` of OrderRejected."""

    DUPLICATE = "DUPLICATE"  # this order id was taken before: the order may exist, ask for it
    UNKNOWN_INSTRUMENT = "UNKNOWN_INSTRUMENT"
    OFF_TICK = "OFF_TICK"
    OFF_LOT = "OFF_LOT"
    BELOW_MINIMUM = "BELOW_MINIMUM"
    BALANCE = "BALANCE"
    GROUP = "GROUP"  # orders of one group must trade one way


def hold_price(spec: OrderSpec, last: float, worse: Decimal) -> Decimal:
    """Return what a unit of the order is valued at until it fills (quote units); zero before any price is known.

    Its limit; else its trigger or the last price, made worse by the most that spread and slippage can take: by the
    factor `worse`. A market that jumps further finds less of the order affordable: the rest is canceled then, for
    "balance".
    """
    if spec.limit_price is not None:
        return spec.limit_price
    price = Decimal(repr(last)) if spec.trigger_price is None else spec.trigger_price
    return price * worse


def refusal(book: Book, order: WorkingOrder) -> Rejection | None:
    """Return why the venue does not take the order whatever the account holds, or None if it does."""
    instrument, spec, tick = book.instrument, order.spec, book.tick
    for price in (spec.limit_price, spec.trigger_price, spec.trail_offset):
        if price is not None and (price < tick or price % tick):
            return Rejection.OFF_TICK
    if spec.quantity % instrument.lot:
        return Rejection.OFF_LOT
    # Only entries: what is left of a position must stay closable, however little it is.
    if spec.role is _ENTRY and ZERO < order.hold_price * spec.quantity < instrument.notional_min:
        return Rejection.BELOW_MINIMUM
    if spec.group:
        for other in book.orders.values():
            if other.spec.group == spec.group and other.spec.side is not spec.side:
                return Rejection.GROUP
    return None


def shortage(book: Book, account: Account, order: WorkingOrder, needed: Holds) -> Rejection | None:
    """Return BALANCE if the account cannot bind `needed`: what the book needs with `order` in it as it now stands."""
    instrument = book.instrument
    before = account.held_for(instrument)
    if book.is_closing(order):
        is_short = needed[0] - before[0] > max(account.closable(instrument, order.spec.side), ZERO)
    else:
        available = account.available(instrument.quote)
        # Before any price is known an order cannot be valued; it must at least not come from an empty account.
        is_short = needed[1] - before[1] > max(available, ZERO) or (not order.hold_price and available <= 0)
    return Rejection.BALANCE if is_short else None

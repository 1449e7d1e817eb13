"""What it would bring to buy at one venue and sell at another: exact, after the fees of both sides, down both books.

Pure. It reports; nothing here proposes an order. Between the look and a fill both books move, and coins must lie ready
at both venues: a figure here is an upper bound, and no promise.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal, Inexact, InvalidOperation, localcontext
from enum import StrEnum
from itertools import pairwise
from typing import Final

from holdfast.core.errors import DataError, DomainError
from holdfast.core.record import Record
from holdfast.core.time import SECOND
from holdfast.domain.values import ONE, ZERO
from holdfast.ports.books import Book, Level

_EXACT: Final = Context(prec=400, traps=[Inexact, InvalidOperation])
"""Sums of price x quantity x fee keep every digit; what would not fit raises, and is never rounded."""
_SHARE: Final = Context(prec=12)
_BIGGEST, _FINEST = 32, -60  # adjusted exponent of an input, exponent of its last digit


class QuoteState(StrEnum):
    """Whether a book may be believed."""

    GOOD = "good"
    STALE = "stale"  # older than allowed, or dated in the future
    CROSSED = "crossed"  # bid at or above ask, levels out of order, or no plausible number
    EMPTY = "empty"  # a side has nothing
    NO_FEE = "no fee"  # the venue does not say what it takes
    NO_MARKET = "no market"  # the venue has answered that it trades no such thing
    MISSING = "missing"  # no answer


class Offer(Record, frozen=True):
    """One venue's book of one market, and whether it may be believed; without a book `why` says what went wrong."""

    venue: str
    market: str
    state: QuoteState
    why: str = ""
    book: Book | None = None
    fee_taker: Decimal | None = None
    age_ms: int = 0
    is_dated: bool = False  # the venue says when it was so; else its age counts from our question


class Limits(Record, frozen=True):
    """What counts."""

    age_max_ms: int = 5_000
    skew_max_ms: int = 2_000  # between the two books
    min_net: Decimal = ZERO  # least share of the cost that must be left
    withdrawal: Decimal = ZERO  # what it costs to bring the coins back (quote units), once per opportunity
    sizes: tuple[Decimal, ...] = ()  # base units, each reckoned whole besides

    def __post_init__(self) -> None:
        if not all(_is_plausible(x) for x in (self.min_net, self.withdrawal, *self.sizes)):
            raise DomainError("min_net, withdrawal and sizes must be plausible numbers")
        if not (ZERO <= self.min_net < ONE and self.withdrawal >= ZERO and all(size > ZERO for size in self.sizes)):
            raise DomainError("min_net must lie in [0, 1), the withdrawal cost be 0 or more, each size positive")


class Deal(Record, frozen=True):
    """Buying `quantity` (base units) at one venue and selling it at the other; amounts in quote units, exact."""

    quantity: Decimal
    cost: Decimal  # what the purchase takes, fee included
    proceeds: Decimal  # what the sale brings, fee taken off
    fees: Decimal  # of both sides, in them
    net: Decimal  # proceeds less cost less withdrawal
    net_share: Decimal  # of the cost; rounded, for reading only


class Direction(Record, frozen=True):
    """One way between two venues: `best` is the quantity that brings most, None where not even the first unit pays."""

    market: str
    buy_at: str
    sell_at: str
    is_believed: bool  # both books are good, and of one moment
    is_opportunity: bool
    why_not: str = ""
    gross_share: Decimal | None = None  # best bid over best ask, less one; before all fees
    skew_ms: int = 0
    best: Deal | None = None
    sizes: tuple[tuple[Decimal, Deal | None], ...] = ()  # None where a book is not deep enough


def judged(book: Book, fee: Decimal | None, now: int, limits: Limits) -> Offer:
    """Return a book with its age (`now` is ns of our clock) and whether it may be believed."""
    at = book.ts_venue or book.ts_asked
    age_ms = (now - at) // 1_000_000
    state, why = QuoteState.GOOD, ""
    if not (book.bids and book.asks):
        state, why = QuoteState.EMPTY, f"no {'asks' if book.bids else 'bids'}"
    elif (fault := _fault(book)) != "":
        state, why = QuoteState.CROSSED, fault
    elif age_ms > limits.age_max_ms:
        state, why = QuoteState.STALE, f"{age_ms} ms old"
    elif age_ms < -limits.age_max_ms:
        state, why = QuoteState.STALE, f"dated {-age_ms} ms ahead"
    elif fee is None or not _is_plausible(fee) or not ZERO <= fee < ONE:
        state, why = QuoteState.NO_FEE, "the venue lists no fee that can be reckoned with; give it"
    return Offer(book.venue, book.market, state, why, book, fee, age_ms, book.ts_venue > 0)


def missing(venue: str, market: str, why: str) -> Offer:
    """Return what stands for a book that could not be had."""
    return Offer(venue, market, QuoteState.MISSING, why)


def untraded(venue: str, market: str, why: str) -> Offer:
    """Return what stands for the book of a market that the venue does not trade."""
    return Offer(venue, market, QuoteState.NO_MARKET, why)


def _fault(book: Book) -> str:
    levels = (*book.bids, *book.asks)
    if not all(_is_plausible(level.price) and _is_plausible(level.quantity) for level in levels):
        return "a number that is not plausible"
    for side, sign in ((book.bids, -1), (book.asks, 1)):
        prices = [level.price * sign for level in side]
        if any(after <= before for before, after in pairwise(prices)):
            return "levels out of order"
    if any(level.price <= ZERO or level.quantity <= ZERO for level in levels):
        return "a level without a price or an amount"
    bid, ask = book.bids[0].price, book.asks[0].price
    return f"bid {bid:f} at or above ask {ask:f}" if bid >= ask else ""


def directions(offers: Sequence[Offer], limits: Limits) -> list[Direction]:
    """Return every way between two of the offers of one market, the best first."""
    found = [_direction(buy, sell, limits) for buy in offers for sell in offers if buy is not sell]
    return sorted(found, key=lambda x: (not x.is_opportunity, -(x.best.net if x.best else ZERO), x.buy_at, x.sell_at))


def _direction(buy: Offer, sell: Offer, limits: Limits) -> Direction:
    names = (buy.market, buy.venue, sell.venue)
    for offer in (buy, sell):
        if offer.book is None or offer.fee_taker is None or offer.state is not QuoteState.GOOD:
            why = f"{offer.venue} is {offer.state.value}: {offer.why}"
            return Direction(*names, is_believed=False, is_opportunity=False, why_not=why)
    assert buy.book is not None
    assert sell.book is not None
    assert buy.fee_taker is not None
    assert sell.fee_taker is not None
    asks, bids, fees = buy.book.asks, sell.book.bids, (buy.fee_taker, sell.fee_taker)
    skew_ms = (
        abs((buy.book.ts_venue or buy.book.ts_asked) - (sell.book.ts_venue or sell.book.ts_asked)) * 1_000 // SECOND
    )
    best = best_deal(asks, bids, fees, limits.withdrawal)
    is_believed, why = skew_ms <= limits.skew_max_ms, ""
    if not is_believed:
        why = f"the books are {skew_ms} ms apart"
    elif best is None:
        why = "fees take more than the spread gives"
    elif best.net <= ZERO:
        why = "the withdrawal costs more than is left"
    elif not reaches(best, limits.min_net):
        why = f"less than {limits.min_net:f} of the cost is left"
    return Direction(
        *names, is_believed=is_believed, is_opportunity=not why, why_not=why,
        gross_share=_SHARE.subtract(_SHARE.divide(bids[0].price, asks[0].price), ONE), skew_ms=skew_ms, best=best,
        sizes=tuple((size, deal_of(size, asks, bids, fees, limits.withdrawal)) for size in limits.sizes),
    )  # fmt: skip


def reaches(deal: Deal, min_net: Decimal) -> bool:
    """Tell, exactly, whether a deal leaves at least that share of its cost."""
    with localcontext(_EXACT):
        return deal.net >= min_net * deal.cost


def best_deal(
    asks: Sequence[Level], bids: Sequence[Level], fees: tuple[Decimal, Decimal], withdrawal: Decimal = ZERO
) -> Deal | None:
    """Return the deal that brings most, `fees` being those of buying and of selling; None where nothing pays.

    It takes level after level for as long as the next unit still brings something after both fees.
    """
    with localcontext(_EXACT):
        _check(asks, bids, fees)
        quantity = ZERO
        left_ask = left_bid = ZERO
        ask_at = bid_at = -1
        while True:
            if not left_ask:
                ask_at += 1
            if not left_bid:
                bid_at += 1
            if ask_at >= len(asks) or bid_at >= len(bids):
                break
            ask, bid = asks[ask_at], bids[bid_at]
            left_ask, left_bid = left_ask or ask.quantity, left_bid or bid.quantity
            if ask.price * (ONE + fees[0]) >= bid.price * (ONE - fees[1]):
                break
            part = min(left_ask, left_bid)
            quantity, left_ask, left_bid = quantity + part, left_ask - part, left_bid - part
    return deal_of(quantity, asks, bids, fees, withdrawal) if quantity else None


def deal_of(
    quantity: Decimal, asks: Sequence[Level], bids: Sequence[Level], fees: tuple[Decimal, Decimal],
    withdrawal: Decimal = ZERO,
) -> Deal | None:  # fmt: skip
    """Return what exactly `quantity` would bring, well or ill; None where a book is not deep enough."""
    with localcontext(_EXACT):
        _check(asks, bids, fees)
        paid, taken = _value(quantity, asks), _value(quantity, bids)
        if paid is None or taken is None or quantity <= ZERO:
            return None
        cost, proceeds = paid * (ONE + fees[0]), taken * (ONE - fees[1])
        net = proceeds - cost - withdrawal
        charged = (cost - paid) + (taken - proceeds)
    return Deal(quantity, cost, proceeds, charged, net, _SHARE.divide(net, cost))


def _value(quantity: Decimal, levels: Sequence[Level]) -> Decimal | None:
    left, value = quantity, ZERO
    for level in levels:
        part = min(left, level.quantity)
        value, left = value + part * level.price, left - part
        if not left:
            return value
    return None


def _check(asks: Sequence[Level], bids: Sequence[Level], fees: tuple[Decimal, Decimal]) -> None:
    if not all(ZERO <= fee < ONE for fee in fees):
        raise DomainError(f"a fee must lie in [0, 1), found {fees[0]} and {fees[1]}")
    numbers = [number for level in (*asks, *bids) for number in (level.price, level.quantity)]
    for number in (*numbers, *fees):
        if not _is_plausible(number):
            raise DataError(f"{number} is no plausible price, amount or fee")


def _is_plausible(number: Decimal) -> bool:
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= _FINEST and number.adjusted() <= _BIGGEST

"""Spreads: exact, never positive where the fees are larger, and silent about nothing."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.errors import DataError, DomainError
from holdfast.core.time import MILLISECOND
from holdfast.ports.books import Book, Level
from holdfast.research.spreads import Limits, QuoteState, best_deal, deal_of, directions, judged, missing, reaches

NOW = 1_700_000_000_000_000_000
ZERO = Decimal(0)
numbers = st.decimals(Decimal("0.00000001"), Decimal(10) ** 12, places=8)
fees = st.decimals(ZERO, Decimal("0.2"), places=6)


@st.composite
def sides(draw, sign: int):
    prices = sorted(draw(st.sets(numbers, min_size=1, max_size=6)), reverse=sign < 0)
    return tuple(Level(price, draw(numbers)) for price in prices)


def book(venue: str = "a", bid: str = "99", ask: str = "101", quantity: str = "1", **more) -> Book:
    bids, asks = (Level(Decimal(bid), Decimal(quantity)),), (Level(Decimal(ask), Decimal(quantity)),)
    return Book(venue, "BTC/USDT", **{"bids": bids, "asks": asks, "ts_asked": NOW, "ts_answered": NOW, **more})


def value(quantity: Fraction, levels) -> Fraction:
    total = Fraction(0)
    for level in levels:
        part = min(quantity, Fraction(level.quantity))
        total, quantity = total + part * Fraction(level.price), quantity - part
    assert not quantity
    return total


@given(sides(1), sides(-1), fees, fees, st.decimals(ZERO, Decimal(100), places=4))
def test_a_deal_is_exact_to_the_last_digit(asks, bids, fee_buy, fee_sell, withdrawal):
    quantity = min(sum(level.quantity for level in asks), sum(level.quantity for level in bids))
    deal = deal_of(quantity, asks, bids, (fee_buy, fee_sell), withdrawal)
    assert deal is not None
    paid, taken = value(Fraction(quantity), asks), value(Fraction(quantity), bids)
    assert Fraction(deal.cost) == paid * (1 + Fraction(fee_buy))
    assert Fraction(deal.proceeds) == taken * (1 - Fraction(fee_sell))
    assert Fraction(deal.fees) == paid * Fraction(fee_buy) + taken * Fraction(fee_sell)
    assert Fraction(deal.net) == Fraction(deal.proceeds) - Fraction(deal.cost) - Fraction(withdrawal)


@given(sides(1), sides(-1), fees, fees)
def test_nothing_pays_where_the_fees_are_larger_than_the_spread(asks, bids, fee_buy, fee_sell):
    best = best_deal(asks, bids, (fee_buy, fee_sell))
    pays = Fraction(asks[0].price) * (1 + Fraction(fee_buy)) < Fraction(bids[0].price) * (1 - Fraction(fee_sell))
    assert (best is not None) is pays
    if best is not None:
        assert best.net > 0


@given(sides(1), sides(-1), fees, fees, st.integers(1, 100))
def test_no_other_quantity_brings_more_than_the_best(asks, bids, fee_buy, fee_sell, percent):
    whole = min(sum(level.quantity for level in asks), sum(level.quantity for level in bids))
    best = best_deal(asks, bids, (fee_buy, fee_sell))
    other = deal_of(whole * percent / 100, asks, bids, (fee_buy, fee_sell))
    if other is not None:
        assert other.net <= (best.net if best is not None else 0)


def test_a_withdrawal_turns_a_gain_into_none():
    offers = [
        judged(book("a", "99", "100"), ZERO, NOW, Limits()),
        judged(book("b", "101", "102"), ZERO, NOW, Limits()),
    ]
    assert directions(offers, Limits())[0].is_opportunity
    (first, *_) = directions(offers, Limits(withdrawal=Decimal(1)))
    assert not first.is_opportunity
    assert first.best is not None
    assert first.best.net == 0
    assert first.why_not == "the withdrawal costs more than is left"


def test_both_directions_are_told_with_sizes_and_reasons():
    limits = Limits(min_net=Decimal("0.005"), sizes=(Decimal("0.5"), Decimal(2)))
    offers = [
        judged(book("a", "99", "100"), Decimal("0.001"), NOW, limits),
        judged(book("b", "101", "102"), Decimal("0.002"), NOW, limits),
    ]
    there, back = directions(offers, limits)
    assert (there.buy_at, there.sell_at, there.is_opportunity) == ("a", "b", True)
    assert there.best is not None
    assert there.best.net == Decimal("101") * Decimal("0.998") - Decimal("100") * Decimal("1.001")
    assert there.sizes[0][1] is not None
    assert there.sizes[0][1].net * 2 == there.best.net
    assert there.sizes[1] == (Decimal(2), None)  # the books hold one
    assert (back.is_opportunity, back.best, back.why_not) == (False, None, "fees take more than the spread gives")
    assert back.sizes[0][1] is not None
    assert back.sizes[0][1].net < 0


def test_less_than_is_asked_is_no_opportunity_and_the_border_is_one():
    limits = Limits(min_net=Decimal("0.01"))
    offers = [judged(book("a", "99", "100"), ZERO, NOW, limits), judged(book("b", "101", "102"), ZERO, NOW, limits)]
    assert directions(offers, limits)[0].is_opportunity  # one of a hundred, exactly
    stricter = Limits(min_net=Decimal("0.0100000000000000000000000001"))
    (first, *_) = directions(offers, stricter)
    assert not first.is_opportunity
    assert first.best is not None
    assert reaches(first.best, Decimal("0.01"))


@pytest.mark.parametrize(
    ("changed", "fee", "now", "state"),
    [
        ({}, "0.001", NOW, QuoteState.GOOD),
        ({}, "0.001", NOW + 5_001 * MILLISECOND, QuoteState.STALE),
        ({"ts_venue": NOW - 6_000 * MILLISECOND}, "0.001", NOW, QuoteState.STALE),
        ({"ts_venue": NOW + 6_000 * MILLISECOND}, "0.001", NOW, QuoteState.STALE),
        ({"bid": "101"}, "0.001", NOW, QuoteState.CROSSED),
        ({"bids": (Level(Decimal(98), Decimal(1)), Level(Decimal(99), Decimal(1)))}, "0.001", NOW, QuoteState.CROSSED),
        ({"bid": "NaN"}, "0.001", NOW, QuoteState.CROSSED),
        ({"quantity": "0"}, "0.001", NOW, QuoteState.CROSSED),
        ({"asks": ()}, "0.001", NOW, QuoteState.EMPTY),
        ({}, None, NOW, QuoteState.NO_FEE),
        ({}, "1", NOW, QuoteState.NO_FEE),
        ({}, "-0.001", NOW, QuoteState.NO_FEE),
    ],
)
def test_a_book_that_may_not_be_believed_is_named_and_never_counts(changed, fee, now, state):
    limits = Limits(skew_max_ms=3_600_000)
    odd = judged(book("odd", **changed), None if fee is None else Decimal(fee), now, limits)
    assert odd.state is state
    cheap = judged(book("cheap", "9", "10", ts_venue=now), ZERO, now, limits)
    found = directions([odd, cheap], limits)
    assert len(found) == 2
    assert any(x.is_opportunity for x in found) is (state is QuoteState.GOOD)
    if state is not QuoteState.GOOD:
        assert all(f"odd is {state.value}" in x.why_not for x in found)


def test_books_of_two_moments_are_reckoned_and_do_not_count():
    offers = [
        judged(book("a", "99", "100", ts_venue=NOW), ZERO, NOW, Limits()),
        judged(book("b", "101", "102", ts_venue=NOW - 3_000 * MILLISECOND), ZERO, NOW, Limits()),
    ]
    (first, *_) = directions(offers, Limits())
    assert (first.is_believed, first.is_opportunity, first.skew_ms) == (False, False, 3_000)
    assert first.why_not == "the books are 3000 ms apart"
    assert first.best is not None


def test_a_venue_that_did_not_answer_is_named():
    found = directions([missing("a", "BTC/USDT", "no answer"), judged(book("b"), ZERO, NOW, Limits())], Limits())
    assert [x.why_not for x in found] == ["a is missing: no answer"] * 2


def test_numbers_that_cannot_be_reckoned_exactly_are_refused():
    asks, bids = (Level(Decimal("1e40"), Decimal(1)),), (Level(Decimal(1), Decimal(1)),)
    with pytest.raises(DataError):
        deal_of(Decimal(1), asks, bids, (ZERO, ZERO))
    with pytest.raises(DomainError):
        deal_of(Decimal(1), bids, bids, (Decimal(1), ZERO))
    with pytest.raises(DomainError):
        Limits(min_net=Decimal(1))
    with pytest.raises(DomainError):
        Limits(sizes=(Decimal("NaN"),))

"""Money at one venue buys nothing at another: sizes and the CASH rule keep to what lies where the order goes."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.decision import Approved, Refused
from holdfast.domain.values import VenueCash
from holdfast.risk.rules.exposure import cash
from holdfast.risk.sizing import Levels


def at(**amounts: str) -> tuple[VenueCash, ...]:
    return tuple(VenueCash(venue, Decimal(amount)) for venue, amount in amounts.items())


def test_cash_at_another_venue_pays_for_nothing_here(room):
    poor = room.changed(cash="10000", cash_at=at(TEST="500", OTHER="9500"))
    is_passed, check = poor.verdict(cash)
    assert not is_passed
    assert (check.limit, check.detail.partition(", ")[2]) == (500, "500 are available at TEST")
    verdict = poor.review()
    assert isinstance(verdict, Refused)
    assert verdict.rule == "CASH"


def test_cash_at_the_venue_to_the_last_digit_is_enough(room):
    needed = room.case.cash_needed
    assert room.changed(cash_at=at(TEST=str(needed), OTHER="1")).verdict(cash)[0]
    assert not room.changed(cash_at=at(TEST=str(needed - Decimal("1e-9")), OTHER="1")).verdict(cash)[0]


def test_never_more_is_spent_at_a_venue_than_there_is_in_all(room):
    """Parts that are more than the whole contradict it: the smaller figure counts."""
    assert not room.changed(cash="500", cash_at=at(TEST="9000", OTHER="9000")).verdict(cash)[0]


def test_a_venue_without_a_figure_has_no_cash(room):
    assert not room.changed(cash_at=at(OTHER="10000")).verdict(cash)[0]


def test_an_amount_that_is_no_number_is_no_account(room):
    verdict = room.changed(cash_at=at(TEST="NaN")).review()
    assert isinstance(verdict, Refused)
    assert verdict.rule == "INPUT_SOUND"


def test_one_account_is_told_nothing_of_venues(room):
    assert room.changed(cash="1").verdict(cash)[1].detail.endswith("1 are available")


def test_a_size_is_kept_down_by_the_cash_at_its_venue(room):
    levels = Levels(room.proposal.side, room.proposal.entry, room.proposal.stop)
    poor = room.changed(cash_at=at(TEST="500", OTHER="9500"))
    sized = poor.gate.size(levels, poor.view, poor.market, poor.instrument)
    assert sized.limited_by == "CASH"
    assert 0 < sized.quantity * room.proposal.entry < 500


@pytest.fixture(scope="module")
def cents() -> st.SearchStrategy[Decimal]:
    return st.decimals(Decimal(0), Decimal(12_000), places=2)


@given(data=st.data())
def test_no_order_is_approved_beyond_the_cash_of_its_venue(data, promising_room, cents):
    drawn = data.draw(promising_room)
    here, there = data.draw(cents), data.draw(cents)
    split = drawn.changed(cash=here + there, cash_at=at(TEST=str(here), OTHER=str(there)))
    needed = split.case.cash_needed
    verdict = split.review()
    assert isinstance(verdict, Refused) or needed <= here
    # Where the venue pays for it, the other's money changes nothing.
    alone = drawn.changed(cash=here, cash_at=()).review()
    if isinstance(verdict, Approved):
        assert isinstance(alone, Approved)
    sized = split.gate.size(
        Levels(split.proposal.side, split.proposal.entry, split.proposal.stop),
        split.view, split.market, split.instrument,
    )  # fmt: skip
    again = msgspec.structs.replace(split.proposal, quantity=sized.quantity)
    assert split.changed(quantity=again.quantity).case.cash_needed <= here or not sized.quantity

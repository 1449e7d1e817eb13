"""Every note on a signal that became no proposal has a name to count it by, and the name is read from its words."""

import math

import pytest

from holdfast.core.errors import DomainError
from holdfast.domain.decision import Action
from holdfast.domain.passed_over import (
    PassedOver,
    entry_pending,
    no_price,
    no_short_on_spot,
    reason_of,
    unfit_market,
    unusable,
    wrong_side,
)
from holdfast.testing.builders import make_instrument

BTC = make_instrument()
NOTES = {
    PassedOver.ENTRY_PENDING: entry_pending(BTC.id),
    PassedOver.NO_SHORT_ON_SPOT: no_short_on_spot(BTC.id),
    PassedOver.NO_PRICE: no_price("mine", DomainError("BTC/USDT.SIM: price 0.0 is not positive")),
    PassedOver.WRONG_SIDE: wrong_side("mine", "BUY", BTC.price(100.25), BTC.price(101.25)),
    PassedOver.UNFIT_MARKET: unfit_market(BTC.id),
    PassedOver.OTHER: "what a later version notes",
}


@pytest.mark.parametrize("reason", PassedOver)
def test_each_note_is_counted_under_its_own_name(reason: PassedOver):
    assert reason_of(NOTES[reason]) is reason


def test_the_words_of_the_notes_stay_what_journals_hold():
    assert NOTES[PassedOver.ENTRY_PENDING] == "an entry into BTC/USDT.SIM is already on its way"
    assert NOTES[PassedOver.WRONG_SIDE] == "stop 101.25 of mine lies on the wrong side of entry 100.25 for a BUY"


@pytest.mark.parametrize(
    ("action", "levels", "is_spot", "reason"),
    [
        (Action.ENTER_LONG, (100.0, 101.0, 120.0), True, PassedOver.WRONG_SIDE),
        (Action.ENTER_LONG, (100.0, 100.0, 120.0), True, PassedOver.WRONG_SIDE),
        (Action.ENTER_LONG, (100.0, 99.0, 120.0), True, None),
        (Action.ENTER_LONG, (100.0, math.nan, 120.0), True, PassedOver.NO_PRICE),
        (Action.ENTER_LONG, (100.0, 99.0, math.inf), True, PassedOver.NO_PRICE),
        (Action.ENTER_LONG, (100.0, -1.0, 120.0), True, PassedOver.NO_PRICE),
        (Action.ENTER_SHORT, (100.0, 101.0, 80.0), True, PassedOver.NO_SHORT_ON_SPOT),
        (Action.ENTER_SHORT, (100.0, 101.0, 80.0), False, None),
        (Action.ENTER_SHORT, (100.0, 99.0, 80.0), False, PassedOver.WRONG_SIDE),
    ],
)
def test_a_signal_alone_may_say_that_nothing_can_come_of_it(action, levels, is_spot, reason):
    assert unusable(action, *levels, is_spot=is_spot) is reason

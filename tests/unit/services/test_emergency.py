"""What a stop promises, and when its proof holds."""

import pytest
from tests.unit.app.standing_agent import ENTRY, POSITION, status

from holdfast.core.errors import RefusedError
from holdfast.domain.decision import StopLevel
from holdfast.portfolio.status import LinkLine
from holdfast.services.emergency import proof_of, require_flat
from holdfast.services.inspection import why_not_of


@pytest.mark.parametrize(
    ("wanted", "in_force", "positions", "orders", "is_proven"),
    [
        (StopLevel.NO_ENTRIES, "no_entries", (POSITION,), (), True),
        (StopLevel.NO_ENTRIES, "none", (), (), False),
        (StopLevel.NO_ENTRIES, "flatten", (), (), True),
        (StopLevel.REDUCE_ONLY, "reduce_only", (POSITION,), (), True),
        (StopLevel.REDUCE_ONLY, "reduce_only", (POSITION,), (ENTRY,), False),
        (StopLevel.REDUCE_ONLY, "no_entries", (), (), False),
        (StopLevel.FLATTEN, "flatten", (), (), True),
        (StopLevel.FLATTEN, "flatten", (POSITION,), (), False),
        (StopLevel.FLATTEN, "flatten", (), (ENTRY,), False),
        (StopLevel.FLATTEN, "reduce_only", (), (), False),
        (StopLevel.NONE, "none", (POSITION,), (ENTRY,), True),
        (StopLevel.NONE, "flatten", (), (), False),
    ],
)
def test_a_proof_holds_when_the_promise_of_the_level_does(wanted, in_force, positions, orders, is_proven):
    proof = proof_of(status(stop_level=in_force, positions=positions, orders=orders), wanted)
    assert proof.is_proven is is_proven
    assert bool(proof.note) is (not is_proven or proof.level is not wanted)


@pytest.mark.parametrize("wanted", [StopLevel.REDUCE_ONLY, StopLevel.FLATTEN])
def test_while_the_venue_is_away_no_exit_is_promised_for_the_next_bar(wanted):
    away = LinkLine("BINANCE", "venue", 0, "no answer")
    at = status(stop_level=wanted.value, positions=(POSITION,), orders=(ENTRY,), links_down=(away,))
    proof = proof_of(at, wanted)
    assert "BINANCE is out of reach since the start (no answer)" in proof.note
    assert "when it is back" in proof.note
    assert "next bar" not in proof.note
    assert proof.links_down == (away,)


def test_a_venue_that_is_away_and_holds_nothing_delays_no_exit():
    away = LinkLine("GATEIO", "venue", 0, "no answer")
    proof = proof_of(status(stop_level="flatten", positions=(POSITION,), links_down=(away,)), StopLevel.FLATTEN)
    assert proof.note.endswith("the exits fill with the next bar")


def test_why_not_begins_with_the_venue_that_is_away():
    links = (LinkLine("BINANCE", "market", 0), LinkLine("GATEIO", "venue", 0))
    found = status(links_down=links)
    for symbol, told in (("BTC/USDT", [0, 1]), ("btc/usdt.gateio", [1])):
        first = why_not_of(found, symbol, (), ("waits",), ()).sections[0]
        assert first.title == "Out of reach"
        assert [line.startswith(links[at].told) for line, at in zip(first.sentences, told, strict=True)] == [
            True
        ] * len(told)
    assert why_not_of(status(), "BTC/USDT", (), ("waits",), ()).sections[0].title != "Out of reach"


def test_exposure_is_told_in_quote_units():
    proof = proof_of(status(positions=(POSITION, POSITION)), StopLevel.NONE)
    assert proof.exposure_left == 2 * POSITION.quantity * POSITION.price_last
    assert (proof.positions_left, proof.quote) == (2, "USDT")


def test_a_stop_below_the_level_in_force_says_that_the_level_stays():
    proof = proof_of(status(stop_level="flatten", positions=(POSITION,)), StopLevel.NO_ENTRIES)
    assert proof.is_proven
    assert "stays at flatten, above no entries" in proof.note


@pytest.mark.parametrize(("positions", "orders"), [((POSITION,), ()), ((), (ENTRY,))])
def test_flatten_is_not_released_before_the_account_is_flat(positions, orders):
    with pytest.raises(RefusedError, match="must be flat") as refusal:
        require_flat(status(stop_level="flatten", positions=positions, orders=orders))
    assert "holdfast run" in refusal.value.hint
    require_flat(status(stop_level="reduce_only", positions=positions, orders=orders))
    require_flat(status(stop_level="flatten"))

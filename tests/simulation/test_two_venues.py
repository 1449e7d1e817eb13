"""One agent at two venues, against lost answers, deaths and clients that give up; planted faults must be found."""

from collections.abc import Callable, Sequence

import pytest

from holdfast.domain.order import Order
from holdfast.risk.view import PortfolioView
from holdfast.services.lane import Lane
from holdfast.testing.two_venues import simulate

SEEDS = 30
PLANTED_SEEDS = 150


def test_no_seed_breaks_a_promise():
    found = [simulate(seed) for seed in range(SEEDS)]
    assert not [result for result in found if result.violation]
    assert sum(result.lives for result in found) > 2 * SEEDS, "agents have died"
    assert sum(result.falls for result in found) > SEEDS // 2, "venues have failed one by one"
    assert sum(result.fills for result in found) > 50
    assert sum(result.at_both for result in found) > 20, "both were held at once"


def test_a_seed_repeats():
    assert simulate(26) == simulate(26)


@pytest.mark.slow
def test_more_seeds_break_no_promise():
    assert not [result for result in map(simulate, range(1_000, 1_300)) if result.violation]


# -- planted faults ----------------------------------------------------------------------------------------------------
def all_cash_buys_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PortfolioView, "cash_for", lambda self, instrument_id: self.cash)


def a_venue_that_comes_back_is_told_of_what_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    ask = Lane.ask

    def eager(self: Lane, orders: Sequence[Order]) -> None:
        self._orders.update((order.spec.order_id, order) for order in orders)
        ask(self, orders)

    monkeypatch.setattr(Lane, "ask", eager)


@pytest.mark.parametrize(
    ("plant", "first"),  # one world in two hundred shows the second fault: the worlds are those around one that does
    [(all_cash_buys_everywhere, 0), (a_venue_that_comes_back_is_told_of_what_has_ended, 350)],
    ids=lambda given: getattr(given, "__name__", str(given)),
)
def test_a_planted_fault_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], first: int, monkeypatch: pytest.MonkeyPatch
):
    plant(monkeypatch)
    assert any(simulate(seed).violation for seed in range(first, first + PLANTED_SEEDS)), plant.__name__

"""docs/venues.md says what the contract suite showed, of the tests that there are now."""

import pytest
from tests.contract.venue_page import LIVE, PAGE, load, promised, render

STALE = "type: make venues"


def test_the_page_is_what_the_results_and_the_declarations_say():
    assert PAGE.read_text() == render(load()), STALE


def test_the_results_are_of_all_tests_that_there_are_now_and_none_failed():
    results = load()
    for kind, tests in promised().items():
        assert set(results.get(kind, {})) == tests, f"{kind}: {STALE}"
        assert "failed" not in results[kind].values()


def test_the_page_shows_what_is_not_shown():
    results = load()
    results["TestGateio"]["test_a_market_sale_fills_and_the_cash_agrees"] = "failed"
    assert "NOT SHOWN" in render(results)
    assert "NOT SHOWN" not in render(load())


@pytest.mark.parametrize("kind", LIVE)
def test_what_is_declared_was_shown_where_a_test_can_show_it(kind: str):
    can = LIVE[kind][2]
    results = load()[kind]
    if can.resting_stops:
        assert results["test_a_stop_rests_moves_and_is_reported_with_its_trigger"] == "passed"
    else:
        name = "test_a_stop_that_cannot_rest_is_refused_by_name_so_that_the_software_stop_watches"
        assert results[name] == "passed"

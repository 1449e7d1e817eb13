"""Writes docs/venues.md from what the contract suite showed. Type: make venues"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from tests.contract import test_exchanges, test_live_exchanges

from holdfast.adapters.exchanges.ccxt.profiles import capabilities_of, profile_of
from holdfast.adapters.exchanges.gateio.client import GateioExchange
from holdfast.ports.live import Capabilities

ROOT = Path(__file__).parents[2]
PAGE, RESULTS = ROOT / "docs" / "venues.md", Path(__file__).with_name("venues.json")
Outcomes = dict[str, dict[str, str]]
LIVE = {
    "TestGateio": ("gateio", "the simulated venue, over the wire", GateioExchange.capabilities),
    "TestGateioBySocket": (
        'gateio, `orders = "socket"`',
        "the simulated venue, over the wire",
        GateioExchange.capabilities,
    ),
    "TestCcxtGate": ("ccxt:gate", "the simulated venue, over the wire", capabilities_of(profile_of("gate"))),
    "TestCcxtBinance": ("ccxt:binance", "a model on loopback", capabilities_of(profile_of("binance"))),
    "TestCcxtCoinbase": ("ccxt:coinbase", "a model on loopback", capabilities_of(profile_of("coinbase"))),
}
WITHIN = ("TestSimulatedVenue", "TestIdealVenue", "TestPersistentVenue")
PROMISES = {
    "bars once and in order, after history": ["test_bars_come_once_in_order_and_follow_on_history"],
    "market orders fill exactly, and the cash agrees": [
        "test_a_market_buy_fills_exactly_what_was_asked_and_the_cash_agrees",
        "test_a_market_sale_fills_and_the_cash_agrees",
    ],
    "limit orders rest, are reported, and can be canceled": [
        "test_a_limit_order_rests_is_reported_and_can_be_canceled",
        "test_canceling_what_is_gone_or_was_never_there_gives_nothing",
    ],
    "what the venue does not take is rejected by name": [
        "test_what_the_venue_does_not_take_is_rejected_with_a_label",
        "test_a_stop_beyond_the_market_is_rejected_and_nothing_is_sold",
    ],
    "a lost answer: found, never sent again": [
        "test_an_order_whose_answer_was_lost_is_found_and_not_sent_again",
        "test_a_market_order_whose_answer_was_lost_is_found_with_its_fills",
        "test_a_lost_cancel_is_asked_for_again",
    ],
    "an order that never arrived ends as such": ["test_an_order_that_never_arrived_ends_as_such"],
    "another process goes on after a crash": [
        "test_another_process_finds_what_rests_and_what_has_traded_meanwhile",
        "test_another_process_learns_that_an_order_was_never_sent",
    ],
}
ABILITIES: Mapping[str, tuple[str, list[str], list[str]]] = {
    "resting_stops": (
        "stops rest at the venue, move, and survive a restart",
        [
            "test_a_stop_rests_moves_and_is_reported_with_its_trigger",
            "test_a_stop_whose_answer_was_lost_is_found_and_placed_once",
            "test_another_process_goes_on_with_a_stop_and_its_group",
        ],
        ["test_a_stop_that_cannot_rest_is_refused_by_name_so_that_the_software_stop_watches"],
    ),
    "resting_targets": (
        "targets wait at the venue beside a stop",
        ["test_a_way_out_ends_the_stop_and_the_target_of_its_group"],
        ["test_a_target_kept_here_sells_when_its_price_is_there_and_its_stop_ends"],
    ),
    "asks_by_client_id": (
        "one question tells what became of an order",
        ["test_an_order_whose_answer_was_lost_is_found_and_not_sent_again"],
        ["test_an_order_whose_answer_was_lost_is_found_and_not_sent_again"],
    ),
    "order_expiry": ("the venue refuses an order that comes late", [], []),
    "dead_man": ("the venue cancels entries when the agent falls silent", [], []),
    "pushes": ("news come by themselves", ["test_a_push_tells_what_somebody_else_has_done"], []),
}
HEAD = """# What each venue can do

Written by `make venues` from the contract suite (`tests/contract`); a test fails when it is stale. Do not edit it.

**shown**: the suite has seen it. **declared**: the adapter says so, and no test of the suite looks. **no**: the adapter
says that the venue does not do it, or that it does not use it; **no, kept here**: the suite has seen that the house
does it instead.

Where it was seen: `gateio` and `ccxt:gate` at the simulated venue, which speaks Gate.io's protocol in a process of its
own. `ccxt:binance` and `ccxt:coinbase` at models on loopback with the shapes of recorded answers. **None of them has
met the real venue here**: begin small. Any other venue of ccxt's (`ccxt:kraken`, …) runs with the profile that trusts
it least, and has been met by no test.
"""


def shown(outcomes: Mapping[str, str], tests: list[str]) -> bool:
    return bool(tests) and all(outcomes.get(test) == "passed" for test in tests)


def ability(outcomes: Mapping[str, str], can: Capabilities, name: str) -> str:
    _, if_so, if_not = ABILITIES[name]
    if getattr(can, name):
        return "shown" if shown(outcomes, if_so) else "declared"
    return "no, kept here" if shown(outcomes, if_not) else "no"


def render(results: Outcomes) -> str:
    """Give the page that belongs to the results."""
    columns = [(results.get(kind, {}), *LIVE[kind]) for kind in LIVE]
    lines = [HEAD, "| | " + " | ".join(name if "`" in name else f"`{name}`" for _, name, _, _ in columns) + " |"]
    lines += ["| --- |" + " --- |" * len(columns)]
    lines += ["| seen at | " + " | ".join(where for _, _, where, _ in columns) + " |"]
    for promise, tests in PROMISES.items():
        lines.append(
            f"| {promise} | " + " | ".join("shown" if shown(x, tests) else "NOT SHOWN" for x, *_ in columns) + " |"
        )
    for name, (told, _, _) in ABILITIES.items():
        lines.append(f"| {told} | " + " | ".join(ability(x, can, name) for x, _, _, can in columns) + " |")
    counted = [f"{sum(y == 'passed' for y in x.values())} of {len(x)}" for x, *_ in columns]
    lines += ["| tests passed, of all (the others are for what is not declared) | " + " | ".join(counted) + " |", ""]
    within = [results.get(kind, {}) for kind in WITHIN]
    passed = sum(y == "passed" for x in within for y in x.values())
    lines += [
        f"The venue inside the process, which paper and backtests fill from, keeps a contract of its own: {passed} of"
        f" {sum(len(x) for x in within)} tests passed.",
        "",
    ]
    return "\n".join(lines)


def promised() -> dict[str, set[str]]:
    """Give the tests that each class has now, by name."""
    kinds = {**vars(test_exchanges), **vars(test_live_exchanges)}
    return {name: {x for x in dir(kinds[name]) if x.startswith("test_")} for name in (*LIVE, *WITHIN)}


class Witness:
    """Listens to a run, and keeps the worst outcome of each test."""

    def __init__(self) -> None:
        self.results: Outcomes = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and not (report.skipped or report.failed):
            return
        _, kind, test = report.nodeid.split("::")
        mine, test = self.results.setdefault(kind, {}), test.partition("[")[0]
        worst = max(mine.get(test, "passed"), report.outcome, key=["passed", "skipped", "failed"].index)
        mine[test] = worst


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", default="2")
    given = parser.parse_args()
    witness, folder = Witness(), Path(__file__).parent
    files = [str(folder / "test_exchanges.py"), str(folder / "test_live_exchanges.py")]
    code = pytest.main(["-n", given.jobs, *files], plugins=[witness])
    if code != 0:
        print("the contract is not kept: docs/venues.md stays as it is", file=sys.stderr)
        return int(code)
    results = {kind: dict(sorted(tests.items())) for kind, tests in sorted(witness.results.items())}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    PAGE.write_text(render(results))
    return 0


def load() -> Outcomes:
    """Give the results of the last run."""
    return msgspec.json.decode(RESULTS.read_bytes(), type=Outcomes)


if __name__ == "__main__":
    sys.exit(main())

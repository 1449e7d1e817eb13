"""Spreads between two simulated venues, each a process of its own: one read natively, one by ccxt."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path

import pytest

START = "import sys; from holdfast.cli.main import main; sys.exit(main())"
PATIENCE_S = 120
pytestmark = pytest.mark.slow


@contextmanager
def venue(state: Path, seed: int, fee: str) -> Iterator[str]:
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", START, "simulate-venue", "--market", "synthetic", "--instrument", "BTC/USDT"),
            *("--timeframe", "4h", "--pace", "0", "--seed", str(seed), "--fee", fee, "--state", str(state), "--json"),
        ],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.kill()
        process.wait(PATIENCE_S)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    folder = tmp_path_factory.mktemp("venues")
    with ExitStack() as stack:
        native = stack.enter_context(venue(folder / "native", 7, "0.001"))
        other = stack.enter_context(venue(folder / "other", 8, "0.002"))
        yield f"gateio@{native}", f"ccxt:gate@{other}"


def spreads(*more: str, market: str = "BTC/USDT") -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-c", START, "spreads", "--market", market, *more)
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)


def both(places: tuple[str, str]) -> list[str]:
    return [word for place in places for word in ("--venue", place)]


def test_two_venues_are_compared_in_both_directions_net_of_the_fees_that_they_list(places):
    done = spreads(*both(places), "--size", "0.0001", "--max-age", "3600", "--max-skew", "3600", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    quotes = {quote["venue"]: quote for quote in report["quotes"]}
    assert [quotes[place]["state"] for place in places] == ["good", "good"], quotes
    fees = [Decimal(quotes[place]["fee_taker"]) for place in places]
    assert fees == [Decimal("0.001"), Decimal("0.002")]
    assert {(x["buy_at"], x["sell_at"]) for x in report["directions"]} == {places, places[::-1]}
    for way in report["directions"]:
        ask, bid = quotes[way["buy_at"]], quotes[way["sell_at"]]
        rates = dict(zip(places, fees, strict=True))
        paid = Decimal(ask["ask"]) * (1 + rates[way["buy_at"]])
        taken = Decimal(bid["bid"]) * (1 - rates[way["sell_at"]])
        assert way["is_opportunity"] is (taken > paid)
        (size,) = way["sizes"]
        assert Decimal(size["deal"]["net"]) == Decimal("0.0001") * (taken - paid)


def test_a_fee_that_eats_the_spread_leaves_no_opportunity(places):
    fees = [word for place in places for word in ("--fee", f"{place}=0.9")]
    done = spreads(*both(places), *fees, "--max-age", "3600", "--max-skew", "3600", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["opportunities"] == 0
    assert all(way["best"] is None and way["why_not"] for way in report["directions"])


def test_a_venue_that_is_not_there_and_a_market_that_is_none_are_told(places):
    gone = "gateio@http://127.0.0.1:9"
    done = spreads("--venue", places[0], "--venue", gone, "--json")
    assert done.returncode == 0, done.stderr
    assert [quote["state"] == "missing" for quote in json.loads(done.stdout)["quotes"]] == [False, True]
    done = spreads(*both(places), market="NOPE/USDT")
    assert done.returncode == 2
    assert done.stdout.count("no market: ") >= 2
    assert "none of these venues trades NOPE/USDT" in done.stderr


@pytest.mark.parametrize(
    ("market", "is_there", "code", "told"),
    [
        ("NOPE/USDT", True, 2, "none of these venues trades NOPE/USDT"),
        ("NOPE/USDT", False, 5, "no venue that has answered trades NOPE/USDT"),
        ("BTC/USDT", False, 5, "no venue has answered"),
    ],
)
def test_without_a_single_book_a_program_gets_one_document_with_the_error_in_it(places, market, is_there, code, told):
    gone = "gateio@http://127.0.0.1:9"
    beside = places[1] if is_there else gone
    first = "gateio@http://127.0.0.1:19" if told == "no venue has answered" else places[0]
    done = spreads("--venue", first, "--venue", beside, "--json", market=market)
    assert done.returncode == code, done.stderr
    report = json.loads(done.stdout)
    assert report["error"]["message"] == told
    assert report["error"]["exit_code"] == code
    assert [quote["venue"] for quote in report["quotes"]] == [first, beside]
    assert all(quote["why"] for quote in report["quotes"])
    assert told in done.stderr


def test_it_looks_again_and_prints_a_line_each_time(places):
    done = spreads(*both(places), "--watch", "0.1", "--looks", "2", "--json")
    assert done.returncode == 0, done.stderr
    assert [len(json.loads(line)["quotes"]) for line in done.stdout.splitlines()] == [2, 2]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("--venue", "gateio"), "a spread lies between two venues"),
        (("--venue", "gateio", "--venue", "gateio"), "each named once"),
        (("--venue", "gateio", "--venue", "nowhere"), "'nowhere' is no venue"),
        (("--venue", "gateio", "--venue", "ccxt:nowhere"), "ccxt has no venue"),
        (("--venue", "gateio", "--venue", "ccxt:gate", "--fee", "other=0.1"), "none of the venues"),
        (("--venue", "gateio", "--venue", "ccxt:gate", "--fee", "gateio=1"), "must lie in [0, 1)"),
        (("--venue", "gateio", "--venue", "ccxt:gate", "--min-net", "x"), "no number"),
        (("--venue", "gateio", "--venue", "ccxt:gate", "--size", "-1"), "each size positive"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_asked(asked, told):
    done = spreads(*asked)
    assert done.returncode == 2
    assert told in done.stderr

"""A venue's live market as a feed: the past first, then what closes; nothing is entered on what cannot be trusted."""

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from holdfast.core.errors import VenueError
from holdfast.core.time import MINUTE, SECOND
from holdfast.domain.market import BarClosed, BarFlag, Timeframe
from holdfast.ports.live import Failure, Incoming, LinkChanged, Quote
from holdfast.services.live_config import LiveConfig
from holdfast.services.venue_feed import VenueFeed
from holdfast.testing.builders import make_instrument

BTC = make_instrument()
T0 = 1_700_000_040 * SECOND


def bar(number: int, close: float = 100.0) -> BarClosed:
    return BarClosed(BTC.id, T0 + number * MINUTE, close, close + 1, close - 1, close, 5.0)


def quote(number: int, bid: float = 99.0, ask: float = 101.0, late: int = 0) -> Quote:
    return Quote(BTC.id, T0 + number * MINUTE + late, bid, ask, (bid + ask) / 2)


class Market:
    """Says what it is told to, turn by turn."""

    venue = "TEST"

    def __init__(self, *turns: Sequence[Incoming]) -> None:
        self.turns = [[LinkChanged(T0, "market", True)], *turns]
        self.started = 0

    def start(self, instruments: object, bars: object) -> None:
        self.started += 1

    def history(self, name: object, count: int, ts_after: int = 0) -> list[BarClosed]:
        return [bar(number) for number in range(-3, 1)][-count:]

    def take(self, timeout_s: float) -> Sequence[Incoming]:
        return self.turns.pop(0) if self.turns else ()


class Steady:
    now = 0

    def __call__(self) -> int:
        return self.now


def feed(market: Market, steady: Steady | None = None, **changes: Any) -> VenueFeed:
    config = replace(LiveConfig(bar_grace_ms=0), **changes)
    return VenueFeed(market, [BTC], Timeframe.M1, config, steady or Steady())  # type: ignore[arg-type]  # only what a feed asks


def given(found: VenueFeed, turns: int = 12) -> list[Sequence[BarClosed]]:
    source = found.groups()
    return [group for group, _ in zip(source, range(turns), strict=False)]


def fit(groups: list[Sequence[BarClosed]]) -> list[bool]:
    return [not bar.flags & BarFlag.NO_ENTRY for group in groups for bar in group]


def test_the_past_comes_first_and_nothing_is_entered_on_it():
    market = Market([quote(0), quote(1)], [bar(1)])
    found = feed(market)
    groups = given(found)
    assert [group[0].ts_event for group in groups if group] == [bar(number).ts_event for number in range(-3, 2)]
    assert fit(groups) == [False, False, False, False, True]
    assert () in groups


def test_each_call_begins_with_the_same_past_and_starts_once():
    market = Market()
    found = feed(market)
    assert next(found.groups()) == next(found.groups())
    assert market.started == 1


def test_a_bar_that_comes_twice_or_too_late_is_passed_over():
    groups = given(feed(Market([quote(2)], [bar(1)], [bar(1), bar(0)], [bar(2)])))
    assert [group[0].ts_event for group in groups if group][-2:] == [bar(1).ts_event, bar(2).ts_event]


@pytest.mark.parametrize(
    "news",
    [
        [],
        [quote(1, bid=101.0, ask=99.0)],
        [quote(1, bid=0.0)],
        [quote(1, bid=float("nan"))],
        [quote(1, late=31 * SECOND)],
        [quote(1), LinkChanged(T0, "market", False, "it broke")],
    ],
    ids=["no quote", "crossed", "no bid", "nan", "late bar", "link down"],
)
def test_nothing_is_entered_while_the_market_cannot_be_trusted(news: list[Incoming]):
    assert fit(given(feed(Market(news, [bar(1)]))))[-1] is False


def test_an_old_quote_stops_entries():
    steady, market = Steady(), Market([quote(1)], [], [bar(1)])
    source = feed(market, steady).groups()
    for _ in range(6):
        next(source)
    steady.now = 61 * SECOND
    assert fit([group for group, _ in zip(source, range(4), strict=False)])[-1] is False


def test_failures_are_shown_and_a_fatal_one_ends_the_feed():
    found = feed(Market([Failure(T0, "a hiccup", "wait")], [Failure(T0, "locked", "ask the venue", is_fatal=True)]))
    with pytest.raises(VenueError, match="locked"):
        given(found)
    assert "a hiccup; wait" in found.warnings

"""A venue's live market as a feed: the past first, then what closes; nothing is entered on what cannot be trusted."""

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from holdfast.core.errors import ConfigurationError, VenueError
from holdfast.core.time import MINUTE, SECOND
from holdfast.domain.market import BarClosed, BarFlag, Timeframe
from holdfast.ports.live import Failure, Incoming, LinkChanged, Quote
from holdfast.services.live_config import LiveConfig
from holdfast.services.venue_feed import VenueFeed
from holdfast.testing.builders import make_instrument

BTC, ETH = make_instrument(), make_instrument("ETH/USDT.SIM")
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


class Past:
    """A market of several pairs; while each answer is on its way, another bar may close."""

    venue = "TEST"

    def __init__(
        self, closed: int, first: dict[str, int], *, moves: int = 0, stands: dict[str, int] | None = None
    ) -> None:
        self.closed, self.first, self.moves, self.stands = closed, first, moves, stands or {}
        self.told: dict[str, int] = {}
        self.asked: list[int] = []

    def start(self, instruments: object, bars: object) -> None:
        pass

    def history(self, name: str, count: int, ts_after: int = 0) -> list[BarClosed]:
        self.asked.append(count)
        last = min(self.closed, self.stands.get(name, self.closed))
        self.closed += self.moves
        bars = [made(name, number) for number in range(self.first[name], last + 1)][-count:]
        found = [bar for bar in bars if bar.ts_event > ts_after]
        self.told[name] = max([self.told.get(name, -(10**6)), *(number_of(bar) for bar in found)])
        return found

    def take(self, timeout_s: float) -> list[Incoming]:
        """Bring each bar after those that were told, in the order of names."""
        found: list[Incoming] = []
        for name in self.first:
            last = min(self.closed, self.stands.get(name, self.closed))
            found += [made(name, number) for number in range(max(self.told[name] + 1, self.first[name]), last + 1)]
            self.told[name] = max(last, self.told[name])
        return found


def made(name: str, number: int) -> BarClosed:
    return replace(bar(number), instrument_id=name)


def number_of(bar: BarClosed) -> int:
    return (bar.ts_event - T0) // MINUTE


def two(market: Past, **changes: Any) -> VenueFeed:
    config = replace(LiveConfig(bar_grace_ms=0), **changes)
    return VenueFeed(market, [BTC, ETH], Timeframe.M1, config, Steady())  # type: ignore[arg-type]  # only what a feed asks


def told(groups: list[Sequence[BarClosed]]) -> list[tuple[str, int]]:
    return [(bar.instrument_id, number_of(bar)) for group in groups for bar in group]


@pytest.mark.parametrize("moves", [0, 1, 2, 3])
def test_time_never_runs_backwards_and_no_bar_is_lost_while_bars_close_between_two_answers(moves: int):
    market = Past(20, {BTC.id: 0, ETH.id: 0}, moves=moves)
    groups = given(two(market, history_bars=10), 60)
    times = [group[0].ts_event for group in groups if group]
    assert times == sorted(times)
    for name in (BTC.id, ETH.id):
        numbers = [number for one, number in told(groups) if one == name]
        assert numbers == list(range(numbers[0], market.closed + 1))


def test_a_bar_of_one_that_stood_still_does_not_come_after_later_ones_of_others():
    market = Past(20, {BTC.id: 0, ETH.id: 0}, stands={ETH.id: 12})
    found = two(market, history_bars=10)
    source = found.groups()
    before = [group for group, _ in zip(source, range(30), strict=False)]
    market.stands = {}
    after = [group for group, _ in zip(source, range(10), strict=False)]
    assert (ETH.id, 15) not in told(after)
    assert any("is behind" in warning for warning in found.warnings)
    times = [group[0].ts_event for group in before + after if group]
    assert times == sorted(times)


def test_one_that_is_listed_later_joins_with_its_first_bar():
    market = Past(20, {BTC.id: 0, ETH.id: 25})
    source = two(market, history_bars=10).groups()
    before = [group for group, _ in zip(source, range(12), strict=False)]
    market.told[ETH.id], market.closed = 24, 26
    after = told([group for group, _ in zip(source, range(10), strict=False)])
    assert {name for name, _ in told(before)} == {BTC.id}
    assert after[-4:] == [(BTC.id, 25), (ETH.id, 25), (BTC.id, 26), (ETH.id, 26)]


def test_a_long_outage_is_fetched_from_further_back():
    market = Past(900, {BTC.id: 0, ETH.id: 0})
    found = two(market, history_bars=10)
    found.go_on_from(bar(100).ts_event)
    groups = given(found, 850)
    numbers = [number for name, number in told(groups) if name == ETH.id]
    assert numbers[0] <= 101
    assert numbers == list(range(numbers[0], 901))


@pytest.mark.parametrize("moves", [1, 3, 40])
def test_bars_that_close_while_the_outage_is_fetched_push_none_of_it_out(moves: int):
    market = Past(900, {BTC.id: 0, ETH.id: 0}, moves=moves)
    found = two(market, history_bars=10)
    found.go_on_from(bar(100).ts_event)
    groups = given(found, 1_100)
    for name in (BTC.id, ETH.id):
        numbers = [number for one, number in told(groups) if one == name]
        assert numbers == list(range(100, market.closed + 1))


def test_a_short_outage_asks_for_no_more_than_a_new_run():
    market = Past(900, {BTC.id: 0, ETH.id: 0})
    two(market, history_bars=10).go_on_from(bar(895).ts_event)
    assert market.asked == [10, 10]


def test_one_listed_during_the_outage_does_not_hinder_the_others():
    found = two(Past(900, {BTC.id: 0, ETH.id: 500}), history_bars=10)
    found.go_on_from(bar(100).ts_event)
    assert told(given(found, 3))[0] == (BTC.id, 100)


@pytest.mark.parametrize(("first", "closed"), [(300, 900), (0, 50_000)], ids=["gone at the venue", "too many"])
def test_bars_that_cannot_be_had_any_more_are_no_reason_to_jump(first: int, closed: int):
    found = two(Past(closed, {BTC.id: first, ETH.id: first}), history_bars=10)
    with pytest.raises(ConfigurationError, match="would be left out") as caught:
        found.go_on_from(bar(100).ts_event)
    assert "--fresh" in caught.value.hint
    assert "--from" not in caught.value.hint

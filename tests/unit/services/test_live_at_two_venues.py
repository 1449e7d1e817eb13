"""A live agent at two venues: what one of them says or does not say decides what may be entered where."""

import msgspec
import pytest

from holdfast.app.agent import RunningAgent
from holdfast.core.time import SECOND
from holdfast.domain.decision import StopLevel
from holdfast.domain.market import BarClosed, BarFlag
from holdfast.domain.values import venue_of
from holdfast.engine.recorder import BARS
from holdfast.portfolio.status import LinkLine
from holdfast.ports.live import AccountReport, Failure, LinkChanged
from holdfast.services.assembly import build_engine
from holdfast.services.live import WATCHDOG, LiveAgent
from holdfast.testing.builders import make_run
from holdfast.testing.live_simulation import CONFIG
from holdfast.testing.memory_journal import MemoryJournal
from holdfast.testing.two_venues import Result, World

SEED = 26


class Rig:
    """An agent that has begun at SIM and OTHER, over wires that lose nothing."""

    def __init__(self) -> None:
        self.world = World(SEED, Result(SEED))
        exchange, self.lanes = self.world.exchange(None, 0.0)
        engine = build_engine(self.world.plan, self.world.drawn.factory)
        run = make_run(self.world.plan, self.world.drawn.strategy, mode="live")
        journal = MemoryJournal(self.world.records)
        self.agent = LiveAgent(run, engine, exchange, journal, CONFIG, lambda: self.world.steady)

    def start(self) -> "Rig":
        self.agent.start()
        return self

    def steps(self, count: int) -> None:
        for _ in range(count):
            self.agent.step()

    def is_poor(self, venue: str) -> None:
        """Let a venue say from now on that nothing lies there."""
        wire = self.world.wires[venue]
        poor = AccountReport(wire.side.ts, {}, ())
        vars(wire)["ask_account"] = lambda: wire._queue.append(poor)

    def open(self) -> list[str]:
        return [venue for venue in self.lanes if self.agent._is_open(venue)]


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_after_a_start_both_are_open(rig: Rig):
    assert rig.start().open() == ["SIM", "OTHER"]
    assert rig.agent.is_unlocked


def test_a_link_that_is_down_closes_its_venue_alone_and_its_bars_are_not_waited_for(rig: Rig):
    rig.start()
    rig.agent._take_in([LinkChanged(1, "account", False, "it broke", "OTHER")])
    assert rig.open() == ["SIM"]
    assert [str(name).rpartition(".")[2] for name in rig.agent._silent()] == ["OTHER"]
    assert "the account link to OTHER is down: it broke" in rig.agent.warnings
    rig.agent._take_in([LinkChanged(1, "account", True, "", "OTHER")])
    assert rig.open() == ["SIM", "OTHER"]


def test_what_is_out_of_reach_is_told_with_its_time_until_it_is_back(rig: Rig):
    rig.start()
    assert rig.agent.links_down == ()
    for ts, why in ((60 * SECOND, "it broke"), (90 * SECOND, "it broke again")):
        rig.agent._take_in([LinkChanged(ts, "account", False, why, "OTHER")])
    rig.agent._take_in([LinkChanged(0, "venue", False, "no answer", "OTHER")])
    account, venue = rig.agent.links_down
    assert account.told == "the account link to OTHER is down since 1970-01-01T00:01:00Z (it broke)"
    assert venue == LinkLine("OTHER", "venue", rig.agent.engine.ts, "no answer")
    assert venue.told.startswith("OTHER is out of reach since ")
    status = RunningAgent(MemoryJournal(), rig.agent).status()
    assert status.links_down == (account, venue)
    for link in ("account", "venue"):
        rig.agent._take_in([LinkChanged(99 * SECOND, link, True, "", "OTHER")])
    assert rig.agent.links_down == ()


def test_the_link_to_the_only_venue_is_told_without_a_name():
    line = LinkLine("", "market", 60 * SECOND)
    assert line.told == "the market link is down since 1970-01-01T00:01:00Z"
    assert LinkLine("", "venue", 0).told == "the venue is out of reach since the start"


def test_a_client_that_gives_up_closes_its_venue_until_its_account_has_been_seen_again(rig: Rig):
    rig.start()
    rig.world.wires["OTHER"]._queue.append(Failure(1, "locked", is_fatal=True))
    rig.steps(2)
    assert rig.open() == ["SIM"]
    rig.steps(2_000)
    assert rig.open() == ["SIM", "OTHER"]


def test_an_account_that_contradicts_the_journal_at_one_of_two_stops_entries_and_not_the_agent(rig: Rig):
    rig.is_poor("OTHER")
    rig.start()
    engine = rig.agent.engine
    rig.steps(300)
    assert engine.account.stop_level is StopLevel.NO_ENTRIES
    events = [tick.event for tick in rig.agent.take_ticks()]
    assert any(getattr(event, "actor", "") == WATCHDOG and "OTHER" in event.reason for event in events)
    assert not rig.agent.is_unlocked


def test_what_is_missing_at_one_casts_doubt_on_the_sum_and_closes_both(rig: Rig):
    rig.start()
    rig.is_poor("OTHER")
    while not rig.agent._venues["OTHER"].dispute.is_open:
        rig.steps(1)
    assert rig.open() == []


def test_a_bar_of_the_venue_that_is_down_is_one_on_which_nothing_is_entered(rig: Rig):
    rig.start()
    for wire in rig.world.wires.values():
        wire.is_market_held = False
    rig.agent._take_in([LinkChanged(1, "account", False, "it broke", "OTHER")])
    rig.steps(200)
    records = [record.body for record in rig.world.records.durable if record.kind == BARS]
    bars = [bar for body in records for bar in msgspec.json.decode(body, type=list[BarClosed])]
    flags = {venue: [bar.flags for bar in bars if venue_of(bar.instrument_id) == venue] for venue in rig.lanes}
    assert flags["OTHER"]
    assert all(flag & BarFlag.NO_ENTRY for flag in flags["OTHER"])
    assert not all(flag & BarFlag.NO_ENTRY for flag in flags["SIM"])

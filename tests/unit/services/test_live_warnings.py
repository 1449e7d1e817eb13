"""What a live agent tells its operator of: a stop that somebody else has taken back, and why nothing was entered."""

from decimal import Decimal

import msgspec
import pytest

from holdfast.core.time import MILLISECOND
from holdfast.domain.market import BarClosed, BarFlag
from holdfast.domain.order import Order, Role
from holdfast.domain.values import InstrumentId, Side
from holdfast.ports.live import AccountReport, LinkChanged, OrderAtVenue, Quote
from holdfast.services.assembly import build_engine
from holdfast.services.live import LiveAgent
from holdfast.testing.builders import make_run, make_venue
from holdfast.testing.dice import Dice
from holdfast.testing.faulty_wire import FaultyWire, VenueSide
from holdfast.testing.live_simulation import CONFIG
from holdfast.testing.memory_journal import MemoryJournal, MemoryRecords
from holdfast.testing.scenario import draw

STEPS_MAX = 4_000


class Rig:
    """A live agent over a wire that loses nothing."""

    def __init__(self) -> None:
        world = next(x for x in map(draw, range(500)) if len(x.groups) > 60)
        self.side = VenueSide(make_venue(world.plan), world.groups)
        for _ in range(20):
            self.side.advance()
        wire = FaultyWire(self.side, Dice("told"), 0.0)
        wire.is_market_held = False
        journal = MemoryJournal(MemoryRecords())
        run = make_run(world.plan, world.strategy, mode="live")
        engine = build_engine(world.plan, world.factory)
        self.agent = LiveAgent(run, engine, wire, journal, CONFIG, lambda: self.side.steady)
        self.agent.start()

    def resting_stop(self) -> Order:
        """Return a stop that guards a position."""
        for _ in range(STEPS_MAX):
            self.agent.step()
            for desk in self.agent.engine.desks.values():
                trade = desk.trade
                for bracket in () if trade is None or trade.is_exiting or not trade.held else trade.brackets:
                    if bracket.is_stop_resting:
                        return self.agent.engine.orders[bracket.stop_id]
        raise AssertionError("no stop ever rested")

    def told(self) -> list[str]:
        return [x for x in self.agent.warnings if "taken back" in x]


@pytest.fixture
def rig() -> Rig:
    return Rig()


@pytest.mark.parametrize("reason", ["operator", "cancelled"])
def test_a_stop_that_somebody_else_has_taken_back_is_told_and_placed_anew(rig: Rig, reason: str):
    stop = rig.resting_stop()
    rig.side.note(rig.side.venue.cancel(stop.spec.order_id, rig.side.ts, reason))
    rig.agent._exchange.is_market_held = True  # the price does not reach the stop meanwhile
    for _ in range(200):
        rig.agent.step()
    (told,) = rig.told()
    assert f"the stop {stop.spec.order_id} of {stop.spec.instrument_id} was taken back at the venue by somebody" in told
    roles = [order.spec.role for order in rig.agent.engine.orders.values() if order.spec.group == stop.spec.group]
    assert Role.STOP in roles
    assert stop.spec.order_id not in rig.agent.engine.orders


@pytest.mark.parametrize("reason", ["group", "ioc", "expired"])
def test_a_stop_that_ended_for_another_reason_is_nobodys_doing(rig: Rig, reason: str):
    stop = rig.resting_stop()
    rig.side.note(rig.side.venue.cancel(stop.spec.order_id, rig.side.ts, reason))
    for _ in range(50):
        rig.agent.step()
    assert rig.told() == []


def bar_and_quote(rig: Rig) -> tuple[BarClosed, Quote]:
    bar = rig.side.groups[rig.side.done - 1][0]
    return bar, Quote(bar.instrument_id, bar.ts_event, 99.0, 100.0, 99.5)


@pytest.mark.parametrize(
    ("quote", "late_ms", "why"),
    [
        ({"bid": 101.0}, 0, "its quotes are crossed, bid 101 and ask 100"),
        ({"bid": 0.0}, 0, "its quotes are crossed, bid 0 and ask 100"),
        ({}, CONFIG.bar_age_max_ms + 500, f"its bar came {CONFIG.bar_age_max_ms / 1000 + 0.5:.1f} s late, at most"),
        ({}, CONFIG.bar_age_max_ms, ""),
    ],
)
def test_why_nothing_is_entered_is_told_with_its_figure(rig: Rig, quote: dict[str, float], late_ms: int, why: str):
    bar, usual = bar_and_quote(rig)
    rig.agent._take_in([msgspec.structs.replace(usual, **quote)])
    bar = msgspec.structs.replace(bar, ts_event=rig.agent._market_ts() - late_ms * MILLISECOND)
    found = rig.agent._why_unfit(bar, rig.side.steady)
    assert found.startswith(why)
    assert bool(found) is bool(why)
    assert bool(rig.agent._judged(bar, rig.side.steady).flags & BarFlag.NO_ENTRY) is bool(why)


def test_a_quote_that_is_old_or_missing_and_a_link_that_is_down_are_told_as_such(rig: Rig):
    bar, usual = bar_and_quote(rig)
    rig.agent._take_in([usual])
    now = rig.side.steady + (CONFIG.quote_age_max_ms + 700) * MILLISECOND
    age = f"{CONFIG.quote_age_max_ms / 1000 + 0.7:.1f} s old"
    assert f"its last quote is {age}, at most" in rig.agent._why_unfit(bar, now)
    rig.agent._take_in([LinkChanged(1, "account", False, "it broke")])
    assert "a link to its venue is down" in rig.agent._why_unfit(bar, rig.side.steady)
    other = msgspec.structs.replace(bar, instrument_id=InstrumentId("X/Y.SIM"))
    assert "no quote has come yet" in rig.agent._why_unfit(other, rig.side.steady)


def test_an_order_of_somebody_else_is_told_once_while_it_is_there_and_with_both_its_names(rig: Rig):
    other = OrderAtVenue("V77", next(iter(rig.agent.engine.desks)), Side.SELL, Decimal("0.5"), client_id="apiv4")
    for orders in ((other,), (other,), (), (other,)):
        rig.agent._take_in([AccountReport(1, {}, orders)])
    told = [line for line in rig.agent.warnings if "somebody else" in line]
    assert len(told) == 2
    assert "V77, apiv4" in told[0]

"""Where our books and the venue's account differ, and what is made of it."""

from decimal import Decimal

import msgspec
import pytest
from tests.unit.engine.conftest import BTC, LONG, Rig

from holdfast.domain.command import SubmitOrder
from holdfast.domain.order import Liquidity, OrderAccepted, OrderFilled, OrderState, Role
from holdfast.domain.values import Asset, InstrumentId, Money, OrderId, Price, Side, VenueCash
from holdfast.engine.engine import Engine
from holdfast.matching.config import MatchingConfig
from holdfast.ports.live import AccountReport, OrderAtVenue
from holdfast.services.assembly import build_engine
from holdfast.services.reconciliation import Findings, compare, guards_told, is_at
from holdfast.testing.builders import make_bar, make_instrument, make_plan
from holdfast.testing.scripted import ScriptedStrategy

TOLERANCE = 0.001
USDT, COIN = Asset("USDT"), Asset("BTC")


@pytest.fixture
def rig() -> Rig:
    rig = Rig({0: LONG}, {1: 99.0})
    rig.entered()
    return rig


def at_venue(rig: Rig) -> tuple[OrderAtVenue, ...]:
    return tuple(
        OrderAtVenue("v", BTC.id, order.spec.side, order.left, order.spec.order_id, "", order.trigger_price)
        for order in rig.engine.orders.values()
    )


def report(rig: Rig, orders: tuple[OrderAtVenue, ...] | None = None, cash: str = "0", base: str = "0") -> AccountReport:
    balances = {USDT: rig.engine.account.portfolio.cash + Decimal(cash), COIN: rig.held + Decimal(base)}
    return AccountReport(1, balances, at_venue(rig) if orders is None else orders)


def test_equal_books_have_no_findings(rig: Rig):
    assert compare(rig.engine, report(rig), TOLERANCE) == Findings()


def test_more_at_the_venue_is_the_owners_own(rig: Rig):
    assert compare(rig.engine, report(rig, cash="5000", base="3"), TOLERANCE) == Findings()


def test_less_of_what_is_held_is_a_contradiction(rig: Rig):
    (told,) = compare(rig.engine, report(rig, base="-0.0001"), TOLERANCE).contradictions
    assert "BTC" in told


def test_less_cash_is_one_only_beyond_the_tolerance(rig: Rig):
    assert not compare(rig.engine, report(rig, cash="-10"), TOLERANCE).contradictions
    (told,) = compare(rig.engine, report(rig, cash="-10.01"), TOLERANCE).contradictions
    assert "USDT" in told


def test_an_order_of_an_earlier_run_of_the_journal_is_nobody_elses(rig: Rig):
    orders = (*at_venue(rig), OrderAtVenue("x", BTC.id, Side.SELL, Decimal(1), OrderId("old-7s"), "t-old-7s"))
    found = compare(rig.engine, report(rig, orders), TOLERANCE, {"old", "older"})
    assert found.orphans == (f"SELL 1 {BTC.id} (order x, t-old-7s)",)
    assert found.strangers == found.contradictions == ()
    assert compare(rig.engine, report(rig, orders), TOLERANCE).strangers == found.orphans, "of another home it is"


def test_what_is_left_of_a_position_is_told_with_the_stop_that_guards_it(rig: Rig):
    (stop,) = (order for order in rig.engine.orders.values() if order.spec.role is Role.STOP)
    told = guards_told(rig.engine, report(rig, base="-0.5"))
    left = (rig.held - Decimal("0.5")).normalize()
    assert told.startswith(f"of {BTC.id} {left:f} is left, and is guarded there by the stop {stop.spec.order_id} for ")
    assert f"at {stop.trigger_price}" in told
    bare = guards_told(rig.engine, report(rig, orders=()))
    assert bare.endswith("no stop of ours rests there, so it is unguarded")
    assert guards_told(rig.engine, AccountReport(1, {}, ())) == f"of {BTC.id} nothing is left"


def test_an_order_with_our_prefix_that_we_never_recorded_is_a_contradiction(rig: Rig):
    stray = OrderAtVenue("v", BTC.id, Side.BUY, Decimal(1), OrderId("hf-999p"))
    found = compare(rig.engine, report(rig, (*at_venue(rig), stray)), TOLERANCE)
    assert found.contradictions == ("order hf-999p rests at the venue and is not in the journal",)


def test_somebody_elses_orders_are_told_and_left_alone(rig: Rig):
    by_hand = OrderAtVenue("v-1", BTC.id, Side.SELL, Decimal(2))
    another = OrderAtVenue("v-2", BTC.id, Side.SELL, Decimal(2), OrderId("xx-1"))
    found = compare(rig.engine, report(rig, (*at_venue(rig), by_hand, another)), TOLERANCE)
    assert len(found.strangers) == 2
    assert found.contradictions == found.to_cancel == ()


def test_what_rests_only_in_our_books_is_asked_about(rig: Rig):
    found = compare(rig.engine, report(rig, ()), TOLERANCE)
    assert {order.spec.role for order in found.to_ask} == {Role.STOP, Role.TARGET}
    assert not found.contradictions


def test_what_has_ended_in_our_books_and_still_rests_is_canceled(rig: Rig):
    target = rig.last(Role.TARGET)
    orders = at_venue(rig)
    rig.cancel(target)
    assert compare(rig.engine, report(rig, orders), TOLERANCE).to_cancel == (target.order_id,)


def test_a_looser_stop_at_the_venue_is_tightened_and_a_tighter_one_left(rig: Rig):
    before = at_venue(rig)
    rig.bar(101.0)
    (amend,) = compare(rig.engine, report(rig, before), TOLERANCE).to_amend
    assert (amend.order_id, amend.trigger_price) == (rig.last(Role.STOP).order_id, Decimal(99))
    tight = tuple(
        msgspec.structs.replace(order, trigger_price=Decimal("99.5")) if order.trigger_price else order
        for order in at_venue(rig)
    )
    assert compare(rig.engine, report(rig, tight), TOLERANCE).to_amend == ()


def test_what_guards_a_position_that_is_gone_is_taken_back(rig: Rig):
    target = rig.last(Role.TARGET)
    stop = rig.last(Role.STOP)
    orders = at_venue(rig)
    rig.fill(target, "106")  # and the news of the stop's end is lost
    found = compare(rig.engine, report(rig, orders[:1]), TOLERANCE)
    assert found.to_cancel == (stop.order_id,)


def test_what_guards_more_than_is_left_is_made_smaller(rig: Rig):
    target, stop = rig.last(Role.TARGET), rig.last(Role.STOP)
    half = BTC.quantity(target.quantity / 2)
    rig.fill(target, "106", half)
    found = compare(rig.engine, report(rig), TOLERANCE)
    (amend,) = found.to_amend
    assert (amend.order_id, amend.quantity) == (stop.order_id, stop.quantity - half)
    assert found.to_cancel == ()


def test_an_order_in_doubt_may_explain_what_is_missing(rig: Rig):
    found = compare(rig.engine, report(rig, base="-0.0001"), TOLERANCE)
    assert found.contradictions
    assert not found.unsettled
    order = next(iter(rig.engine.orders.values()))
    rig.engine.orders[order.spec.order_id] = msgspec.structs.replace(order, state=OrderState.IN_DOUBT)
    assert compare(rig.engine, report(rig, base="-0.0001"), TOLERANCE).unsettled == (order.spec.order_id,)


def test_a_stop_that_rests_at_the_venue_no_more_may_have_sold_what_is_missing(rig: Rig):
    found = compare(rig.engine, report(rig, orders=(), base="-0.0001"), TOLERANCE)
    assert found.contradictions
    assert found.unsettled == tuple(x.spec.order_id for x in found.to_ask) != ()


# -- several venues ----------------------------------------------------------------------------------------------------

HERE, THERE = make_instrument("BTC/USDT.HERE"), make_instrument("BTC/USDT.THERE")


@pytest.fixture
def both() -> Engine:
    """An engine that holds BTC at two venues, each position with its stop and its target."""
    parts = (VenueCash("HERE", Decimal(4_000)), VenueCash("THERE", Decimal(6_000)))
    plan = make_plan(HERE, THERE, matching=MatchingConfig.ideal(), capital_at=parts)
    engine = build_engine(plan, lambda name: ScriptedStrategy(name, {0: LONG}))
    for instrument in (HERE, THERE):
        (command,) = engine.process(make_bar(instrument, 0, (100.0, 100.0, 100.0, 100.0, 1e6))).commands
        assert isinstance(command, SubmitOrder)
        spec = command.approved.order
        price, fee = Price(Decimal(100)), Money(Decimal(0), BTC.quote)
        accept(engine, command)
        fill = OrderFilled(
            spec.order_id, engine.ts + 1, f"T{instrument.id}", price, spec.quantity, fee, Liquidity.TAKER, price
        )
        for protecting in engine.process(fill).commands:
            assert isinstance(protecting, SubmitOrder)
            accept(engine, protecting)
    return engine


def accept(engine: Engine, command: SubmitOrder) -> None:
    engine.process(OrderAccepted(command.approved.order.order_id, engine.ts))


def at(engine: Engine, venue: str, cash: str = "0", base: str = "0", **changes: object) -> AccountReport:
    """What a venue says of itself, as our books have it, and what is changed about that."""
    portfolio = engine.account.portfolio
    held = portfolio.positions[InstrumentId(f"BTC/USDT.{venue}")].quantity
    orders = tuple(
        OrderAtVenue("v", order.spec.instrument_id, order.spec.side, order.left, x, "", order.trigger_price)
        for x, order in engine.orders.items()
        if is_at(order.spec.instrument_id, venue)
    )
    balances = {USDT: portfolio.cash_at[venue] + Decimal(cash), COIN: held + Decimal(base)}
    return msgspec.structs.replace(AccountReport(1, balances, orders, venue), **changes)


def test_each_venue_is_compared_with_what_is_held_there_alone(both: Engine):
    for venue in ("HERE", "THERE"):
        assert compare(both, at(both, venue), TOLERANCE) == Findings(), venue


def test_what_is_missing_at_one_venue_is_not_made_up_for_by_the_other(both: Engine):
    (told,) = compare(both, at(both, "HERE", base="-0.0001"), TOLERANCE).contradictions
    assert told.endswith(f"HERE {both.account.portfolio.positions[HERE.id].quantity - Decimal('0.0001')}")
    assert not compare(both, at(both, "THERE", base="3", cash="9000"), TOLERANCE).contradictions


def test_the_tolerance_for_cash_is_a_share_of_what_was_brought_to_that_venue(both: Engine):
    assert not compare(both, at(both, "HERE", cash="-4"), TOLERANCE).contradictions
    assert compare(both, at(both, "HERE", cash="-4.01"), TOLERANCE).contradictions
    assert not compare(both, at(both, "THERE", cash="-6"), TOLERANCE).contradictions


def test_of_orders_that_are_gone_only_those_of_the_reports_venue_are_asked_about(both: Engine):
    found = compare(both, at(both, "HERE", orders=()), TOLERANCE)
    assert {order.spec.instrument_id for order in found.to_ask} == {HERE.id}
    assert len(found.to_ask) == 2


def test_an_order_of_ours_that_rests_at_the_wrong_venue_is_a_contradiction(both: Engine):
    theirs = at(both, "THERE").orders
    (told, _) = compare(both, at(both, "HERE", orders=(*at(both, "HERE").orders, *theirs)), TOLERANCE).contradictions
    assert "rests at HERE and is not in the journal" in told

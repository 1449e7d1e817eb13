"""The gate: what it approves, what it never approves, and what it always lets through."""

import ast
from decimal import Decimal
from fractions import Fraction
from itertools import takewhile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.risk.conftest import Room, bordering

from holdfast.domain.decision import Approved, ApprovedAmend, Refused, StopLevel
from holdfast.domain.instrument import Market
from holdfast.domain.order import Order, OrderSpec, OrderState, OrderType, Role, TimeInForce
from holdfast.domain.values import InstrumentId, OrderId, Price, Quantity, Ratio, Side
from holdfast.risk.costs import CostReserve
from holdfast.risk.gate import RULES, RefusedOrder, RiskGate

SOURCE = Path(__file__).resolve().parents[3] / "src" / "holdfast"
HOSTILE = tuple(
    Decimal(text)
    for text in (
        "NaN", "sNaN", "-NaN", "Infinity", "-Infinity", "0", "-0", "-1", "1e-999999", "1e999999", "-1e999999",
        "1e40", "1E+21", "9" * 60, "0." + "3" * 60, "1e-60",
    )
)  # fmt: skip


def spec(side=Side.SELL, role=Role.STOP, quantity="1", trigger="98"):
    if role is Role.STOP:
        return OrderSpec(
            OrderId("o"), InstrumentId("AAA/USDT.TEST"), side, OrderType.STOP_MARKET, Quantity(Decimal(quantity)), role,
            trigger_price=Price(Decimal(trigger)),
        )  # fmt: skip
    return OrderSpec(
        OrderId("o"), InstrumentId("AAA/USDT.TEST"), side, OrderType.MARKET, Quantity(Decimal(quantity)), role,
        time_in_force=TimeInForce.IOC,
    )  # fmt: skip


def test_sound_proposal_becomes_a_limit_ioc_at_its_entry(room):
    verdict = room.review()
    assert isinstance(verdict, Approved)
    order, p = verdict.order, room.proposal
    assert (order.type, order.time_in_force, order.limit_price) == (OrderType.LIMIT, TimeInForce.IOC, p.entry)
    assert (order.order_id, order.side, order.quantity, order.role) == (p.proposal_id, p.side, p.quantity, Role.ENTRY)
    assert verdict.proposal_id == p.proposal_id


def test_every_rule_is_recorded_and_named_once(room):
    rules = [check.rule for check in room.review().checks]
    assert len(rules) == len(set(rules)) == len(RULES) == 24
    assert all(check.detail == "" for check in room.review().checks)
    refused = room.changed(entry="100.001", is_suspect=True).review()
    assert [check.rule for check in refused.checks] == rules


def test_first_rule_that_fails_names_the_refusal(room):
    refused = room.changed(is_suspect=True, target="101", stop_level=StopLevel.FLATTEN).review()
    assert isinstance(refused, Refused)
    assert refused.rule == "EMERGENCY_STOP"
    assert {check.rule for check in refused.checks if not check.is_passed} >= {"DATA_SUSPECT", "REWARD_TO_RISK"}
    assert refused.detail


def test_market_entry_only_where_it_is_configured(room):
    order = room.changed(is_entry_market=True).review().order
    assert (order.type, order.time_in_force, order.limit_price) == (OrderType.MARKET, TimeInForce.IOC, None)


def test_opinion_shrinks_vetoes_and_never_enlarges(room):
    assert room.review("0.5").order.quantity == 5
    assert room.review("0.33333").order.quantity == Decimal("3.333")
    assert room.review("7").order == room.review("1").order
    for veto in ("0", "-1", "NaN", "Infinity", "-Infinity"):
        refused = room.review(veto)
        assert (type(refused), refused.rule) == (Refused, "OPINION_VETO")
    assert isinstance(room.review("sNaN"), Refused)


def test_opinion_that_leaves_too_little_is_a_refusal(room):
    assert room.review("0.005").rule == "NOTIONAL_MIN"
    assert room.review("0.00001").rule == "NOTIONAL_MIN"
    assert room.review("0.0051").rule == "NOTIONAL_MIN", "5.10 at its entry, 4.998 at its stop"
    assert isinstance(room.review("0.0052"), Approved)
    assert isinstance(room.short().review("0.005"), Approved), "at the border: 5.00"


def test_opinion_cannot_turn_a_refusal_into_an_approval(room):
    assert room.changed(quantity="60").review("0.1").rule == "EXPOSURE_ASSET"


@given(data=st.data(), scale=st.decimals("-1", "3", places=3))
def test_scale_never_enlarges(promising_room, data, scale):
    room = data.draw(promising_room)
    plain, scaled = room.review("1"), room.review(str(scale))
    if isinstance(scaled, Approved):
        assert isinstance(plain, Approved)
        assert scaled.order.quantity <= plain.order.quantity <= room.proposal.quantity
        assert scaled.order.quantity <= max(scale, Decimal(0)) * room.proposal.quantity


def broken_limits(room: Room, order: OrderSpec) -> set[str]:
    """Name what an approved order breaks: every limit from its definition, in exact fractions."""
    p, view, market = room.proposal, room.view, room.market
    sign, names = p.side.sign, [e.instrument_id for e in view.exposures]
    entry, stop, target, quantity = (Fraction(x) for x in (order.limit_price, p.stop, p.target, order.quantity))
    equity, notional, loss = Fraction(view.equity), entry * quantity, room.loss()
    streak = len(list(takewhile(lambda r: r < 0, reversed(view.results))))
    kept = {
        "EMERGENCY_STOP": view.stop_level is StopLevel.NONE,
        "DATA_AGE": abs(view.ts - market.ts_last) <= 2 * market.bar_nanos,
        "DATA_SUSPECT": not market.is_suspect,
        "SIDE_ALLOWED": (sign > 0 or room.instrument.market is not Market.SPOT)
        and all(e.quantity * sign >= 0 for e in view.exposures if e.instrument_id == p.instrument_id),
        "STOP_SIDE": (entry - stop) * sign > 0,
        "TARGET_SIDE": (target - entry) * sign > 0,
        "GRID": all(x * 100 == int(x * 100) for x in (entry, stop, target)) and quantity * 1000 == int(quantity * 1000),
        "PRICE_COLLAR": abs(entry - Fraction(market.price_last)) <= Fraction(5, 100) * Fraction(market.price_last),
        "REWARD_TO_RISK": (target - entry) * sign >= Fraction(13, 10) * (entry - stop) * sign,
        "REWARD_NET": room.loss(p.target) < 0,
        "DRAWDOWN": equity > Fraction(80, 100) * Fraction(view.equity_peak),
        "LOSS_DAY": equity - loss >= Fraction(95, 100) * Fraction(view.equity_day_start),
        "LOSS_WEEK": equity - loss >= Fraction(90, 100) * Fraction(view.equity_week_start),
        "COOLDOWN": streak < 4 or view.ts - view.ts_result_last >= 24 * market.bar_nanos,
        "RISK_PER_TRADE": loss <= Fraction(room.case.budget) <= Fraction(3, 100) * equity,
        "RISK_OPEN_TOTAL": room.total("risk_open") + loss <= Fraction(8, 100) * equity,
        "POSITIONS_MAX": len({*names, p.instrument_id}) <= 5,
        "EXPOSURE_ASSET": sum(Fraction(e.notional) for e in view.exposures if e.base == "AAA") + notional
        <= Fraction(40, 100) * equity,
        "EXPOSURE_TOTAL": room.total("notional") + notional <= equity,
        "EXPOSURE_CORRELATED": room.together(notional) <= 0.6 * float(equity) * (1 + 1e-5),
        "CASH": notional * Fraction(1001, 1000) <= Fraction(view.cash),
        "VOLUME_SHARE": quantity <= Fraction(5, 100) * Fraction(repr(market.volume_average)),
        "NOTIONAL_MIN": min(entry, stop) * quantity >= 5,
        "ORDER_RATE": view.orders_last_minute < 30,
    }
    return {name for name, is_kept in kept.items() if not is_kept}


@settings(max_examples=300)
@given(data=st.data())
def test_nothing_approved_breaks_a_limit(promising_room, bordering_room, data):
    room = data.draw(st.one_of(promising_room, bordering_room))
    verdict = room.review()
    if isinstance(verdict, Approved):
        assert broken_limits(room, verdict.order) == set()


def test_nothing_approved_breaks_a_limit_in_rooms_at_every_border():
    """The same over a sample that stays the same, in which every rule refuses: see `test_every_rule`."""
    for seed in range(2_000):
        room = bordering(seed)
        verdict = room.review()
        if isinstance(verdict, Approved):
            assert broken_limits(room, verdict.order) == set(), f"seed {seed}"


def test_generated_accounts_are_approved_and_refused_often_enough_to_prove_something(promising_room):
    verdicts = []

    @settings(max_examples=100, derandomize=True, database=None)
    @given(promising_room)
    def collect(room):
        verdicts.append(type(room.review()))

    collect()
    assert verdicts.count(Approved) > 20
    assert verdicts.count(Refused) > 20


@pytest.mark.parametrize("value", HOSTILE, ids=str)
@pytest.mark.parametrize(
    "name",
    ["quantity", "entry", "stop", "target", "reference", "equity", "equity_peak", "equity_day_start",
     "equity_week_start", "cash", "price_last"],
)  # fmt: skip
def test_hostile_number_is_never_approved_and_never_raises(room, name, value):
    verdict = room.changed(**{name: value}).review()
    # No reference is the default; and an account that began the day with next to nothing has only gained since.
    is_harmless = value.is_finite() and (
        (name == "reference" and value == 0)
        or (name in {"equity_peak", "equity_day_start", "equity_week_start"} and 0 < value < 1)
    )
    assert isinstance(verdict, Approved if is_harmless else Refused), verdict


@pytest.mark.parametrize("value", HOSTILE, ids=str)
@pytest.mark.parametrize("name", ["notional", "risk_open", "quantity"])
def test_hostile_exposure_is_never_approved(room, exposure, name, value):
    bad = msgspec.structs.replace(exposure("BBB", "9500", "790"), **{name: value})
    assert isinstance(room.changed(exposures=(bad,)).review(), Refused)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 1e300, -0.0])
def test_hostile_floats_are_never_approved_where_they_would_matter(room, value):
    assert isinstance(room.changed(volume_average=value).review(), Refused)
    for name in ("range_fast", "range_slow"):
        verdict = room.changed(**{name: value}).review()
        assert isinstance(verdict, Approved), "a range only moves the budget, and that is bounded"


def test_hostile_correlations_count_as_one(room, exposure):
    held = room.changed(exposures=(exposure("BBB", "5500"),))
    for rho in (float("nan"), float("inf"), -7.0, 2.0):
        market = msgspec.structs.replace(held.market, correlations=((exposure("BBB").instrument_id, rho),))
        verdict = held.gate.review(held.proposal, held.view, market, held.instrument)
        assert verdict.rule == "EXPOSURE_CORRELATED"


def test_mixed_up_instruments_are_refused(room, instrument):
    other = instrument("BBB")
    verdict = room.gate.review(room.proposal, room.view, room.market, other)
    assert verdict.rule == "INPUT_SOUND"


@pytest.mark.parametrize(("name", "value"), [("bar_nanos", 0), ("bar_nanos", -1), ("orders_last_minute", -1)])
def test_impossible_counts_are_refused(room, name, value):
    assert room.changed(**{name: value}).review().rule == "INPUT_SOUND"


@given(data=st.data())
def test_any_hostile_combination_is_refused_without_raising(any_room, data):
    room = data.draw(any_room)
    names = st.sampled_from(["quantity", "entry", "stop", "target", "reference", "equity", "cash", "price_last"])
    changes = data.draw(st.dictionaries(names, st.sampled_from(HOSTILE), min_size=1))
    verdict = room.changed(**changes).review(data.draw(st.sampled_from(["1", "0.5", "NaN", "sNaN", "1e999999"])))
    if isinstance(verdict, Approved):
        order = verdict.order
        assert order.quantity * order.limit_price <= room.changed(**changes).view.equity * Decimal("0.4")


def test_named_reserve_is_used_in_place_of_the_default(room):
    dear = CostReserve(Ratio(Decimal("0.01")), Ratio(Decimal("0.05")))
    gate = RiskGate(room.config, {room.instrument.id: dear})
    assert gate.reserve(room.instrument) is dear
    assert gate.review(room.proposal, room.view, room.market, room.instrument).rule == "REWARD_NET"


# -- orders that reduce ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.STOP, Role.TARGET, Role.EXIT, Role.EMERGENCY])
@pytest.mark.parametrize("level", StopLevel)
def test_order_that_reduces_passes_at_every_level(room, role, level):
    gate = room.gate
    assert isinstance(gate.protect(spec(role=role), Decimal(1), level), Approved)
    assert isinstance(gate.protect(spec(Side.BUY, role), Decimal(-1), level), Approved)


def test_order_that_would_not_reduce_is_refused(room):
    gate = room.gate
    for held in ("0.999", "0", "-1", "NaN", "sNaN", "Infinity", "-0"):
        refused = gate.protect(spec(), Decimal(held), StopLevel.NONE)
        assert isinstance(refused, RefusedOrder), held
        assert (refused.rule, bool(refused.detail)) == ("REDUCES", True)
    assert isinstance(gate.protect(spec(Side.BUY), Decimal(1)), RefusedOrder)
    assert isinstance(gate.protect(spec(role=Role.ENTRY), Decimal(1)), RefusedOrder)


@given(
    held=st.decimals("-5", "5", places=2), quantity=st.decimals("0.01", "5", places=2), side=st.sampled_from(Side),
    role=st.sampled_from(Role), level=st.sampled_from(StopLevel),
)  # fmt: skip
def test_protect_approves_exactly_what_reduces(room, held, quantity, side, role, level):
    verdict = room.gate.protect(spec(side, role, str(quantity)), held, level)
    after = held + side.sign * quantity
    reduces = role is not Role.ENTRY and abs(after) < abs(held) and after * held >= 0
    assert isinstance(verdict, Approved) == reduces


@given(
    now=st.decimals("1", "200", places=2), trigger=st.decimals("-10", "300", places=2, allow_nan=False),
    side=st.sampled_from(Side), state=st.sampled_from(OrderState),
)  # fmt: skip
def test_amending_a_stop_never_loosens_it(room, now, trigger, side, state):
    order = msgspec.structs.replace(Order.of(spec(side, trigger=str(now))), state=state)
    amend = room.gate.amend_stop(order, Price(trigger))
    tightens = trigger > now if side is Side.SELL else 0 < trigger < now
    assert (amend is not None) == (tightens and not state.is_final)
    if amend is not None:
        assert amend == ApprovedAmend(OrderId("o"), Price(trigger))


@pytest.mark.parametrize("value", ["NaN", "sNaN", "Infinity", "-Infinity"])
def test_amending_to_no_number_does_nothing(room, value):
    order = Order.of(spec())
    assert room.gate.amend_stop(order, Price(Decimal(value))) is None
    assert room.gate.amend_quantity(order, Quantity(Decimal(value))) is None


def test_only_a_stop_can_be_amended_as_one(room):
    assert room.gate.amend_stop(Order.of(spec(role=Role.EXIT)), Price(Decimal(99))) is None


@given(quantity=st.decimals("-1", "3", places=2), filled=st.decimals("0", "1", places=2))
def test_amending_a_quantity_only_reduces(room, quantity, filled):
    order = msgspec.structs.replace(Order.of(spec()), filled=Quantity(filled))
    amend = room.gate.amend_quantity(order, Quantity(quantity))
    assert (amend is not None) == (filled < quantity < 1)
    if amend is not None:
        assert (amend.quantity, amend.trigger_price) == (quantity, None)


# -- who may say yes -------------------------------------------------------------------------------------------------


def makers(path: Path) -> set[str]:
    """Give what of Approved and ApprovedAmend the module makes: by call, by copy, or by decoding."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).split(".")[-1]
            if name in {"Approved", "ApprovedAmend"}:
                found.add(name)
    return found


def test_only_the_gate_makes_an_approval():
    modules = {str(path.relative_to(SOURCE)): makers(path) for path in SOURCE.rglob("*.py")}
    assert {name for name, made in modules.items() if made} == {"risk/gate.py"}
    assert modules["risk/gate.py"] == {"Approved", "ApprovedAmend"}


def test_spot_short_is_refused_by_the_whole_gate(room):
    assert room.short().changed(market=Market.SPOT).review().rule == "SIDE_ALLOWED"
    assert isinstance(room.short().review(), Approved)

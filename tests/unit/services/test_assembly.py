"""One plan gives one engine, in every mode."""

from decimal import Decimal

import pytest

from holdfast.core.errors import ConfigurationError
from holdfast.domain.instrument import Instrument, Market
from holdfast.domain.values import InstrumentId, VenueCash
from holdfast.matching.config import MatchingConfig
from holdfast.risk.config import RiskConfig
from holdfast.services.assembly import AccountPlan, build_engine, build_gate
from holdfast.testing.builders import make_instrument, make_plan
from holdfast.testing.scripted import ScriptedStrategy

BTC, ETH = make_instrument(), make_instrument("ETH/USDT.SIM")


def test_every_instrument_gets_a_desk_in_the_order_of_names():
    asked: list[InstrumentId] = []

    def strategy(name: InstrumentId) -> ScriptedStrategy:
        asked.append(name)
        return ScriptedStrategy(name, {})

    engine = build_engine(make_plan(ETH, BTC), strategy)
    assert list(engine.desks) == asked == [BTC.id, ETH.id]
    assert engine.account.portfolio.cash == 10_000


def test_only_several_instruments_are_correlated():
    def factory(name: InstrumentId) -> ScriptedStrategy:
        return ScriptedStrategy(name, {})

    assert build_engine(make_plan(BTC), factory).desks[BTC.id].tape.closes is None
    assert build_engine(make_plan(BTC, ETH), factory).desks[BTC.id].tape.closes is not None


def test_the_gate_reserves_what_the_market_can_cost_and_never_less_than_the_settings():
    dear = MatchingConfig(spread_bps=Decimal(100), slippage_bps=Decimal(50), impact=Decimal(0))
    assert build_gate(RiskConfig(), (BTC,), dear).reserve(BTC).slippage_exit == Decimal("0.01")
    assert build_gate(RiskConfig(), (BTC,), MatchingConfig.ideal()).reserve(BTC).slippage_exit == Decimal("0.002")


def test_a_plan_without_instruments_or_with_one_twice_is_refused():
    plan = make_plan(BTC)
    with pytest.raises(ConfigurationError, match="at least one"):
        AccountPlan((), plan.timeframe, plan.engine, plan.risk, plan.exits, plan.matching)
    with pytest.raises(ConfigurationError, match="twice"):
        make_plan(BTC, BTC)


@pytest.mark.parametrize(
    "other",
    [make_instrument("BTC/USDT:PERP.SIM", market=Market.PERPETUAL), make_instrument("BTC/USDT.OTHER")],
    ids=["perpetual", "other venue"],
)
def test_two_markets_of_one_asset_are_refused_in_one_account(other):
    with pytest.raises(ConfigurationError, match="same base asset BTC") as refused:
        make_plan(BTC, ETH, other)
    assert BTC.id in str(refused.value)
    assert other.id in str(refused.value)
    assert "account of its own" in refused.value.hint


HERE, THERE = make_instrument("BTC/USDT.HERE"), make_instrument("BTC/USDT.THERE")


def over(*parts: tuple[str, int], instruments: tuple[Instrument, ...] = (HERE, THERE)) -> AccountPlan:
    capital_at = tuple(VenueCash(venue, Decimal(amount)) for venue, amount in parts)
    return make_plan(*instruments, capital_at=capital_at)


def test_one_asset_may_be_traded_at_several_venues_that_have_cash_of_their_own():
    plan = over(("HERE", 4_000), ("THERE", 6_000))
    engine = build_engine(plan, lambda name: ScriptedStrategy(name, {}))
    assert list(engine.desks) == [HERE.id, THERE.id]
    assert engine.account.view(0).cash_at == (VenueCash("HERE", Decimal(4_000)), VenueCash("THERE", Decimal(6_000)))
    with pytest.raises(ConfigurationError, match="same base asset BTC"):
        over(("HERE", 10_000), instruments=(HERE, make_instrument("BTC/USDT:PERP.HERE", market=Market.PERPETUAL)))


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ((("HERE", 4_000), ("THERE", 5_000)), "9000 lie at the venues, the capital is 10000"),
        ((("HERE", 4_000), ("HERE", 6_000)), "named once"),
        ((("HERE", 10_000), ("THERE", 0)), "capital of its own"),
        ((("HERE", 10_000),), "BTC/USDT.THERE is traded where no capital lies"),
    ],
)
def test_capital_that_does_not_lie_where_it_is_traded_is_refused(parts: tuple[tuple[str, int], ...], told: str):
    with pytest.raises(ConfigurationError, match=told):
        over(*parts)

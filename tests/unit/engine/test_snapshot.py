"""A state whose ledger and positions contradict each other is neither written down nor taken up."""

from decimal import Decimal

import msgspec
import pytest
from tests.unit.engine.conftest import BTC, LONG, Rig

from holdfast.core.errors import DomainError
from holdfast.core.record import encode
from holdfast.domain.command import SubmitOrder
from holdfast.domain.ledger import Account, Transfer
from holdfast.domain.order import Liquidity, OrderAccepted, OrderFilled
from holdfast.domain.values import Money, Price, VenueCash
from holdfast.engine.engine import Engine
from holdfast.engine.snapshot import EngineState, restore, snapshot
from holdfast.matching.config import MatchingConfig
from holdfast.services.assembly import build_engine
from holdfast.testing.builders import make_bar, make_instrument, make_plan
from holdfast.testing.scripted import ScriptedStrategy


def state_of(rig: Rig) -> EngineState:
    return msgspec.json.decode(encode(snapshot(rig.engine)), type=EngineState)


def held(rig: Rig) -> dict[tuple[str, str], Decimal]:
    return {name: amount for name, amount in rig.engine.account.portfolio.ledger.balances().items() if amount}


def entered() -> Rig:
    rig = Rig({0: LONG})
    rig.entered()
    assert rig.desk.held > 0
    return rig


def test_a_state_whose_books_agree_is_taken_up():
    rig, fresh = entered(), Rig({0: LONG})
    restore(fresh.engine, state_of(rig))
    assert fresh.engine.account.portfolio.positions == rig.engine.account.portfolio.positions
    assert held(fresh) == held(rig)
    assert fresh.engine.account.portfolio.cash > 0


@pytest.mark.parametrize("change", [Decimal("0.0001"), Decimal("-0.0001")])
@pytest.mark.parametrize("asset", [BTC.base, BTC.quote])
def test_a_state_with_another_balance_than_its_positions_is_refused(asset: str, change: Decimal):
    state, fresh = state_of(entered()), Rig({0: LONG})
    balance = next(x for x in state.account.balances if (x.account, x.asset) == (Account.AVAILABLE, asset))
    balance.amount += change
    with pytest.raises(DomainError, match=f"contradict each other: the ledger holds .* {asset}, the positions"):
        restore(fresh.engine, state)


def test_a_state_without_one_of_its_positions_is_refused():
    state, fresh = state_of(entered()), Rig({0: LONG})
    state.account.positions.clear()
    with pytest.raises(DomainError, match=r"the account trades BTC/USDT\.SIM, and has no position of it"):
        restore(fresh.engine, state)


def test_an_engine_whose_books_disagree_gives_no_state():
    rig = entered()
    wrong = Transfer(Account.AVAILABLE, Account.TRADING, BTC.base, Decimal("0.0002"), "wrong")
    rig.engine.account.portfolio.ledger.post(wrong)
    with pytest.raises(DomainError, match="contradict each other"):
        snapshot(rig.engine)


HERE, THERE = make_instrument("BTC/USDT.HERE"), make_instrument("BTC/USDT.THERE")


def at_two_venues(here: str = "1000") -> Engine:
    parts = (VenueCash("HERE", Decimal(here)), VenueCash("THERE", Decimal(10_000) - Decimal(here)))
    plan = make_plan(HERE, THERE, matching=MatchingConfig.ideal(), capital_at=parts)
    return build_engine(plan, lambda name: ScriptedStrategy(name, {0: LONG}))


def test_an_entry_on_its_way_needs_cash_at_its_own_venue_alone_and_a_restart_knows():
    engine = at_two_venues()
    for instrument in (HERE, THERE):
        tick = engine.process(make_bar(instrument, 0, (100.0, 100.0, 100.0, 100.0, 1e6)))
        (command,) = tick.commands
        assert isinstance(command, SubmitOrder)
    there, here = engine.desks[THERE.id].entry, engine.desks[HERE.id].entry
    assert here is not None
    assert there is not None
    assert engine.account.cash_at() == (
        VenueCash("HERE", 1_000 - here.entry * here.quantity), VenueCash("THERE", 9_000 - there.entry * there.quantity),
    )  # fmt: skip
    assert here.entry * here.quantity < 1_000 < there.entry * there.quantity, "the poor one keeps its order small"
    fee = Money(Decimal("0.1"), BTC.quote)
    price, size = Price(here.entry), here.quantity
    engine.process(OrderAccepted(here.proposal_id, engine.ts))
    engine.process(OrderFilled(here.proposal_id, engine.ts, "T1", price, size, fee, Liquidity.TAKER, price))
    assert engine.account.portfolio.cash_at["HERE"] == 1_000 - price * size - fee.amount
    state = msgspec.json.decode(encode(snapshot(engine)), type=EngineState)
    fresh = at_two_venues()
    restore(fresh, state)
    assert fresh.account.portfolio.cash_at == engine.account.portfolio.cash_at
    assert fresh.account.view(fresh.ts) == engine.account.view(engine.ts)
    state.account.cash_at = []
    with pytest.raises(DomainError, match="there is cash at"):
        restore(at_two_venues(), state)


def test_the_state_of_one_account_is_written_as_ever():
    assert b"cash_at" not in encode(snapshot(entered().engine))

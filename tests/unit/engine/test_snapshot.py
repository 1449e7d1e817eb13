"""A state whose ledger and positions contradict each other is neither written down nor taken up."""

from decimal import Decimal

import msgspec
import pytest
from tests.unit.engine.conftest import BTC, LONG, Rig

from holdfast.core.errors import DomainError
from holdfast.core.record import encode
from holdfast.domain.ledger import Account, Transfer
from holdfast.engine.snapshot import EngineState, restore, snapshot


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

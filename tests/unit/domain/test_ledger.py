"""Double entry: every balance worked out by hand, and no transfer that could be out of balance."""

from decimal import Decimal

import pytest

from holdfast.core.errors import DomainError
from holdfast.domain.ledger import Account, Ledger, Transfer
from holdfast.domain.values import Asset

EXTERNAL, AVAILABLE, TRADING, FEES = Account.EXTERNAL, Account.AVAILABLE, Account.TRADING, Account.FEES
BTC, USDT = Asset("BTC"), Asset("USDT")


def transfer(debit: Account, credit: Account, asset: Asset, amount: str) -> Transfer:
    return Transfer(debit, credit, asset, Decimal(amount), "t-1")


def test_a_transfer_takes_from_its_debit_and_gives_to_its_credit():
    ledger = Ledger()
    ledger.post(transfer(EXTERNAL, AVAILABLE, USDT, "1000"))
    assert ledger.balance(EXTERNAL, USDT) == -1000
    assert ledger.balance(AVAILABLE, USDT) == 1000
    assert ledger.balance(AVAILABLE, BTC) == 0
    assert ledger.balance(FEES, USDT) == 0


def test_balances_are_what_all_transfers_leave():
    ledger = Ledger(
        [
            transfer(EXTERNAL, AVAILABLE, USDT, "1000"),
            transfer(AVAILABLE, TRADING, USDT, "300.5"),
            transfer(TRADING, AVAILABLE, BTC, "2"),
            transfer(AVAILABLE, FEES, USDT, "0.3"),
            transfer(AVAILABLE, TRADING, BTC, "0.5"),
        ]
    )
    assert ledger.balances() == {
        (EXTERNAL, USDT): -1000,
        (AVAILABLE, USDT): Decimal("699.2"),
        (TRADING, USDT): Decimal("300.5"),
        (FEES, USDT): Decimal("0.3"),
        (TRADING, BTC): Decimal("-1.5"),
        (AVAILABLE, BTC): Decimal("1.5"),
    }
    assert ledger.imbalance() == {USDT: 0, BTC: 0}


def test_balances_are_a_copy():
    ledger = Ledger([transfer(EXTERNAL, AVAILABLE, USDT, "1000")])
    ledger.balances()[AVAILABLE, USDT] = Decimal(7)
    assert ledger.balance(AVAILABLE, USDT) == 1000


@pytest.mark.parametrize("amount", ["0", "-0", "-1"])
def test_a_transfer_of_nothing_or_less_is_refused(amount: str):
    with pytest.raises(DomainError, match=f"transfer t-1: amount {amount} USDT must be positive"):
        transfer(EXTERNAL, AVAILABLE, USDT, amount)


def test_a_transfer_to_where_it_comes_from_is_refused():
    with pytest.raises(DomainError, match="transfer t-1: debit and credit are both fees"):
        transfer(FEES, FEES, USDT, "1")

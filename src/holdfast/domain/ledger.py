"""Double entry: a transfer has one debit, one credit and one amount, so that an imbalance cannot be written down.

A purchase is two transfers (the quote asset out through the trading account, the base asset in) and a fee is a third.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum

from holdfast.core.errors import DomainError
from holdfast.core.record import Record
from holdfast.domain.values import ZERO, Asset


class Account(StrEnum):
    """Who holds what, per asset."""

    EXTERNAL = "external"  # the world outside: deposits come from it
    AVAILABLE = "available"  # ours, at the venue
    TRADING = "trading"  # the other side of every exchange: what we paid away and received
    FEES = "fees"


class Transfer(Record, frozen=True):
    """An amount (> 0) of one asset that moves from the debit to the credit account; `ref` names its cause."""

    debit: Account
    credit: Account
    asset: Asset
    amount: Decimal
    ref: str

    def __post_init__(self) -> None:
        if self.amount <= ZERO:
            raise DomainError(f"transfer {self.ref}: amount {self.amount} {self.asset} must be positive")
        if self.debit is self.credit:
            raise DomainError(f"transfer {self.ref}: debit and credit are both {self.debit}")


class Ledger:
    """The balances that follow from all transfers so far."""

    __slots__ = ("_balances",)

    def __init__(self, transfers: Iterable[Transfer] = ()) -> None:
        self._balances: dict[tuple[Account, Asset], Decimal] = {}
        for transfer in transfers:
            self.post(transfer)

    def post(self, transfer: Transfer) -> None:
        """Move the amount; the sum over all accounts of an asset stays zero."""
        asset, amount, balances = transfer.asset, transfer.amount, self._balances
        debit, credit = (transfer.debit, asset), (transfer.credit, asset)
        balances[debit] = balances.get(debit, ZERO) - amount
        balances[credit] = balances.get(credit, ZERO) + amount

    def balance(self, account: Account, asset: Asset) -> Decimal:
        """Return what the account holds of the asset."""
        return self._balances.get((account, asset), ZERO)

    def balances(self) -> dict[tuple[Account, Asset], Decimal]:
        """Return a copy of all balances."""
        return dict(self._balances)

    def imbalance(self) -> dict[Asset, Decimal]:
        """Return the sum over the accounts per asset: all zero, or the ledger was tampered with."""
        sums: dict[Asset, Decimal] = {}
        for (_, asset), amount in self._balances.items():
            sums[asset] = sums.get(asset, ZERO) + amount
        return sums

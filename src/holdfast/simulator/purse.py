"""What each account owns and what its orders bind; nothing is made or lost, it only changes hands."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from holdfast.core.errors import DomainError
from holdfast.domain.values import ZERO

MARKET = "@market"
"""The account of all strangers: it may go below zero, so that the sum of each asset stays what it was."""
FEES = "@fees"


class Holding(msgspec.Struct, gc=False):
    """One asset of one account: all of it, and the part that orders bind."""

    total: Decimal = ZERO
    locked: Decimal = ZERO

    @property
    def available(self) -> Decimal:
        """Return what is not bound."""
        return self.total - self.locked


class Purse:
    """The holdings of all accounts, and which of them have changed."""

    def __init__(self) -> None:
        self.holdings: dict[str, dict[str, Holding]] = {}
        self.changed: dict[tuple[str, str], Decimal] = {}

    def of(self, account: str, asset: str) -> Holding:
        """Return a holding, which is empty where nothing was ever held."""
        return self.holdings.setdefault(account, {}).setdefault(asset, Holding())

    def deposit(self, account: str, asset: str, amount: Decimal) -> None:
        """Bring an amount in from outside."""
        self.of(account, asset).total += amount

    def move(self, giver: str, taker: str, asset: str, amount: Decimal) -> None:
        """Let an amount change hands.

        Raises
        ------
        DomainError
            The giver, who is no stranger, has not got it: our own rules were wrong.
        """
        if not amount:
            return
        source = self.of(giver, asset)
        source.total -= amount
        self.of(taker, asset).total += amount
        for account, change in ((giver, -amount), (taker, amount)):
            key = (account, asset)
            self.changed[key] = self.changed.get(key, ZERO) + change
        if giver != MARKET and source.total < source.locked:
            raise DomainError(f"{giver} gave {amount} {asset} and has {source.total}, {source.locked} bound")

    def lock(self, account: str, asset: str, amount: Decimal) -> None:
        """Bind an amount, or let it go when it is negative."""
        if amount:
            self.of(account, asset).locked += amount
            self.changed.setdefault((account, asset), ZERO)

    def take_changes(self) -> list[tuple[str, str, Decimal]]:
        """Return account, asset and change of each holding that is another since the last call."""
        found = [(account, asset, change) for (account, asset), change in self.changed.items()]
        self.changed.clear()
        return found

    def sum(self, asset: str) -> Decimal:
        """Return what all accounts together have of an asset: it changes with deposits only."""
        return sum((held[asset].total for held in self.holdings.values() if asset in held), ZERO)

    def assets(self) -> Iterable[str]:
        """Return every asset that somebody has had."""
        return sorted({asset for held in self.holdings.values() for asset in held})

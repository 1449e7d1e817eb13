"""What Gate.io tells about a key and what it may do."""

from __future__ import annotations

from typing import Final

from holdfast.adapters.exchanges.gateio.shape import Decoder, Id, Shape


class KeyMode(Shape):
    """1 is a classic account, 2 a portfolio one."""

    mode: int = 0


class Permission(Shape):
    """One thing that a key may do; `wallet` that is not `read_only` can move money out."""

    name: str
    read_only: bool = False


class AccountDetail(Shape):
    """Whose key it is; an empty whitelist means that it works from anywhere."""

    user_id: Id = 0
    ip_whitelist: list[str] | None = None
    currency_pairs: list[str] | None = None
    tier: int = 0
    key: KeyMode | None = None


class KeyInfo(Shape):
    """What a key may do."""

    state: int = 1  # 1 normal, 2 locked, 3 frozen
    mode: int = 0
    user_id: Id = 0
    ip_whitelist: list[str] | None = None
    currency_pairs: list[str] | None = None
    perms: list[Permission] | None = None

    def may(self, name: str) -> bool | None:
        """Tell whether it may write to `name`; None where the venue does not say what it may."""
        if self.perms is None:
            return None
        return any(permission.name == name and not permission.read_only for permission in self.perms)

    @property
    def can_withdraw(self) -> bool | None:
        return self.may("wallet")

    @property
    def can_trade(self) -> bool | None:
        return self.may("spot")


class FeeDeduction(Shape):
    """Whether fees are taken in GT instead of from what is received."""

    enabled: bool


DETAIL: Final = Decoder(AccountDetail, "account")
KEY_INFO: Final = Decoder(KeyInfo, "key")
FEE_DEDUCTION: Final = Decoder(FeeDeduction, "fee deduction")

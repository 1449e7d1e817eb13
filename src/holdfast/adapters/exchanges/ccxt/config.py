"""Which venue of ccxt's is meant, where it is, and how long we wait for it."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from holdfast.core.errors import ConfigurationError
from holdfast.core.record import Record
from holdfast.core.secret import Secret

PREFIX: Final = "ccxt:"
"""What stands before the name of a venue in the settings: `ccxt:binance`."""
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{1,40}", re.ASCII)
_BOUNDS: Final = {
    "request_timeout_ms": (100, 120_000),
    "answer_timeout_ms": (300, 30_000),
    "order_window_ms": (0, 300_000),
    "margin_ms": (0, 60_000),
    "poll_ms": (20, 60_000),
}


class CcxtKey(Record, frozen=True):
    """A key of the account; `password` is the passphrase that some venues want besides."""

    key: str
    secret: Secret
    password: Secret = Secret("")

    def __repr__(self) -> str:
        return "CcxtKey(***)"


class CcxtConfig(Record, frozen=True):
    """The venue and our patience with it."""

    name: str  # ccxt's id: binance, coinbase, gate, ...
    url: str = ""  # scheme and host in place of the venue's own; empty: the venue's
    request_timeout_ms: int = 10_000  # for a connection and the whole answer, such as all markets of a venue
    answer_timeout_ms: int = 1_500  # for one about the account, once connected; an order's outcome is then unknown
    order_window_ms: int = 0  # how long the venue may still take an order that was sent; 0: what is known of the venue
    margin_ms: int = 1_000  # added to it before "not found" is believed
    poll_ms: int = 1_000  # how often account and market are looked at
    is_streaming: bool = True  # listen to the venue's pushes, where it has them
    collar: Decimal = Decimal("0.01")  # how far beyond the best price a market order may buy
    account: str = ""  # names one of several accounts at the venue

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigurationError(f"{self.name!r} is no name of a venue", hint="like ccxt:binance or ccxt:coinbase")
        for name, (least, most) in _BOUNDS.items():
            if not least <= (value := getattr(self, name)) <= most:
                raise ConfigurationError(f"ccxt.{name} must lie in [{least}, {most}], found {value}")
        is_plain = self.url.startswith("http://")
        if self.url and not self.url.startswith("https://") and not is_plain:
            raise ConfigurationError("ccxt.url must be https://HOST", hint="http:// for this machine alone")
        if "@" in self.url or "?" in self.url:
            raise ConfigurationError("ccxt.url must have neither user, password nor query")
        host = self.url.removeprefix("http://").partition("/")[0].partition(":")[0]
        if is_plain and host not in ("127.0.0.1", "localhost"):
            raise ConfigurationError(
                f"ccxt.url: http:// would send the key in the clear to {host}", hint="use https://"
            )

    @property
    def suffix(self) -> str:
        """Return what ends the ids of this account's instruments: `.BINANCE`, or `.BINANCE-SAVINGS` beside another."""
        return f".{self.name}{self.account and f'-{self.account}'}".upper()

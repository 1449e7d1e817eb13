"""A scan of spreads from what a person typed: which venues, where they are, what they take."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from holdfast.adapters.exchanges.ccxt.config import PREFIX, CcxtConfig
from holdfast.adapters.exchanges.ccxt.public_books import CcxtBooks
from holdfast.adapters.exchanges.gateio.config import GateioConfig
from holdfast.adapters.exchanges.gateio.public_books import GateioBooks
from holdfast.adapters.host.clock import SystemClock
from holdfast.core.errors import ConfigurationError
from holdfast.core.record import Record
from holdfast.domain.values import ONE, ZERO
from holdfast.ports.books import PublicBooks
from holdfast.research.spreads import Limits
from holdfast.services.spreads import SpreadScan

_NATIVE = "gateio"


class ScanPlan(Record, frozen=True):
    """What is looked at; a venue is `gateio` or `ccxt:NAME`, with `@URL` behind it where it is not at its own place."""

    venues: tuple[str, ...]
    markets: tuple[str, ...]
    fees: tuple[str, ...] = ()  # VENUE=SHARE
    depth: int = 50
    limits: Limits = Limits()


def open_scan(plan: ScanPlan) -> SpreadScan:
    """Return the scan; nothing is sent yet.

    Raises
    ------
    ConfigurationError
        A venue, a market or a fee is not one.
    """
    if len(plan.venues) < 2 or len(set(plan.venues)) < len(plan.venues):
        raise ConfigurationError(
            "a spread lies between two venues, each named once", hint="--venue gateio --venue ccxt:kraken"
        )
    for market in plan.markets:
        base, _, quote = market.partition("/")
        if not (base.isalnum() and quote.isalnum() and market.isascii()):
            raise ConfigurationError(f"{market!r} is no market", hint="write it like BTC/USDT")
    clock = SystemClock()
    return SpreadScan(
        [_venue(name, clock) for name in plan.venues], _fees(plan.fees, plan.venues), plan.limits, plan.depth, clock
    )


def _venue(text: str, clock: SystemClock) -> PublicBooks:
    name, _, url = text.partition("@")
    if name == _NATIVE:
        return GateioBooks(GateioConfig.for_url(url) if url else GateioConfig(), clock, text)
    if name.startswith(PREFIX):
        return CcxtBooks(CcxtConfig(name.removeprefix(PREFIX), url), clock, text)
    raise ConfigurationError(f"{name!r} is no venue", hint=f"name {_NATIVE}, or a venue of ccxt's like ccxt:kraken")


def _fees(texts: Sequence[str], venues: Sequence[str]) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for text in texts:
        name, _, share = text.rpartition("=")
        if name not in venues:
            raise ConfigurationError(f"--fee {text}: {name!r} is none of the venues", hint="--fee gateio=0.001")
        found[name] = number(share, f"--fee {text}")
        if not ZERO <= found[name] < ONE:
            raise ConfigurationError(f"--fee {text}: a fee must lie in [0, 1)", hint="write 0.1 % as 0.001")
    return found


def number(text: str, name: str) -> Decimal:
    """Return a number that was typed.

    Raises
    ------
    ConfigurationError
        It is none.
    """
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ConfigurationError(f"{name}: {text!r} is no number", hint="write 0.1 % as 0.001") from None
    if not value.is_finite():
        raise ConfigurationError(f"{name}: {text!r} is no number", hint="write 0.1 % as 0.001")
    return value

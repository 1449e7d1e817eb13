"""The sections of the settings that belong to no single room: the agent itself, its market, its strategy."""

from __future__ import annotations

import re
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import msgspec

from holdfast.adapters.exchanges.ccxt.config import PREFIX, CcxtConfig
from holdfast.adapters.exchanges.gateio.config import REST_ORDERS, SOCKET_ORDERS, check_tunnel
from holdfast.core.errors import ConfigurationError
from holdfast.core.record import Record
from holdfast.core.time import parse_time
from holdfast.domain.market import timeframe

SYNTHETIC: Final = "synthetic"
GATEIO: Final = "gateio"
AUTO: Final = "auto"
VENUE: Final = "venue"
_NAME_MAX: Final = 20
_NAME: Final = re.compile(rf"[A-Za-z0-9]{{1,{_NAME_MAX}}}", re.ASCII)
PAPER, PRACTICE, LIVE = "paper", "practice", "live"
"""Who fills the orders: this process, a simulated venue over the wire, or a real one."""
PACE_MIN, PACE_MAX = 0.01, 100_000.0
ANSWER_MIN_MS, ANSWER_MAX_MS = 300, 30_000
BAR_SECONDS_MIN, BAR_SECONDS_MAX = 0.1, 3_600.0
_FREE_DISK_MAX_MB = 1_000_000
# Dearer than any venue: whoever writes 0.1 means a percentage.
_FEE_MAX, _REBATE_MAX = Decimal("0.05"), Decimal("0.001")


class AgentSettings(Record, frozen=True):
    """How the running agent behaves as a process."""

    mode: str = "paper"
    pace: float = 4.0  # groups of bars per second
    disk_free_min_mb: int = 200  # below it, nothing is started

    def __post_init__(self) -> None:
        if self.mode not in (PAPER, PRACTICE, LIVE):
            raise ConfigurationError(f"agent.mode is {self.mode!r}, valid is paper, practice or live")
        if not PACE_MIN <= self.pace <= PACE_MAX:
            raise ConfigurationError(
                f"agent.pace is {self.pace}, valid is {PACE_MIN} to {PACE_MAX:.0f}", hint="bars per second"
            )
        if not 0 <= self.disk_free_min_mb <= _FREE_DISK_MAX_MB:
            raise ConfigurationError(
                f"agent.disk_free_min_mb is {self.disk_free_min_mb}, valid is 0 to {_FREE_DISK_MAX_MB}"
            )


class MarketSettings(Record, frozen=True):
    """What is traded, and where its bars come from."""

    source: str = AUTO  # auto, synthetic, venue, or the path of a file or folder
    instruments: tuple[str, ...] = ()  # none: a few that the source has
    timeframe: str = "4h"
    start: str = ""  # where the recorded market begins; empty: chosen by the source
    until: str = ""  # where it ends
    seed: int = 7  # of the synthetic market
    fee_maker: Decimal | None = None  # share of the notional, in place of the venue's list
    fee_taker: Decimal | None = None

    def __post_init__(self) -> None:
        timeframe(self.timeframe)
        for key in ("start", "until"):
            if getattr(self, key):
                _require_time(f"market.{key}", getattr(self, key))
        if self.start and self.until and parse_time(self.start) >= parse_time(self.until):
            raise ConfigurationError(
                f"the start {self.start} does not lie before until {self.until}", hint="exchange them, or correct one"
            )
        plain = [name.upper().replace("_", "/") for name in self.instruments]
        if twice := sorted({name for name in plain if plain.count(name) > 1}):
            raise ConfigurationError(f"instruments: {', '.join(twice)} is named twice", hint="name each market once")
        if self.seed < 0:
            raise ConfigurationError(f"market.seed is {self.seed}, valid is 0 or more")
        _require_fee("maker", self.fee_maker, -_REBATE_MAX)
        _require_fee("taker", self.fee_taker, Decimal(0))
        if not self.source:
            raise ConfigurationError("market.source is empty, valid is auto, synthetic, venue or a path")

    @property
    def path(self) -> Path | None:
        """Return the path that `source` is, None when it is a word."""
        return None if self.source in (AUTO, SYNTHETIC, VENUE) else Path(self.source).expanduser()


class VenuePlace(Record, frozen=True):
    """One account at one venue, and where its key lies. The key itself is never a setting."""

    exchange: str = GATEIO  # or ccxt:NAME
    url: str = ""  # empty: the venue's own
    key_file: str = ""  # a file with key and secret that only its owner can read; empty: venue.toml in the home
    may_withdraw: bool = False  # take a key that can move coins away, too
    orders: str = REST_ORDERS  # or socket: the websocket that is open anyway, which is quicker
    tunnel: str = ""  # HOST:PORT of a proxy on this machine, through which all goes that goes to the venue
    tunnel_address: str = ""  # the address from which the venue sees us then; the key must be tied to it
    answer_timeout_ms: int = 1_500  # an order without an answer for so long is asked about by its own id
    account_name: str = ""  # tells two accounts at one venue apart

    @property
    def account(self) -> str:
        """Return what ends the ids of its instruments: GATEIO, BINANCE, or GATEIO-SAVINGS where it has a name."""
        exchange = self.exchange.removeprefix(PREFIX).upper()
        return f"{exchange}-{self.account_name.upper()}" if self.account_name else exchange

    def __post_init__(self) -> None:
        if self.account_name and not _NAME.fullmatch(self.account_name):
            raise ConfigurationError(
                f"venue.account_name is {self.account_name!r}, it must be 1 to {_NAME_MAX} letters or digits",
                hint='for example "savings"',
            )
        if not ANSWER_MIN_MS <= self.answer_timeout_ms <= ANSWER_MAX_MS:
            raise ConfigurationError(
                f"venue.answer_timeout_ms is {self.answer_timeout_ms}, valid is {ANSWER_MIN_MS} to {ANSWER_MAX_MS}",
                hint="above four round trips of your line; a position may lack its stop for as long as this",
            )
        if self.orders not in (REST_ORDERS, SOCKET_ORDERS):
            raise ConfigurationError(
                f"venue.orders is {self.orders!r}, valid is {REST_ORDERS} or {SOCKET_ORDERS}",
                hint=f"{REST_ORDERS} unless your venue is Gate.io and you want its websocket",
            )
        if self.tunnel:
            check_tunnel(self.tunnel)
        if self.tunnel_address:
            _require_address(self.tunnel_address, self.tunnel)
        if self.exchange == GATEIO:
            return
        if self.tunnel:
            raise ConfigurationError(
                "venue.tunnel is for gateio alone; ccxt would connect past it", hint="leave out tunnel, or use gateio"
            )
        if self.orders != REST_ORDERS:
            raise ConfigurationError(
                "venue.orders = 'socket' is for gateio alone; ccxt sends orders over REST", hint="leave out orders"
            )
        if not self.exchange.startswith(PREFIX):
            raise ConfigurationError(
                f"venue.exchange is {self.exchange!r}, valid is {GATEIO} or {PREFIX}NAME",
                hint=f"every venue but Gate.io is reached through ccxt, like {PREFIX}binance or {PREFIX}coinbase",
            )
        CcxtConfig(self.exchange.removeprefix(PREFIX))  # refuses what is no name


class VenueAccount(VenuePlace, frozen=True):
    """A further account, with its part of the capital, and what is traded there."""

    capital: Decimal = Decimal(0)  # quote units of engine.capital that lie there
    instruments: tuple[str, ...] = ()  # such as ETH/USDT; none: a few usual ones that the venue has


class VenueSettings(VenuePlace, frozen=True):
    """Where real orders go. What is not at the further `accounts` lies at this one."""

    accounts: tuple[VenueAccount, ...] = ()

    def __post_init__(self) -> None:
        VenuePlace.__post_init__(self)
        taken = {self.account: self}
        keys = {(self.exchange, self.url, self.key_file)}
        for other in self.accounts:
            if other.account in taken:
                raise ConfigurationError(
                    f"venue.accounts: two accounts are called {other.account}", hint="give the second an account_name"
                )
            if (other.exchange, other.url, other.key_file) in keys or not other.key_file:
                raise ConfigurationError(
                    f"venue.accounts: {other.account} has no key file of its own",
                    hint=f'write key_file = "..." into the [[venue.accounts]] table of {other.account}',
                )
            if not (other.capital.is_finite() and other.capital > 0):
                raise ConfigurationError(
                    f"venue.accounts: the capital of {other.account} is {other.capital}, valid is above 0",
                    hint="that part of engine.capital which lies there",
                )
            taken[other.account] = self
            keys.add((other.exchange, other.url, other.key_file))


class StrategySettings(Record, frozen=True):
    """Which strategy trades; its parameters are checked by the strategy itself."""

    name: str = "harmonized"
    parameters: dict[str, str] = msgspec.field(default_factory=dict)
    bar_seconds_max: float = 30.0  # a bar on which it takes longer is reported; the look-ahead check ends there

    def __post_init__(self) -> None:
        if not BAR_SECONDS_MIN <= self.bar_seconds_max <= BAR_SECONDS_MAX:
            raise ConfigurationError(
                f"strategy.bar_seconds_max is {self.bar_seconds_max:g}, valid is {BAR_SECONDS_MIN} to"
                f" {BAR_SECONDS_MAX:.0f}",
                hint="seconds that the strategy may take for one bar",
            )


def _require_address(text: str, tunnel: str) -> None:
    try:
        ip_address(text)
    except ValueError:
        raise ConfigurationError(
            f"venue.tunnel_address is {text!r}, which is no IP address",
            hint="write the address of the tunnel's far end",
        ) from None
    if not tunnel:
        raise ConfigurationError("venue.tunnel_address is given without venue.tunnel", hint="name the tunnel, too")


def _require_fee(name: str, rate: Decimal | None, lowest: Decimal) -> None:
    if rate is not None and not (rate.is_finite() and lowest <= rate <= _FEE_MAX):
        raise ConfigurationError(
            f"market.fee_{name} is {rate}, valid is {lowest} to {_FEE_MAX}", hint="write 0.1 % as 0.001"
        )


def _require_time(key: str, text: str) -> None:
    try:
        parse_time(text)
    except ConfigurationError as error:
        raise ConfigurationError(f"{key} is {text!r}, which is no date or time", hint=error.hint) from error

"""Where Gate.io is and how long we wait for it."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

from holdfast.core.errors import ConfigurationError
from holdfast.core.record import Record

VENUE_SUFFIX: Final = ".GATEIO"
REST_URL: Final = "https://api.gateio.ws"
SOCKET_URL: Final = "wss://api.gateio.ws/ws/v4/"

ANSWER_TIMEOUT_MS: Final = 1_500
"""A position may be bare for two seconds: what is left of them is for asking about its order, and for its stop."""
ANSWER_TIMEOUT_MIN_MS: Final = 300
ANSWER_TIMEOUT_MAX_MS: Final = 30_000

REST_ORDERS, SOCKET_ORDERS = "rest", "socket"
"""Which way orders take: a request each, or the websocket that is open anyway."""

_BOUNDS: Final = {
    "connect_timeout_ms": (100, 60_000),
    "request_timeout_ms": (100, 120_000),
    "answer_timeout_ms": (ANSWER_TIMEOUT_MIN_MS, ANSWER_TIMEOUT_MAX_MS),
    "limit_wait_max_ms": (0, 60_000),
    "order_expiry_ms": (100, 30_000),
    "urgent_expiry_ms": (100, 30_000),
    "retries": (0, 10),
    "backoff_ms": (1, 10_000),
    "body_max": (1_024, 256 * 1024 * 1024),
}


class GateioConfig(Record, frozen=True):
    """Addresses and patience; `retries` counts what follows the first try of a request that only reads."""

    rest_url: str = REST_URL  # without /api/v4
    socket_url: str = SOCKET_URL
    connect_timeout_ms: int = 5_000
    request_timeout_ms: int = 10_000  # for the whole answer, however slowly it drips
    answer_timeout_ms: int = ANSWER_TIMEOUT_MS  # for a signed one, once connected; then its outcome is unknown
    limit_wait_max_ms: int = 5_000  # the longest that a request is held back by the rate limit
    order_expiry_ms: int = 1_000  # the venue takes no order later than this, by its own clock
    urgent_expiry_ms: int = 300  # the same for what guards or leaves a position, beside three round trips
    retries: int = 3
    backoff_ms: int = 200
    orders: str = REST_ORDERS  # or SOCKET_ORDERS
    tunnel: str = ""  # HOST:PORT of this machine: a proxy through which everything goes, or nothing does
    body_max: int = 16 * 1024 * 1024  # bytes of one answer; all tickers together are about one MiB
    suffix: str = VENUE_SUFFIX  # ends the ids of its instruments; `.GATEIO-SAVINGS` is an account beside another

    def __post_init__(self) -> None:
        for name, (least, most) in _BOUNDS.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise ConfigurationError(f"gateio.{name} must lie in [{least}, {most}], found {value}")
        if self.orders not in (REST_ORDERS, SOCKET_ORDERS):
            raise ConfigurationError(f"gateio.orders is {self.orders!r}, valid is {REST_ORDERS} or {SOCKET_ORDERS}")
        if self.tunnel:
            check_tunnel(self.tunnel)
        _check_url(self.rest_url, "rest_url", "https", "http")
        _check_url(self.socket_url, "socket_url", "wss", "ws")

    @property
    def proxy(self) -> str | None:
        """Return the proxy of every connection, None where there is none."""
        return f"http://{self.tunnel}" if self.tunnel else None

    @classmethod
    def for_url(cls, base: str) -> GateioConfig:
        """Return the settings for a venue at `base` (`http://127.0.0.1:PORT`), its websocket at the same host."""
        parts = _check_url(base, "venue_url", "https", "http")
        scheme = "wss" if parts.scheme == "https" else "ws"
        return cls(rest_url=f"{parts.scheme}://{parts.netloc}", socket_url=f"{scheme}://{parts.netloc}/ws/v4/")


def check_tunnel(address: str) -> tuple[str, int]:
    """Return host and port of a tunnel's end on this machine.

    Raises
    ------
    ConfigurationError
        It is no HOST:PORT, or lies on another machine: the way to it would not be guarded.
    """
    host, port = "", None
    with suppress(ValueError):
        parts = urlsplit(f"//{address}")
        if parts.netloc == address and "@" not in address:
            host, port = parts.hostname or "", parts.port
    if not host or not port or not _is_loopback(host):
        raise ConfigurationError(
            "venue.tunnel must be HOST:PORT of an HTTP CONNECT proxy on this machine", hint="like 127.0.0.1:8118"
        )
    return host, port


def _check_url(url: str, name: str, safe: str, plain: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ConfigurationError(f"gateio.{name} is not an address", hint=f"like {safe}://HOST") from None
    # The address itself is not quoted: it may carry a user and a password.
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ConfigurationError(f"gateio.{name} must have neither user, password, query nor fragment")
    if name != "socket_url" and parts.path not in ("", "/"):
        raise ConfigurationError(f"gateio.{name} must be scheme and host alone", hint=f"{safe}://{host}")
    if not host or parts.scheme not in (safe, plain):
        raise ConfigurationError(f"gateio.{name} must be {safe}://HOST", hint=f"{plain}:// for this machine alone")
    if parts.scheme == plain and not _is_loopback(host):
        raise ConfigurationError(
            f"gateio.{name}: {plain}:// would send the key in the clear to {host}", hint=f"use {safe}://"
        )
    return parts


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False

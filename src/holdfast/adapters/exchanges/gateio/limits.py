"""When the next request may leave: the limits that Gate.io publishes, kept as sliding windows.

Pure: times are nanoseconds of any clock that only goes forward, and whoever calls does the waiting.
"""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from collections.abc import Mapping
from typing import Final

from holdfast.core.record import Record
from holdfast.core.time import SECOND

CANCEL_ENDPOINTS: Final = frozenset(
    {"DELETE /spot/orders", "DELETE /spot/orders/{id}", "POST /spot/cancel_batch_orders"}
)
PLACE_ENDPOINTS: Final = frozenset(
    {
        *("POST /spot/orders", "POST /spot/batch_orders"),
        *("PATCH /spot/orders/{id}", "POST /spot/amend_batch_orders"),
    }
)
PUBLIC_ENDPOINTS: Final = frozenset(
    {
        *("GET /spot/time", "GET /spot/currencies", "GET /spot/currency_pairs", "GET /spot/currency_pairs/{pair}"),
        *("GET /spot/tickers", "GET /spot/order_book", "GET /spot/trades", "GET /spot/candlesticks"),
    }
)


class Rule(Record, frozen=True):
    """At most `limit` requests in any `window` (ns); `kept` of them are for what must not wait behind entries."""

    limit: int
    window: int
    kept: int = 0


PUBLIC: Final = Rule(200, 10 * SECOND)
PLACE: Final = Rule(10, SECOND, kept=3)
CANCEL: Final = Rule(200, SECOND)
SPOT: Final = Rule(200, 10 * SECOND, kept=20)
WALLET: Final = Rule(200, 10 * SECOND)
WALLET_SLOW: Final = Rule(80, 10 * SECOND)
OTHER: Final = Rule(150, 10 * SECOND)

_WALLET_SLOW: Final = frozenset(
    {
        *("POST /wallet/transfers", "POST /wallet/sub_account_transfers", "POST /wallet/sub_account_to_sub_account"),
        *("GET /wallet/total_balance", "GET /wallet/sub_account_balances"),
    }
)


def rule_of(endpoint: str) -> Rule:
    """Return the rule for `METHOD /path`, the path as the venue's documents write it and without /api/v4."""
    if endpoint in CANCEL_ENDPOINTS:
        return CANCEL
    if endpoint in PLACE_ENDPOINTS:
        return PLACE
    if endpoint in PUBLIC_ENDPOINTS:
        return PUBLIC
    if endpoint in _WALLET_SLOW:
        return WALLET_SLOW
    path = endpoint.partition(" ")[2]
    if path.startswith("/spot/"):
        return SPOT
    return WALLET if path.startswith("/wallet/") else OTHER


def bucket_of(endpoint: str, market: str) -> str:
    """Return the name of what is counted together."""
    if endpoint in CANCEL_ENDPOINTS:
        return "cancel"
    if endpoint in PLACE_ENDPOINTS:
        return f"place {market}"
    return endpoint


class _Window:
    """The moments at which requests left or are to leave, in order."""

    __slots__ = ("limit", "moments", "ordinary", "rule", "until", "until_urgent")

    def __init__(self, rule: Rule) -> None:
        self.rule, self.limit = rule, rule.limit
        self.moments: list[int] = []
        self.ordinary: list[int] = []  # those that may use only what is not kept
        self.until = self.until_urgent = 0

    def book(self, now: int, is_urgent: bool, wait_max: float) -> int:
        window = self.rule.window
        for moments in (self.moments, self.ordinary):
            # One window longer than needed: an answer that comes late speaks of the time when its request left.
            del moments[: bisect_right(moments, now - 2 * window)]
        moment = _free(self.moments, self.limit, window, max(now, self.until_urgent if is_urgent else self.until))
        if not is_urgent:
            ordinary_limit = max(1, self.limit - self.rule.kept)
            while True:
                later = _free(self.ordinary, ordinary_limit, window, moment)
                moment = _free(self.moments, self.limit, window, later)
                if moment == later:
                    break
        if moment - now <= wait_max * SECOND:
            insort(self.moments, moment)
            if not is_urgent:
                insort(self.ordinary, moment)
        return moment

    def used(self, now: int) -> int:
        return bisect_right(self.moments, now) - bisect_right(self.moments, now - self.rule.window)


def _free(moments: list[int], limit: int, window: int, earliest: int) -> int:
    """Return the first moment from `earliest` on with which no window holds more than `limit`."""
    moment = earliest
    while True:
        at = bisect_right(moments, moment)
        if at == len(moments):  # nothing is booked later: only the window that ends here can be too full
            return moment if at < limit else max(moment, moments[at - limit] + window)
        if _fits(moments, at, moment, limit, window):
            return moment
        # Something changes only where a booking leaves the window, or where one stands.
        leaving = (booked + window for booked in moments[:at] if booked + window > moment)
        moment = min((*leaving, moments[at]))


def _fits(moments: list[int], at: int, moment: int, limit: int, window: int) -> bool:
    booked = [*moments[max(0, at - limit) : at], moment, *moments[at : at + limit]]
    return all(last - first >= window for first, last in zip(booked, booked[limit:], strict=False))


class RateLimiter:
    """Gives each request its moment. Cancels count apart from entries, and some of each second is kept for exits."""

    __slots__ = ("_windows",)

    def __init__(self) -> None:
        self._windows: dict[str, _Window] = {}

    def reserve(
        self, endpoint: str, market: str, now: int, is_urgent: bool = False, wait_max: float = math.inf
    ) -> float:
        """Book the next free place and return the seconds until it; `is_urgent` for what reduces or protects.

        Nothing is booked where that is longer than `wait_max` (s): what is not sent must hold nobody else up.
        """
        return max(0, self._window(endpoint, market).book(now, is_urgent, wait_max) - now) / SECOND

    def wait(self, endpoint: str, market: str, now: int) -> float:
        """Return the seconds until an urgent request could leave, and book nothing."""
        return self.reserve(endpoint, market, now, is_urgent=True, wait_max=-1.0)

    def punish(self, endpoint: str, until: int, market: str = "", until_urgent: int = 0) -> None:
        """Let nothing of this kind leave before `until` (same clock as `now`): the venue has answered 429.

        What is urgent need only wait until `until_urgent`, where that is given.
        """
        window = self._window(endpoint, market)
        window.until = max(window.until, until)
        window.until_urgent = max(window.until_urgent, until_urgent or until)

    def observe(self, headers: Mapping[str, str], endpoint: str, market: str, sent: int) -> None:
        """Learn what the venue had counted when the request left at `sent`; garbled headers change nothing."""
        limit, remain = _count(headers, "X-Gate-RateLimit-Limit"), _count(headers, "X-Gate-RateLimit-Requests-Remain")
        if limit is None or remain is None or not 0 < limit <= _LIMIT_MAX or not 0 <= remain <= limit:
            return
        window = self._window(endpoint, market)
        # A higher limit than the published one is not taken: what it is per is not told.
        window.limit = min(limit, window.rule.limit)
        missing = min(limit - remain, window.limit) - window.used(sent)
        # Somebody else uses this key, or we have been started anew: their requests count as ours.
        for _ in range(missing):
            insort(window.moments, sent)

    def _window(self, endpoint: str, market: str) -> _Window:
        name = bucket_of(endpoint, market)
        window = self._windows.get(name)
        if window is None:
            if len(self._windows) >= _WINDOWS_MAX:
                self._windows.clear()  # markets are thousands; who asks for all of them pays with a late 429
            window = self._windows[name] = _Window(rule_of(endpoint))
        return window


_LIMIT_MAX: Final = 1_000_000
_WINDOWS_MAX: Final = 10_000


def _count(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None

"""How often who may ask: Gate.io's published limits, counted in sliding windows.

Written from the published rules and sharing nothing with the client's own limiter.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from holdfast.core.record import Record

_PLACE: Final = frozenset(
    {
        *("POST /spot/orders", "POST /spot/batch_orders", "PATCH /spot/orders/{order_id}"),
        *("POST /spot/amend_batch_orders", "WS spot.order_place", "WS spot.order_amend"),
    }
)
_CANCEL: Final = frozenset(
    {
        *("DELETE /spot/orders", "DELETE /spot/orders/{order_id}", "POST /spot/cancel_batch_orders"),
        *("WS spot.order_cancel", "WS spot.order_cancel_ids", "WS spot.order_cancel_cp"),
    }
)
_WINDOWS_MAX: Final = 10_000


class Counted(Record, frozen=True):
    """Where a request stands; `reset_ms` is when the next may come, now where the limit is not used up."""

    is_refused: bool
    limit: int
    remain: int
    reset_ms: int


class RateLimits:
    """Counts requests; a refused one does not count."""

    __slots__ = ("_factor", "_windows")

    def __init__(self, factor: int = 1) -> None:
        self._factor = factor  # 0 switches the limits off
        self._windows: dict[tuple[str, str], deque[int]] = {}

    def count(self, endpoint: str, who: str, market: str, now_ms: int) -> Counted:
        """Count one request of `METHOD /path` by an account, or by an address where the endpoint is public."""
        limit, window_ms, name = _rule(endpoint, market)
        limit *= self._factor
        if not limit:
            return Counted(False, 0, 0, now_ms)
        moments = self._window(name, who)
        while moments and moments[0] <= now_ms - window_ms:
            moments.popleft()
        if len(moments) >= limit:
            return Counted(True, limit, 0, moments[0] + window_ms)
        moments.append(now_ms)
        return Counted(False, limit, limit - len(moments), now_ms)

    def _window(self, name: str, who: str) -> deque[int]:
        found = self._windows.get((name, who))
        if found is None:
            if len(self._windows) >= _WINDOWS_MAX:
                self._windows.clear()  # names of markets come from outside: they must not fill the memory
            found = self._windows[(name, who)] = deque()
        return found


def _rule(endpoint: str, market: str) -> tuple[int, int, str]:
    """Return limit, window (ms) and what is counted together."""
    if endpoint in _PLACE:
        return 10, 1_000, f"place {market}"
    if endpoint in _CANCEL:
        return 200, 1_000, "cancel"
    path = endpoint.partition(" ")[2]
    limit = 200 if path.startswith(("/spot/", "/wallet/", "spot.")) else 150
    return limit, 10_000, endpoint

"""Turns of stops at venues that want two of them on one market to be apart, and of the entries that they guard."""

from __future__ import annotations

import asyncio
from typing import Final, NamedTuple

from holdfast.adapters.exchanges.ccxt.tracker import Tracked
from holdfast.domain.values import OrderId


class _Turn(NamedTuple):
    """When the next stop may be sent to a market (s of the loop), and whose it was that was sent last."""

    due: float
    owner: OrderId


_NOBODY: Final = _Turn(0.0, OrderId(""))


class Turns:
    """Who may send a stop next; stops and targets wait in queues of their own. Without a spacing nobody waits."""

    def __init__(self, spacing_s: float) -> None:
        self._spacing_s = spacing_s
        self._turns: dict[str, _Turn] = {}
        self._inherited = _NOBODY  # what an earlier process may have sent last, to whatever market
        self._locks: dict[str, asyncio.Lock] = {}

    def begin(self) -> None:
        """Count what an earlier process may have sent just before as sent now."""
        self._inherited = _Turn(asyncio.get_running_loop().time() + self._spacing_s, OrderId(""))

    async def take(self, found: Tracked) -> bool:
        """Wait until a stop may be sent for an order; False where the order is taken back meanwhile."""
        if not self._spacing_s:
            return not _is_leaving(found)
        key = _key(found.limits.symbol, is_stop=found.is_stop)
        async with self._locks.setdefault(key, asyncio.Lock()):
            if _is_leaving(found):
                return False  # at once: it must not hold up those behind it
            await self._wait(key)
            if _is_leaving(found):
                return False
            self._turns[key] = _Turn(asyncio.get_running_loop().time() + self._spacing_s, found.order_id)
            return True

    async def wait_for_stop(self, entry: Tracked) -> bool:
        """Wait until the stop behind an entry could be sent at once; False where the entry is taken back meanwhile.

        What cannot be guarded is not entered.
        """
        key = _key(entry.limits.symbol, is_stop=True)
        if self._spacing_s:
            async with self._locks.setdefault(key, asyncio.Lock()):
                if not _is_leaving(entry):
                    await self._wait(key)
        return not _is_leaving(entry)

    async def _wait(self, key: str) -> None:
        due = max(self._turns.get(key, _NOBODY).due, self._inherited.due)
        await asyncio.sleep(max(due - asyncio.get_running_loop().time(), 0.0))

    def free(self, found: Tracked) -> None:
        """Let nobody wait for a stop that the venue has certainly never seen, or did not take."""
        for key, turn in list(self._turns.items()):
            if turn.owner == found.order_id:
                del self._turns[key]


def _key(symbol: str, *, is_stop: bool) -> str:
    return symbol + ("s" if is_stop else "t")


def _is_leaving(found: Tracked) -> bool:
    return bool(found.cancel_reason)

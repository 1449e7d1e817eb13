"""The books of several markets, each brought back in step by itself: whatever is missed, a snapshot is fetched."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from holdfast.adapters.exchanges.gateio import wire
from holdfast.adapters.exchanges.gateio.depth import Depth
from holdfast.adapters.exchanges.gateio.messages import BookUpdate
from holdfast.core.errors import VenueError

_PAUSE_S: Final = 0.25  # updates come each 0.1 s: a snapshot asked for earlier would mostly be too old
_PAUSE_MAX_S: Final = 10.0


class Books:
    """Books that mend themselves. `fetch` gives a snapshot with its id; at most one is asked for per market at a time.

    All methods belong to one event loop. Give `apply` every book update, and tell `lose` when the link goes down.
    """

    def __init__(
        self, fetch: Callable[[str], Awaitable[wire.Book]], pairs: Iterable[str], limit: int, pause_s: float = _PAUSE_S
    ) -> None:
        self.resyncs = 0  # snapshots that were taken
        self.last_error = ""
        self._fetch, self._limit, self._pause_s = fetch, limit, pause_s
        self._depths = {pair: Depth(pair) for pair in pairs}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def __getitem__(self, pair: str) -> Depth:
        return self._depths[pair]

    def apply(self, update: BookUpdate) -> bool:
        """Take what changed in one market, and return whether its book is in step; other markets' are ignored."""
        depth = self._depths.get(update.currency_pair)
        if depth is None:
            return False
        if depth.apply(update):
            return True
        if depth.currency_pair not in self._tasks:
            self._tasks[depth.currency_pair] = asyncio.create_task(self._resync(depth))
        return False

    def lose(self, why: str) -> None:
        """Give every book up; the first update of each asks for its snapshot."""
        # A snapshot that is on its way belongs to the time before.
        tasks, self._tasks = self._tasks, {}
        for task in tasks.values():
            task.cancel()
        for depth in self._depths.values():
            depth.lose(why)

    async def close(self) -> None:
        """Ask for nothing more."""
        tasks = tuple(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _resync(self, depth: Depth) -> None:
        pause = self._pause_s
        try:
            while not depth.is_in_step:
                await asyncio.sleep(pause)
                try:
                    if depth.load(await self._fetch(depth.currency_pair), self._limit):
                        self.resyncs += 1
                        return
                    self.last_error = depth.why
                except VenueError as error:
                    self.last_error = str(error)
                pause = min(pause * 2, _PAUSE_MAX_S)
        finally:
            if self._tasks.get(depth.currency_pair) is asyncio.current_task():
                del self._tasks[depth.currency_pair]

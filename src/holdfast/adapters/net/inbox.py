"""What has come in and was not taken yet, across threads: news in order, of quotes only the latest."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from holdfast.domain.values import InstrumentId
from holdfast.ports.live import Incoming, Quote


class Inbox:
    """Thread-safe. Order news are never dropped; a quote replaces the one before that nobody has taken."""

    def __init__(self, ring: Callable[[], None] | None = None) -> None:
        self._ring = ring  # called with each piece of news: for whoever waits for several inboxes at once
        self._ready = threading.Condition()
        self._news: deque[Incoming] = deque()
        self._quotes: dict[InstrumentId, Quote] = {}

    def put(self, items: Iterable[Incoming]) -> None:
        """Add what has come in."""
        with self._ready:
            for item in items:
                if isinstance(item, Quote):
                    self._quotes[item.instrument_id] = item
                else:
                    self._news.append(item)
            self._ready.notify()
        if self._ring is not None:
            self._ring()

    def take(self, timeout_s: float) -> Sequence[Incoming]:
        """Return all of it, quotes first, after waiting up to `timeout_s` for the first."""
        with self._ready:
            if not self._news and not self._quotes and timeout_s > 0:
                self._ready.wait(timeout_s)
            taken: list[Incoming] = [*self._quotes.values(), *self._news]
            self._quotes.clear()
            self._news.clear()
            return taken

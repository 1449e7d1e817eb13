"""Messages on their way to a slower reader: of market data the latest stays, and nothing of our own is ever dropped."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable
from threading import Condition
from typing import Final

from holdfast.adapters.exchanges.gateio.messages import BookTicker, BookUpdate, Candle, Message, Ticker, Trade

_LATEST_MAX: Final = 100_000  # instruments times bars that nobody fetched


class Outbox:
    """Filled by the loop that receives, emptied by one thread that works.

    A ticker replaces the ticker of its market that still waits, and a candle the same candle. Trades and book updates
    keep their order; of too many the oldest are dropped and counted, which a book notices as a gap. Where
    `is_full` says that too many messages of our own wait, the socket must stop reading, and loses none.
    """

    def __init__(self, *, stream_max: int = 10_000, private_max: int = 10_000) -> None:
        self.dropped = 0
        self.replaced = 0
        self._private_max = private_max
        self._changed = Condition()
        self._private: deque[Message] = deque()
        self._latest: OrderedDict[Hashable, Message] = OrderedDict()
        self._stream: deque[Message] = deque(maxlen=stream_max)

    @property
    def is_full(self) -> bool:
        return len(self._private) >= self._private_max

    def __len__(self) -> int:
        return len(self._private) + len(self._latest) + len(self._stream)

    def put(self, message: Message) -> None:
        """Leave a message; never blocks."""
        kind = type(message)
        with self._changed:
            if isinstance(message, Ticker | BookTicker):
                self._put_latest((kind, message.currency_pair), message)
            elif isinstance(message, Candle):
                self._put_latest((kind, message.name, message.time), message)
            elif isinstance(message, Trade | BookUpdate):
                self.dropped += len(self._stream) == self._stream.maxlen
                self._stream.append(message)
            else:
                self._private.append(message)
            self._changed.notify()

    def take(self, timeout_s: float = 0.0) -> list[Message]:
        """Return all that waits, our own first; wait up to `timeout_s` for the first."""
        with self._changed:
            if not len(self) and timeout_s > 0:
                self._changed.wait_for(lambda: len(self) > 0, timeout_s)
            taken = [*self._private, *self._latest.values(), *self._stream]
            for waiting in (self._private, self._latest, self._stream):
                waiting.clear()
            return taken

    def _put_latest(self, key: Hashable, message: Message) -> None:
        self.replaced += key in self._latest
        self._latest[key] = message
        if len(self._latest) > _LATEST_MAX:
            self._latest.popitem(last=False)
            self.dropped += 1

"""The way from the socket's threads to the one thread that owns the engine: wishes in, replies back."""

from __future__ import annotations

import queue
from concurrent.futures import Future
from dataclasses import dataclass, field

from holdfast.interfaces.control.messages import Reply, Request


@dataclass(frozen=True)
class Letter:
    """A request that waits for its answer."""

    request: Request
    answer: Future[Reply] = field(default_factory=Future)


class Mailbox:
    """Any thread posts; the agent's loop alone takes, between two groups of bars."""

    def __init__(self) -> None:
        self._letters: queue.SimpleQueue[Letter] = queue.SimpleQueue()

    def post(self, request: Request) -> Future[Reply]:
        """Hand over a request and return where its answer will be."""
        letter = Letter(request)
        self._letters.put(letter)
        return letter.answer

    def take(self, timeout_s: float = 0.0) -> Letter | None:
        """Return the next letter, waiting at most `timeout_s`; None when there is none."""
        try:
            return self._letters.get(timeout=timeout_s) if timeout_s > 0 else self._letters.get_nowait()
        except queue.Empty:
            return None

    def refuse_all(self, reply: Reply) -> None:
        """Answer everything that still waits with `reply`: the agent is leaving."""
        while (letter := self.take()) is not None:
            letter.answer.set_result(reply)

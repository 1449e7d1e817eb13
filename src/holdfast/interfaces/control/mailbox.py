"""The way from the socket's threads to the one thread that owns the engine: wishes in, replies back."""

from __future__ import annotations

import queue
from concurrent.futures import Future
from dataclasses import dataclass, field

from holdfast.interfaces.control.left import LeftStop
from holdfast.interfaces.control.messages import Reply, Request


@dataclass(frozen=True)
class Letter:
    """A request that waits for its answer."""

    request: Request
    answer: Future[Reply] = field(default_factory=Future)


class Mailbox:
    """Any thread posts; the agent's loop alone takes, between two groups of bars.

    `left` is where a stop lies that was typed while the agent did not answer.
    """

    def __init__(self, left: LeftStop | None = None) -> None:
        self._left = left
        self._letters: queue.SimpleQueue[Letter] = queue.SimpleQueue()

    def post(self, request: Request) -> Future[Reply]:
        """Hand over a request and return where its answer will be."""
        letter = Letter(request)
        self._letters.put(letter)
        return letter.answer

    def take(self, timeout_s: float = 0.0) -> Letter | None:
        """Return the next letter, waiting at most `timeout_s`; None when there is none."""
        while True:
            try:
                letter = self._letters.get(timeout=timeout_s) if timeout_s > 0 else self._letters.get_nowait()
            except queue.Empty:
                return None
            if letter.answer.set_running_or_notify_cancel():  # from here on nobody withdraws it
                return letter

    def left(self) -> Request | None:
        """Return the stop that was left in the home."""
        return None if self._left is None else self._left.find()

    def forget(self, obeyed: Request) -> None:
        """Remove the left stop, which is recorded by now."""
        if self._left is not None:
            self._left.forget(obeyed)

    def refuse_all(self, reply: Reply) -> None:
        """Answer everything that still waits with `reply`: the agent is leaving."""
        while (letter := self.take()) is not None:
            letter.answer.set_result(reply)

"""Calls over the websocket that wait for their answer; a lost one to what may change an order is an unknown outcome."""

from __future__ import annotations

import asyncio
from typing import Final

from holdfast.adapters.exchanges.gateio.errors import GateioUnknownError, error_of
from holdfast.adapters.exchanges.gateio.messages import Answer
from holdfast.adapters.exchanges.gateio.shape import VENUE
from holdfast.core.errors import DomainError, VenueError

READS: Final = frozenset({"spot.login", "spot.order_status", "spot.order_list"})
"""Calls that change nothing; every other one may change an order."""


class NotSentError(VenueError):
    """A call of which not one byte was written: it is raised before the first one, and nowhere else."""

    def __init__(self, channel: str) -> None:
        super().__init__(f"{channel}: not logged in, nothing was sent", venue=VENUE, is_retryable=True)


def checked(channel: str, answer: Answer) -> Answer:
    """Return an answer of success.

    Raises
    ------
    OutcomeUnknownError
        It says nothing certain about a call that may change an order.
    VenueError
        It is a refusal.
    ConfigurationError
        The key may not do this.
    """
    if answer.is_success:
        return answer
    raise error_of(answer.label, answer.message, answer.status, channel not in READS)


def lost(channel: str, why: str) -> VenueError:
    """Return the error for a call whose answer will not be known."""
    if channel in READS:
        return VenueError(f"{channel}: {why}", venue=VENUE, is_retryable=True)
    return GateioUnknownError(f"{channel}: {why}")


class Calls:
    """Which answers are awaited."""

    def __init__(self) -> None:
        self._pending: dict[str, tuple[str, asyncio.Future[Answer]]] = {}

    def __len__(self) -> int:
        return len(self._pending)

    def open(self, channel: str, request_id: str) -> asyncio.Future[Answer]:
        """Return what the answer will come in.

        Raises
        ------
        DomainError
            The id is that of a call in flight: the answers could not be told apart.
        """
        if request_id in self._pending:
            raise DomainError(f"call {request_id} is in flight already")
        future = asyncio.get_running_loop().create_future()
        self._pending[request_id] = (channel, future)
        return future

    def close(self, request_id: str) -> None:
        """Await it no longer."""
        self._pending.pop(request_id, None)

    def resolve(self, answer: Answer) -> bool:
        """Hand an answer to whoever waits for it; False where nobody does."""
        # That a call came in is no answer, but that it did not is one.
        if answer.is_ack and answer.is_success:
            return True
        _, future = self._pending.get(answer.request_id, ("", None))
        if future is None or future.done():
            return False
        future.set_result(answer)
        return True

    def fail_all(self, why: str) -> None:
        """Tell everyone who waits that no answer will come."""
        for channel, future in self._pending.values():
            if not future.done():
                future.set_exception(lost(channel, why))
                future.exception()  # whoever waited may be gone, and that is no accident
        self._pending.clear()

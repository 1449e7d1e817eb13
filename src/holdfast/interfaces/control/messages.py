"""What passes through the socket: one request, one reply, each a line of JSON."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from holdfast.core.record import Record
from holdfast.domain.decision import StopLevel
from holdfast.portfolio.status import Status
from holdfast.services.emergency import StopProof
from holdfast.services.standing import LimitLine

LINE_BYTES_MAX: Final = 4 * 1024 * 1024
WAIT_MAX_S: Final = 600.0


class Wish(StrEnum):
    """What can be asked of a running agent."""

    STATUS = "status"
    STOP = "stop"
    RESUME = "resume"
    PAUSE = "pause"  # a stop at no_entries
    LIMITS = "limits"
    SITUATION = "situation"  # what each strategy waits for, in sentences


class Request(Record, frozen=True):
    """One wish. `wait_s` is how long the answer to a stop may wait for its proof."""

    wish: Wish
    level: StopLevel = StopLevel.NO_ENTRIES
    actor: str = ""
    reason: str = ""
    wait_s: float = 0.0
    symbol: str = ""


class Reply(Record, frozen=True):
    """The answer; `error` is empty when the wish was granted."""

    error: str = ""
    hint: str = ""
    exit_code: int = 0
    status: Status | None = None
    proof: StopProof | None = None
    lines: tuple[str, ...] = ()
    limits: tuple[LimitLine, ...] = ()
    is_unheard: bool = False  # the agent's own loop has not answered in time

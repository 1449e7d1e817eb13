"""Writes what the engine did into the journal, or, after a restart, proves that it does the same again."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Sequence
from itertools import zip_longest
from typing import Final

from holdfast.core.errors import NotRepeatedError
from holdfast.core.record import encode
from holdfast.domain.market import BarClosed
from holdfast.domain.tick import Tick
from holdfast.ports.journal import Entry, Journal, Receipt

TICK, BARS, OPERATOR, CHECKPOINT, RUN = "tick", "bars", "operator", "checkpoint", "run"
"""The kinds of records that an account writes: decisions, arrived bars, orders of a person, states, and a beginning."""
HISTORY = "history"
"""The kind of the record that holds the bars which a live run's strategies saw before anything was traded."""


NOT_REPEATED: Final = (
    "program, strategy or data are not those that wrote it: put back what was changed, such as the file of a strategy"
    " of your own; or begin a new run with `holdfast run --fresh`, which keeps the old one in the journal"
)
"""The next step where what is recorded did not happen again."""
_SHOWN_BEFORE: Final = 60
_SHOWN_AFTER: Final = 100


class Recorder:
    """One run's hand on the journal. Its digest is SHA-256 over the bodies of all ticks: equal runs, equal digest.

    `is_durable_first`: block until a tick is durable before its commands are carried out (paper and live). A backtest
    has no effects outside the process and lets the journal write behind it.
    """

    __slots__ = (
        "_entries",
        "_hash",
        "_journal",
        "_receipt",
        "_ticks",
        "batch",
        "expected",
        "is_durable_first",
        "is_input_kept",
        "ticks",
    )

    def __init__(self, journal: Journal, *, is_durable_first: bool, is_input_kept: bool, batch: int = 1) -> None:
        self._journal, self._hash = journal, hashlib.sha256()
        self._entries: list[Entry] = []
        self._receipt: Receipt | None = None  # of what was handed over last, while nobody has waited for it
        self._ticks: list[Tick] = []  # not yet encoded: all at once is quicker than one by one
        self.is_durable_first, self.is_input_kept, self.batch = is_durable_first, is_input_kept, batch
        self.expected: deque[bytes] = deque()
        """Bodies of ticks that the journal already holds: the next ticks must equal them and are not written again."""
        self.ticks = 0

    def tick(self, tick: Tick) -> None:
        """Record a tick; with commands in it, return only when that is safe to act on."""
        self.ticks += 1
        if self.expected:
            self._repeat(tick, encode(tick))
            return
        ticks = self._ticks
        ticks.append(tick)
        if self.is_durable_first and tick.commands:
            self.sync()
        elif len(ticks) >= self.batch:
            self.flush()

    def _repeat(self, tick: Tick, body: bytes) -> None:
        recorded = self.expected.popleft()
        self._hash.update(body)
        if recorded != body:
            raise NotRepeatedError(
                f"the journal does not repeat: tick {tick.sequence} {_difference(recorded, body)}", hint=NOT_REPEATED
            )

    def bars(self, bars: Sequence[BarClosed]) -> None:
        """Record market data as it arrives, where a restart must have it again."""
        if self.is_input_kept:
            self._collect()
            self._entries.append(Entry(BARS, encode(list(bars))))

    def write(self, kind: str, body: bytes) -> None:
        """Record something else (run, operator, checkpoint) and return when it is durable."""
        self.write_together([Entry(kind, body)])

    def write_together(self, entries: Sequence[Entry]) -> None:
        """Record several things of which none may be there without the others, and return when they are durable."""
        self._collect()
        self._entries += entries
        self.sync()

    def repeat(self, body: bytes) -> None:
        """Count a tick of an earlier session of this run into the digest."""
        self._hash.update(body)
        self.ticks += 1

    def flush(self) -> None:
        """Hand what is collected to the journal, without waiting."""
        self._collect()
        if self._entries:
            entries, self._entries = self._entries, []
            self._receipt = self._journal.append(entries)

    def sync(self) -> None:
        """Hand over and wait until it is durable, and all that was handed over before."""
        self.flush()
        if self._receipt is not None:
            receipt, self._receipt = self._receipt, None
            receipt.wait()

    def _collect(self) -> None:
        # One update for many ticks: a hash of more than 2 KiB lets other threads run, and waiting for them costs more.
        if self._ticks:
            bodies = [encode(tick) for tick in self._ticks]
            self._hash.update(b"".join(bodies))
            self._entries += [Entry(TICK, body) for body in bodies]
            self._ticks = []

    @property
    def digest(self) -> str:
        """Return the digest of the run so far, in hexadecimal."""
        self._collect()
        return self._hash.hexdigest()


def _difference(recorded: bytes, now: bytes) -> str:
    """Return where two bodies part, and what stands there in each: from their beginning they are the same for long."""
    at = next(place for place, (one, other) in enumerate(zip_longest(recorded, now)) if one != other)
    return f"differs from its byte {at} on: recorded {_window(recorded, at)}, now {_window(now, at)}"


def _window(body: bytes, at: int) -> str:
    first, last = max(at - _SHOWN_BEFORE, 0), at + _SHOWN_AFTER
    text = body[first:last].decode(errors="replace")
    return ("..." if first else "") + text + ("..." if last < len(body) else "")

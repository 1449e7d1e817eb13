"""The one thread that writes a journal: it takes whatever is queued and makes it durable in one commit.

While one commit is written, the producers of the one before it work: their answers are given when the next commit is
encoded and the disk has it, because only then does the writer let go of the GIL. A crowd of producers that all wait is
therefore cut in two, or both sides would stand still in turn.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from holdfast.adapters.storage.sqlite.chain import kind_frame
from holdfast.adapters.storage.sqlite.config import JournalConfig
from holdfast.adapters.storage.sqlite.encoding import INSERT, KINDS_MAX, Encoder, Kinds
from holdfast.adapters.storage.sqlite.folder import HeadNote, Ownership, sync_folder, write_head_note
from holdfast.adapters.storage.sqlite.segments import Tail, create_next, open_tail
from holdfast.core.errors import JournalError
from holdfast.core.time import Clock
from holdfast.ports.journal import Entry

_PENDING = -1
_CROWD = 64
"""So many groups that are waited for are worth two commits."""
_WORK_SECONDS = 8e-6
"""About what a producer does between two records. A disk that is slower than its producers gets whole batches."""
_AWAKE, _IDLE, _LINGERING = range(3)


class Ticket:
    """One atomic group on its way to the disk; the Receipt of the port."""

    __slots__ = ("entries", "future", "last", "ts", "writer")

    def __init__(self, writer: Writer, entries: Sequence[Entry], ts: int, future: asyncio.Future[int] | None) -> None:
        self.writer = writer
        self.entries = entries
        self.ts = ts
        self.future = future
        self.last = _PENDING

    def wait(self) -> int:
        """Block until durable and return the sequence of the last entry; raise JournalError if it never will be."""
        if self.last == _PENDING:
            self.writer.wait_for(self)
        return self.last


class Writer:
    """Owns the last segment. `submit` comes from any thread; everything else happens in the writer's own."""

    def __init__(self, folder: Path, number: int, clock: Clock, config: JournalConfig, ownership: Ownership) -> None:
        self._folder = folder
        self._clock = clock
        self._config = config
        self._ownership = ownership
        self._frames: dict[str, bytes] = {}
        # The gate guards the queue and everything that says whether the writer sleeps; it is held for moments only.
        self._gate = threading.Lock()
        self._queue: list[Ticket] = []
        self._queued_records = 0
        self._queued_bytes = 0
        self._is_urgent = False
        self._is_closing = False
        self._sleep = _AWAKE
        self._alarm = threading.Lock()
        self._alarm.acquire()
        self._failure: JournalError | None = None
        self._settled = threading.Condition()
        self._durable: list[Ticket] = []  # durable, but not answered yet
        self._write_seconds = 0.0  # of the last commit
        self._connection, self._tail = open_tail(folder, number, config)
        self._kinds = Kinds(self._connection)
        self._encoder = Encoder(self._tail.sequence, self._tail.hash, self._frames)
        self._segment_bytes = 0
        self._noted = _PENDING
        self._note_due = time.monotonic()
        self.head = (self._tail.sequence, self._tail.hash)
        self.journal_id = self._tail.meta.journal_id
        self._thread = threading.Thread(target=self._run, name="journal-writer", daemon=True)
        self._thread.start()

    # From any thread.

    def submit(self, entries: Sequence[Entry], future: asyncio.Future[int] | None = None) -> Ticket:
        """Queue one atomic group; blocks only while the queue is over its bounds.

        Raises
        ------
        JournalError
            The journal is closed or has failed, or an entry cannot be recorded; then none of the group is.
        """
        size = 0
        for entry in entries:
            body = entry.body
            if entry.kind not in self._frames or type(body) is not bytes or not body:
                self._examine(entry)
            size += len(body)
            if len(body) > self._config.body_bytes_max:
                raise JournalError(
                    f"a record of {len(body)} bytes is larger than {self._config.body_bytes_max}",
                    hint="record a digest of it, or raise journal.body_bytes_max",
                )
        with self._gate:
            if self._failure is not None:
                raise _again(self._failure)
            ticket = Ticket(self, entries, self._clock.now(), future)
            self._queue.append(ticket)
            self._queued_records += len(entries)
            self._queued_bytes += size
            if future is not None:
                self._is_urgent = True
            if self._sleep and (self._sleep == _IDLE or self._is_urgent or self._is_large()):
                self._rouse()
            is_full = (
                self._queued_records > self._config.queue_records_max
                or self._queued_bytes > self._config.queue_bytes_max
            )
        if is_full and future is None:
            ticket.wait()
        return ticket

    def wait_for(self, ticket: Ticket) -> None:
        """Block until the ticket is durable; JournalError if it never will be."""
        with self._gate:
            self._is_urgent = True
            if self._sleep == _LINGERING:
                self._rouse()
        with self._settled:
            while ticket.last == _PENDING:
                if self._failure is not None:
                    raise _again(self._failure)
                self._settled.wait()

    def close(self) -> None:
        """Make everything durable, note the head and let go of the files. A second call does nothing."""
        with self._gate:
            self._is_closing = True
            if self._sleep:
                self._rouse()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    @property
    def failure(self) -> JournalError | None:
        """Return why nothing can be written any more, None while all is well."""
        return self._failure

    def _examine(self, entry: Entry) -> None:
        if type(entry.body) is not bytes or not entry.body:
            raise JournalError("a record's body must be bytes, and not empty", hint="encode it as JSON")
        if len(self._frames) >= KINDS_MAX:
            raise JournalError(
                f"more than {KINDS_MAX} kinds of records", hint="a kind is a category; put identifiers into the body"
            )
        try:
            self._frames[entry.kind] = kind_frame(entry.kind)
        except (ValueError, TypeError) as error:
            raise JournalError(
                str(error), hint="a kind is a lower-case letter, then up to 63 of a-z, 0-9, _ . -"
            ) from error

    def _is_large(self) -> bool:
        return self._queued_records >= self._config.linger_records

    def _rouse(self) -> None:
        """Wake the writer; the gate is held, so each sleep is ended once."""
        self._sleep = _AWAKE
        self._alarm.release()

    # In the writer's own thread.

    def _run(self) -> None:
        tickets: list[Ticket] = []
        try:
            while not (self._is_closing and not self._queue):
                tickets = self._take()
                for batch in self._batches(tickets):
                    self._commit(batch)
                self._keep_note()
            self._settle()
            self._keep_note(is_last=True)
            self._fail(JournalError("the journal is closed", hint="open it again"), [])
        except Exception as error:  # top of task: the writer ends; every waiter and every later append learns why
            self._fail(self._explain(error), tickets)
        finally:
            self._release()

    def _take(self) -> list[Ticket]:
        """Sleep until there is something to do, then take all of it."""
        with self._gate:
            is_idle = not self._queue and not self._is_closing
            if is_idle:
                self._sleep = _IDLE
        if is_idle:
            self._rest(max(0.0, self._note_due - time.monotonic()) if self._noted != self.head[0] else -1)
        if self._config.linger_ms:
            with self._gate:
                is_lingering = bool(self._queue) and not (self._is_urgent or self._is_closing or self._is_large())
                if is_lingering:
                    self._sleep = _LINGERING
            if is_lingering:
                self._rest(self._config.linger_ms / 1_000)
        with self._gate:
            tickets, self._queue = self._queue, []
            self._queued_records = self._queued_bytes = 0
            self._is_urgent = False
        return tickets

    def _rest(self, seconds: float) -> None:
        self._settle()  # nobody waits for a writer that sleeps
        if self._alarm.acquire(timeout=seconds):
            return
        with self._gate:
            was_roused, self._sleep = self._sleep == _AWAKE, _AWAKE
        if was_roused:
            self._alarm.acquire()

    def _batches(self, tickets: list[Ticket]) -> Iterator[list[Ticket]]:
        """Cut what was taken into commits; a group is never divided."""
        batch: list[Ticket] = []
        count, most = 0, self._config.batch_records_max
        waiting = len(tickets) + len(self._durable)
        # Nothing at all is taken when somebody closes the journal while answers are due.
        is_crowd = waiting >= _CROWD and bool(tickets) and tickets[0].future is not None
        if is_crowd and self._write_seconds < waiting * _WORK_SECONDS:
            # Half of all that wait, those included whose answer is due: so that the halves stay equal.
            records = sum(len(ticket.entries) for group in (tickets, self._durable) for ticket in group)
            most = min(most, (records + 1) // 2)
        for ticket in tickets:
            if batch and count + len(ticket.entries) > most:
                yield batch
                batch, count = [], 0
            batch.append(ticket)
            count += len(ticket.entries)
        if batch:
            yield batch

    def _commit(self, batch: list[Ticket]) -> None:
        chunks = self._encoder.encode(batch, self._kinds)
        self._settle()
        begun = time.monotonic()
        if len(chunks) == 1:
            # Outside of a transaction a statement is one, so the GIL is given up once, the fsync included.
            self._connection.execute(INSERT, chunks[0])
        elif chunks:
            self._connection.execute("BEGIN IMMEDIATE")
            for chunk in chunks:
                self._connection.execute(INSERT, chunk)
            self._connection.execute("COMMIT")
        self.head = (self._encoder.sequence, self._encoder.head)
        self._write_seconds = time.monotonic() - begun
        self._durable = batch
        self._segment_bytes += sum(len(chunk[2]) + len(chunk[3]) for chunk in chunks)
        first = self._tail.meta.sequence_first
        if (
            self.head[0] - first + 1 >= self._config.segment_records_max
            or self._segment_bytes >= self._config.segment_bytes_max
        ):
            self._roll()

    def _settle(self) -> None:
        """Answer whoever waits for what the last commit has made durable."""
        if not self._durable:
            return
        batch, self._durable = self._durable, []
        sequence = self.head[0] - sum(len(ticket.entries) for ticket in batch)
        by_loop: dict[asyncio.AbstractEventLoop, list[Ticket]] = {}
        with self._settled:
            for ticket in batch:
                sequence += len(ticket.entries)
                ticket.last = sequence
                ticket.entries = ()  # whoever keeps the receipt need not keep the record
                if ticket.future is not None:
                    by_loop.setdefault(ticket.future.get_loop(), []).append(ticket)
            self._settled.notify_all()
        for loop, tickets in by_loop.items():
            _call(loop, tickets, None)

    def _roll(self) -> None:
        """Seal this segment and go on in a new one."""
        self._settle()
        tail = Tail(self._tail.meta, *self.head)
        meta = create_next(self._folder, tail)
        self._connection.close()
        self._connection, self._tail = open_tail(self._folder, meta.number, self._config)
        self._kinds = Kinds(self._connection)
        self._segment_bytes = 0

    def _keep_note(self, *, is_last: bool = False) -> None:
        """Note the head on the disk, at most once per interval; it is durable already."""
        now = time.monotonic()
        if self._noted == self.head[0] or (now < self._note_due and not is_last):
            return
        self._settle()
        write_head_note(self._folder, HeadNote(self._tail.meta.journal_id, self.head[0], self.head[1].hex()))
        self._noted = self.head[0]
        self._note_due = now + self._config.head_interval_ms / 1_000
        if is_last:
            sync_folder(self._folder)

    def _fail(self, failure: JournalError, tickets: list[Ticket]) -> None:
        """Refuse from now on; nobody waits for ever."""
        self._settle()
        with self._gate:
            self._failure = failure
            refused, self._queue = [*tickets, *self._queue], []
        with self._settled:
            self._settled.notify_all()
        by_loop: dict[asyncio.AbstractEventLoop, list[Ticket]] = {}
        for ticket in refused:
            if ticket.last == _PENDING and ticket.future is not None:
                by_loop.setdefault(ticket.future.get_loop(), []).append(ticket)
        for loop, waiting in by_loop.items():
            _call(loop, waiting, failure)

    def _explain(self, error: Exception) -> JournalError:
        failure = JournalError(
            f"the journal {self._folder} cannot be written after record {self.head[0]}: {error}",
            hint="free space or repair the disk, restart, and let holdfast journal verify confirm it",
        )
        failure.__cause__ = error
        return failure

    def _release(self) -> None:
        try:
            self._connection.close()
        finally:
            self._ownership.release()


def _again(failure: JournalError) -> JournalError:
    """Return a copy to raise: one exception raised in many threads would collect all their tracebacks."""
    copy = JournalError(str(failure), hint=failure.hint)
    copy.__cause__ = failure.__cause__
    return copy


def _call(loop: asyncio.AbstractEventLoop, tickets: list[Ticket], failure: JournalError | None) -> None:
    try:
        loop.call_soon_threadsafe(_answer, tickets, failure)
    except RuntimeError:
        return  # the loop is closed: its producers are gone


def _answer(tickets: list[Ticket], failure: JournalError | None) -> None:
    for ticket in tickets:
        future = ticket.future
        if future is None or future.done():
            continue
        if failure is None:
            future.set_result(ticket.last)
        else:
            future.set_exception(_again(failure))

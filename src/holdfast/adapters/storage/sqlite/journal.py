"""The embedded journal: segments of SQLite in one folder, one writer with group commit, any number of readers."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from holdfast.adapters.storage.sqlite.config import JournalConfig
from holdfast.adapters.storage.sqlite.folder import Ownership, sync_folder
from holdfast.adapters.storage.sqlite.reader import existing_segments, read_head, read_records
from holdfast.adapters.storage.sqlite.schema import DAMAGE
from holdfast.adapters.storage.sqlite.segments import prepare_folder
from holdfast.adapters.storage.sqlite.upgrade import upgrade_segments
from holdfast.adapters.storage.sqlite.writer import Ticket, Writer
from holdfast.core.errors import JournalError
from holdfast.core.time import Clock
from holdfast.ports.journal import Entry, JournalRecord

_DEFAULTS = JournalConfig()


class SqliteJournal:
    """A journal in the folder `path`, which is created if it is missing.

    A writer owns the folder alone; a second one is refused. Readers (`is_read_only`) may come and go beside it.

    Parameters
    ----------
    check
        Called with the folder when a writer owns it, before anything is read from or written to its records; what it
        raises is raised, and leaves them as they are. Opening itself checks the joints and the last records only.

    Raises
    ------
    JournalError
        Another process writes it, a segment is missing or replaced, the tail is cut, or a newer holdfast wrote it.
    """

    def __init__(
        self,
        path: Path | str,
        clock: Clock,
        *,
        is_read_only: bool = False,
        config: JournalConfig = _DEFAULTS,
        check: Callable[[Path], None] | None = None,
    ) -> None:
        self._folder = Path(path)
        self._writer: Writer | None = None
        if is_read_only:
            existing_segments(self._folder)
            return
        try:
            self._writer = _open_writer(self._folder, clock, config, check)
        except (*DAMAGE, OSError) as error:
            raise JournalError(
                f"the journal {self._folder} cannot be opened: {error}",
                hint="see what is damaged: holdfast journal verify",
            ) from error
        # Whatever is queued when the interpreter ends becomes durable, although the writer is a daemon thread.
        atexit.register(self._writer.close)

    def append(self, entries: Sequence[Entry]) -> Ticket:
        """Queue the entries as one atomic group, in order; the receipt's `wait` returns when they are durable.

        Returns at once, unless the queue is full: then it waits for the disk. `ts_journal` is the time of this call.

        Raises
        ------
        JournalError
            The journal is read-only, closed or has failed, or an entry cannot be recorded.
        """
        return self._for_writing().submit(tuple(entries))

    async def append_async(self, entries: Sequence[Entry]) -> int:
        """Append as one atomic group and return the sequence of its last entry when it is durable.

        Raises
        ------
        JournalError
            As for `append`; or the group never became durable.
        """
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._for_writing().submit(tuple(entries), future)
        return await future

    def flush(self) -> None:
        """Block until everything appended so far is durable."""
        self.append(()).wait()

    def read(self, after: int = 0, kinds: Sequence[str] = ()) -> Iterator[JournalRecord]:
        """Yield durable records with a sequence above `after`, of the given kinds (all when empty)."""
        return read_records(self._folder, after, kinds)

    @property
    def head(self) -> tuple[int, bytes]:
        """Return sequence and hash of the last durable record; (0, 32 zero bytes) when empty."""
        if self._writer is not None:
            return self._writer.head
        head = read_head(self._folder)
        return head.sequence, head.hash

    @property
    def journal_id(self) -> str:
        """Return the identity that this journal was born with; projections of another one do not belong to it."""
        return self._writer.journal_id if self._writer is not None else read_head(self._folder).journal_id

    @property
    def failure(self) -> JournalError | None:
        """Return why nothing can be appended any more, None while all is well."""
        return self._writer.failure if self._writer is not None else None

    def close(self) -> None:
        """Make everything durable and let go of the files. A second call does nothing."""
        if self._writer is not None:
            self._writer.close()
            atexit.unregister(self._writer.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _for_writing(self) -> Writer:
        if self._writer is None:
            raise JournalError("this journal was opened read-only", hint="open it with is_read_only=False")
        return self._writer


def _open_writer(folder: Path, clock: Clock, config: JournalConfig, check: Callable[[Path], None] | None) -> Writer:
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True)
        sync_folder(folder.parent)
    ownership = Ownership(folder)
    with contextlib.ExitStack() as undo:
        undo.callback(ownership.release)
        numbers = prepare_folder(folder)
        if check is not None:
            check(folder)
        upgrade_segments(folder, numbers, config)
        writer = Writer(folder, numbers[-1], clock, config, ownership)
        undo.pop_all()
        return writer

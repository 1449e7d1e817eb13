"""A stop for an agent that does not answer: left in a file, which outlives whoever typed it, and obeyed on waking.

What is sent through the socket can be lost: its queue has an end, and a process that is killed takes it along.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

import msgspec

from holdfast.core.record import encode
from holdfast.domain.decision import StopLevel
from holdfast.interfaces.control.messages import Request, Wish

_UNREADABLE: Final = Request(Wish.STOP, StopLevel.NO_ENTRIES, "control", "a stop was left here that cannot be read")
_decode = msgspec.json.Decoder(Request).decode


class LeftStop:
    """The file at `path`: at most one stop, the highest that was left."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._name = str(path)  # asked for before each bar

    def leave(self, request: Request) -> None:
        """Leave a stop, durably; a higher one that lies there stays."""
        there = self.find()
        if there is not None and there.level.severity > request.level.severity:
            return
        draft = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.part")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(encode(request))
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.path)
        finally:
            draft.unlink(missing_ok=True)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def find(self) -> Request | None:
        """Return the stop that lies there. What cannot be read stops entries: somebody wanted to stop."""
        if not os.path.lexists(self._name):
            return None
        try:
            found = _decode(self.path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError):
            return _UNREADABLE
        return found if found.wish is Wish.STOP and found.level is not StopLevel.NONE else _UNREADABLE

    def forget(self, obeyed: Request) -> None:
        """Remove the stop that is recorded by now, unless another one has come into its place."""
        if self.find() == obeyed:
            self.path.unlink(missing_ok=True)

"""Does what was printed arrive? A reader may leave early, as in `holdfast orders | head -1`, and a disk may fill."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

UNREAD: Final = 141  # 128 + SIGPIPE, as shells have it for `ls | head -1`


class UnreadError(Exception):
    """The reader of what is printed has gone; no error of ours, and not one that click would turn into exit code 1."""


@contextmanager
def to_a_reader() -> Iterator[None]:
    """Run the block; raise UnreadError when it prints for nobody any more."""
    try:
        yield
    except BrokenPipeError as error:
        raise UnreadError from error


def deliver() -> None:
    """Hand over what still waits to be printed, so that what goes wrong with it is told like any other error."""
    if sys.stdout is not None:  # None: the process was started without one, as in `holdfast ... >&-`
        sys.stdout.flush()


def is_undelivered() -> bool:
    """Return whether something waits to be printed that standard output does not take: then the fault lies there.

    What a failed write left of a short text is there to be tried again; a disk that only the journal is on leaves none.
    """
    if sys.stdout is None:
        return False
    try:
        sys.stdout.flush()
    except OSError:
        return True
    return False


def let_go() -> None:
    """Drop what cannot be printed any more: at its end Python would try once more, complain, and change the exit code.

    A stream that still takes what it is given is left as it is.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is None:
            continue
        try:
            stream.flush()
        except OSError:
            with suppress(OSError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)

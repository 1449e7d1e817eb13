"""Signals that end a command while it writes a file: what it has begun must not stay behind."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click

_ENDS: Final = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def taken_back_on_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP leave the block as Ctrl-C does, through every `finally`; the exit code is that of shells.

    Outside of the main thread, which alone hears signals, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _: object) -> None:
        for other in _ENDS:
            signal.signal(other, signal.SIG_IGN)  # a second one would cut short what takes the first back
        raise click.exceptions.Exit(128 + number)

    before = {number: signal.signal(number, end) for number in _ENDS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

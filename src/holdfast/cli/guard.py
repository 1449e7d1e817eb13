"""Starts the sentinel, which ends this process when one call into C holds it longer than is allowed."""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Final

from holdfast.cli import sentinel

GRACE_S: Final = 2.0  # above the limit: what Python can end by itself is ended by itself, with the bar
_ASKED = signal.SIGUSR2


@contextmanager
def guarded(name: str, limit_s: float, *, is_json: bool) -> Iterator[Callable[[], None]]:
    """Give what says that this process is alive; without a word for `limit_s` and a little it is killed.

    Before, the sentinel says that the strategy `name` does not come back, and in which line of its file it is. Where
    no process can be started, and outside of the main thread, which alone hears the timer, nothing is watched.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    reading, writing = os.pipe()
    try:
        process = _start(name, limit_s, reading, is_json=is_json)
        # All threads: while the timer's own signal waits, this one may go to another thread, which runs no Python.
        faulthandler.register(_ASKED, file=writing, all_threads=True)
        try:
            with process or nullcontext():
                yield lambda: _beat(process)
        finally:
            faulthandler.unregister(_ASKED)
    finally:
        os.close(reading)
        os.close(writing)


def _beat(process: subprocess.Popen[bytes] | None) -> None:
    # A sentinel that is gone, or that was suspended until its pipe was full, is no reason to end a check.
    if process is not None and process.stdin is not None:
        with suppress(OSError):
            os.write(process.stdin.fileno(), b".")


def _start(name: str, limit_s: float, trace: int, *, is_json: bool) -> subprocess.Popen[bytes] | None:
    given = {
        "process": os.getpid(),
        "seconds": limit_s + GRACE_S,
        "signal": _ASKED,
        "trace": trace,
        "file": Path(name.rpartition(":")[0]).name,
        "is_json": is_json,
        "message": f"the strategy {name} did not return within {limit_s:g} s",
        "hint": "it is inside of one call into C code, which only kill -9 ends (exit code 137): look for a sum or"
        " a search over something without end, or give it longer with --bar-seconds-max",
    }
    command = [sys.executable, "-I", "-S", sentinel.__file__, json.dumps(given)]
    with suppress(OSError):
        process = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[trace], bufsize=0)
        if process.stdin is not None:
            os.set_blocking(process.stdin.fileno(), False)
        return process
    return None

"""Ends the process that started it when that one gives no sign of life; a program of its own, run by its path.

Nothing inside of a Python process ends a call into C that holds the interpreter's lock, as in `sum(iter(int, 1))`: no
handler of a signal and no thread gets a turn. So this one looks on from outside. It imports the standard library alone.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

BEATS: Final = 0  # a byte for each sign of life; closed once there is nothing to watch any more
KILLED: Final = 128 + signal.SIGKILL  # as shells have it
_LOOKS: Final = 10
_TRACE_S: Final = 2.0
_TRACE_BYTES: Final = 65_536
_frame = re.compile(r'File "([^"\n]+)", line (\d+) in (\S+)')


def watch(parent: int, seconds: float) -> bool:
    """Return True once `parent` has been silent for `seconds`, False when it needs no watching any more.

    Waits are counted, not timed: a machine that sleeps, or Ctrl-Z, makes nobody silent.
    """
    silent = 0
    while silent < _LOOKS:
        if select.select([BEATS], [], [], seconds / _LOOKS)[0]:
            if not os.read(BEATS, 4096):
                return False
            silent = 0
        elif not _is_suspended(parent):
            silent += 1
    return os.getppid() == parent


def where(trace: str, name: str) -> str:
    """Return a clause that names the innermost line of the file called `name`, else of any; empty without a line."""
    frames = _frame.findall(trace)
    for path, line, function in (_own(frames, name) or frames)[:1]:
        return f", in line {line} of {Path(path).name} ({function})"
    return ""


def _own(frames: list[tuple[str, str, str]], name: str) -> list[tuple[str, str, str]]:
    return [frame for frame in frames if name and Path(frame[0]).name == name]


def _is_suspended(process: int) -> bool:
    try:
        stat = Path(f"/proc/{process}/stat").read_text("utf-8", "replace")
        return stat.rpartition(")")[2].split()[0] in "Tt"
    except (OSError, IndexError):
        return False  # not on Linux


def _trace(parent: int, number: int, handle: int, name: str) -> str:
    """Ask `parent` where it is; its faulthandler, which is C itself, answers through `handle`, line by line.

    Its answer has no end mark, and on a busy machine the first line may come long before the others: so this reads on
    until a line of the file called `name` is there, or nothing has come for so many looks.
    """
    os.kill(parent, number)
    text, silent = "", 0
    while silent < _LOOKS and not _own(_frame.findall(text), name):
        if select.select([handle], [], [], _TRACE_S / _LOOKS)[0]:
            text += os.read(handle, _TRACE_BYTES).decode("utf-8", "replace")
            silent = 0
        else:
            silent += 1
    return text


def main() -> None:
    """Watch the process that the arguments name; tell of it and end it when it falls silent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one that is watched
    given = json.loads(sys.argv[1])
    parent = given["process"]
    while watch(parent, given["seconds"]):
        name = given["file"]
        place = where(_trace(parent, given["signal"], given["trace"], name), name)
        if select.select([BEATS], [], [], 0.0)[0]:
            continue  # it came back at the last moment
        message, hint = f"{given['message']}{place}", given["hint"]
        if given["is_json"]:
            document = {"error": {"message": message, "next": hint, "exit_code": KILLED}}
            _tell(1, json.dumps(document, ensure_ascii=False))
        _tell(2, f"error: {message}\nnext: {hint}")
        os.kill(parent, signal.SIGKILL)
        return


def _tell(handle: int, text: str) -> None:
    with suppress(OSError):  # the exit code says that it was ended even where nobody can be told why
        os.write(handle, f"{text}\n".encode())


if __name__ == "__main__":
    main()

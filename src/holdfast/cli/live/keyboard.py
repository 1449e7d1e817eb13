"""Single keys from the terminal, without waiting for Enter."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from typing import Self


class Keyboard:
    """While it is entered, keys arrive one by one and are not echoed; afterwards the terminal is as before."""

    def __init__(self) -> None:
        self._descriptor = sys.stdin.fileno()
        self._before: list[object] = []

    def __enter__(self) -> Self:
        self._before = termios.tcgetattr(self._descriptor)
        # cbreak, not raw: Ctrl-C still interrupts.
        tty.setcbreak(self._descriptor)
        return self

    def __exit__(self, *_: object) -> None:
        termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)  # type: ignore[arg-type]  # as it was got

    def read(self, timeout_s: float) -> str:
        """Return the keys that came within `timeout_s`, empty when none did; an escape sequence comes as a whole."""
        ready, _, _ = select.select([self._descriptor], [], [], timeout_s)
        if not ready:
            return ""
        typed = os.read(self._descriptor, 64)
        # A terminal that is gone gives nothing for ever: that is a wish to quit.
        return typed.decode(errors="replace") if typed else "q"

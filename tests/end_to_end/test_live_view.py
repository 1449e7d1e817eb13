"""The live view on a real terminal: it draws, it takes keys, and it leaves the terminal as it was."""

import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from fcntl import ioctl
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PROGRAM = "from holdfast.cli.main import main; main()"
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
PATIENCE_S = 60.0


def own_terminal() -> None:
    """Make standard input the controlling terminal, so that Ctrl-C becomes a signal."""
    os.setsid()
    ioctl(0, termios.TIOCSCTTY, 0)


class Terminal:
    """A terminal of 34 rows with the agent in it."""

    def __init__(self, home: Path, columns: int) -> None:
        self.master, slave = pty.openpty()
        ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 34, columns, 0, 0))
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
        kept = {name: value for name, value in kept.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "run", "--market", "synthetic", "--pace", "200"],
            stdin=slave, stdout=slave, stderr=slave, preexec_fn=own_terminal,
            env={**kept, "HOLDFAST_HOME": str(home), "TERM": "xterm-256color"},
        )  # fmt: skip
        self.shown = ""

    def see(self, text: str) -> str:
        """Read until `text` is drawn, and forget what was drawn before it."""
        until = time.monotonic() + PATIENCE_S
        while text not in self.shown:
            assert time.monotonic() < until, f"{text!r} was never shown; the end was: {self.shown[-2000:]}"
            ready, _, _ = select.select([self.master], [], [], 0.2)
            if ready:
                try:
                    self.shown += ESCAPES.sub("", os.read(self.master, 65_536).decode(errors="replace"))
                except OSError:
                    break
        assert text in self.shown
        before, _, self.shown = self.shown.partition(text)
        return before

    def press(self, keys: str) -> None:
        os.write(self.master, keys.encode())


@pytest.fixture(params=[80, 130])
def terminal(tmp_path: Path, request: pytest.FixtureRequest):
    made = Terminal(tmp_path / "home", request.param)
    yield made
    if made.process.poll() is None:
        made.process.kill()
        made.process.wait()
    os.close(made.master)
    os.close(made.slave)


def test_keys_pause_stop_flatten_and_quit(terminal):
    terminal.see("SYNTHETIC MARKET: no real prices")
    terminal.see("Last decisions")
    terminal.press("p")
    terminal.see("STOP: no entries")
    terminal.press("p")
    terminal.see("entries are possible again")
    terminal.press("s")
    terminal.see("1 no entries · 2 reduce only · 3 flatten everything")
    terminal.press("3")
    terminal.see("Type FLATTEN")
    terminal.press("flatter")
    terminal.see("that was not the word")
    terminal.press("s3flatten")
    terminal.see("STOP: flatten")
    terminal.press("+")
    terminal.see("pace 400 bars a second")
    terminal.press(" ")
    terminal.see("the market stands still")
    terminal.press("q")
    terminal.see("the state is kept")
    assert terminal.process.wait(PATIENCE_S) == 0
    assert termios.tcgetattr(terminal.slave)[3] == terminal.before[3]


def test_ctrl_c_ends_it_cleanly(terminal):
    terminal.see("Last decisions")
    terminal.press("\x03")
    terminal.see("the state is kept")
    assert terminal.process.wait(PATIENCE_S) == 0

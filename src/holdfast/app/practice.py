"""The simulated venue that the agent practises on: a process of its own, found again or started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from holdfast.adapters.storage.sqlite.folder import Ownership
from holdfast.app.home import Home
from holdfast.app.sections import MarketSettings
from holdfast.app.venue_simulator import CREDENTIALS_FILE, state_folder
from holdfast.core.errors import JournalInUseError, VenueError
from holdfast.simulator.state_folder import Address, is_held, running_at

_START_S: Final = 60.0
_LOOK_S: Final = 0.05
_STOP_S: Final = 10.0
_LOG_FILE: Final = "venue.log"
_OWNED_FILE: Final = "started-by-agent"  # holds the process number
_RUN: Final = "import sys; from holdfast.cli.main import main; sys.exit(main())"


class PracticeVenue:
    """A simulated venue, as the agent that owns the home found or started it."""

    def __init__(self, home: Home, address: Address, process: subprocess.Popen[bytes] | None = None) -> None:
        self.folder, self.url = state_folder(home, None), address.url
        self._journal, self._pid, self._process = home.journal, address.pid, process

    @property
    def key_file(self) -> Path:
        """Return the file with the account's key."""
        return self.folder / CREDENTIALS_FILE

    def stop(self) -> None:
        """End the process, if an agent of this home began it; its state stays, its market stands still meanwhile.

        The journal must be closed. Another agent that has taken it by now trades at this venue, which is left to it.
        """
        try:
            ownership = Ownership(self._journal)
        except JournalInUseError:
            return
        try:
            if _is_ours(self.folder, self._pid):
                _end(self.folder, self._pid)
        finally:
            ownership.release()
        if self._process is not None:
            self._process.poll()


def practice_venue(
    home: Home, market: MarketSettings, pace: float, capital: str, is_unwanted: Callable[[], bool]
) -> PracticeVenue | None:
    """Return the practice venue of a home: the one that runs, or one that is started and goes on where it was.

    Only the process that writes the home's journal may ask for it. None as soon as `is_unwanted` says so; then nothing
    that was started runs on.

    Raises
    ------
    VenueError
        It did not come up; its own words are in its log.
    ConfigurationError
        What it was begun with is another market.
    """
    folder = state_folder(home, None)
    ends = time.monotonic() + _START_S
    # The venue of an agent that was killed may be on its way up still, or down.
    while (running := running_at(folder)) is None and is_held(folder) and time.monotonic() < ends:
        if is_unwanted():
            return None
        time.sleep(_LOOK_S)
    if running is not None:
        return PracticeVenue(home, running)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    log = folder / _LOG_FILE
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        # A session of its own: kill -9 of the agent, or a terminal that closes, does not end the venue.
        process = subprocess.Popen(
            [sys.executable, "-c", _RUN, *_arguments(home, market, pace, capital)],
            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    address: Address | None = None
    try:
        # At once: whoever comes after an agent that was killed meanwhile must know whose it is.
        (folder / _OWNED_FILE).write_text(str(process.pid), "ascii")
        address = _awaited(folder, process, is_unwanted)
    finally:
        if address is None:  # nobody else would end it, whatever has come in between
            _give_up(process)
    if address is not None:
        return PracticeVenue(home, address, process)
    if is_unwanted():
        return None
    words = log.read_text("utf-8", errors="replace").strip().splitlines()
    raise VenueError(
        f"the practice venue did not start: {words[-1] if words else 'it said nothing'}",
        venue="practice", hint=f"read {log}; remove {folder} to begin it anew",
    )  # fmt: skip


def _awaited(folder: Path, process: subprocess.Popen[bytes], is_unwanted: Callable[[], bool]) -> Address | None:
    """Return where the venue serves, None if it has ended, takes too long or is not wanted any more."""
    ends = time.monotonic() + _START_S
    while time.monotonic() < ends and not is_unwanted():
        if (address := running_at(folder)) is not None:
            return address
        if process.poll() is not None:
            return None
        time.sleep(_LOOK_S)
    return None


def _give_up(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _arguments(home: Home, market: MarketSettings, pace: float, capital: str) -> Sequence[str]:
    names = [word for name in market.instruments for word in ("--instrument", name)]
    source = "synthetic" if market.path is None else str(market.path)
    return [
        "simulate-venue", "--home", str(home.path), "--market", source, "--timeframe", market.timeframe, *names,
        "--seed", str(market.seed), "--pace", str(pace), "--balance", f"USDT={capital}",
    ]  # fmt: skip


def _is_ours(folder: Path, pid: int) -> bool:
    """Return whether the venue that serves now, with this process number, was begun by an agent of the home."""
    running = running_at(folder)
    if running is None or running.pid != pid:
        return False
    try:
        return int((folder / _OWNED_FILE).read_text("ascii")) == pid
    except (FileNotFoundError, ValueError):
        return False


def _end(folder: Path, pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    ends = time.monotonic() + _STOP_S
    while time.monotonic() < ends and running_at(folder) is not None:
        time.sleep(_LOOK_S)

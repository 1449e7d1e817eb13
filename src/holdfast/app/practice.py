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
from holdfast.app.market import FAVOURITES
from holdfast.app.sections import SYNTHETIC, MarketSettings
from holdfast.app.settings import Settings
from holdfast.app.venue_simulator import CREDENTIALS_FILE, kept_market, state_folder
from holdfast.core.errors import ConfigurationError, JournalInUseError, VenueError
from holdfast.simulator.state_folder import Address, StateFolder, is_held, running_at

_START_S: Final = 60.0
_LOOK_S: Final = 0.05
_STOP_S: Final = 10.0
_LOG_FILE: Final = "venue.log"
_OWNED_FILE: Final = "started-by-agent"  # holds the process number
_QUOTE: Final = "USDT"
_ANEW: Final = "begin a new run at a new practice venue with `--fresh`, which lays this one aside"
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

    @property
    def has_ended(self) -> bool:
        """Tell whether the venue is gone, though nobody who trades here has ended it."""
        if self._process is not None:
            return self._process.poll() is not None
        running = running_at(self.folder)
        return running is None or running.pid != self._pid

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
    home: Home, settings: Settings, is_unwanted: Callable[[], bool], *, is_fresh: bool
) -> PracticeVenue | None:
    """Return the practice venue of a home: the one that runs, or one that is started and goes on where it was.

    Only the process that writes the home's journal may ask for it. None as soon as `is_unwanted` says so; then nothing
    that was started runs on. `is_fresh` lays a venue of before aside and begins a new one: no new run could begin
    with what the old one has left in its account.

    Raises
    ------
    VenueError
        It did not come up; its own words are in its log.
    ConfigurationError
        What it was begun with is another market or damaged, or there is no such market.
    """
    folder = state_folder(home, None)
    market = _market(settings.market)
    ends = time.monotonic() + _START_S
    # The venue of an agent that was killed may be on its way up still, or down.
    while (running := running_at(folder)) is None and is_held(folder) and time.monotonic() < ends:
        if is_unwanted():
            return None
        time.sleep(_LOOK_S)
    if running is not None and not _is_ours(folder, running.pid):
        return PracticeVenue(home, running)  # what somebody has started by hand is taken as it is
    _require_priced(market)
    is_begun = _is_begun(folder)
    if is_fresh and is_begun:
        if running is not None:
            _end(folder, running.pid)
            running = None
        _lay_aside(folder)  # unread, for it may be damaged
        is_begun = False
    _require_market(folder, market)
    if running is not None:
        return PracticeVenue(home, running)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    log = folder / _LOG_FILE
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        # A session of its own: kill -9 of the agent, or a terminal that closes, does not end the venue.
        process = subprocess.Popen(
            [sys.executable, "-c", _RUN, *_arguments(home, market, settings)],
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
    raise _not_started(log, is_begun=is_begun)


def _not_started(log: Path, *, is_begun: bool) -> VenueError:
    """Return what the venue's own last words say; what it says to do next is for who has typed its command."""
    said = log.read_text("utf-8", errors="replace").strip()
    reason = said.rpartition("error: ")[2].partition("\nnext: ")[0] or "it said nothing"
    hint = f"repair that, or read {log}; a start with another --market, --instrument or --timeframe goes on from there"
    if is_begun:
        hint = f"{_ANEW}; all that the venue said is in {log}"
    return VenueError(f"the practice venue did not start: {reason}", venue="practice", hint=hint)


def _market(asked: MarketSettings) -> MarketSettings:
    """Return the market as the venue's folder keeps it."""
    source = SYNTHETIC if asked.path is None else str(asked.path.resolve())
    return MarketSettings(source, asked.instruments, asked.timeframe, seed=asked.seed)


def _require_priced(market: MarketSettings) -> None:
    """Refuse a market whose currency the account does not hold."""
    for name in market.instruments:
        quote = name.partition(".")[0].upper().replace("_", "/").partition("/")[2].partition("-")[0]
        if quote != _QUOTE:
            there = (
                ", ".join(FAVOURITES) + f", or another coin against {_QUOTE}"
                if market.path is None
                else f"what `holdfast data list` names or {market.source} holds against {_QUOTE}"
            )
            raise ConfigurationError(
                f"the practice venue has no market {name}: its account holds {_QUOTE}, in which its markets are priced",
                hint=f"--instrument with one of its markets: {there}",
            )


def _is_begun(folder: Path) -> bool:
    """Tell whether a venue has left anything that the next one would go on with."""
    return any(folder.glob("*.json*"))


def _require_market(folder: Path, market: MarketSettings) -> None:
    try:
        kept = kept_market(folder)
    except ConfigurationError as error:
        raise ConfigurationError(str(error), hint=_ANEW) from error
    if kept is not None and kept != market:
        raise _other_market(folder, kept, market)


def _other_market(folder: Path, kept: MarketSettings, asked: MarketSettings) -> ConfigurationError:
    fields = [name for name in MarketSettings.__struct_fields__ if getattr(kept, name) != getattr(asked, name)]
    told = "; ".join(f"{name} {_told(getattr(kept, name))}, not {_told(getattr(asked, name))}" for name in fields)
    return ConfigurationError(
        f"{folder} holds a venue with another market: {told}",
        hint="start it as before, or begin a new run at a new practice venue with `--fresh`",
    )


def _told(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(value) or "the usual"
    return "the usual" if value is None else str(value)


def _lay_aside(folder: Path) -> None:
    """Give the folder another name, under which its venue can still be looked at."""
    number = 1
    while (other := folder.with_name(f"{folder.name}-before-{number}")).exists():
        number += 1
    with StateFolder(folder):  # nobody may run on it
        folder.rename(other)


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


def _arguments(home: Home, market: MarketSettings, settings: Settings) -> Sequence[str]:
    names = [word for name in market.instruments for word in ("--instrument", name)]
    return [
        "simulate-venue", "--home", str(home.path), "--market", market.source, "--timeframe", market.timeframe, *names,
        "--seed", str(market.seed), "--pace", str(settings.agent.pace),
        "--balance", f"{_QUOTE}={settings.engine.capital:f}",
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

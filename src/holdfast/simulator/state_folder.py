"""What the venue knows after its own death: a snapshot, and every request since, each written before its answer.

A request is in the file before it is answered, so that no kill of the process loses what was acknowledged. It is not
forced to the disk: a power cut may lose the last moments, as nobody practises with this machine's power switch.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
from pathlib import Path
from types import TracebackType
from typing import Final

import msgspec

from holdfast.core.errors import ConfigurationError, DataError
from holdfast.core.record import Record, encode
from holdfast.simulator.rest_routes import Call

ADDRESS_FILE: Final = "venue.json"
_SNAPSHOT: Final = "snapshot.json"
_LOCK: Final = "lock"
_OWNER_ONLY: Final = stat.S_IRUSR | stat.S_IWUSR
_PRIVATE_FOLDER: Final = stat.S_IRWXU


class Entry(Record, frozen=True):
    """One thing that changed the venue: a request, or the market going on to `ts` while the clock showed `now` (ns)."""

    call: Call | None = None
    ts: int = 0
    now: int = 0
    fill_share: float = 0.0  # how much of the order this request may fill, where a fault says so; 0 is all of it


class Saved(Record, frozen=True):
    """What was found: the state as the exchange wrote it (None at the first start), and what happened after it."""

    snapshot: msgspec.Raw | None
    entries: tuple[Entry, ...]


class Address(Record, frozen=True):
    """Where a running venue is, for whoever looks into its folder."""

    url: str
    socket_url: str
    pid: int


class _Snapshot(Record, frozen=True):
    generation: int
    state: msgspec.Raw


class StateFolder:
    """The folder of one venue, for as long as its process lives."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._generation = 0
        self._log = -1
        try:
            path.mkdir(parents=True, exist_ok=True, mode=_PRIVATE_FOLDER)
            self._lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _OWNER_ONLY)
        except OSError as error:
            raise ConfigurationError(
                f"{path}: the venue cannot keep its state there ({error.strerror})", hint="name another --state FOLDER"
            ) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise ConfigurationError(
                f"{path}: another venue runs on this folder", hint=f"its address is in {path / ADDRESS_FILE}"
            ) from None
        (path / ADDRESS_FILE).unlink(missing_ok=True)  # of one that was killed: it must not pass for ours

    def __enter__(self) -> StateFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def load(self) -> Saved:
        """Return what the last process left, and make ready to write on.

        Raises
        ------
        DataError
            A file is damaged in its midst. A last line that the process died in is no damage: it was never answered.
        """
        snapshot: msgspec.Raw | None = None
        path = self.path / _SNAPSHOT
        if path.exists():
            try:
                found = msgspec.json.decode(path.read_bytes(), type=_Snapshot)
            except msgspec.MsgspecError as error:
                raise self._damaged(path, str(error)) from None
            self._generation, snapshot = found.generation, found.state
        entries = self._entries()
        self._open_log()
        return Saved(snapshot, entries)

    def append(self, entry: Entry) -> None:
        """Write down what has happened; only then may it be answered."""
        line = encode(entry) + b"\n"
        written = os.write(self._log, line)
        if written != len(line):
            raise DataError(f"{self.path}: the disk is full", hint="free some space and start the venue again")

    def compact(self, state: bytes) -> None:
        """Keep this state in place of everything before it."""
        self._generation += 1
        # First the new log's name is decided by the snapshot: whichever of the two is there is a whole state.
        write_privately(self.path / _SNAPSHOT, encode(_Snapshot(self._generation, msgspec.Raw(state))))
        old = self._log
        self._open_log()
        if old >= 0:
            os.close(old)
        for path in self.path.glob("requests-*.jsonl"):
            if path != self._log_path():
                path.unlink()

    def announce(self, url: str, socket_url: str) -> None:
        """Tell whoever looks into the folder where the venue is."""
        write_privately(self.path / ADDRESS_FILE, encode(Address(url, socket_url, os.getpid())))

    def close(self) -> None:
        """Let the folder go."""
        (self.path / ADDRESS_FILE).unlink(missing_ok=True)
        if self._log >= 0:
            os.close(self._log)
            self._log = -1
        os.close(self._lock)

    def _log_path(self) -> Path:
        return self.path / f"requests-{self._generation}.jsonl"

    def _open_log(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._log = os.open(self._log_path(), flags, _OWNER_ONLY)

    def _entries(self) -> tuple[Entry, ...]:
        path = self._log_path()
        if not path.exists():
            return ()
        raw = path.read_bytes()
        whole, newline, torn = raw.rpartition(b"\n")
        if torn:
            os.truncate(path, len(whole) + len(newline))
        try:
            return tuple(_ENTRY.decode(line) for line in whole.splitlines() if line)
        except msgspec.MsgspecError as error:
            raise self._damaged(path, str(error)) from None

    def _damaged(self, path: Path, reason: str) -> DataError:
        return DataError(f"{path}: the venue's state is damaged ({reason})", hint="start with another --state FOLDER")


def is_held(folder: Path) -> bool:
    """Return whether a venue runs on a folder. The kernel knows: it lets the lock go when the process dies."""
    try:
        descriptor = os.open(folder / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def running_at(folder: Path) -> Address | None:
    """Return where the venue of a folder is, None where none serves.

    A process number proves nothing, for the system gives it to others. Who holds the folder's lock wrote the address.

    Raises
    ------
    ConfigurationError
        The address cannot be read.
    """
    path = folder / ADDRESS_FILE
    try:
        address = msgspec.json.decode(path.read_bytes(), type=Address)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"{path} cannot be read: {error}", hint="remove that file") from error
    return address if is_held(folder) else None


_ENTRY: Final = msgspec.json.Decoder(Entry)


def write_privately(path: Path, content: bytes) -> None:
    """Put a file that only its owner reads in the place of another, whole or not at all."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _OWNER_ONLY)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def demo_credentials() -> tuple[str, str]:
    """Return a key and a secret that nobody else has."""
    return f"demo-{secrets.token_hex(8)}", secrets.token_hex(32)

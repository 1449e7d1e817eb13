"""The socket of a running agent. It belongs to one user, and takes requests from that user's processes alone."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import TimeoutError as NoAnswerError
from pathlib import Path
from typing import Final, Self

import msgspec

from holdfast.core.errors import ConfigurationError
from holdfast.core.record import encode
from holdfast.interfaces.control.mailbox import Mailbox
from holdfast.interfaces.control.messages import LINE_BYTES_MAX, WAIT_MAX_S, Reply, Request, Wish

_PEERS_MAX: Final = 16
_PEER_TIMEOUT_S: Final = 30.0
_GRACE_S: Final = 15.0
_CREDENTIALS: Final = struct.Struct("3i")  # pid, uid, gid, as the kernel knows them
_decode = msgspec.json.Decoder(Request).decode


class ControlServer:
    """Listens at `path` while it is entered. Threads only translate; what is asked for goes through the mailbox."""

    def __init__(self, path: Path, mailbox: Mailbox) -> None:
        self._path, self._mailbox = path, mailbox
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._slots = threading.BoundedSemaphore(_PEERS_MAX)
        self._is_open = False

    def __enter__(self) -> Self:
        # Whoever has the journal's lock is the only agent of this home, so that a socket found here is a dead one's.
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        mask = os.umask(0o177)
        try:
            with short_path(self._path) as place:
                self._socket.bind(place)
        except OSError as error:
            raise ConfigurationError(
                f"the control socket {self._path} cannot be made: {error.strerror}",
                hint="keep the home on a local disk",
            ) from error
        finally:
            os.umask(mask)
        self._socket.listen(_PEERS_MAX)
        self._is_open = True
        threading.Thread(target=self._accept, name="control", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_open = False
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        self._mailbox.refuse_all(Reply("the agent is closing", "holdfast run starts it again", 1))

    def _accept(self) -> None:
        while self._is_open:
            try:
                peer, _ = self._socket.accept()
            except OSError:
                return
            if not self._slots.acquire(blocking=False):
                peer.close()
                continue
            threading.Thread(target=self._serve, args=(peer,), name="control-peer", daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        try:
            with peer, contextlib.suppress(OSError):
                peer.settimeout(_PEER_TIMEOUT_S)
                peer.sendall(encode(self._answer(peer)) + b"\n")
        finally:
            self._slots.release()

    def _answer(self, peer: socket.socket) -> Reply:
        # Read first: who is refused while still sending would see a broken pipe instead of the reason.
        line = read_line(peer)
        owner = peer_uid(peer)
        if owner not in (os.getuid(), 0):
            return Reply(f"user {owner} does not own this agent", "ask its owner, or become root", 3)
        try:
            request = _decode(line)
        except msgspec.DecodeError as error:
            return Reply(f"the request is not understood: {error}", "use the holdfast command of the same version", 2)
        # A stop counts whoever has gone; a release that nobody waits for any more might undo the stop that came after.
        if request.wish is Wish.RESUME and has_hung_up(peer):
            return Reply("whoever asked has gone", "ask again", 1)
        wait_s = min(max(request.wait_s, 0.0), WAIT_MAX_S)
        answer = self._mailbox.post(request)
        try:
            return answer.result(timeout=wait_s + _GRACE_S)
        except NoAnswerError:
            told = "the request stands"
            if request.wish is Wish.RESUME and answer.cancel():
                told = "nothing was released"
            return Reply(
                f"the agent is busy and has not answered; {told}", "see the result with holdfast status", 1,
                is_unheard=True,
            )  # fmt: skip


def peer_uid(peer: socket.socket) -> int:
    """Return whose process is at the other end, as the kernel says."""
    raw = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    uid: int = _CREDENTIALS.unpack(raw)[1]
    return uid


def has_hung_up(peer: socket.socket) -> bool:
    """Tell whether nobody is at the other end any more."""
    poll = select.poll()
    poll.register(peer, 0)  # the kernel tells of a hang-up unasked
    return any(event & select.POLLHUP for _, event in poll.poll(0))


def peer_pid(peer: socket.socket) -> int:
    """Return which process is at the other end, as the kernel says."""
    pid: int = _CREDENTIALS.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))[0]
    return pid


def read_line(peer: socket.socket) -> bytes:
    """Return what comes before the first newline, or before the other side stops sending."""
    received = bytearray()
    while not received.endswith(b"\n"):
        part = peer.recv(65_536)
        if not part:
            break
        received += part
        if len(received) > LINE_BYTES_MAX:
            break
    return bytes(received)


@contextlib.contextmanager
def short_path(path: Path) -> Iterator[str]:
    """Give a name of the socket that fits the kernel's 108 bytes however deep the home lies."""
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{path.name}"
    finally:
        os.close(descriptor)

"""Asks the running agent, if there is one."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from holdfast.core.errors import HoldfastError, RefusedError
from holdfast.core.record import encode
from holdfast.interfaces.control.messages import Reply, Request
from holdfast.interfaces.control.server import peer_pid, read_line, short_path

_GRACE_S: Final = 20.0
_PATIENCE_S: Final = 2.0
"""After so long a person wants to know what is waited for."""
_decode = msgspec.json.Decoder(Reply).decode


class UnheardError(HoldfastError):
    """An agent runs, and did not answer in time; `pid` is its process, 0 where even that is not known."""

    def __init__(self, pid: int, why: str) -> None:
        self.told = f"the agent (pid {pid})" if pid else "the agent"
        self.end = f"`kill -9 {pid}` ends it" if pid else "end its process"
        super().__init__(
            f"{self.told} does not answer: {why}",
            hint=f"look at its terminal or log; if it hangs, {self.end}, and the same command then asks its journal",
        )
        self.pid = pid


def ask(path: Path, request: Request, on_wait: Callable[[int], None] = lambda _: None) -> Reply | None:
    """Return the reply of the agent that listens at `path`; None when no agent runs there.

    `on_wait` is told the agent's process number, once, when the answer takes longer than a moment.

    Raises
    ------
    RefusedError
        The agent said no to who asks.
    UnheardError
        It did not answer.
    HoldfastError
        It could not do what was asked.
    """
    if not path.exists():
        return None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.settimeout(request.wait_s + _GRACE_S)
        try:
            with short_path(path) as place:
                peer.connect(place)
        except PermissionError as error:
            raise RefusedError(f"the agent at {path} belongs to another user", hint="become that user") from error
        except (ConnectionRefusedError, FileNotFoundError):
            return None  # left behind by an agent that was killed
        except (BlockingIOError, TimeoutError) as error:
            raise UnheardError(0, "so many wait for it already that no more are let in") from error
        pid = peer_pid(peer)
        try:
            peer.sendall(encode(request) + b"\n")
            if not select.select([peer], [], [], _PATIENCE_S)[0]:
                on_wait(pid)
            line = read_line(peer)
        except TimeoutError as error:
            raise UnheardError(pid, "it hangs, or was stopped (timed out)") from error
        except ConnectionError as error:
            raise UnheardError(pid, str(error)) from error
    return _granted(line, pid)


def _granted(line: bytes, pid: int) -> Reply:
    if not line:
        raise UnheardError(pid, "it has closed the connection")
    try:
        reply = _decode(line)
    except msgspec.DecodeError as error:
        raise HoldfastError(
            "the agent's answer is not understood", hint="run the same version of holdfast on both sides"
        ) from error
    if reply.is_unheard:
        raise UnheardError(pid, reply.error)
    if not reply.error:
        return reply
    refused = RefusedError(reply.error, hint=reply.hint)
    failed = HoldfastError(reply.error, hint=reply.hint)
    raise refused if reply.exit_code == RefusedError.exit_code else failed

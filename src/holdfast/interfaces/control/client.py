"""Asks the running agent, if there is one."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Final

import msgspec

from holdfast.core.errors import HoldfastError, RefusedError
from holdfast.core.record import encode
from holdfast.interfaces.control.messages import Reply, Request
from holdfast.interfaces.control.server import read_line, short_path

_GRACE_S: Final = 20.0
_decode = msgspec.json.Decoder(Reply).decode


def ask(path: Path, request: Request) -> Reply | None:
    """Return the reply of the agent that listens at `path`; None when no agent runs there.

    Raises
    ------
    RefusedError
        The agent said no to who asks.
    HoldfastError
        It did not answer, or could not do what was asked.
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
        try:
            peer.sendall(encode(request) + b"\n")
            line = read_line(peer)
        except (TimeoutError, ConnectionError) as error:
            raise HoldfastError(
                f"the agent at {path} does not answer: {error}", hint="look at its terminal or log, then try again"
            ) from error
    return _granted(line)


def _granted(line: bytes) -> Reply:
    try:
        reply = _decode(line)
    except msgspec.DecodeError as error:
        raise HoldfastError(
            "the agent's answer is not understood", hint="run the same version of holdfast on both sides"
        ) from error
    if not reply.error:
        return reply
    refused = RefusedError(reply.error, hint=reply.hint)
    failed = HoldfastError(reply.error, hint=reply.hint)
    raise refused if reply.exit_code == RefusedError.exit_code else failed

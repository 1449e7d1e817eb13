"""Who we are to Gate.io: the key pair, where it is read from, and the three signatures that it makes."""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
import tomllib
from pathlib import Path
from typing import Final

import msgspec

from holdfast.core.errors import ConfigurationError
from holdfast.core.secret import Secret

_OPEN_TO_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_EMPTY_HASH: Final = hashlib.sha512(b"").hexdigest()
_SHORTEST_HIDDEN: Final = 6  # what is shorter would hide ordinary words
_SIZE_MAX: Final = 64 * 1024  # a key file is three lines
_HINT: Final = 'write key = "..." and secret = "..." (TOML), or the same two as JSON'


class Credentials:
    """An API key and its secret, and the passphrase that some venues want besides; all stay out of every print."""

    __slots__ = ("key", "password", "secret")

    def __init__(self, key: str, secret: Secret, password: Secret | None = None) -> None:
        # A line end or a blank in a header field would let the file's text write headers of its own.
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise ConfigurationError("the API key must be printable ASCII without blanks", hint=_HINT)
        if not secret:
            raise ConfigurationError("the API secret is empty", hint=_HINT)
        self.key, self.secret, self.password = key, secret, password or Secret("")

    def hide(self, text: str) -> str:
        """Return a text of the venue's without our key and secret, which it may repeat."""
        for word in (self.key, self.secret.reveal()):
            if len(word) >= _SHORTEST_HIDDEN:
                text = text.replace(word, "***")
        return text

    def __repr__(self) -> str:
        return "Credentials(***)"

    def __reduce__(self) -> str:
        raise TypeError("credentials are not copied into files or other processes")


def read_credentials(path: Path) -> Credentials:
    """Return the key pair that a TOML or JSON file holds.

    Raises
    ------
    ConfigurationError
        It is missing, does not hold a key and a secret, or is open to other users; its text is never quoted.
    """
    try:
        with path.open("rb") as file:
            # Asked of what was opened: the name may lead elsewhere a moment later.
            found = os.fstat(file.fileno())
            raw = file.read(_SIZE_MAX + 1)
    except OSError as error:
        raise ConfigurationError(f"{path}: the credentials cannot be read ({error.strerror})", hint=_HINT) from None
    document = _parse(raw) if len(raw) <= _SIZE_MAX else {}
    key, secret, password = document.get("key"), document.get("secret"), document.get("password", "")
    if not isinstance(key, str) or not isinstance(secret, str) or not isinstance(password, str):
        raise ConfigurationError(f"{path} is no key file: it has no text `key` and `secret`", hint=_HINT)
    # Only now: nobody is told to change the mode of a file that is no key file, or is not theirs to change.
    if found.st_mode & _OPEN_TO_OTHERS:
        if found.st_uid != os.geteuid():
            raise ConfigurationError(
                f"{path}: it belongs to another user (number {found.st_uid}), and others can read it",
                hint="copy it into a file of your own that nobody else can read (chmod 600), and name that one",
            )
        raise ConfigurationError(f"{path}: other users can read the credentials", hint=f"chmod 600 {path}")
    return Credentials(key, Secret(secret), Secret(password))


def _parse(raw: bytes) -> dict[str, object]:
    try:
        if raw.lstrip().startswith(b"{"):
            return msgspec.json.decode(raw, type=dict[str, object])
        return tomllib.loads(raw.decode())
    # A parser's message quotes the text, and the text is the secret.
    except (msgspec.DecodeError, tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError):
        return {}


def sign_rest(secret: Secret, method: str, path: str, query: str, body: bytes, ts: str) -> str:
    """Return SIGN of a REST request: `path` with /api/v4, `query` as sent and not encoded, `ts` in unix seconds."""
    digest = hashlib.sha512(body).hexdigest() if body else _EMPTY_HASH
    return _sign(secret, f"{method}\n{path}\n{query}\n{digest}\n{ts}".encode())


def sign_subscription(secret: Secret, channel: str, event: str, ts: int) -> str:
    """Return SIGN of a websocket subscription at `ts` (unix seconds)."""
    return _sign(secret, f"channel={channel}&event={event}&time={ts}".encode())


def sign_socket_call(secret: Secret, event: str, channel: str, params: bytes, ts: int) -> str:
    """Return the signature of a call over the websocket; `params` are the very bytes of its `req_param`."""
    return _sign(secret, b"%s\n%s\n%s\n%d" % (event.encode(), channel.encode(), params, ts))


def _sign(secret: Secret, message: bytes) -> str:
    return hmac.digest(secret.reveal().encode(), message, "sha512").hex()

"""Whose request it is: the three signatures of Gate.io, checked as the venue checks them.

Written from the published formula alone and sharing nothing with the client, so that a fault of one shows in the other.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Final

from holdfast.core.errors import ConfigurationError
from holdfast.core.secret import Secret
from holdfast.simulator.refusal import VenueRefusal

WINDOW_S: Final = 60
"""How far a request's time may be from the venue's clock."""

_EMPTY: Final = hashlib.sha512(b"").hexdigest()
_DIGITS_MAX: Final = 20
_STAMP: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?", re.ASCII)


class Keyring:
    """The keys of the venue's customers; each key is an account of its own."""

    __slots__ = ("_secrets",)

    def __init__(self, secrets: Mapping[str, Secret]) -> None:
        for key, secret in secrets.items():
            if not key or not key.isascii() or not key.isprintable() or " " in key or not secret:
                raise ConfigurationError(
                    "an account needs a printable key and a secret", hint="--account KEY:SECRET, without blanks"
                )
        self._secrets = dict(secrets)

    @property
    def keys(self) -> tuple[str, ...]:
        """Return every key, in the order of the accounts."""
        return tuple(self._secrets)

    def secret_of(self, key: str) -> Secret:
        """Return the secret that belongs to a key, or refuse the key."""
        secret = self._secrets.get(key)
        if secret is None:
            raise VenueRefusal("INVALID_KEY", "Invalid key provided", 401)
        return secret


class SignedRequest:
    """What of a REST request is signed: `path` with /api/v4, `query` as it was sent and decoded, the raw body."""

    __slots__ = ("body", "headers", "method", "path", "query")

    def __init__(self, method: str, path: str, query: str, body: bytes, headers: Mapping[str, str]) -> None:
        self.method, self.path, self.query, self.body, self.headers = method, path, query, body, headers


def account_of_request(keyring: Keyring, request: SignedRequest, now_ms: int) -> str:
    """Return the key of whoever signed the request.

    Raises
    ------
    VenueRefusal
        401 with the venue's label: a header is missing, the key is not known, the time is off, the signature is wrong.
    """
    key, stamp, sign = (request.headers.get(name, "") for name in ("KEY", "Timestamp", "SIGN"))
    for name, value in (("KEY", key), ("Timestamp", stamp), ("SIGN", sign)):
        if not value:
            raise VenueRefusal("MISSING_REQUIRED_HEADER", f"Missing required header: {name}", 401)
    secret = keyring.secret_of(key)
    _check_time(stamp, now_ms)
    digest = hashlib.sha512(request.body).hexdigest() if request.body else _EMPTY
    text = f"{request.method}\n{request.path}\n{request.query}\n{digest}\n{stamp}"
    _check_signature(secret, text, sign, 401)
    return key


def account_of_subscription(keyring: Keyring, message: Mapping[str, object], now_ms: int) -> str:
    """Return the key of whoever signed a websocket subscription."""
    auth = message.get("auth")
    if not isinstance(auth, Mapping):
        raise VenueRefusal("INVALID_KEY", "Invalid key provided", 401)
    key, sign = str(auth.get("KEY", "")), str(auth.get("SIGN", ""))
    secret = keyring.secret_of(key)
    stamp = str(message.get("time", ""))
    _check_time(stamp, now_ms)
    text = f"channel={message.get('channel', '')}&event={message.get('event', '')}&time={stamp}"
    _check_signature(secret, text, sign, 401)
    return key


def account_of_login(keyring: Keyring, message: Mapping[str, object], raw_param: bytes, now_ms: int) -> str:
    """Return the key of whoever signed a websocket call; `raw_param` are the bytes of its `req_param` as sent."""
    payload = message.get("payload")
    if not isinstance(payload, Mapping):
        raise VenueRefusal("INVALID_KEY", "Invalid key provided", 401)
    key, sign = str(payload.get("api_key", "")), str(payload.get("signature", ""))
    stamp = str(payload.get("timestamp", ""))
    secret = keyring.secret_of(key)
    _check_time(stamp, now_ms)
    head = f"{message.get('event', '')}\n{message.get('channel', '')}\n".encode()
    # The venue takes the parameters as they stand, and an absent one as nothing.
    _check_signature(secret, head + raw_param + f"\n{stamp}".encode(), sign, 401)
    return key


def check_expiry(headers: Mapping[str, str], now_ms: int) -> None:
    """Refuse an order that came later than the moment (ms) after which its sender no longer wants it."""
    text = headers.get("x-gate-exptime", "")
    if not text:
        return
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS_MAX):
        raise VenueRefusal("INVALID_PARAM_VALUE", "Invalid header x-gate-exptime", 400)
    if now_ms > int(text):
        raise VenueRefusal("REQUEST_EXPIRED", "request expired: x-gate-exptime has passed", 400)


def _check_time(stamp: str, now_ms: int) -> None:
    # The venue's own SDK sends a fraction, too.
    if not _STAMP.fullmatch(stamp):
        raise VenueRefusal("REQUEST_EXPIRED", "Timestamp is no number of seconds", 401)
    if abs(int(stamp.partition(".")[0]) * 1000 - now_ms) > WINDOW_S * 1000 + 999:
        raise VenueRefusal("REQUEST_EXPIRED", f"gap between request Timestamp and server time exceeds {WINDOW_S}", 401)


def _check_signature(secret: Secret, text: str | bytes, sign: str, status: int) -> None:
    message = text.encode() if isinstance(text, str) else text
    expected = hmac.digest(secret.reveal().encode(), message, "sha512").hex()
    if not hmac.compare_digest(expected.encode(), sign.lower().encode("utf-8", "replace")):
        raise VenueRefusal("INVALID_SIGNATURE", "Signature mismatch", status)

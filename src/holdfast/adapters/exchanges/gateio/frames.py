"""What Gate.io takes over its websocket: subscriptions, the login, calls and pings, as the bytes that are sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from holdfast.adapters.exchanges.gateio.auth import Credentials, sign_socket_call, sign_subscription
from holdfast.adapters.exchanges.gateio.messages import PRIVATE
from holdfast.core.errors import ConfigurationError


class _Auth(msgspec.Struct, gc=False):
    method: str
    KEY: str
    SIGN: str


class _Subscription(msgspec.Struct, gc=False, omit_defaults=True):
    time: int
    id: int
    channel: str
    event: str
    payload: list[str] | None = None
    auth: _Auth | None = None


class _Payload(msgspec.Struct, gc=False, omit_defaults=True):
    req_id: str
    req_param: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    req_header: dict[str, str] | None = None
    api_key: str = ""
    signature: str = ""
    timestamp: str = ""


class _Call(msgspec.Struct, gc=False):
    time: int
    channel: str
    event: str
    payload: _Payload


_encode: Final = msgspec.json.Encoder().encode


def subscription_of(
    channel: str, payload: Sequence[str], request_id: int, ts_s: int, credentials: Credentials | None = None,
    event: str = "subscribe",
) -> bytes:  # fmt: skip
    """Return the request for a channel at `ts_s` (unix seconds), signed if the channel is private."""
    request = _Subscription(ts_s, request_id, channel, event, list(payload) or None)
    if channel in PRIVATE:
        if credentials is None:
            raise ConfigurationError(f"{channel} is a private channel", hint="give an API key")
        sign = sign_subscription(credentials.secret, channel, event, ts_s)
        request.auth = _Auth("api_key", credentials.key, sign)
    return _encode(request)


def login_of(credentials: Credentials, request_id: str, ts_s: int) -> bytes:
    """Return the request that opens the socket for calls."""
    sign = sign_socket_call(credentials.secret, "api", "spot.login", b"", ts_s)
    payload = _Payload(request_id, api_key=credentials.key, signature=sign, timestamp=str(ts_s))
    return _encode(_Call(ts_s, "spot.login", "api", payload))


def call_of(channel: str, params: bytes, request_id: str, ts_s: int, header: dict[str, str] | None = None) -> bytes:
    """Return a call over a socket that is logged in; `params` is JSON, and goes out as these very bytes."""
    payload = _Payload(request_id, msgspec.Raw(params), header or None)
    return _encode(_Call(ts_s, channel, "api", payload))


def ping_of(ts_s: int) -> bytes:
    """Return the application's own ping."""
    return b'{"time":%d,"channel":"spot.ping"}' % ts_s

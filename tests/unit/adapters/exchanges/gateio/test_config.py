"""Bounds of the settings, and that no key leaves in the clear."""

import pytest

from holdfast.adapters.exchanges.gateio.config import GateioConfig
from holdfast.core.errors import ConfigurationError


def test_defaults_are_the_real_venue():
    assert GateioConfig().rest_url == "https://api.gateio.ws"
    assert GateioConfig().socket_url == "wss://api.gateio.ws/ws/v4/"


@pytest.mark.parametrize(
    ("base", "socket"),
    [
        ("http://127.0.0.1:8080", "ws://127.0.0.1:8080/ws/v4/"),
        ("http://localhost:1/", "ws://localhost:1/ws/v4/"),
        ("http://[::1]:80", "ws://[::1]:80/ws/v4/"),
        ("https://example.org", "wss://example.org/ws/v4/"),
    ],
)
def test_socket_is_at_the_same_host(base: str, socket: str):
    config = GateioConfig.for_url(base)
    assert config.rest_url == base.rstrip("/")
    assert config.socket_url == socket


@pytest.mark.parametrize(
    "base",
    [
        *("http://api.gateio.ws", "http://192.168.0.1:80", "http://127.0.0.1.example.org", "http://0.0.0.0", "http://"),
        *(
            "ftp://127.0.0.1",
            "127.0.0.1:80",
            "https://user:pw@example.org",
            "https://a/b",
            "https://a?b",
            "https://a#b",
        ),
        *("https://a:port", "https://[::1", "http://localhost.example.org", ""),
    ],
)
def test_unsafe_address_is_refused_and_not_quoted(base: str):
    with pytest.raises(ConfigurationError) as caught:
        GateioConfig.for_url(base)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        *(
            {"connect_timeout_ms": 0},
            {"request_timeout_ms": 10**9},
            {"answer_timeout_ms": 299},
            {"answer_timeout_ms": 30_001},
            {"order_expiry_ms": 0},
            {"order_expiry_ms": 60_000},
        ),
        *({"retries": -1}, {"retries": 11}, {"body_max": 0}, {"backoff_ms": 0}, {"limit_wait_max_ms": -1}),
        {"socket_url": "ws://example.org/ws/v4/"},
    ],
)
def test_every_bound_refuses(change: dict):
    with pytest.raises(ConfigurationError, match="gateio"):
        GateioConfig(**change)

"""Signatures against the recorded vectors, and a key file that only its owner can read."""

import json
import os
from pathlib import Path

import pytest
from tests.conftest import recorded_file

from holdfast.adapters.exchanges.gateio.auth import (
    Credentials,
    read_credentials,
    sign_rest,
    sign_socket_call,
    sign_subscription,
)  # fmt: skip
from holdfast.core.errors import ConfigurationError
from holdfast.core.secret import Secret

VECTORS = "../gateio/signing_vectors.json"
SECRET = "top-secret-text"


@pytest.mark.recorded_data
def test_every_rest_vector_is_reproduced():
    vectors = json.loads(recorded_file(VECTORS).read_bytes())["rest"]
    assert len(vectors) == 6
    for v in vectors:
        body = v["body"].encode()
        assert sign_rest(Secret(v["secret"]), v["method"], v["path"], v["query"], body, v["timestamp"]) == v["sign"]


@pytest.mark.recorded_data
def test_every_subscription_vector_is_reproduced():
    vectors = json.loads(recorded_file(VECTORS).read_bytes())["websocket_subscribe"]
    assert len(vectors) == 2
    for v in vectors:
        assert sign_subscription(Secret(v["secret"]), v["channel"], v["event"], v["time"]) == v["sign"]


def test_documented_example_is_reproduced():
    sign = sign_rest(
        Secret("secret"),
        "GET",
        "/api/v4/futures/orders",
        "contract=BTC_USD&status=finished&limit=50",
        b"",
        "1541993715",
    )
    assert sign.startswith("55f84ea195d6fe57ce62464daaa7c3c02fa9d1dde954e4c898289c9a2407a3d6fb3faf24deff1679")


def test_socket_call_signs_event_channel_params_and_time():
    # HMAC-SHA512 of "api\nspot.login\n\n1700000000" by the published formula, reckoned with openssl.
    sign = sign_socket_call(Secret("secret"), "api", "spot.login", b"", 1_700_000_000)
    assert len(sign) == 128
    assert sign == (
        "fda6efd05e40791f1059365daecc597f520349bd009ecaa64454e137d73a181e"
        "6bcdeb466148db04b38adfc8800a2e46ab4e4ac02eee77a8a2a2ece43d6d720c"
    )
    assert sign != sign_socket_call(Secret("secret"), "api", "spot.login", b"{}", 1_700_000_000)


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text, "utf-8")
    path.chmod(mode)
    return path


@pytest.mark.parametrize("text", [f'key = "abc"\nsecret = "{SECRET}"\n', json.dumps({"key": "abc", "secret": SECRET})])
def test_toml_and_json_are_read(tmp_path: Path, text: str):
    credentials = read_credentials(write(tmp_path / "key", text))
    assert credentials.key == "abc"
    assert credentials.secret.reveal() == SECRET


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610])
def test_file_open_to_others_is_refused(tmp_path: Path, mode: int):
    path = write(tmp_path / "key", f'key = "abc"\nsecret = "{SECRET}"\n', mode)
    with pytest.raises(ConfigurationError, match="other users can read") as caught:
        read_credentials(path)
    assert "chmod 600" in caught.value.hint
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("text", ["daemon:x:1:1:daemon:/:/bin/false\n", 'colour = "blue"\n', "{}"])
def test_a_file_that_is_no_key_file_is_refused_as_such_and_nobody_is_told_to_change_its_mode(tmp_path: Path, text: str):
    with pytest.raises(ConfigurationError, match="is no key file") as caught:
        read_credentials(write(tmp_path / "passwd", text, 0o644))
    assert "chmod" not in caught.value.hint


def test_a_key_file_of_somebody_else_is_refused_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = write(tmp_path / "key", f'key = "abc"\nsecret = "{SECRET}"\n', 0o644)
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(ConfigurationError, match="belongs to another user") as caught:
        read_credentials(path)
    assert str(path) not in caught.value.hint
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        *("", "key", "{", '{"key":"abc"}', 'key = "abc"', 'key = 1\nsecret = "top-secret-text"'),
        *(f'key = "a b"\nsecret = "{SECRET}"', f'key = ""\nsecret = "{SECRET}"', 'key = "a"\nsecret = ""'),
        *(f'key = "a\\nb"\nsecret = "{SECRET}"', f"secret = {SECRET}", f'{{"secret": {SECRET}', "[" * 70_000),
        "{" + '"a":[' * 10_000,
    ],
)
def test_unusable_file_is_refused_without_its_text(tmp_path: Path, text: str):
    with pytest.raises(ConfigurationError) as caught:
        read_credentials(write(tmp_path / "key", text))
    assert SECRET not in f"{caught.value} {caught.value.hint} {caught.value.__cause__}"


def test_missing_file_is_refused(tmp_path: Path):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_credentials(tmp_path / "key")


def test_credentials_print_nothing():
    credentials = Credentials("the-key", Secret(SECRET))
    assert "the-key" not in repr(credentials)
    assert SECRET not in f"{credentials!r}{credentials}"

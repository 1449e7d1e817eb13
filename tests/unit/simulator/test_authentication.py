"""The venue's own check of signatures: the published vectors pass, and everything else is refused by its label."""

import hashlib
import hmac
import json

import pytest
from tests.conftest import recorded_file

from holdfast.core.errors import ConfigurationError
from holdfast.core.secret import Secret
from holdfast.simulator.authentication import (
    Keyring,
    SignedRequest,
    account_of_login,
    account_of_request,
    account_of_subscription,
    check_expiry,
)
from holdfast.simulator.refusal import VenueRefusal

KEY, SECRET = "key-1", "secret-1"
NOW_MS = 1_700_000_000_000
KEYRING = Keyring({KEY: Secret(SECRET)})


def mac(text: str) -> str:
    return hmac.new(SECRET.encode(), text.encode(), hashlib.sha512).hexdigest()


def request(body: bytes = b"", query: str = "", **changes: str) -> SignedRequest:
    stamp = changes.get("Timestamp", str(NOW_MS // 1000))
    digest = hashlib.sha512(body).hexdigest()
    sign = mac(f"POST\n/api/v4/spot/orders\n{query}\n{digest}\n{stamp}")
    headers = {"KEY": KEY, "Timestamp": stamp, "SIGN": sign, **changes}
    return SignedRequest("POST", "/api/v4/spot/orders", query, body, {k: v for k, v in headers.items() if v})


def label_of(call) -> tuple[str, int]:
    with pytest.raises(VenueRefusal) as refused:
        call()
    return refused.value.label, refused.value.status


@pytest.mark.parametrize("body", [b"", b'{"text":"t-1"}', '{"text":"é"}'.encode()])
def test_a_signed_request_is_its_accounts(body):
    assert account_of_request(KEYRING, request(body, "a=1&b=2"), NOW_MS) == KEY


@pytest.mark.parametrize("name", ["KEY", "Timestamp", "SIGN"])
def test_a_missing_header_is_named(name):
    assert label_of(lambda: account_of_request(KEYRING, request(**{name: ""}), NOW_MS)) == (
        "MISSING_REQUIRED_HEADER",
        401,
    )


def test_an_unknown_key_a_wrong_signature_and_a_changed_body_are_refused():
    assert label_of(lambda: account_of_request(KEYRING, request(KEY="other"), NOW_MS)) == ("INVALID_KEY", 401)
    for wrong in ("00", "é", "f" * 128):
        assert label_of(lambda wrong=wrong: account_of_request(KEYRING, request(SIGN=wrong), NOW_MS)) == (
            "INVALID_SIGNATURE",
            401,
        )
    signed = request(b"1")
    forged = SignedRequest(signed.method, signed.path, signed.query, b"2", signed.headers)
    assert label_of(lambda: account_of_request(KEYRING, forged, NOW_MS)) == ("INVALID_SIGNATURE", 401)


@pytest.mark.parametrize(("late_s", "is_taken"), [(0, True), (60, True), (-60, True), (61, False), (-61, False)])
def test_a_time_further_off_than_a_minute_is_refused(late_s, is_taken):
    signed = request(Timestamp=str(NOW_MS // 1000 - late_s))
    if is_taken:
        assert account_of_request(KEYRING, signed, NOW_MS) == KEY
    else:
        assert label_of(lambda: account_of_request(KEYRING, signed, NOW_MS)) == ("REQUEST_EXPIRED", 401)


def test_the_fraction_that_the_venues_own_sdk_sends_is_taken():
    assert account_of_request(KEYRING, request(Timestamp=f"{NOW_MS // 1000}.8212347"), NOW_MS) == KEY


@pytest.mark.parametrize("stamp", ["-1", "1.", ".5", "1.2.3", "1e9", "٣", "9" * 40, "x"])
def test_a_time_that_is_no_number_is_refused(stamp):
    assert label_of(lambda: account_of_request(KEYRING, request(Timestamp=stamp), NOW_MS))[0] == "REQUEST_EXPIRED"


def test_an_order_is_not_taken_after_the_moment_that_its_sender_named():
    check_expiry({}, NOW_MS)
    check_expiry({"x-gate-exptime": str(NOW_MS)}, NOW_MS)
    assert label_of(lambda: check_expiry({"x-gate-exptime": str(NOW_MS - 1)}, NOW_MS))[0] == "REQUEST_EXPIRED"
    assert label_of(lambda: check_expiry({"x-gate-exptime": "soon"}, NOW_MS))[0] == "INVALID_PARAM_VALUE"


def test_a_subscription_and_a_call_over_the_socket_are_their_accounts():
    stamp = NOW_MS // 1000
    message: dict[str, object] = {"time": stamp, "channel": "spot.orders", "event": "subscribe"}
    message["auth"] = {"KEY": KEY, "SIGN": mac(f"channel=spot.orders&event=subscribe&time={stamp}")}
    assert account_of_subscription(KEYRING, message, NOW_MS) == KEY
    assert label_of(lambda: account_of_subscription(KEYRING, {**message, "auth": None}, NOW_MS))[0] == "INVALID_KEY"
    assert label_of(lambda: account_of_subscription(KEYRING, {**message, "channel": "spot.balances"}, NOW_MS)) == (
        "INVALID_SIGNATURE",
        401,
    )
    param = b'{"text":"t-1"}'
    sign = mac(f"api\nspot.order_place\n{param.decode()}\n{stamp}")
    call: dict[str, object] = {"channel": "spot.order_place", "event": "api"}
    call["payload"] = {"api_key": KEY, "signature": sign, "timestamp": str(stamp)}
    assert account_of_login(KEYRING, call, param, NOW_MS) == KEY
    assert label_of(lambda: account_of_login(KEYRING, call, b"{}", NOW_MS))[0] == "INVALID_SIGNATURE"
    assert label_of(lambda: account_of_login(KEYRING, {**call, "payload": 1}, param, NOW_MS))[0] == "INVALID_KEY"


@pytest.mark.recorded_data
def test_the_published_vectors_pass():
    vectors = json.loads(recorded_file("../gateio/signing_vectors.json").read_text())["rest"]
    assert len(vectors) >= 6
    for case in vectors:
        stamp = case["timestamp"]
        headers = {"KEY": "k", "Timestamp": stamp, "SIGN": case["sign"]}
        signed = SignedRequest(case["method"], case["path"], case["query"], case["body"].encode(), headers)
        assert account_of_request(Keyring({"k": Secret(case["secret"])}), signed, int(stamp) * 1000) == "k"


@pytest.mark.parametrize(("key", "secret"), [("", "s"), ("a b", "s"), ("k", ""), ("é", "s"), ("a\n", "s")])
def test_a_key_that_could_not_stand_in_a_header_makes_no_account(key, secret):
    with pytest.raises(ConfigurationError, match="printable key"):
        Keyring({key: Secret(secret)})


def test_secrets_stay_out_of_what_is_printed():
    assert SECRET not in repr(KEYRING)
    assert json.dumps(SECRET) not in str(KEYRING)

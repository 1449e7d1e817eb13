"""What `simulate-venue` refuses before it serves, and what its folder holds while it does and after a kill."""

import hashlib
import hmac
import json
import signal
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

START = "from holdfast.cli.main import main; main()"
PATIENCE_S = 60
KEY, SECRET = "practice", "a-long-secret"


def begun(folder: Path, *more: str) -> tuple[subprocess.Popen[str], dict[str, str]]:
    command = [sys.executable, "-c", START, "simulate-venue", "--state", str(folder), "--pace", "0", "--json", *more]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return process, json.loads(process.stdout.readline())


def refused(*more: str) -> tuple[int, str]:
    command = [sys.executable, "-c", START, "simulate-venue", *more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    return done.returncode, done.stderr


def signed(url: str, method: str, path: str, body: dict | None = None, query: str = "") -> dict:
    raw = json.dumps(body).encode() if body is not None else b""
    stamp = str(int(time.time()))
    text = f"{method}\n/api/v4{path}\n{query}\n{hashlib.sha512(raw).hexdigest()}\n{stamp}"
    sign = hmac.new(SECRET.encode(), text.encode(), hashlib.sha512).hexdigest()
    request = urllib.request.Request(
        f"{url}/api/v4{path}" + (f"?{query}" if query else ""),
        data=raw or None,
        method=method,
        headers={"KEY": KEY, "Timestamp": stamp, "SIGN": sign, "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        return json.load(answer)


ORDER = {"currency_pair": "BTC_USDT", "side": "buy", "amount": "0.01", "price": "20000", "text": "t-kept"}


def test_an_address_that_others_can_reach_is_refused(tmp_path):
    code, said = refused("--host", "0.0.0.0", "--state", str(tmp_path / "v"))
    assert code == 2
    assert "on this machine alone" in said
    assert not (tmp_path / "v").exists()


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (("--account", "nocolon"), "KEY:SECRET"),
        (("--balance", "USDT=lots"), "no balance"),
        (("--faults", "nowhere.toml"), "cannot be read"),
        (("--fee", "much"), "no share"),
        (("--market", "nowhere.parquet"), "no such file"),
    ],
)
def test_what_cannot_be_is_refused_with_a_hint(tmp_path, more, expected):
    code, said = refused("--state", str(tmp_path / "v"), *more)
    assert code == 2, said
    assert expected in said
    assert "next:" in said


ACCOUNTS = f"""
[[accounts]]
key = "{KEY}"
secret = "{SECRET}"

[[accounts]]
key = "other"
secret = "another-secret"
"""


@pytest.mark.parametrize(
    ("text", "mode", "expected"),
    [
        (ACCOUNTS, 0o644, "other users can read"),
        (ACCOUNTS, 0o640, "other users can read"),
        (f'key = "{KEY}"\nsecret = "{SECRET}"', 0o600, "expected accounts"),
        (f'[[accounts]]\nkey = "{KEY}"\nsecret = {SECRET}', 0o600, "expected accounts"),
        (json.dumps({"accounts": []}), 0o600, "expected accounts"),
        (json.dumps({"accounts": [{"key": KEY, "secret": SECRET}] * 2}), 0o600, "the same key"),
        (None, 0o600, "cannot be read"),
    ],
)
def test_a_file_of_accounts_is_for_its_owner_alone_and_never_quoted(tmp_path, text, mode, expected):
    file = tmp_path / "accounts.toml"
    if text is not None:
        file.write_text(text)
        file.chmod(mode)
    code, said = refused("--state", str(tmp_path / "v"), "--accounts-file", str(file))
    assert code == 2, said
    assert expected in said
    assert "next:" in said
    assert SECRET not in said


def test_accounts_are_named_in_one_way(tmp_path):
    code, said = refused("--state", str(tmp_path / "v"), "--accounts-file", "x.toml", "--account", "drill:a-secret")
    assert code == 2
    assert "in two ways" in said


@pytest.mark.slow
@pytest.mark.parametrize("is_json", [False, True])
def test_a_secret_from_a_file_is_in_no_argument_and_signs(tmp_path, is_json):
    file = tmp_path / "accounts"
    as_json = json.dumps({"accounts": [{"key": KEY, "secret": SECRET}, {"key": "other", "secret": "another-secret"}]})
    file.write_text(as_json if is_json else ACCOUNTS)
    file.chmod(0o600)
    process, place = begun(tmp_path / "venue", "--accounts-file", str(file))
    try:
        assert signed(place["url"], "GET", "/spot/accounts")[0]["currency"] == "USDT"
        assert not any(SECRET in word for word in process.args)
        assert SECRET in (tmp_path / "venue" / "credentials.toml").read_text()
    finally:
        process.terminate()
        assert process.wait(PATIENCE_S) == 0


@pytest.mark.slow
def test_an_order_that_was_answered_is_there_after_a_kill(tmp_path):
    folder = tmp_path / "venue"
    process, place = begun(folder, "--account", f"{KEY}:{SECRET}", "--balance", "USDT=10000,BTC=1")
    placed = signed(place["url"], "POST", "/spot/orders", ORDER)
    taken = signed(place["url"], "POST", "/spot/orders", {**ORDER, "price": "60000", "text": "t-taken"})
    assert taken["status"] == "closed"
    balances = signed(place["url"], "GET", "/spot/accounts")
    assert json.loads((folder / "venue.json").read_text())["pid"] == process.pid
    process.send_signal(signal.SIGKILL)
    process.wait(PATIENCE_S)

    for _ in range(2):  # and after a second one, which begins with a snapshot
        process, place = begun(folder)
        found = signed(place["url"], "GET", f"/spot/orders/{placed['id']}", query="currency_pair=BTC_USDT")
        assert (found["status"], found["text"]) == ("open", "t-kept")
        again = signed(place["url"], "GET", f"/spot/orders/{taken['id']}", query="currency_pair=BTC_USDT")
        assert again == taken
        assert signed(place["url"], "GET", "/spot/accounts") == balances
        with pytest.raises(urllib.error.HTTPError) as repeated:
            signed(place["url"], "POST", "/spot/orders", ORDER)
        assert json.load(repeated.value)["label"] == "REPEATED_CREATION"
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE_S)


@pytest.mark.slow
def test_a_venue_makes_an_account_of_its_own_and_keeps_it_to_itself(tmp_path):
    folder = tmp_path / "venue"
    process, place = begun(folder)
    try:
        files = [path for path in folder.iterdir() if path.is_file()]
        assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
        text = Path(place["credentials"]).read_text()
        assert text.startswith('key = "demo-')
        assert "secret = " in text
        code, said = refused("--state", str(folder))
        assert code == 2
        assert "another venue runs" in said
    finally:
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
    assert not (folder / "venue.json").exists()
    secret = text.partition('secret = "')[2].partition('"')[0]
    assert secret not in process.stdout.read() + process.stderr.read()
    code, said = refused("--state", str(folder), "--account", "other:account")
    assert code == 2
    assert "other accounts" in said
    code, said = refused("--state", str(folder), "--seed", "8")
    assert code == 2
    assert "another market" in said

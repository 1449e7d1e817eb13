"""A venue in a process of its own, for clients that somebody else wrote."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

KEY, SECRET = "buyer-key-0001", "buyer-secret-0001"
OTHER_KEY, OTHER_SECRET = "seller-key-0002", "seller-secret-0002"
PATIENCE_S = 30
START = "from holdfast.cli.main import main; main()"


@dataclass(frozen=True)
class VenueProcess:
    """Where it listens, and its own truth beside what the clients see."""

    url: str
    socket_url: str

    @property
    def api(self) -> str:
        return f"{self.url}/api/v4"

    def post(self, path: str, body: object = None) -> dict:
        request = urllib.request.Request(
            self.url + path, data=json.dumps(body or {}).encode(), headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return json.load(answer)

    def get(self, path: str) -> dict:
        with urllib.request.urlopen(self.url + path, timeout=PATIENCE_S) as answer:
            return json.load(answer)

    def advance(self, bars: int = 1) -> dict:
        return self.post("/simulator/advance", {"bars": bars})


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[VenueProcess]:
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", START, "simulate-venue", "--port", "0", "--market", "synthetic", "--pace", "0"),
            *("--account", f"{KEY}:{SECRET}", "--account", f"{OTHER_KEY}:{OTHER_SECRET}"),
            *("--balance", "USDT=100000,BTC=2", "--state", str(tmp_path / "venue"), "--json"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        yield VenueProcess(ready["url"], ready["socket_url"])
    finally:
        process.terminate()
        process.wait(PATIENCE_S)

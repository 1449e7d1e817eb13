"""Every adapter of a venue over the wire against the one contract, at the simulated venue in a process of its own."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.contract.live_contract import LiveExchangeContract

from holdfast.adapters.exchanges.ccxt.client import CcxtExchange
from holdfast.adapters.exchanges.ccxt.config import CcxtConfig, CcxtKey
from holdfast.adapters.exchanges.gateio.auth import Credentials
from holdfast.adapters.exchanges.gateio.client import GateioExchange
from holdfast.adapters.exchanges.gateio.config import GateioConfig
from holdfast.adapters.exchanges.gateio.order_desk import DeskConfig
from holdfast.adapters.host.clock import SystemClock
from holdfast.core.secret import Secret
from holdfast.domain.instrument import Instrument
from holdfast.ports.live import LiveExchange

KEY, SECRET = "contract-key", "contract-secret"
START = "import sys; from holdfast.cli.main import main; sys.exit(main())"
pytestmark = pytest.mark.slow


class AtSimulatedVenue(LiveExchangeContract):
    """Starts the venue, and moves and breaks it through its own doors."""

    @pytest.fixture(autouse=True)
    def venue(self, tmp_path: Path) -> Iterator[None]:
        process = subprocess.Popen(
            [
                *(sys.executable, "-c", START, "simulate-venue", "--market", "synthetic", "--pace", "0", "--no-limits"),
                *("--instrument", "BTC/USDT", "--account", f"{KEY}:{SECRET}", "--balance", "USDT=100000,BTC=2"),
                *("--state", str(tmp_path / "venue"), "--json"),
            ],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            self.url = json.loads(process.stdout.readline())["url"]
            self.post("/simulator/advance", {"bars": 1})
            yield
        finally:
            process.terminate()
            process.wait(30)

    def post(self, path: str, body: object) -> None:
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        urllib.request.urlopen(request, timeout=30).close()

    def move(self, bars: int = 1) -> None:
        self.post("/simulator/advance", {"bars": bars})

    def truth(self) -> Sequence[str]:
        with urllib.request.urlopen(f"{self.url}/simulator/state", timeout=30) as answer:
            (account,) = json.load(answer)["accounts"]
        return [order["text"] for order in account["orders"] if order["text"].startswith("t-")]

    def fail(self, kind: str, endpoint: str, times: int = 1) -> None:
        self.post("/simulator/faults", {"kind": kind, "endpoint": endpoint, "times": times})


class TestGateio(AtSimulatedVenue):
    def connect(self) -> tuple[LiveExchange, Instrument]:
        desk = DeskConfig(is_trigger_expiry_trusted=True)
        exchange = GateioExchange(GateioConfig.for_url(self.url), Credentials(KEY, Secret(SECRET)), SystemClock(), desk)
        return exchange, exchange.instruments(["BTC/USDT"])[0]


class TestCcxtGate(AtSimulatedVenue):
    """ccxt's `gate` speaks the real protocol to the simulated venue. The window is the one that the simulator keeps."""

    def connect(self) -> tuple[LiveExchange, Instrument]:
        config = CcxtConfig("gate", self.url, order_window_ms=1_000, margin_ms=500, poll_ms=100)
        exchange = CcxtExchange(config, CcxtKey(KEY, Secret(SECRET)), SystemClock())
        return exchange, exchange.instruments(["BTC/USDT"])[0]

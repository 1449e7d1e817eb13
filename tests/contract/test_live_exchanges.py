"""Every adapter of a venue over the wire against the one contract, at the simulated venue in a process of its own."""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest
from tests.contract import binance_model, coinbase_model
from tests.contract.binance_model import BinanceModel
from tests.contract.coinbase_model import CoinbaseModel
from tests.contract.live_contract import Account, LiveExchangeContract
from tests.contract.model_venue import ModelVenue, Served

from holdfast.adapters.exchanges.ccxt.client import CcxtExchange
from holdfast.adapters.exchanges.ccxt.config import CcxtConfig, CcxtKey
from holdfast.adapters.exchanges.gateio.auth import Credentials
from holdfast.adapters.exchanges.gateio.client import GateioExchange
from holdfast.adapters.exchanges.gateio.config import GateioConfig
from holdfast.adapters.exchanges.gateio.order_desk import DeskConfig
from holdfast.adapters.host.clock import SystemClock
from holdfast.core.errors import VenueError
from holdfast.core.secret import Secret
from holdfast.core.time import SECOND
from holdfast.domain.decision import ApprovedAmend
from holdfast.domain.instrument import Instrument
from holdfast.domain.order import OrderFilled, OrderState, OrderType, Role
from holdfast.domain.values import Side
from holdfast.ports.live import LiveExchange, TradingVenue
from holdfast.services.lane import Lane
from holdfast.services.routing import RoutedExchange

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
            with urllib.request.urlopen(f"{self.url}/simulator/faults", timeout=30) as answer:
                assert json.load(answer)["armed"] == []  # else what was to be lost never was
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
    def connect(self) -> tuple[TradingVenue, Instrument]:
        desk = DeskConfig(is_trigger_expiry_trusted=True)
        exchange = GateioExchange(GateioConfig.for_url(self.url), Credentials(KEY, Secret(SECRET)), SystemClock(), desk)
        return exchange, exchange.instruments(["BTC/USDT"])[0]


class TestGateioBySocket(AtSimulatedVenue):
    """The same client with its orders over the websocket; what is to be lost is lost there."""

    names: ClassVar = {
        "POST /spot/orders": "WS spot.order_place", "DELETE /spot/orders/{order_id}": "WS spot.order_cancel",
    }  # fmt: skip

    def connect(self) -> tuple[TradingVenue, Instrument]:
        desk = DeskConfig(is_trigger_expiry_trusted=True)
        config = msgspec.structs.replace(GateioConfig.for_url(self.url), orders="socket")
        exchange = GateioExchange(config, Credentials(KEY, Secret(SECRET)), SystemClock(), desk)
        return exchange, exchange.instruments(["BTC/USDT"])[0]

    def fail(self, kind: str, endpoint: str, times: int = 1) -> None:
        super().fail(kind, self.names.get(endpoint, endpoint), times)

    def test_orders_go_over_the_socket_and_stops_over_rest(self, account: Account):
        entry = self.spec(account, OrderType.LIMIT, Side.BUY, 0.8)
        account.sent(entry, OrderState.OPEN)
        stop = self.spec(account, OrderType.STOP_MARKET, Side.SELL, 0.8)
        account.sent(stop, OrderState.OPEN)
        account.exchange.cancel(entry.order_id, 0, "operator")
        account.hear(lambda: account.state(entry) is OrderState.CANCELED)
        assert isinstance(account.exchange, GateioExchange)
        assert account.exchange.order_ways == {"socket": 2}

    @pytest.mark.parametrize("kind", ["silent_after", "lost_after", "truncated", "wrong_types", "error_after"])
    def test_an_answer_that_is_lost_on_the_socket_is_asked_for_over_rest(self, account: Account, kind: str):
        self.fail(kind, "POST /spot/orders")
        spec = self.spec(account, OrderType.LIMIT, Side.BUY, 0.8)
        account.sent(spec, OrderState.OPEN)
        assert self.truth() == [f"t-{spec.order_id}"]


class Routed(RoutedExchange):
    """What else the contract asks of a venue, answered by the one that is there."""

    def __init__(self, client: GateioExchange) -> None:
        def unreachable() -> LiveExchange:
            raise VenueError("nothing answers there", venue="elsewhere", is_retryable=True)

        super().__init__(
            {
                "GATEIO-MAIN": Lane("GATEIO-MAIN", unreachable, client, time.monotonic_ns),
                "ELSEWHERE": Lane("ELSEWHERE", unreachable, None, time.monotonic_ns),
            }
        )
        self.capabilities = client.capabilities
        self.pairs, self.clock_skew, self.balances = client.pairs, client.clock_skew, client.balances
        self.instruments, self.key_report = client.instruments, client.key_report


class TestRoutedBesideOneThatIsDown(AtSimulatedVenue):
    """One of two venues keeps every promise while the other cannot be reached; its account has a name of its own."""

    def connect(self) -> tuple[TradingVenue, Instrument]:
        config = msgspec.structs.replace(GateioConfig.for_url(self.url), suffix=".GATEIO-MAIN")
        desk = DeskConfig(is_trigger_expiry_trusted=True)
        client = GateioExchange(config, Credentials(KEY, Secret(SECRET)), SystemClock(), desk)
        instrument = client.instruments(["BTC/USDT"])[0]
        assert instrument.id == "BTC/USDT.GATEIO-MAIN"
        return Routed(client), instrument


class TestCcxtGate(AtSimulatedVenue):
    """ccxt's `gate` speaks the real protocol to the simulated venue. The window is the one that the simulator keeps."""

    poll_ms = 100

    def connect(self) -> tuple[TradingVenue, Instrument]:
        config = CcxtConfig("gate", self.url, order_window_ms=1_000, margin_ms=500, poll_ms=self.poll_ms)
        exchange = CcxtExchange(config, CcxtKey(KEY, Secret(SECRET)), SystemClock())
        return exchange, exchange.instruments(["BTC/USDT"])[0]

    def test_a_push_tells_what_somebody_else_has_done(self, account: Account):
        self.poll_ms = 60_000  # longer than the patience of this test: what is heard came as a push
        listening = self.open()
        spec = self.spec(listening, OrderType.LIMIT, Side.BUY, 0.8)
        listening.sent(spec, OrderState.OPEN)
        listening.settle(2.0)
        account.exchange.know([listening.orders[spec.order_id]])
        account.exchange.cancel(spec.order_id, 0, "operator")
        listening.hear(lambda: listening.state(spec) is OrderState.CANCELED)

    def test_a_stop_that_has_fired_unseen_is_found_with_its_sale(self, account: Account):
        # Without client ids on stops it is known by what it is, among those that have ended.
        self.poll_ms = 60_000
        blind = self.open()
        account.exchange.close()
        blind.sent(self.spec(blind, OrderType.STOP_MARKET, Side.SELL, 0.5), OrderState.OPEN)
        self.fail("lost_after", "POST /spot/price_orders")
        before = blind.report().balances[blind.instrument.base]
        stop = self.spec(blind, OrderType.STOP_MARKET, Side.SELL, 0.9999)
        blind.exchange._desk.look = self.sleeping  # it does not look while the stop fires
        blind.submit(stop)
        blind.hear(lambda: blind.state(stop) is OrderState.IN_DOUBT)
        while not any(x["status"] == "finish" for x in self.triggers()):
            self.move()
        del blind.exchange._desk.look
        blind.exchange.ask(list(blind.orders.values()))
        blind.hear(lambda: blind.state(stop) is OrderState.FILLED)
        assert before - blind.report().balances[blind.instrument.base] == self.quantity
        assert len(self.triggers()) == 2, "it was not sent again"

    @staticmethod
    async def sleeping() -> None:
        """Look at nothing."""

    def triggers(self) -> Sequence[dict]:
        with urllib.request.urlopen(f"{self.url}/simulator/state", timeout=30) as answer:
            (account,) = json.load(answer)["accounts"]
        return account["triggers"]


class AtModel(LiveExchangeContract):
    """A model of the venue on loopback, in this process; never reported as the real one."""

    venue: ModelVenue
    url: str
    names: ClassVar = {
        "POST /spot/orders": "place", "DELETE /spot/orders/{order_id}": "cancel", "POST /spot/price_orders": "stop",
    }  # fmt: skip

    def serve(self, model: BinanceModel | CoinbaseModel) -> Iterator[None]:
        self.venue, served = model.venue, Served(model.app)
        self.url = served.url
        try:
            yield
        finally:
            served.close()

    def move(self, bars: int = 1) -> None:
        self.venue.move(bars)

    def truth(self) -> Sequence[str]:
        return [order.client_id for order in self.venue.orders]

    def fail(self, kind: str, endpoint: str, times: int = 1) -> None:
        self.venue.faults += [(kind, self.names[endpoint])] * times

    def client(self, name: str, key: CcxtKey, pair: str) -> tuple[TradingVenue, Instrument]:
        # The windows are the venue's own in life; here they are short, for nothing arrives late at the model.
        config = CcxtConfig(name, self.url, order_window_ms=1_000, margin_ms=200, poll_ms=100, is_streaming=False)
        exchange = CcxtExchange(config, key, SystemClock())
        return exchange, exchange.instruments([pair])[0]

    def test_a_target_kept_here_sells_when_its_price_is_there_and_its_stop_ends(self, account: Account):
        stop = self.spec(account, OrderType.STOP_MARKET, Side.SELL, 0.8, group="g")
        target = self.spec(account, OrderType.LIMIT, Side.SELL, 1.2, Role.TARGET, "g")
        account.submit(stop)
        account.sent(target, OrderState.OPEN)
        account.settle(0.5)
        before = account.report().balances[account.instrument.base]
        self.venue.trade_at(self.venue.price * 5 // 4)
        account.hear(lambda: account.state(target) is OrderState.FILLED)
        account.hear(lambda: account.state(stop).is_final)
        assert not account.report().orders
        assert before - account.report().balances[account.instrument.base] == self.quantity


class TestCcxtBinance(AtModel):
    @pytest.fixture(autouse=True)
    def model(self) -> Iterator[None]:
        self.face = BinanceModel()
        yield from self.serve(self.face)

    def connect(self) -> tuple[TradingVenue, Instrument]:
        return self.client("binance", CcxtKey(binance_model.KEY, Secret(binance_model.SECRET)), "BTC/USDT")

    def test_a_resting_stop_fires_while_nobody_looks_and_its_fills_are_found(self, account: Account):
        stop = self.spec(account, OrderType.STOP_MARKET, Side.SELL, 0.8)
        account.sent(stop, OrderState.OPEN)
        account.exchange.close()
        self.venue.trade_at(self.venue.price * 3 // 4)
        again = self.open(list(account.orders.values()))
        again.exchange.ask(list(again.orders.values()))
        again.hear(lambda: again.state(stop) is OrderState.FILLED)
        assert len([x for x in again.of(stop) if isinstance(x, OrderFilled)]) == 2

    def test_a_moved_stop_whose_answer_was_lost_and_that_has_fired_sells_once(self, account: Account):
        stop = self.spec(account, OrderType.STOP_MARKET, Side.SELL, 0.8)
        account.sent(stop, OrderState.OPEN)
        before = account.report().balances[account.instrument.base]
        self.fail("lost_after", "POST /spot/price_orders")
        account.exchange.amend(ApprovedAmend(stop.order_id, self.price(account, 0.9)), 0)
        account.hear(lambda: len(self.venue.orders) == 2, "the moved stop")
        self.venue.trade_at(self.venue.price * 4 // 5)
        account.hear(lambda: account.state(stop) is OrderState.FILLED)
        account.settle(3.0)  # past the fence: now it would be placed once more, if it were
        assert before - account.report().balances[account.instrument.base] == self.quantity
        assert len(self.venue.orders) == 2

    def test_a_clock_that_is_off_is_corrected_for_and_measured_again(self, account: Account):
        self.face.ahead_s = 40.0
        order = account.sent(self.spec(account, OrderType.MARKET, Side.BUY), OrderState.REJECTED, OrderState.FILLED)
        assert order.state is OrderState.REJECTED, "signed with the old time"
        assert account.sent(self.spec(account, OrderType.MARKET, Side.BUY), OrderState.FILLED)
        assert len(self.truth()) == 1
        again = self.open()
        assert 39 * SECOND < again.exchange.clock_skew() < 41 * SECOND


class TestCcxtCoinbase(AtModel):
    @pytest.fixture(autouse=True)
    def model(self) -> Iterator[None]:
        yield from self.serve(CoinbaseModel())

    def connect(self) -> tuple[TradingVenue, Instrument]:
        return self.client("coinbase", CcxtKey(coinbase_model.KEY, Secret(coinbase_model.SECRET)), "BTC/USD")

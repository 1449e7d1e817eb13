"""Drills: the simulated venue is killed in the midst of its work, and must know all that it had acknowledged."""

import asyncio
import json
import random
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path

import gate_api
import msgspec
import pytest
import urllib3
from gate_api.exceptions import ApiException

from holdfast.adapters.exchanges.gateio.auth import Credentials
from holdfast.adapters.exchanges.gateio.config import GateioConfig
from holdfast.adapters.exchanges.gateio.requests import OrderRequest, Put, Trigger, TriggerRequest
from holdfast.adapters.exchanges.gateio.rest import GateioRest
from holdfast.adapters.exchanges.gateio.socket import GateioSocket, Handlers
from holdfast.adapters.host.clock import SystemClock
from holdfast.core.errors import VenueError
from holdfast.core.secret import Secret

KEY, SECRET, PAIR = "drill-key-0001", "drill-secret-0001", "BTC_USDT"
START = "from holdfast.cli.main import main; main()"
PATIENCE_S = 60
LIVES = 6
LOST = (ApiException, urllib3.exceptions.HTTPError)
pytestmark = pytest.mark.slow


@contextmanager
def venue(folder: Path, *more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    words = (folder.parent / "words.txt").open("a")
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", START, "simulate-venue", "--market", "synthetic", "--pace", "20", "--no-limits"),
            *("--account", f"{KEY}:{SECRET}", "--balance", "USDT=1000000,BTC=10", "--state", str(folder), "--json"),
            *more,
        ],
        stdout=subprocess.PIPE, stderr=words, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())["url"]
    finally:
        process.kill()
        process.wait(PATIENCE_S)
        words.close()


def truth(url: str) -> dict:
    with urllib.request.urlopen(f"{url}/simulator/state", timeout=PATIENCE_S) as answer:
        (account,) = json.load(answer)["accounts"]
        return account


def trade_until_killed(url: str, process: subprocess.Popen[str], life: int, chance: random.Random) -> dict[str, str]:
    """Place and take back orders; return what was acknowledged: the text, and the last that was said of it."""
    configuration = gate_api.Configuration(host=f"{url}/api/v4", key=KEY, secret=SECRET)
    spot = gate_api.SpotApi(gate_api.ApiClient(configuration))
    last = Decimal(spot.list_tickers(currency_pair=PAIR)[0].last)
    acknowledged: dict[str, str] = {}
    dies = time.monotonic() + chance.uniform(0.2, 1.0)
    number = 0
    while True:
        if time.monotonic() > dies and process.poll() is None:
            process.send_signal(signal.SIGKILL)
        number += 1
        text = f"t-{life}-{number}"
        side = chance.choice(["buy", "sell"])
        price = (last * Decimal(chance.choice(["0.9", "0.999", "1.001", "1.1"]))).quantize(Decimal("0.01"))
        order = gate_api.Order(
            currency_pair=PAIR, side=side, type="limit", amount="0.001", price=f"{price:f}", text=text,
            time_in_force=chance.choice(["gtc", "ioc"]),
        )  # fmt: skip
        try:
            placed = spot.create_order(order)
            acknowledged[text] = placed.status
            if placed.status == "open" and chance.random() < 0.3:
                acknowledged[text] = spot.cancel_order(placed.id, PAIR).status
        except LOST:
            if process.poll() is not None:
                return acknowledged


def holds_together(account: dict) -> None:
    """Check that balances are what the trades made of them, and that what is bound is what rests."""
    held = {asset: Decimal(one["available"]) + Decimal(one["locked"]) for asset, one in account["balances"].items()}
    base, quote = Decimal(10), Decimal(1_000_000)
    for trade in account["trades"]:
        amount, fee = Decimal(trade["amount"]), Decimal(trade["fee"])
        value = amount * Decimal(trade["price"])
        is_buy = trade["side"] == "buy"
        base += amount - fee if is_buy else -amount
        quote += -value if is_buy else value - fee
    assert (held["BTC"], held["USDT"]) == (base, quote)
    resting = [order for order in account["orders"] if order["status"] == "open"]
    bought = [Decimal(order["left"]) * Decimal(order["price"]) for order in resting if order["side"] == "buy"]
    sold = [Decimal(order["left"]) for order in resting if order["side"] == "sell"]
    assert Decimal(account["balances"]["USDT"]["locked"]) == sum(bought)
    assert Decimal(account["balances"]["BTC"]["locked"]) == sum(sold)


def test_a_venue_that_is_killed_knows_every_order_that_it_acknowledged(tmp_path):
    chance = random.Random(20_260_305)
    acknowledged: dict[str, str] = {}
    for life in range(LIVES):
        with venue(tmp_path / "venue") as (process, url):
            account = truth(url)
            holds_together(account)
            orders = {order["text"]: order for order in account["orders"]}
            assert len(orders) == len(account["orders"]), "no order is there twice"
            assert acknowledged.keys() <= orders.keys()
            for text, said in acknowledged.items():
                if said != "open":
                    assert orders[text]["status"] == said
            ids = [int(order["id"]) for order in account["orders"]]
            assert len(set(ids)) == len(ids)
            acknowledged.update(trade_until_killed(url, process, life, chance))
    assert len(acknowledged) > LIVES * 5


async def trade_through_faults(url: str, number: int, seconds: float) -> int:
    """Do at random what a customer does, whatever goes wrong; return how much of it was acknowledged."""
    chance, done = random.Random(number), 0
    config = msgspec.structs.replace(GateioConfig.for_url(url), request_timeout_ms=1_500, limit_wait_max_ms=0)
    credentials = Credentials(KEY, Secret(SECRET))
    rest = GateioRest(config, credentials, SystemClock())
    heard: list[object] = []
    socket = GateioSocket(config, credentials, rest.venue_now, Handlers(heard.append, lambda *_: None, lambda *_: None))
    await rest.open()
    socket.start()
    for channel, payload in (
        ("spot.orders", ["!all"]),
        ("spot.balances", []),
        ("spot.order_book_update", [PAIR, "100ms"]),
    ):
        with suppress(VenueError):
            await socket.subscribe(channel, payload)
    price, ends = Decimal(42_000), time.monotonic() + seconds
    while time.monotonic() < ends:
        with suppress(VenueError):
            if chance.random() < 0.1:
                price = (await rest.tickers(PAIR))[0].last or price
            near = (price * Decimal(chance.choice(["0.97", "0.9995", "1", "1.0005", "1.03"]))).quantize(Decimal("0.01"))
            side, tif = chance.choice(["buy", "sell"]), chance.choice([None, "ioc", "poc", "fok"])
            name = f"t-{number}-{time.monotonic_ns()}"
            match chance.randrange(10):
                case 0:
                    put = Put("market", side, f"{near}", chance.choice(["0.01", "100"]), time_in_force="ioc")
                    await rest.place_trigger(TriggerRequest(Trigger(f"{near}", chance.choice(["<=", ">="])), put, PAIR))
                case 1:
                    await rest.cancel_all(PAIR)
                case 2:
                    await rest.countdown(chance.choice([0, 5]))
                case _:
                    await rest.place(
                        OrderRequest(name, PAIR, "limit", side, "0.02", price=f"{near}", time_in_force=tif)
                    )
                    await (rest.amend(name, PAIR, amount="0.03") if chance.random() < 0.5 else rest.cancel(name, PAIR))
            done += 1
        await asyncio.sleep(0)
    await socket.close()
    await rest.close()
    assert heard
    return done


def test_whatever_goes_wrong_on_the_wire_the_venues_books_hold_together(tmp_path):
    async def all_at_once(url: str) -> list[int]:
        return await asyncio.gather(*(trade_through_faults(url, number, 8.0) for number in range(4)))

    with venue(tmp_path / "venue", "--faults", "11") as (_, url):
        assert sum(asyncio.run(all_at_once(url))) > 20
        request = urllib.request.Request(f"{url}/simulator/faults", method="DELETE")
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            assert len(json.load(answer)["counts"]) > 10
        before = truth(url)
        holds_together(before)
        assert before["trades"]
    with venue(tmp_path / "venue") as (_, url):
        after = truth(url)
        holds_together(after)
        orders = {order["id"]: order for order in after["orders"]}
        for order in before["orders"]:
            assert order["status"] == "open" or orders[order["id"]] == order
    assert "Traceback" not in (tmp_path / "words.txt").read_text()

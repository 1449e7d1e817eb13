"""Drills: the simulated venue is killed in the midst of its work, and must know all that it had acknowledged."""

import json
import random
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import gate_api
import pytest
import urllib3
from gate_api.exceptions import ApiException

KEY, SECRET, PAIR = "drill-key-0001", "drill-secret-0001", "BTC_USDT"
START = "from holdfast.cli.main import main; main()"
PATIENCE_S = 60
LIVES = 6
LOST = (ApiException, urllib3.exceptions.HTTPError)
pytestmark = pytest.mark.slow


@contextmanager
def venue(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", START, "simulate-venue", "--market", "synthetic", "--pace", "20", "--no-limits"),
            *("--account", f"{KEY}:{SECRET}", "--balance", "USDT=1000000,BTC=10", "--state", str(folder), "--json"),
        ],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())["url"]
    finally:
        process.kill()
        process.wait(PATIENCE_S)


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

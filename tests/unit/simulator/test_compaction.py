"""A snapshot in the midst of a life changes nothing: neither who stands before whom nor what is left of the book."""

import json
from pathlib import Path

from tests.unit.simulator.venues import ANN, BOB, Rig

from holdfast.adapters.host.clock import SystemClock
from holdfast.core.secret import Secret
from holdfast.core.time import SECOND
from holdfast.domain.values import Side
from holdfast.simulator.authentication import Keyring
from holdfast.simulator.clock import VenueClock
from holdfast.simulator.desk import Desk, Rules
from holdfast.simulator.faults import Faults
from holdfast.simulator.rest_routes import Call
from holdfast.simulator.state import snapshot
from holdfast.simulator.state_folder import StateFolder

NOW = 1_800_000_000 * SECOND


def make_desk(written_max: int, spread: str = "0.05") -> Desk:
    """Return a venue that takes a snapshot after so many entries; its strangers stand far from the last price."""
    faults = Faults()
    keyring = Keyring({ANN: Secret("s"), BOB: Secret("s")})
    return Desk(
        lambda: Rig(spread=spread).venue, keyring, faults, VenueClock(SystemClock(), faults), Rules(0, written_max)
    )


def place(desk: Desk, account: str, side: str, price: str, amount: str, text: str) -> dict:
    order = {"currency_pair": "BTC_USDT", "side": side, "amount": amount, "price": price, "text": text}
    found = desk.perform(Call("POST /spot/orders", account, body=json.dumps(order), ts=NOW))
    assert isinstance(found, dict)
    return found


def test_the_queue_at_a_price_outlives_a_snapshot(tmp_path: Path):
    with StateFolder(tmp_path) as folder:
        desk = make_desk(1_000)
        desk.keep_in(folder)
        first = place(desk, BOB, "sell", "101", "1", "t-first")
        place(desk, BOB, "sell", "101", "1", "t-second")
        for amount in ("2", "1"):  # whoever amends goes to the end
            body = json.dumps({"amount": amount})
            query = "currency_pair=BTC_USDT"
            desk.perform(Call("PATCH /spot/orders/{order_id}", BOB, first["id"], query, body, NOW))
    with StateFolder(tmp_path) as folder:
        desk = make_desk(1_000)
        desk.keep_in(folder)
        place(desk, ANN, "buy", "101", "1", "t-takes")
        status = {order.text: order.status for order in desk.exchange.orders.values()}
        assert status == {"t-first": "open", "t-second": "closed", "t-takes": "closed"}


def test_what_is_left_of_the_strangers_orders_and_the_books_number_outlive_a_snapshot(tmp_path: Path):
    with StateFolder(tmp_path) as folder:
        desk = make_desk(1_000, "0.0001")
        desk.keep_in(folder)
        place(desk, ANN, "sell", "90", "7", "t-eats")
        market = desk.exchange.markets["BTC_USDT"]
        before = (market.sorted_depth(50), market.last_id, [*market.prints.strangers.against(Side.SELL)])
    with StateFolder(tmp_path) as folder:
        desk = make_desk(1_000, "0.0001")
        desk.keep_in(folder)
        market = desk.exchange.markets["BTC_USDT"]
        assert (market.sorted_depth(50), market.last_id, [*market.prints.strangers.against(Side.SELL)]) == before


def test_snapshots_are_taken_as_it_goes_and_a_start_repeats_little(tmp_path: Path):
    with StateFolder(tmp_path) as folder:
        desk = make_desk(3)
        desk.keep_in(folder)
        for number in range(20):
            place(
                desk,
                ANN if number % 2 else BOB,
                "sell" if number % 3 else "buy",
                f"{98 + number % 5}",
                "1",
                f"t-{number}",
            )
            if number % 4 == 3:
                desk.advance(1)
        before = json.loads(snapshot(desk.exchange, desk.triggers))
    lines = [line for path in tmp_path.glob("requests-*.jsonl") for line in path.read_bytes().splitlines()]
    assert len(lines) < 3
    with StateFolder(tmp_path) as folder:
        desk = make_desk(3)
        assert desk.keep_in(folder) < 3
        assert json.loads(snapshot(desk.exchange, desk.triggers)) == before

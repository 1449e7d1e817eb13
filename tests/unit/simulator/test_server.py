"""The venue over HTTP: its answers, its limits, and each fault with what has then really happened."""

import asyncio
import json
import socket
import time

import aiohttp
import pytest
from tests.unit.simulator.served import Customer, make_desk, play
from tests.unit.simulator.venues import ANN, BOB

from holdfast.core.errors import ConfigurationError
from holdfast.simulator.fault_plan import FaultKind, FaultRule
from holdfast.simulator.faults import Faults
from holdfast.simulator.serving import Serving

PLACE = "POST /spot/orders"


def order(**changes: object) -> bytes:
    return json.dumps({"currency_pair": "BTC_USDT", "side": "buy", "amount": "1", "price": "90", **changes}).encode()


def test_an_order_lives_and_every_answer_says_what_the_limit_leaves():
    async def scene(one: Customer) -> None:
        placed = await one.place_order()
        assert (placed.status, placed.json["status"], placed.json["left"]) == (201, "open", "1")
        assert placed.headers["X-Gate-RateLimit-Limit"] == "10"
        assert placed.headers["X-Gate-RateLimit-Requests-Remain"] == "9"
        held = await one.ask("GET", "/spot/accounts", query="currency=USDT")
        assert held.json == [{"currency": "USDT", "available": "9910", "locked": "90", "update_id": 1}]
        gone = await one.ask("DELETE", "/spot/orders/t-1", query="currency_pair=BTC_USDT")
        assert (gone.status, gone.json["finish_as"]) == (200, "cancelled")
        again = await one.ask("DELETE", "/spot/orders/t-1", query="currency_pair=BTC_USDT")
        assert again.label == "ORDER_CANCELLED"

    play(scene)


def test_one_customer_does_not_see_the_other():
    async def scene(one: Customer) -> None:
        order_id = (await one.place_order()).json["id"]
        other = Customer(one.session, one.place, one.desk, BOB)
        for method in ("GET", "DELETE"):
            found = await other.ask(method, f"/spot/orders/{order_id}", query="currency_pair=BTC_USDT")
            assert (found.status, found.label) == (404, "ORDER_NOT_FOUND")
        assert (await other.ask("GET", "/spot/open_orders")).json == []
        assert one.desk.exchange.open_orders(ANN)

    play(scene)


def test_the_eleventh_order_of_a_second_is_refused_and_not_placed():
    async def scene(one: Customer) -> None:
        answers = [await one.place_order(f"t-{number}", "50") for number in range(12)]
        assert [answer.status for answer in answers[:10]] == [201] * 10
        refused = answers[-1]
        assert (refused.status, refused.label) == (429, "TOO_MANY_REQUESTS")
        assert refused.headers["X-Gate-RateLimit-Requests-Remain"] == "0"
        assert 0 <= int(refused.headers["X-Gate-RateLimit-Reset-Timestamp"]) - int(time.time()) <= 2
        assert len(one.texts) == 10
        assert (await one.ask("DELETE", "/spot/orders", query="currency_pair=BTC_USDT")).status == 200

    play(scene)


def test_an_order_that_comes_too_late_is_refused():
    async def scene(one: Customer) -> None:
        body = {"currency_pair": "BTC_USDT", "side": "buy", "amount": "1", "price": "90", "text": "t-late"}
        late = await one.ask("POST", "/spot/orders", body, **{"x-gate-exptime": str(int(time.time() * 1000) - 1)})
        assert late.label == "REQUEST_EXPIRED"
        assert one.texts == []
        assert (
            await one.ask("POST", "/spot/orders", body, **{"x-gate-exptime": str(int(time.time() * 1000) + 5_000)})
        ).status == 201

    play(scene)


@pytest.mark.parametrize(
    ("method", "path", "raw", "label", "status"),
    [
        ("POST", "/spot/orders", b"{", "INVALID_REQUEST_BODY", 400),
        ("POST", "/spot/orders", b"\xff\xfe", "INVALID_REQUEST_BODY", 400),
        ("POST", "/spot/orders", b"[]", "INVALID_REQUEST_BODY", 400),
        ("POST", "/spot/orders", b'{"text":' + b"[" * 100_000, "INVALID_REQUEST_BODY", 400),
        ("POST", "/spot/orders", order(currency_pair="NO_PAIR"), "INVALID_CURRENCY_PAIR", 400),
        ("POST", "/spot/orders", order(amount="NaN"), "INVALID_PARAM_VALUE", 400),
        ("POST", "/spot/orders", order(amount="-1"), "INVALID_PARAM_VALUE", 400),
        ("POST", "/spot/orders", order(amount="1e99"), "INVALID_PARAM_VALUE", 400),
        ("POST", "/spot/orders", order(side="up"), "INVALID_PARAM_VALUE", 400),
        ("POST", "/spot/orders", order(side=["buy"]), "INVALID_PARAM_VALUE", 400),
        ("POST", "/spot/orders", order(text="mine"), "INVALID_PARAM_VALUE", 400),
        ("POST", "/spot/orders", order(account="margin"), "MARGIN_NOT_SUPPORTED", 400),
        ("POST", "/spot/orders", order(amount=None), "MISSING_REQUIRED_PARAM", 400),
        ("POST", "/spot/orders", order(amount="10000"), "BALANCE_NOT_ENOUGH", 400),
        ("POST", "/spot/orders", order(amount="1000000"), "AMOUNT_TOO_MUCH", 400),
        ("POST", "/spot/batch_orders", b"[]", "TOO_MANY_ORDERS", 400),
        ("POST", "/spot/price_orders", b"{}", "MISSING_REQUIRED_PARAM", 400),
        ("POST", "/spot/countdown_cancel_all", b'{"timeout":2}', "INVALID_PARAM_VALUE", 400),
        ("GET", "/spot/orders?status=open", b"", "MISSING_REQUIRED_PARAM", 400),
        ("GET", "/spot/price_orders/x", b"", "INVALID_PARAM_VALUE", 400),
        ("GET", "/spot/nothing", b"", "NOT_FOUND", 404),
        ("PUT", "/spot/orders", b"", "METHOD_NOT_ALLOWED", 405),
    ],
)  # fmt: skip
def test_what_cannot_be_understood_is_refused_by_its_label_and_changes_nothing(method, path, raw, label, status):
    async def scene(one: Customer) -> None:
        path_only, _, query = path.partition("?")
        answer = await one.ask_raw(method, path_only, raw, query)
        assert (answer.label, answer.status) == (label, status)
        assert one.texts == []

    play(scene)


# -- faults


@pytest.mark.parametrize("kind", [FaultKind.LOST_BEFORE, FaultKind.LOST_AFTER])
def test_a_lost_answer_breaks_the_connection(kind):
    async def scene(one: Customer) -> None:
        await one.arm(FaultRule(kind, PLACE))
        with pytest.raises(aiohttp.ClientError):
            await one.place_order("t-lost")
        assert one.texts == (["t-lost"] if kind is FaultKind.LOST_AFTER else [])
        assert (await one.place_order("t-next")).status == 201

    play(scene)


@pytest.mark.parametrize(
    ("kind", "status", "label", "has_acted"),
    [
        (FaultKind.ERROR_BEFORE, 500, "SERVER_ERROR", False),
        (FaultKind.ERROR_AFTER, 500, "SERVER_ERROR", True),
        (FaultKind.BUSY_BEFORE, 503, "TOO_BUSY", False),
        (FaultKind.BUSY_AFTER, 503, "TOO_BUSY", True),
        (FaultKind.RATE_LIMITED, 429, "TOO_MANY_REQUESTS", False),
        (FaultKind.MAINTENANCE, 503, "SERVER_ERROR", False),
    ],
)
def test_an_error_says_nothing_of_what_has_happened(kind, status, label, has_acted):
    async def scene(one: Customer) -> None:
        await one.arm(FaultRule(kind, PLACE, duration_ms=200))
        failed = await one.place_order("t-failed")
        assert (failed.status, failed.label) == (status, label)
        assert one.texts == (["t-failed"] if has_acted else [])
        await asyncio.sleep(0.25)
        assert (await one.place_order("t-next")).status == 201
        assert one.desk.faults.report().counts == {kind.value: 1}

    play(scene)


@pytest.mark.parametrize("kind", [FaultKind.SILENT_BEFORE, FaultKind.SILENT_AFTER])
def test_a_silent_venue_holds_the_connection(kind):
    async def scene(one: Customer) -> None:
        await one.arm(FaultRule(kind, PLACE))
        one.hurry_s = 0.3
        with pytest.raises(TimeoutError):
            await one.place_order("t-silent")
        assert one.texts == (["t-silent"] if kind is FaultKind.SILENT_AFTER else [])

    play(scene)


@pytest.mark.parametrize("kind", [FaultKind.SLOW_BEFORE, FaultKind.SLOW_AFTER, FaultKind.DRIP])
def test_a_slow_answer_comes_whole(kind):
    async def scene(one: Customer) -> None:
        await one.arm(FaultRule(kind, PLACE, amount=300))
        begun = asyncio.create_task(one.place_order("t-slow"))
        await asyncio.sleep(0.1)
        assert not begun.done()
        assert one.texts == ([] if kind is FaultKind.SLOW_BEFORE else ["t-slow"])
        assert (await begun).json["text"] == "t-slow"

    play(scene)


def test_truncated_and_distorted_answers_are_of_orders_that_are_there():
    async def scene(one: Customer) -> None:
        await one.arm(FaultRule(FaultKind.TRUNCATED, PLACE), FaultRule(FaultKind.WRONG_TYPES, PLACE))
        with pytest.raises(json.JSONDecodeError):
            _ = (await one.place_order("t-half")).json
        assert (await one.place_order("t-wrong")).json["id"] == [one.desk.exchange.find(ANN, "t-wrong").id.__str__()]
        assert one.texts == ["t-half", "t-wrong"]

    play(scene)


def test_a_clock_that_is_off_refuses_who_has_the_right_time():
    async def scene(one: Customer) -> None:
        await one.arm(FaultRule(FaultKind.CLOCK_SKEW, duration_ms=60_000, amount=120_000))
        told = (await one.send("GET", "/api/v4/spot/time")).json["server_time"]
        assert 119_000 < told - time.time() * 1000 < 121_000
        assert (await one.place_order()).label == "REQUEST_EXPIRED"

    play(scene)


def test_a_stale_book_stands_still_while_the_market_moves():
    async def scene(one: Customer) -> None:
        async def book() -> tuple[int, list]:
            found = (await one.send("GET", "/api/v4/spot/order_book?currency_pair=BTC_USDT&with_id=true")).json
            return found["id"], found["bids"]

        await one.arm(FaultRule(FaultKind.STALE_BOOK, duration_ms=300))
        before = await book()
        await one.place_order(price="99.99")
        assert await book() == before
        await asyncio.sleep(0.35)
        assert (await book())[0] > before[0]

    play(scene)


def test_an_order_that_is_to_fill_partly_does():
    async def scene(one: Customer) -> None:
        await one.arm(FaultRule(FaultKind.PARTIAL_FILL, amount=0.25))
        placed = await one.place_order(price="105", amount="4")
        assert (placed.json["status"], placed.json["filled_amount"], placed.json["left"]) == ("open", "1", "3")

    play(scene)


# -- the drill's own paths


def test_faults_are_armed_listed_and_ended_over_http():
    async def scene(one: Customer) -> None:
        armed = await one.send("POST", "/simulator/faults", b'{"kind":"error_after","endpoint":"POST /spot/orders"}')
        assert armed.json["armed"][0]["kind"] == "error_after"
        await one.place_order("t-1")
        listed = (await one.send("GET", "/simulator/faults")).json
        assert listed["counts"] == {"error_after": 1}
        assert listed["injected"][0]["endpoint"] == PLACE
        assert (
            await one.send("POST", "/simulator/faults", b'[{"kind":"drip","times":5},{"kind":"drip"}]')
        ).status == 200
        assert (await one.send("DELETE", "/simulator/faults")).json["armed"] == []
        refused = await one.send("POST", "/simulator/faults", b'{"kind":"explode"}')
        assert (refused.status, refused.label) == (400, "INVALID_REQUEST_BODY")

    play(scene)


def test_the_truth_is_told_and_the_market_moves_when_asked():
    async def scene(one: Customer) -> None:
        await one.place_order("t-truth")
        state = (await one.send("GET", "/simulator/state")).json
        account = next(found for found in state["accounts"] if found["key"] == ANN)
        assert [order["text"] for order in account["orders"]] == ["t-truth"]
        assert account["balances"]["USDT"] == {"available": "9910", "locked": "90"}
        moved = (await one.send("POST", "/simulator/advance", b'{"bars":2}')).json
        assert moved["bars"] == 2
        assert moved["ts"] > state["ts"]
        assert (await one.send("POST", "/simulator/advance", b'{"bars":0}')).status == 400
        assert (await one.send("POST", "/simulator/advance", b'{"bars":99}')).json["bars"] == 3, "there are only five"

    play(scene)


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Host": "evil.example"}])
def test_a_page_in_the_browser_cannot_reach_the_drills_paths(headers):
    async def scene(one: Customer) -> None:
        for method, path in (("GET", "state"), ("POST", "faults"), ("DELETE", "faults"), ("POST", "advance")):
            assert (await one.send(method, f"/simulator/{path}", b"{}", headers)).status == 403

    play(scene)


def test_the_dead_mans_countdown_falls_while_the_market_stands():
    async def scene(one: Customer) -> None:
        await one.place_order("t-dead")
        assert (await one.ask("POST", "/spot/countdown_cancel_all", {"timeout": 5})).status == 200
        # Nobody waits five seconds in a test: the venue's clock jumps.
        await one.arm(FaultRule(FaultKind.CLOCK_SKEW, duration_ms=60_000, amount=6_000))
        await asyncio.sleep(0.5)
        assert one.desk.exchange.open_orders(ANN) == []

    play(scene)


def test_the_market_moves_at_its_pace():
    async def scene(one: Customer) -> None:
        ts = one.desk.exchange.ts
        await asyncio.sleep(0.6)
        assert one.desk.exchange.ts > ts

    play(scene, serving=Serving(pace=10))


def test_a_port_that_is_taken_and_a_foreign_address_are_refused():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()

        async def scene(one: Customer) -> None:
            raise AssertionError("it must not get here")

        with pytest.raises(ConfigurationError, match="cannot be used"):
            play(scene, serving=Serving(taken.getsockname()[1]))
    for host in ("0.0.0.0", "example.org", "192.168.1.1", "::"):
        with pytest.raises(ConfigurationError, match="on this machine alone"):
            Serving(host=host)


def test_a_seeded_plan_lets_some_orders_through_and_tells_what_it_did():
    async def scene(one: Customer) -> None:
        one.hurry_s = 0.5
        answered = 0
        for number in range(60):
            try:
                answered += (await one.place_order(f"t-{number}", "50", "0.1")).status == 201
            except (aiohttp.ClientError, TimeoutError):
                continue
        assert answered > 30
        assert len(one.texts) == len(set(one.texts))

    rules = [FaultRule(kind, times=99, rate=0.1) for kind in (FaultKind.LOST_AFTER, FaultKind.ERROR_BEFORE)]
    faults = Faults()
    faults.arm(rules, 0)
    play(scene, make_desk(0, faults))

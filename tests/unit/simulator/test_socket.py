"""The venue over the websocket: subscriptions, calls, and each fault of a push and of a call."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise

import aiohttp
import pytest
from tests.unit.simulator.served import Customer, mac, make_desk, play
from tests.unit.simulator.venues import ANN, BOB

from holdfast.simulator.fault_plan import FaultKind, FaultRule

QUIET_S = 0.3
SOON_S = 5.0


class Line:
    """One websocket connection."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def say(self, **message: object) -> None:
        await self.socket.send_str(json.dumps(message))

    async def hear(self, patience_s: float = SOON_S) -> dict:
        message = await self.socket.receive(patience_s)
        assert message.type is aiohttp.WSMsgType.TEXT, message
        return json.loads(message.data)

    async def quiet(self) -> None:
        with pytest.raises(TimeoutError):
            await self.socket.receive(QUIET_S)

    async def hear_all(self) -> list[dict]:
        """Give what comes until nothing comes."""
        heard = []
        while True:
            try:
                message = await self.socket.receive(QUIET_S)
            except TimeoutError:
                return heard
            heard.append(json.loads(message.data))

    async def ended(self) -> None:
        assert (await self.socket.receive(SOON_S)).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)

    async def subscribe(self, channel: str, *payload: str, key: str = "", event: str = "subscribe") -> dict:
        stamp = int(time.time())
        auth = {}
        if key:
            sign = mac(f"channel={channel}&event={event}&time={stamp}")
            auth = {"auth": {"method": "api_key", "KEY": key, "SIGN": sign}}
        await self.say(time=stamp, id=7, channel=channel, event=event, payload=list(payload), **auth)
        return await self.hear()

    async def login(self, key: str = ANN) -> dict:
        stamp = str(int(time.time()))
        payload = {"api_key": key, "signature": mac(f"api\nspot.login\n\n{stamp}"), "timestamp": stamp, "req_id": "in"}
        await self.say(time=int(stamp), channel="spot.login", event="api", payload=payload)
        return await self.hear()

    async def call(self, channel: str, param: object, **header: str) -> None:
        payload = {"req_id": "r1", "req_param": param, "req_header": header}
        await self.say(time=int(time.time()), channel=channel, event="api", payload=payload)


@asynccontextmanager
async def line(one: Customer) -> AsyncIterator[Line]:
    async with one.session.ws_connect(one.place.socket_url) as socket:
        yield Line(socket)


def talk(scene: Callable[[Customer, Line], Awaitable[None]], limit_factor: int = 0) -> None:
    async def whole(one: Customer) -> None:
        async with line(one) as socket:
            await scene(one, socket)

    play(whole, make_desk(limit_factor))


ORDER = {"currency_pair": "BTC_USDT", "side": "buy", "amount": "1", "price": "90", "text": "t-ws"}


def test_ping_and_what_is_no_request():
    async def scene(_: Customer, socket: Line) -> None:
        await socket.say(time=1, channel="spot.ping")
        pong = await socket.hear()
        assert (pong["channel"], abs(pong["time_ms"] / 1000 - time.time()) < 5) == ("spot.pong", True)
        assert "result" not in pong
        for raw in ("{", "[]", "3", '"x"', "\x00"):
            await socket.socket.send_str(raw)
            assert (await socket.hear())["error"]["code"] == 1
        await socket.say(channel="spot.trades", event="explode")
        assert (await socket.hear())["error"]["message"] == "unknown event"
        await socket.say(time=1, channel="spot.ping")
        assert (await socket.hear())["channel"] == "spot.pong"

    talk(scene)


@pytest.mark.parametrize(
    ("channel", "payload"),
    [
        ("spot.tickers", ["NO_PAIR"]),
        ("spot.trades", []),
        ("spot.candlesticks", ["1m", "BTC_USDT"]),  # finer than the market's own bars
        ("spot.candlesticks", ["1h"]),
        ("spot.order_book", ["BTC_USDT", "7", "100ms"]),
        ("spot.obu", ["BTC_USDT"]),
        ("spot.obu", ["ob.NO_PAIR.50"]),
        ("spot.everything", ["BTC_USDT"]),
    ],
)
def test_what_there_is_not_cannot_be_subscribed_to(channel, payload):
    async def scene(_: Customer, socket: Line) -> None:
        answer = await socket.subscribe(channel, *payload)
        assert (answer["error"]["code"], answer["result"], answer["id"]) == (2, {"status": "fail"}, 7)

    talk(scene)


def test_a_private_channel_needs_its_signature():
    async def scene(_: Customer, socket: Line) -> None:
        assert (await socket.subscribe("spot.orders", "!all"))["error"]["code"] == 4
        assert (await socket.subscribe("spot.orders", "!all", key="nobody"))["error"]["code"] == 4
        assert (await socket.subscribe("spot.orders", "!all", key=ANN))["result"] == {"status": "success"}

    talk(scene)


def test_orders_trades_and_balances_reach_their_owner_and_nobody_else():
    async def scene(one: Customer, socket: Line) -> None:
        async with line(one) as other:
            for channel in ("spot.orders", "spot.usertrades", "spot.balances"):
                await socket.subscribe(channel, "BTC_USDT", key=ANN)
                await other.subscribe(channel, "BTC_USDT", key=BOB)
            await one.place_order("t-seen", "105", "1")
            heard = [await socket.hear() for _ in range(5)]
            by_channel: dict[str, list] = {}
            for message in heard:
                by_channel.setdefault(message["channel"], []).extend(message["result"])
            events = [(order["event"], order["text"]) for order in by_channel["spot.orders"]]
            assert events[0] == ("put", "t-seen")
            assert events[-1] == ("finish", "t-seen")
            (trade,) = by_channel["spot.usertrades"]
            assert (trade["text"], trade["role"], trade["fee_currency"]) == ("t-seen", "taker", "BTC")
            held = {change["currency"]: change for change in by_channel["spot.balances"]}
            truth = one.desk.exchange.purse.of(ANN, "BTC").total
            assert held["BTC"]["total"] == f"{truth.normalize():f}"
            await other.quiet()

    talk(scene)


def test_market_channels_tell_what_has_moved_and_stop_when_unsubscribed():
    async def scene(one: Customer, socket: Line) -> None:
        await socket.subscribe("spot.trades", "BTC_USDT")
        await socket.subscribe("spot.order_book_update", "BTC_USDT", "100ms")
        one.desk.advance(2)
        heard = await socket.hear_all()
        trades = [message["result"] for message in heard if message["channel"] == "spot.trades"]
        updates = [message["result"] for message in heard if message["channel"] == "spot.order_book_update"]
        assert len(trades) + len(updates) == len(heard)
        assert {trade["currency_pair"] for trade in trades} == {"BTC_USDT"}
        assert len(updates) >= 3
        assert all(later["U"] == earlier["u"] + 1 for earlier, later in pairwise(updates))
        await socket.subscribe("spot.trades", "BTC_USDT", event="unsubscribe")
        await socket.subscribe("spot.order_book_update", "BTC_USDT", "100ms", event="unsubscribe")
        one.desk.advance(1)
        await socket.quiet()

    talk(scene)


def test_a_bar_is_told_as_it_grows_and_when_it_is_finished():
    async def scene(one: Customer, socket: Line) -> None:
        await socket.subscribe("spot.candlesticks", "1h", "BTC_USDT")
        one.desk.advance(1)
        seen = []
        while not seen or not seen[-1]["w"]:
            seen.append((await socket.hear())["result"])
        assert {bar["n"] for bar in seen} == {"1h_BTC_USDT"}
        assert (seen[-1]["o"], seen[-1]["h"], seen[-1]["l"], seen[-1]["c"]) == ("100", "100.5", "99.5", "100")

    talk(scene)


def test_calls_place_change_ask_and_cancel():
    async def scene(one: Customer, socket: Line) -> None:
        assert (await socket.login())["data"]["result"]["api_key"] == ANN
        await socket.call("spot.order_place", ORDER)
        assert (await socket.hear())["ack"] is True
        placed = await socket.hear()
        order_id = placed["data"]["result"]["id"]
        assert (placed["header"]["status"], placed["data"]["result"]["text"]) == ("200", "t-ws")
        named = {"order_id": order_id, "currency_pair": "BTC_USDT"}
        await socket.call("spot.order_amend", {**named, "amount": "2"})
        assert (await socket.hear())["data"]["result"]["amount"] == "2"
        await socket.call("spot.order_status", {**named, "order_id": "t-ws"})
        assert (await socket.hear())["data"]["result"]["left"] == "2"
        await socket.call("spot.order_cancel", named)
        assert (await socket.hear())["data"]["result"]["finish_as"] == "cancelled"
        await socket.call("spot.order_cancel", named)
        refused = await socket.hear()
        assert refused["data"]["errs"]["label"] == "ORDER_CANCELLED"
        assert refused["header"]["status"] != "200"
        await socket.call("spot.order_cancel_ids", [{"currency_pair": "BTC_USDT", "id": "42"}])
        assert (await socket.hear())["data"]["result"][0]["label"] == "ORDER_NOT_FOUND"
        await one.place_order("t-all")
        await socket.call("spot.order_cancel_cp", {"currency_pair": "BTC_USDT"})
        assert [gone["text"] for gone in (await socket.hear())["data"]["result"]] == ["t-all"]

    talk(scene)


def test_calls_are_refused_without_a_login_too_late_or_too_often():
    async def scene(one: Customer, socket: Line) -> None:
        await socket.call("spot.order_place", ORDER)
        assert (await socket.hear())["data"]["errs"]["label"] == "AUTHENTICATION_FAILED"
        await socket.login()
        await socket.call("spot.order_place", ORDER, **{"X-Gate-Exptime": "1000"})
        assert (await socket.hear())["data"]["errs"]["label"] == "REQUEST_EXPIRED"
        await socket.call("spot.explode", {})
        assert (await socket.hear())["data"]["errs"]["label"] == "INVALID_PARAM_VALUE"
        assert one.texts == []
        for number in range(10):
            await one.place_order(f"t-{number}", "50")
        await socket.call("spot.order_place", ORDER)
        late = await socket.hear()
        assert late["data"]["errs"]["label"] == "TOO_MANY_REQUESTS"
        assert late["header"]["x_gate_ratelimit_requests_remain"] == 0

    talk(scene, limit_factor=1)


@pytest.mark.parametrize(
    ("kind", "has_acted", "expected"),
    [
        (FaultKind.LOST_BEFORE, False, "ended"),
        (FaultKind.LOST_AFTER, True, "ended"),
        (FaultKind.SILENT_BEFORE, False, "quiet"),
        (FaultKind.SILENT_AFTER, True, "quiet"),
        (FaultKind.ERROR_BEFORE, False, "SERVER_ERROR"),
        (FaultKind.ERROR_AFTER, True, "SERVER_ERROR"),
        (FaultKind.BUSY_BEFORE, False, "TOO_BUSY"),
        (FaultKind.BUSY_AFTER, True, "TOO_BUSY"),
        (FaultKind.RATE_LIMITED, False, "TOO_MANY_REQUESTS"),
        (FaultKind.MAINTENANCE, False, "SERVER_ERROR"),
    ],
)
def test_a_call_fails_as_the_plan_says(kind, has_acted, expected):
    async def scene(one: Customer, socket: Line) -> None:
        await socket.login()
        await one.arm(FaultRule(kind, "WS spot.order_place"))
        await socket.call("spot.order_place", ORDER)
        if expected == "ended":
            await socket.ended()
        elif expected == "quiet":
            await socket.quiet()
        else:
            assert (await socket.hear())["data"]["errs"]["label"] == expected
        assert one.texts == (["t-ws"] if has_acted else [])

    talk(scene)


@pytest.mark.parametrize(("kind", "is_in"), [(FaultKind.BUSY_BEFORE, False), (FaultKind.ERROR_AFTER, True)])
def test_a_login_fails_and_an_order_tells_whether_it_was_taken(kind, is_in: bool):
    async def scene(one: Customer, socket: Line) -> None:
        await one.arm(FaultRule(kind, "WS spot.login"))
        assert "errs" in (await socket.login())["data"]
        await socket.call("spot.order_place", ORDER)
        answer = await socket.hear()
        assert answer.get("ack", False) is is_in
        assert is_in or answer["data"]["errs"]["label"] == "AUTHENTICATION_FAILED"
        await socket.login()
        assert one.texts == (["t-ws"] if is_in else [])

    talk(scene)


@pytest.mark.parametrize("kind", [FaultKind.TRUNCATED, FaultKind.WRONG_TYPES, FaultKind.SLOW_AFTER])
def test_the_result_of_a_call_is_spoilt(kind):
    async def scene(one: Customer, socket: Line) -> None:
        await socket.login()
        await one.arm(FaultRule(kind, "WS spot.order_place", amount=200))
        await socket.call("spot.order_place", ORDER)
        message = await socket.socket.receive(SOON_S)
        if kind is FaultKind.TRUNCATED:
            with pytest.raises(json.JSONDecodeError):
                json.loads(message.data)
        elif kind is FaultKind.WRONG_TYPES:
            assert json.loads(message.data)["request_id"] == ["r1"]
        else:
            assert json.loads(message.data)["data"]["result"]["text"] == "t-ws"
        assert one.texts == ["t-ws"]

    talk(scene)


async def told(one: Customer, socket: Line, kind: FaultKind, count: int) -> list[str]:
    """Give the texts that are heard of three orders, where a fault hits the first push."""
    await socket.subscribe("spot.orders", "BTC_USDT", key=ANN)
    await one.arm(FaultRule(kind, "spot.orders", amount=200))
    for number in range(3):
        await one.place_order(f"t-{number}", "50")
    return [(await socket.hear())["result"][0]["text"] for _ in range(count)]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (FaultKind.PUSH_LOST, ["t-1", "t-2"]),
        (FaultKind.PUSH_DUPLICATED, ["t-0", "t-0", "t-1", "t-2"]),
        (FaultKind.PUSH_REORDERED, ["t-1", "t-0", "t-2"]),
        (FaultKind.PUSH_LATE, ["t-1", "t-2", "t-0"]),
    ],
)
def test_pushes_are_lost_doubled_late_and_out_of_order(kind, expected):
    async def scene(one: Customer, socket: Line) -> None:
        assert await told(one, socket, kind, len(expected)) == expected
        await socket.quiet()
        assert one.texts == ["t-0", "t-1", "t-2"]

    talk(scene)


def test_a_push_that_is_held_back_comes_even_when_nothing_follows():
    async def scene(one: Customer, socket: Line) -> None:
        await socket.subscribe("spot.orders", "BTC_USDT", key=ANN)
        await one.arm(FaultRule(FaultKind.PUSH_REORDERED, "spot.orders"))
        await one.place_order("t-alone")
        assert (await socket.hear())["result"][0]["text"] == "t-alone"

    talk(scene)


def test_a_push_is_truncated_or_distorted():
    async def scene(one: Customer, socket: Line) -> None:
        await socket.subscribe("spot.orders", "BTC_USDT", key=ANN)
        await one.arm(FaultRule(FaultKind.PUSH_TRUNCATED), FaultRule(FaultKind.PUSH_WRONG_TYPES))
        await one.place_order("t-0")
        with pytest.raises(json.JSONDecodeError):
            await socket.hear()
        await one.place_order("t-1")
        assert (await socket.hear())["channel"] == ["spot.orders"]

    talk(scene)


def test_a_connection_breaks_and_a_half_open_one_only_seems_to_live():
    async def scene(one: Customer, socket: Line) -> None:
        await socket.subscribe("spot.orders", "BTC_USDT", key=ANN)
        await one.arm(FaultRule(FaultKind.HALF_OPEN))
        await one.place_order("t-0")
        await socket.say(time=1, channel="spot.ping")
        await socket.quiet()
        assert not socket.socket.closed
        async with line(one) as second:
            await second.subscribe("spot.orders", "BTC_USDT", key=ANN)
            await one.arm(FaultRule(FaultKind.DISCONNECT))
            await one.place_order("t-1")
            await second.ended()
        async with line(one) as third:
            assert (await third.subscribe("spot.orders", "BTC_USDT", key=ANN))["result"] == {"status": "success"}

    talk(scene)


def test_nobody_connects_during_maintenance():
    async def scene(one: Customer) -> None:
        await one.arm(FaultRule(FaultKind.MAINTENANCE, duration_ms=300))
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await one.session.ws_connect(one.place.socket_url)
        await asyncio.sleep(0.35)
        async with line(one) as socket:
            await socket.say(time=1, channel="spot.ping")
            assert (await socket.hear())["channel"] == "spot.pong"

    play(scene)


def test_a_stale_book_is_followed_by_a_gap():
    async def scene(one: Customer, socket: Line) -> None:
        await socket.subscribe("spot.order_book_update", "BTC_USDT", "100ms")
        await one.place_order("t-0", "99.9")
        before = (await socket.hear())["result"]
        await one.arm(FaultRule(FaultKind.STALE_BOOK, duration_ms=400))
        await one.place_order("t-1", "99.91")
        await socket.quiet()
        await asyncio.sleep(0.2)
        await one.place_order("t-2", "99.92")
        assert (await socket.hear())["result"]["U"] > before["u"] + 1

    talk(scene)


@pytest.mark.parametrize(
    "frame", ['{"channel":' + "[" * 100_000, "[", "5", '{"event":"api","channel":"spot.login","payload":7}']
)
def test_a_frame_that_cannot_be_read_is_answered_and_the_line_stays(frame):
    async def scene(one: Customer, socket: Line) -> None:
        await socket.socket.send_str(frame)
        assert await socket.hear()
        await socket.say(time=1, channel="spot.ping")
        assert (await socket.hear())["channel"] == "spot.pong"

    talk(scene)

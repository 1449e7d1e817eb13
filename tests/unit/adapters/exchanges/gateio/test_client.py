"""The client as the house sees it: nothing waits, nothing is thrown, and what a person must see is told."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from aiohttp import web
from tests.unit.adapters.exchanges.gateio.loopback import Venue

from holdfast.adapters.exchanges.gateio.auth import Credentials
from holdfast.adapters.exchanges.gateio.client import GateioExchange
from holdfast.adapters.exchanges.gateio.config import GateioConfig
from holdfast.core.errors import ConfigurationError, VenueError
from holdfast.core.secret import Secret
from holdfast.domain.decision import Approved
from holdfast.domain.instrument import Instrument
from holdfast.domain.market import Timeframe
from holdfast.domain.order import Order, OrderAccepted, OrderRejected, OrderSpec, OrderState, OrderType, Role
from holdfast.domain.values import InstrumentId, OrderId, Price, Quantity, Side
from holdfast.ports.live import AccountReport, Answered, Failure, Incoming, LinkChanged

KEY, SECRET = "key-0123456789", "secret-0123456789"
NAME = InstrumentId("BTC/USDT.GATEIO")
PAIR = {
    "id": "BTC_USDT", "base": "BTC", "quote": "USDT", "fee": "0.2", "min_quote_amount": "3", "amount_precision": 4,
    "precision": 2, "trade_status": "tradable",
}  # fmt: skip
ORDER = {
    "text": "apiv4", "status": "open", "currency_pair": "BTC_USDT", "type": "limit", "side": "buy", "amount": "1",
    "left": "1", "price": "50", "filled_total": "0", "filled_amount": "0", "finish_as": "open",
}  # fmt: skip
TRIGGER = {
    "trigger": {"price": "40", "rule": "<="}, "put": {"side": "sell", "amount": "1", "type": "market", "price": "40"},
    "market": "BTC_USDT", "status": "open", "fired_order_id": 0,
}  # fmt: skip


class WallClock:
    def now(self) -> int:
        return time.time_ns()


class Door:
    """A venue on loopback in a thread of its own; `answers` are what it says over HTTP, by method and path."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.ahead_ms = 0
        self.answers: dict[str, object] = {
            "GET /spot/currency_pairs/BTC_USDT": PAIR,
            "GET /spot/fee": {"maker_fee": "0.001", "taker_fee": "0.0015"},
            "GET /spot/tickers": [{"currency_pair": "BTC_USDT", "last": "100", "lowest_ask": "101"}],
            "GET /spot/open_orders": [],
            "GET /spot/price_orders": [],
            "GET /spot/accounts": [{"currency": "USDT", "available": "7", "locked": "3"}],
        }
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.done(self._open())

    def done(self, work: Any) -> Any:
        future: Future[Any] = asyncio.run_coroutine_threadsafe(work, self.loop)
        return future.result(20)

    async def _open(self) -> None:
        self.sockets = Venue()
        app = web.Application()
        app.router.add_get("/ws/v4/", self.sockets.serve)
        app.router.add_route("*", "/api/v4/{path:.*}", self._answer)
        self.runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self.runner.addresses[0][1]}"

    async def _answer(self, request: web.Request) -> web.Response:
        name = f"{request.method} {request.path.removeprefix('/api/v4')}"
        if name == "GET /spot/time":
            return web.json_response({"server_time": time.time_ns() // 1_000_000 + self.ahead_ms})
        self.asked.append(name)
        answer = self.answers.get(name, "ORDER_NOT_FOUND")
        if callable(answer):
            answer = answer(request)
            if asyncio.iscoroutine(answer):
                answer = await answer
        if isinstance(answer, str):
            return web.json_response({"label": answer, "message": f"{KEY} {SECRET}"}, status=400)
        return web.json_response(answer)

    def close(self) -> None:
        self.done(self.runner.cleanup())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(20)
        self.loop.close()


@pytest.fixture
def door() -> Iterator[Door]:
    found = Door()
    yield found
    found.close()


@pytest.fixture
def exchange(door: Door) -> Iterator[GateioExchange]:
    config = msgspec.structs.replace(GateioConfig.for_url(door.url), answer_timeout_ms=20_000)
    found = GateioExchange(config, Credentials(KEY, Secret(SECRET)), WallClock())
    yield found
    found.close()


def started(exchange: GateioExchange) -> Instrument:
    (instrument,) = exchange.instruments(["BTC/USDT"])
    exchange.start([instrument], Timeframe.M1)
    return instrument


def hear(exchange: GateioExchange, until: Callable[[list[Incoming]], object]) -> list[Incoming]:
    heard: list[Incoming] = []
    ends = time.monotonic() + 20
    while not until(heard):
        assert time.monotonic() < ends, heard
        heard += exchange.take(0.05)
    return heard


def has(kind: type[object]) -> Callable[[list[Incoming]], bool]:
    return lambda heard: any(isinstance(item, kind) for item in heard)


def limit(order_id: str = "hf-1p", quantity: str = "1") -> Approved:
    return Approved(
        OrderSpec(
            OrderId(order_id), NAME, Side.BUY, OrderType.LIMIT, Quantity(Decimal(quantity)), Role.ENTRY,
            Price(Decimal(50)),
        )
    )  # fmt: skip


def test_instruments_have_the_grid_of_the_pair_and_the_fees_of_the_account(door, exchange):
    (instrument,) = exchange.instruments(["BTC/USDT"])
    assert (instrument.id, instrument.tick, instrument.lot) == (NAME, Decimal("0.01"), Decimal("0.0001"))
    assert instrument.fees().taker == Decimal("0.0015")


def test_a_market_that_does_not_exist_and_a_venue_that_does_not_answer_are_told_apart(door, exchange):
    door.answers["GET /spot/currency_pairs/NO_USDT"] = "INVALID_CURRENCY_PAIR"
    with pytest.raises(ConfigurationError, match="NO/USDT"):
        exchange.instruments(["NO/USDT"])
    silent = GateioExchange(GateioConfig.for_url("http://127.0.0.1:9"), None, WallClock())
    with pytest.raises(VenueError):
        silent.instruments(["BTC/USDT"])
    silent.close()


def test_both_links_are_up_when_the_start_returns(door, exchange):
    started(exchange)
    links = [item for item in exchange.take(0) if isinstance(item, LinkChanged)]
    assert {(link.link, link.is_up) for link in links} == {("market", True), ("account", True)}


def test_a_key_that_is_refused_ends_the_start_and_is_not_quoted(door, exchange):
    door.answers["GET /spot/fee"] = "INVALID_KEY"
    with pytest.raises(ConfigurationError) as caught:
        exchange.instruments(["BTC/USDT"])
    told = f"{caught.value} {caught.value.hint}"
    assert "INVALID_KEY" in told
    assert KEY not in told
    assert SECRET not in told


@pytest.mark.parametrize("ask", [GateioExchange.ask_account, lambda exchange: exchange.beat(30)])
def test_an_account_that_is_locked_meanwhile_is_a_fatal_failure(door, exchange, ask):
    started(exchange)
    door.answers["GET /spot/accounts"] = door.answers["POST /spot/countdown_cancel_all"] = "ACCOUNT_LOCKED"
    ask(exchange)
    (failure,) = [x for x in hear(exchange, has(Failure)) if isinstance(x, Failure)]
    assert failure.is_fatal
    assert failure.hint
    assert SECRET not in failure.message


def test_a_lock_that_is_found_while_looking_is_told_once(door, exchange):
    started(exchange)
    door.answers["POST /spot/orders"] = {**ORDER, "id": "5", "text": "t-hf-1p"}
    exchange.submit(limit(), 0)
    hear(exchange, has(OrderAccepted))
    door.answers["GET /spot/open_orders"] = "ACCOUNT_LOCKED"
    failures = [x for x in hear(exchange, has(Failure)) if isinstance(x, Failure)]
    time.sleep(0.6)
    failures += [x for x in exchange.take(0) if isinstance(x, Failure)]
    assert [failure.is_fatal for failure in failures] == [True]


def test_a_report_is_whole_however_many_orders_rest(door, exchange):
    many = [{**ORDER, "id": str(number)} for number in range(1, 131)]
    stops = [{**TRIGGER, "id": number} for number in range(1001, 1141)]

    def orders(request: web.Request) -> object:
        page = int(request.query["page"])
        found = many[(page - 1) * 100 : page * 100]
        return [{"currency_pair": "BTC_USDT", "total": 130, "orders": found}] if found else []

    def triggers(request: web.Request) -> object:
        offset = int(request.query["offset"])
        return stops[offset : offset + int(request.query["limit"])]

    door.answers["GET /spot/open_orders"], door.answers["GET /spot/price_orders"] = orders, triggers
    started(exchange)
    exchange.ask_account()
    (report,) = [x for x in hear(exchange, has(AccountReport)) if isinstance(x, AccountReport)]
    assert report.balances == {"USDT": Decimal(10)}
    assert len({order.venue_order_id for order in report.orders}) == 130 + 140
    assert {order.order_id for order in report.orders} == {""}, "none of them is ours"
    assert {order.trigger_price for order in report.orders} == {None, Decimal(40)}


def test_a_report_that_fails_is_none_and_may_be_asked_for_again(door, exchange):
    started(exchange)
    door.answers["GET /spot/open_orders"] = "INVALID_PARAM_VALUE"
    exchange.ask_account()
    time.sleep(0.3)
    assert not has(AccountReport)(list(exchange.take(0)))
    door.answers["GET /spot/open_orders"] = []
    exchange.ask_account()
    hear(exchange, has(AccountReport))


def test_handing_over_gives_nothing_at_once_and_what_is_not_known_is_no_matter(door, exchange):
    started(exchange)
    assert exchange.submit(limit(quantity="0.0001"), 0) == ()
    assert exchange.cancel(OrderId("hf-never"), 0, "operator") == ()
    (refused,) = [x for x in hear(exchange, has(OrderRejected)) if isinstance(x, OrderRejected)]
    assert "below the least" in refused.reason
    assert "POST /spot/orders" not in door.asked


def test_a_push_makes_the_account_be_looked_at_earlier(door, exchange):
    started(exchange)
    before = door.asked.count("GET /spot/open_orders")
    push = {**ORDER, "id": "7", "event": "put"}
    for socket in door.sockets.sockets:
        door.done(socket.send_json({"time_ms": 5, "channel": "spot.orders", "event": "update", "result": [push]}))
    ends = time.monotonic() + 20
    while door.asked.count("GET /spot/open_orders") == before:
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_what_is_asked_about_is_answered_also_where_it_is_over(door, exchange):
    started(exchange)
    order = Order.sent(limit().order)
    exchange.ask([Order(order.spec, order.quantity, state=OrderState.CANCELED)])
    (answer,) = [x for x in hear(exchange, has(Answered)) if isinstance(x, Answered)]
    assert answer.is_certain


def test_closing_twice_is_closing_once(door, exchange):
    started(exchange)
    exchange.close()
    exchange.close()


def test_the_last_word_about_the_dead_man_timer_is_said_before_the_client_closes(door, exchange):
    said: list[int] = []

    async def slowly(request: web.Request) -> object:
        timeout = (await request.json())["timeout"]
        await asyncio.sleep(0.5 if timeout else 0.1)  # what was said before must not arrive after it
        said.append(timeout)
        return {"triggerTime": "0"}

    door.answers["POST /spot/countdown_cancel_all"] = slowly
    started(exchange)
    exchange.beat(60)
    exchange.beat(0)
    exchange.close()
    assert said == [60, 0]


def test_to_end_the_dead_man_timer_is_tried_again(door, exchange):
    said: list[int] = []

    def busy_once(request: web.Request) -> object:
        said.append(1)
        return "TOO_BUSY" if len(said) == 1 else {"triggerTime": "0"}

    door.answers["POST /spot/countdown_cancel_all"] = busy_once
    started(exchange)
    exchange.beat(0)
    exchange.close()
    assert len(said) == 2


def test_the_venues_clock_is_measured_again_while_the_client_lives(door, exchange, monkeypatch):
    # It was measured at the start alone: after a day of drift an order could be called lost that the venue still took.
    monkeypatch.setattr("holdfast.adapters.exchanges.gateio.client._CLOCK_EVERY_S", 0.05)
    started(exchange)
    ahead = 7_200_000
    door.ahead_ms = ahead
    ends = time.monotonic() + 20
    while exchange.clock_skew() // 1_000_000 < ahead - 60_000:
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_a_dead_man_timer_that_cannot_be_ended_is_told_after_closing(door, exchange):
    # Resting entries are cancelled when it runs out, and nobody would know why.
    door.answers["POST /spot/countdown_cancel_all"] = "TOO_BUSY"
    started(exchange)
    exchange.beat(0)
    exchange.close()
    (failure,) = [x for x in exchange.take(0) if isinstance(x, Failure)]
    assert "dead-man" in failure.message
    assert failure.hint
    assert not failure.is_fatal


def test_closing_leaves_no_task_behind(door, exchange):
    async def hang(request: web.Request) -> object:
        await asyncio.sleep(10)  # longer than its answer is waited for here
        return []

    started(exchange)
    door.answers["GET /spot/accounts"] = hang
    exchange.ask_account()
    hear(exchange, lambda _: "GET /spot/accounts" in door.asked)
    loop = exchange._loop
    tasks = asyncio.all_tasks(loop)
    assert tasks
    exchange.close()
    assert all(task.done() for task in tasks)


def test_reports_are_asked_for_one_at_a_time_and_one_waits(door, exchange):
    async def slow(request: web.Request) -> object:
        await asyncio.sleep(0.3)
        return [{"currency": "USDT", "available": "7", "locked": "3"}]

    started(exchange)
    door.answers["GET /spot/accounts"] = slow
    for _ in range(5):
        exchange.ask_account()
    found = hear(exchange, lambda heard: len([x for x in heard if isinstance(x, AccountReport)]) == 2)
    time.sleep(0.5)
    assert not [x for x in exchange.take(0) if isinstance(x, AccountReport)]
    assert found
    exchange.ask_account()
    assert hear(exchange, has(AccountReport)), "whoever asks after a report is answered"


def test_a_start_waits_out_a_venue_that_is_busy_for_a_moment(door, exchange):
    instrument = started(exchange)
    asked: list[int] = []

    def candles(request: web.Request) -> object:
        asked.append(1)
        return "TOO_BUSY" if len(asked) < 5 else []

    door.answers["GET /spot/candlesticks"] = candles
    assert not exchange.history(instrument.id, 5)
    assert len(asked) >= 5


def test_a_start_waits_out_a_venue_that_has_no_price_for_a_moment(door, exchange):
    usual, asked = door.answers["GET /spot/tickers"], []

    def tickers(request: web.Request) -> object:
        asked.append(1)
        return "TOO_BUSY" if len(asked) < 6 else usual

    door.answers["GET /spot/tickers"] = tickers
    started(exchange)
    assert len(asked) == 6


def test_without_a_key_only_the_market_is_asked(door):
    public = GateioExchange(GateioConfig.for_url(door.url), None, WallClock())
    instrument = started(public)
    links = [item for item in public.take(0) if isinstance(item, LinkChanged)]
    assert [(link.link, link.is_up) for link in links] == [("market", True)]
    time.sleep(0.6)
    public.close()
    assert instrument.fees().taker > 0
    assert not public._rest.is_hurried, "no order can be in doubt: a market that is busy is asked ever more rarely"
    assert not [name for name in door.asked if "order" in name or "account" in name or "fee" in name]

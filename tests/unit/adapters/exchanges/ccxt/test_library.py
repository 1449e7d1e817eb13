"""What leaves through ccxt leaves once, by the right door, and comes back as text; what fails is one of four kinds."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import ccxt.async_support as ccxt
import pytest
from aiohttp import web

from holdfast.adapters.exchanges.ccxt.config import CcxtConfig, CcxtKey
from holdfast.adapters.exchanges.ccxt.errors import CcxtRefusalError, CcxtUnknownError, error_of, words_of
from holdfast.adapters.exchanges.ccxt.library import Venue, load
from holdfast.adapters.exchanges.ccxt.profiles import ClientId, profile_of
from holdfast.adapters.host.clock import SystemClock
from holdfast.core.errors import ConfigurationError, OutcomeUnknownError, VenueError
from holdfast.core.secret import Secret
from holdfast.domain.values import OrderId

KEY = CcxtKey("the-key", Secret("the-secret"))


def at_loopback(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]], name: str, use: Callable, **settings: int
) -> object:
    """Run `use(venue)` against a server that answers everything with `handler`."""

    async def life() -> object:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", handler)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        config = CcxtConfig(name, f"http://127.0.0.1:{port}", **settings)
        venue = Venue(config, KEY, profile_of(name), SystemClock())
        try:
            return await use(venue)
        finally:
            await venue.close()
            await runner.cleanup()

    return asyncio.run(life())


def test_an_order_that_ccxt_would_retry_leaves_once():
    asked: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request.method)
        return web.Response(status=503)

    async def use(venue: Venue) -> None:
        venue.client.options["maxRetriesOnFailure"] = 3
        with pytest.raises(OutcomeUnknownError):
            await venue.order("privatePostOrder", {"symbol": "BTCUSDT", "recvWindow": 5_000})
        assert asked == ["POST"]
        with pytest.raises(VenueError) as caught:
            await venue.read("public_get_time")
        assert caught.value.is_retryable
        assert asked[1:] == ["GET"] * 4, "ccxt does retry: it is the guard that keeps it from an order"

    at_loopback(handler, "binance", use)


# -- patience ----------------------------------------------------------------------------------------
SENT = {"symbol": "BTCUSDT", "recvWindow": 5_000}


def late(seconds: float, asked: list[str]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append(request.method)
        await asyncio.sleep(seconds)
        return web.json_response({"serverTime": 1})

    return handler


async def begun(request: web.Request) -> web.StreamResponse:
    """Answer the head at once, and the rest far too late."""
    response = web.StreamResponse()
    await response.prepare(request)
    await asyncio.sleep(20)
    return response


@pytest.mark.parametrize("method", ["privatePostOrder", "privateDeleteOrder"])
def test_an_order_without_an_answer_is_in_doubt_long_before_the_patience_for_questions_is_over(method: str):
    # The answer comes in the end, so that only who does not wait for it is in doubt.
    asked: list[str] = []

    async def use(venue: Venue) -> None:
        before = venue.now()
        with pytest.raises(CcxtUnknownError) as caught:
            await venue.order(method, dict(SENT))
        assert before <= caught.value.ts_sent < venue.now() - 300_000_000, "when it left, not when it was given up"
        assert len(asked) == 1

    at_loopback(late(20, asked), "binance", use, request_timeout_ms=60_000, answer_timeout_ms=300)


def test_an_answer_that_has_only_begun_is_not_waited_for_either():
    async def use(venue: Venue) -> None:
        with pytest.raises(CcxtUnknownError):
            await venue.order("privatePostOrder", dict(SENT))

    at_loopback(begun, "binance", use, request_timeout_ms=60_000, answer_timeout_ms=300)


def test_a_question_about_the_account_that_hangs_is_given_up_and_may_be_asked_again():
    async def use(venue: Venue) -> None:
        with pytest.raises(VenueError) as caught:
            await venue.read("privateGetOpenOrders")
        assert caught.value.is_retryable

    at_loopback(late(20, []), "binance", use, request_timeout_ms=60_000, answer_timeout_ms=300)


def test_a_question_about_the_market_has_the_longer_patience():
    async def use(venue: Venue) -> object:
        return await venue.read("fetch_time")

    assert at_loopback(late(0.9, []), "binance", use, answer_timeout_ms=300) == 1


def test_a_connection_that_is_slow_to_be_made_takes_nothing_from_the_time_of_the_answer():
    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(1.5)  # the client waits for the handshake of TLS
        writer.close()

    async def main() -> tuple[CcxtUnknownError, float]:
        server = await asyncio.start_server(hold, "127.0.0.1", 0)
        config = CcxtConfig("binance", f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}", answer_timeout_ms=300)
        venue = Venue(config, KEY, profile_of("binance"), SystemClock())
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(CcxtUnknownError) as caught:
            await venue.order("privatePostOrder", dict(SENT))
        took = loop.time() - began
        await venue.close()
        server.close()
        return caught.value, took

    error, took = asyncio.run(main())
    assert took > 1.4, "it was given up while it was being made"
    assert "RequestTimeout" not in str(error)


# -- keys --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "status", "answer"),
    [
        ("gate", 403, {"label": "READ_ONLY", "message": "API key is read-only"}),
        ("gate", 403, {"label": "FORBIDDEN", "message": "no permission"}),
        ("gate", 401, {"label": "INVALID_SIGNATURE", "message": "Signature mismatch"}),
        ("gate", 401, {"label": "INVALID_KEY", "message": "Invalid key provided"}),
        ("binance", 401, {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}),
        ("binance", 401, {"code": -1022, "msg": "Signature for this request is not valid."}),
        ("binance", 401, {"code": -2014, "msg": "API-key format invalid."}),
    ],
)  # fmt: skip
def test_a_key_that_is_wrong_or_lacks_the_right_is_no_doubt_and_is_not_tried_again(
    name: str, status: int, answer: dict[str, object]
):
    asked: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request.method)
        return web.json_response(answer, status=status)

    async def use(venue: Venue) -> ConfigurationError:
        with pytest.raises(ConfigurationError) as caught:
            await venue.order("privateSpotPostOrders" if name == "gate" else "privatePostOrder", dict(SENT))
        return caught.value

    error = at_loopback(handler, name, use)
    assert isinstance(error, ConfigurationError)
    assert error.hint
    assert asked == ["POST"]
    assert "the-secret" not in str(error) + error.hint


def test_an_order_that_gate_calls_late_has_the_clock_measured_again_and_is_no_wrong_key():
    asked: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request.path)
        if request.path.endswith("/spot/time"):
            return web.json_response({"server_time": 1_700_000_000_000})
        return web.json_response({"label": "REQUEST_EXPIRED", "message": "expired"}, status=403)

    async def use(venue: Venue) -> None:
        with pytest.raises(CcxtRefusalError):
            await venue.order("privateSpotPostOrders", {})
        with pytest.raises(VenueError):
            await venue.read("privateSpotGetOpenOrders", {})
        assert abs(venue.now() - 1_700_000_000 * 10**9) < 60 * 10**9

    at_loopback(handler, "gate", use)
    assert [path for path in asked if path.endswith("/spot/time")]


@pytest.mark.parametrize("label", ["REPEAT_REQUEST", "TOO_MANY_REQUESTS", "REQUEST_EXPIRED"])
def test_what_gate_refuses_unseen_is_no_doubt(label: str):
    async def handler(request: web.Request) -> web.Response:
        return web.json_response({"label": label, "message": "x"}, status=400)

    async def use(venue: Venue) -> None:
        with pytest.raises(CcxtRefusalError):
            await venue.order("privateSpotPostPriceOrders", {})
        with pytest.raises(VenueError) as caught:
            await venue.read("privateSpotGetPriceOrders", {})
        assert caught.value.is_retryable

    at_loopback(handler, "gate", use)


def test_a_redirect_is_not_followed():
    asked: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    async def use(venue: Venue) -> None:
        await venue.open()

    with pytest.raises(VenueError, match="no markets"):
        at_loopback(handler, "binance", use)
    assert "/elsewhere" not in asked


def test_numbers_stay_the_text_that_the_venue_sent():
    async def handler(request: web.Request) -> web.Response:
        return web.json_response({"symbol": "BTCUSDT", "bidPrice": "0.10000000000000001", "askPrice": "1e-8"})

    async def use(venue: Venue) -> None:
        ticker = venue.client.parse_ticker(await venue.read("publicGetTicker24hr"))
        assert ticker["bid"] == "0.10000000000000001"

    at_loopback(handler, "binance", use)


def test_no_secret_gets_into_an_error_or_a_log(caplog: pytest.LogCaptureFixture):
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=503, text=f"down: {request.path_qs}")

    async def use(venue: Venue) -> str:
        with pytest.raises(OutcomeUnknownError) as caught:
            await venue.order("privatePostOrder", {"symbol": "BTCUSDT"})
        return repr(caught.value) + caught.value.hint + repr(caught.value.__cause__)

    with caplog.at_level(logging.DEBUG):
        told = at_loopback(handler, "binance", use)
    for hidden in ("the-key", "the-secret", "signature"):
        assert hidden not in str(told)
        assert hidden not in caplog.text
    assert "the-secret" not in repr(KEY)


@pytest.mark.parametrize(
    ("error", "is_order", "kind"),
    [
        (ccxt.RequestTimeout("binance POST https://x/y?signature=1"), True, OutcomeUnknownError),
        (ccxt.ExchangeNotAvailable("HTTP 502"), True, OutcomeUnknownError),
        (ccxt.RateLimitExceeded('binance {"code":-1003,"msg":"slow"}'), True, OutcomeUnknownError),
        (ccxt.ExchangeError('binance {"code":-9999,"msg":"new"}'), True, OutcomeUnknownError),
        (KeyError("id"), True, OutcomeUnknownError),
        (ccxt.InsufficientFunds('binance {"code":-2010,"msg":"insufficient balance"}'), True, CcxtRefusalError),
        (ccxt.InvalidOrder('binance {"code":-1013,"msg":"Filter failure: LOT_SIZE"}'), True, CcxtRefusalError),
        (ccxt.OrderNotFound('binance {"code":-2013,"msg":"Order does not exist."}'), False, CcxtRefusalError),
        (ccxt.AuthenticationError('binance {"code":-2015,"msg":"Invalid API-key"}'), True, ConfigurationError),
        (ccxt.RequestTimeout("x"), False, VenueError),
    ],
)  # fmt: skip
def test_each_error_is_one_of_four_kinds(error: Exception, is_order: bool, kind: type):
    found = error_of(error, ccxt, "binance", is_order=is_order)
    assert isinstance(found, kind)
    assert "https://" not in str(found)
    if isinstance(found, OutcomeUnknownError):
        assert not found.is_retryable


def test_the_venues_label_and_words_are_told_and_nothing_else():
    label, words = words_of(ccxt.InvalidOrder('binance {"code":-1013,"msg":"Filter failure:\\u001b[2J NOTIONAL"}'), "b")
    assert label == "-1013"
    assert words == "-1013 Filter failure: [2J NOTIONAL"


def test_client_ids_are_always_the_same_and_fit_the_venue():
    for name in ("binance", "coinbase", "gate", "kraken"):
        rule = profile_of(name).client_id
        for order_id in ("hf0a1b2c3d4e-17s", "x" * 80):
            first = rule.of(OrderId(order_id))
            assert first == rule.of(OrderId(order_id))
            assert len(first) <= rule.most + len(rule.prefix)
    rule = profile_of("binance").client_id
    assert rule.order_id(rule.of(OrderId("hf0a-17s"), 3)) == rule.order_id(rule.of(OrderId("hf0a-17s"))) == "hf0a-17s"
    assert ClientId().of(OrderId("hf-1")).isalnum()
    assert ClientId().of(OrderId("hf-1")) != ClientId().of(OrderId("hf-2"))


def test_an_unknown_venue_is_refused_with_what_would_do():
    with pytest.raises(ConfigurationError, match="no venue 'binanze'") as caught:
        load("binanze")
    assert "binance" in caught.value.hint


@pytest.mark.parametrize("url", ["ftp://x", "http://example.com", "https://user:pw@example.com"])
def test_an_address_that_would_give_the_key_away_is_refused(url: str):
    with pytest.raises(ConfigurationError) as caught:
        CcxtConfig("binance", url)
    assert "pw" not in str(caught.value)

"""What leaves through ccxt leaves once, by the right door, and comes back as text; what fails is one of four kinds."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import ccxt.async_support as ccxt
import pytest
from aiohttp import web

from holdfast.adapters.exchanges.ccxt.config import CcxtConfig, CcxtKey
from holdfast.adapters.exchanges.ccxt.errors import CcxtRefusalError, error_of, words_of
from holdfast.adapters.exchanges.ccxt.library import Venue, load
from holdfast.adapters.exchanges.ccxt.profiles import ClientId, profile_of
from holdfast.adapters.host.clock import SystemClock
from holdfast.core.errors import ConfigurationError, OutcomeUnknownError, VenueError
from holdfast.core.secret import Secret
from holdfast.domain.values import OrderId

KEY = CcxtKey("the-key", Secret("the-secret"))


def at_loopback(handler: Callable[[web.Request], Awaitable[web.Response]], name: str, use: Callable) -> object:
    """Run `use(venue)` against a server that answers everything with `handler`."""

    async def life() -> object:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", handler)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        venue = Venue(CcxtConfig(name, f"http://127.0.0.1:{port}"), KEY, profile_of(name), SystemClock())
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

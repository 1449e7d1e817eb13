"""ccxt.pro's `gate`, unpatched, watches the simulator's streams and trades over its websocket."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal

import ccxt.pro
import pytest
from tests.oracles.conftest import KEY, SECRET, VenueProcess

PAIR = "BTC/USDT"
PATIENCE_S = 20
pytestmark = pytest.mark.slow


def client(venue: VenueProcess, secret: str = SECRET) -> ccxt.pro.gate:
    described = ccxt.pro.gate().describe()["urls"]["api"]
    urls: dict[str, object] = {side: dict.fromkeys(described[side], venue.api) for side in ("public", "private")}
    urls["spot"] = venue.socket_url
    return ccxt.pro.gate(
        {
            "apiKey": KEY,
            "secret": secret,
            "urls": {"api": urls},
            "options": {"fetchMarkets": {"types": ["spot"]}, "createMarketBuyOrderRequiresPrice": False},
        }
    )


def play(venue: VenueProcess, scene: Callable[[ccxt.pro.gate], Awaitable[None]]) -> None:
    async def whole() -> None:
        exchange = client(venue)
        try:
            await exchange.load_markets()
            await asyncio.wait_for(scene(exchange), 2 * PATIENCE_S)
        finally:
            await exchange.close()

    venue.advance(3)
    asyncio.run(whole())


async def seen(venue: VenueProcess, watching: Awaitable[object]) -> object:
    """Give what a stream says while the market moves."""
    task = asyncio.ensure_future(watching)
    for _ in range(PATIENCE_S * 10):
        done, _ = await asyncio.wait({task}, timeout=0.1)
        if done:
            return task.result()
        await asyncio.to_thread(venue.advance)
    task.cancel()
    raise AssertionError("the stream says nothing")


async def after(watching: Awaitable[object], act: Callable[[], Awaitable[object]]) -> tuple[object, object]:
    """Give what a stream says of an act; the subscription has a moment to arrive first."""
    task = asyncio.ensure_future(watching)
    await asyncio.sleep(0.5)
    done = await act()
    return await asyncio.wait_for(task, PATIENCE_S), done


async def low_price(exchange: ccxt.pro.gate, share: float = 0.9) -> float:
    ticker = await exchange.fetch_ticker(PAIR)
    return float(exchange.price_to_precision(PAIR, ticker["bid"] * share))


def test_tickers_trades_books_and_candles_are_watched(venue):
    async def scene(exchange: ccxt.pro.gate) -> None:
        ticker = await seen(venue, exchange.watch_ticker(PAIR))
        assert ticker["bid"] < ticker["ask"]
        best = await seen(venue, exchange.watch_bids_asks([PAIR]))
        assert best[PAIR]["bid"] < best[PAIR]["ask"]
        trades = await seen(venue, exchange.watch_trades(PAIR))
        assert trades[-1]["price"] > 0
        candles = await seen(venue, exchange.watch_ohlcv(PAIR, "1m"))
        _, open_, high, low, close, _ = candles[-1]
        assert low <= min(open_, close) <= max(open_, close) <= high

    play(venue, scene)


@pytest.mark.parametrize("is_by_updates", [False, True], ids=["obu", "order_book_update"])
def test_a_book_that_is_kept_by_its_stream_is_the_venues_own(venue, is_by_updates):
    async def scene(exchange: ccxt.pro.gate) -> None:
        if is_by_updates:
            # The European host of the venue has this channel; ccxt tells it by its address alone.
            channel, payload = "spot.order_book_update", ["BTC_USDT", "100ms"]
            exchange.options["watchOrderBook"]["snapshotDelay"] = 2
            watching = lambda: exchange.subscribe_public(  # noqa: E731  # called again and again
                venue.socket_url, f"orderbook:{PAIR}", payload, channel, {}, {"symbol": PAIR, "limit": 100}
            )
        else:
            watching = lambda: exchange.watch_order_book(PAIR)  # noqa: E731  # called again and again
        for _ in range(8):
            book = await seen(venue, watching())
        await asyncio.sleep(0.5)
        theirs = await exchange.fetch_order_book(PAIR, 20)
        book = exchange.orderbooks[PAIR].limit()
        assert book["nonce"] == theirs["nonce"]
        for side in ("bids", "asks"):
            assert [list(level[:2]) for level in book[side][:20]] == [list(level[:2]) for level in theirs[side]]

    play(venue, scene)


def test_orders_trades_and_balances_are_told(venue):
    async def scene(exchange: ccxt.pro.gate) -> None:
        price = await low_price(exchange)

        async def rest() -> object:
            return await exchange.create_order(PAIR, "limit", "buy", 0.01, price, {"clientOrderId": "t-watched"})

        orders, placed = await after(exchange.watch_orders(PAIR), rest)
        assert (orders[-1]["id"], orders[-1]["clientOrderId"], orders[-1]["status"]) == (
            placed["id"],
            "t-watched",
            "open",
        )

        async def cancel() -> object:
            return await exchange.cancel_order(placed["id"], PAIR)

        balance, _ = await after(exchange.watch_balance(), cancel)
        assert balance["USDT"]["used"] == 0
        assert balance["USDT"]["free"] == 100_000

        async def buy() -> object:
            return await exchange.create_order(PAIR, "market", "buy", 500)

        trades, bought = await after(exchange.watch_my_trades(PAIR), buy)
        assert trades[-1]["order"] == bought["id"]
        assert trades[-1]["fee"]["cost"] > 0

    play(venue, scene)


def test_orders_are_placed_changed_asked_for_and_cancelled_over_the_socket(venue):
    async def scene(exchange: ccxt.pro.gate) -> None:
        before = (await exchange.fetch_balance())["info"]
        price = await low_price(exchange)
        placed = await exchange.create_order_ws(PAIR, "limit", "buy", 0.01, price)
        assert placed["status"] == "open"
        asked = await exchange.fetch_order_ws(placed["id"], PAIR)
        assert asked["id"] == placed["id"]
        amended = await exchange.edit_order_ws(placed["id"], PAIR, "limit", "buy", 0.02, price)
        assert amended["amount"] == 0.02
        assert [one["id"] for one in await exchange.fetch_open_orders(PAIR)] == [placed["id"]]
        canceled = await exchange.cancel_order_ws(placed["id"], PAIR)
        assert canceled["status"] == "canceled"
        for _ in range(2):
            await exchange.create_order_ws(PAIR, "limit", "buy", 0.01, price)
        assert len(await exchange.cancel_all_orders_ws(PAIR)) == 2
        assert (await exchange.fetch_balance())["info"] == before
        taken = await exchange.create_order_ws(PAIR, "limit", "buy", 0.001, price * 1.2)
        assert taken["status"] == "closed"
        assert taken["filled"] == 0.001
        (trade,) = await exchange.fetch_my_trades(PAIR)
        after_it = {row["currency"]: Decimal(row["available"]) for row in (await exchange.fetch_balance())["info"]}
        spent = Decimal(trade["info"]["price"]) * Decimal(trade["info"]["amount"])
        assert after_it["USDT"] == Decimal(100_000) - spent
        assert after_it["BTC"] == Decimal(2) + Decimal(trade["info"]["amount"]) - Decimal(trade["info"]["fee"])
        with pytest.raises(ccxt.InsufficientFunds):
            await exchange.create_order_ws(PAIR, "limit", "buy", 10, price)
        with pytest.raises(ccxt.OrderNotFound):
            await exchange.cancel_order_ws("424242", PAIR)

    play(venue, scene)


def test_a_wrong_secret_and_an_unknown_market_are_refused(venue):
    async def scene(exchange: ccxt.pro.gate) -> None:
        exchange.secret = "wrong"
        with pytest.raises(ccxt.AuthenticationError):
            await exchange.watch_orders(PAIR)
        with pytest.raises(ccxt.AuthenticationError):
            await exchange.create_order_ws(PAIR, "limit", "buy", 0.01, 20_000)
        with pytest.raises(ccxt.BadRequest, match="unknown currency pair"):
            await exchange.subscribe_public(
                venue.socket_url, "trades:NO/PAIR", ["NO_PAIR"], "spot.trades", {}, {"symbol": "NO/PAIR"}
            )

    play(venue, scene)

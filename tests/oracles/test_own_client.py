"""Our own client for Gate.io lives a whole life of orders against the simulator: REST, books, pushes, calls."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from itertools import pairwise

import msgspec
import pytest
from tests.oracles.conftest import KEY, OTHER_KEY, OTHER_SECRET, SECRET, VenueProcess

from holdfast.adapters.exchanges.gateio.auth import Credentials
from holdfast.adapters.exchanges.gateio.books import Books
from holdfast.adapters.exchanges.gateio.config import GateioConfig
from holdfast.adapters.exchanges.gateio.errors import GateioError, GateioKeyError
from holdfast.adapters.exchanges.gateio.messages import Balance, BookTicker, BookUpdate, Candle, Message, Ticker, Trade
from holdfast.adapters.exchanges.gateio.own import OwnOrder, OwnTrade, TriggerUpdate
from holdfast.adapters.exchanges.gateio.requests import OrderRequest, Put, Trigger, TriggerRequest, body_of
from holdfast.adapters.exchanges.gateio.rest import GateioRest
from holdfast.adapters.exchanges.gateio.socket import GateioSocket, Handlers
from holdfast.adapters.host.clock import SystemClock
from holdfast.core.errors import OutcomeUnknownError, VenueError
from holdfast.core.secret import Secret

PAIR = "BTC_USDT"
PATIENCE_S = 10.0
pytestmark = pytest.mark.slow

Life = Callable[[GateioRest, VenueProcess], Awaitable[None]]


def client(venue: VenueProcess, key: str = KEY, secret: str = SECRET) -> GateioRest:
    config = msgspec.structs.replace(GateioConfig.for_url(venue.url), answer_timeout_ms=10_000)
    return GateioRest(config, Credentials(key, Secret(secret)), SystemClock())


def live(venue: VenueProcess, life: Life) -> None:
    async def lived() -> None:
        rest = client(venue)
        await rest.open()
        try:
            await rest.sync_clock()
            await life(rest, venue)
        finally:
            await rest.close()

    asyncio.run(lived())


def limit(text: str, side: str, price: Decimal, amount: str = "0.01", tif: str | None = None) -> OrderRequest:
    return OrderRequest(f"t-{text}", PAIR, "limit", side, amount, price=f"{price:f}", time_in_force=tif)


async def far_below(rest: GateioRest) -> Decimal:
    """Return a price that the market does not reach."""
    (ticker,) = await rest.tickers(PAIR)
    assert ticker.last is not None
    return (ticker.last * Decimal("0.8")).quantize(Decimal(1).scaleb(-(await rest.pair(PAIR)).precision))


async def held(rest: GateioRest) -> dict[str, tuple[Decimal, Decimal]]:
    return {one.currency: (one.available, one.locked) for one in await rest.accounts()}


def test_the_market_is_read_as_it_stands(venue):
    async def life(rest: GateioRest, venue: VenueProcess) -> None:
        venue.advance(2)
        assert {"BTC", "USDT"} <= {one.currency for one in await rest.currencies()}
        assert PAIR in {one.id for one in await rest.pairs()}
        book = await rest.order_book(PAIR, 10)
        (ticker,) = await rest.tickers(PAIR)
        assert not book.is_crossed
        assert (book.bids[0].price, book.asks[0].price) == (ticker.highest_bid, ticker.lowest_ask)
        candles = await rest.candlesticks(PAIR, "1m")
        assert len(candles) > 10
        assert all(b.ts_open - a.ts_open == 60_000_000_000 for a, b in pairwise(candles))
        trades = await rest.trades(PAIR)
        assert trades
        assert max(trade.ts_event for trade in trades) <= venue.get("/simulator/state")["ts"]
        assert (await rest.key_info()).can_withdraw is False

    live(venue, life)


def test_an_order_is_placed_found_by_text_amended_and_taken_back(venue):
    async def life(rest: GateioRest, venue: VenueProcess) -> None:
        before, price = await held(rest), await far_below(rest)
        placed = await rest.place(limit("own-1", "buy", price))
        assert placed.is_open
        assert (await rest.order("t-own-1", PAIR)).venue_order_id == placed.venue_order_id
        assert (await held(rest))["USDT"][1] == price * Decimal("0.01")
        amended = await rest.amend("t-own-1", PAIR, amount="0.02")
        assert (amended.amount, amended.venue_order_id) == (Decimal("0.02"), placed.venue_order_id)
        (market,) = await rest.open_orders()
        assert [one.text for one in market.orders] == ["t-own-1"]
        gone = await rest.cancel("t-own-1", PAIR)
        assert (gone.status, gone.finish_as) == ("cancelled", "cancelled")
        assert await held(rest) == before
        with pytest.raises(GateioError, match="ORDER_CANCELLED"):
            await rest.cancel(placed.venue_order_id, PAIR)
        assert [one.text for one in await rest.orders(PAIR, "finished")] == ["t-own-1"]

    live(venue, life)


def test_one_text_is_one_order_however_often_it_is_sent(venue):
    async def life(rest: GateioRest, venue: VenueProcess) -> None:
        price = await far_below(rest)
        await rest.place(limit("once", "buy", price))
        with pytest.raises(VenueError):
            await rest.place(limit("once", "buy", price))
        assert len(await rest.orders(PAIR, "open")) == 1

    live(venue, life)


def test_batches_have_an_outcome_for_each_order(venue):
    async def life(rest: GateioRest, venue: VenueProcess) -> None:
        price = await far_below(rest)
        results = await rest.place_batch([limit("b1", "buy", price), limit("b2", "buy", price, amount="10")])
        assert [(one.succeeded, one.label or "") for one in results] == [(True, ""), (False, "BALANCE_NOT_ENOUGH")]
        gone = await rest.cancel_batch([(results[0].venue_order_id, PAIR), ("77", PAIR)])
        assert [(one.succeeded, one.label or "") for one in gone] == [(True, ""), (False, "ORDER_NOT_FOUND")]
        await rest.place(limit("b3", "buy", price))
        assert [one.text for one in await rest.cancel_all(PAIR)] == ["t-b3"]

    live(venue, life)


def test_what_is_bought_is_received_less_the_fee_to_the_last_digit(venue):
    async def life(rest: GateioRest, venue: VenueProcess) -> None:
        before = await held(rest)
        (ticker,) = await rest.tickers(PAIR)
        assert ticker.lowest_ask is not None
        bought = await rest.place(limit("take", "buy", ticker.lowest_ask, "0.001", "ioc"))
        assert bought.status == "closed"
        trades = await rest.my_trades(PAIR, bought.venue_order_id)
        after = await held(rest)
        received = sum(trade.amount - trade.fee for trade in trades)
        assert after["BTC"][0] - before["BTC"][0] == received
        assert before["USDT"][0] - after["USDT"][0] == sum(trade.amount * trade.price for trade in trades)
        assert after["USDT"][1] == 0
        assert {trade.text for trade in trades} == {"t-take"}

    live(venue, life)


def test_a_stop_binds_nothing_fires_when_the_market_comes_and_names_what_it_placed(venue):
    async def life(rest: GateioRest, venue: VenueProcess) -> None:
        before = await held(rest)
        (ticker,) = await rest.tickers(PAIR)
        assert ticker.last is not None
        tick = Decimal(1).scaleb(-(await rest.pair(PAIR)).precision)
        near = ticker.last - tick
        put = Put("market", "sell", f"{near:f}", "0.01", time_in_force="ioc")
        placed = await rest.place_trigger(TriggerRequest(Trigger(f"{near:f}", "<="), put, PAIR))
        assert await held(rest) == before
        with pytest.raises(GateioError, match="REPEAT_REQUEST"):
            await rest.place_trigger(TriggerRequest(Trigger(f"{near:f}", "<="), put, PAIR))
        with pytest.raises(GateioError, match="AUTO_TRIGGER_PRICE_LESS_LAST"):
            await rest.place_trigger(TriggerRequest(Trigger(f"{near:f}", ">="), put, PAIR))
        assert [one.status for one in await rest.triggers("open")] == ["open"]
        for _ in range(200):
            venue.advance()
            if (fired := await rest.trigger(placed.venue_order_id)).status != "open":
                break
        assert fired.status == "finish"
        order = await rest.order(fired.fired_venue_order_id, PAIR)
        assert (order.status, order.side, order.amount) == ("closed", "sell", Decimal("0.01"))
        trades = await rest.my_trades(PAIR, order.venue_order_id)
        assert sum(trade.amount for trade in trades) == Decimal("0.01")
        assert (await held(rest))["BTC"] == (before["BTC"][0] - Decimal("0.01"), 0)

    live(venue, life)


def test_the_dead_man_timer_takes_back_what_rests_and_leaves_triggers(venue):
    async def life(rest: GateioRest, venue: VenueProcess) -> None:
        price = await far_below(rest)
        await rest.place(limit("dead", "buy", price))
        put = Put("market", "sell", f"{price:f}", "0.01", time_in_force="ioc")
        await rest.place_trigger(TriggerRequest(Trigger(f"{price:f}", "<="), put, PAIR))
        await rest.countdown(5)
        for _ in range(100):
            if (await rest.order("t-dead", PAIR)).is_final:
                break
            await asyncio.sleep(0.1)
        assert (await rest.order("t-dead", PAIR)).status == "cancelled"
        assert len(await rest.triggers("open")) == 1

    live(venue, life)


def test_a_wrong_secret_and_an_order_too_late_are_refused(venue):
    async def life(rest: GateioRest, venue: VenueProcess) -> None:
        stranger = client(venue, KEY, "another secret")
        await stranger.open()
        try:
            with pytest.raises(GateioKeyError, match="INVALID_SIGNATURE"):
                await stranger.accounts()
        finally:
            await stranger.close()
        price = await far_below(rest)
        # Once it is signed anew by itself; the second time it gives up.
        slow = {"kind": "slow_before", "endpoint": "POST /spot/orders", "amount": 1500, "times": 2}
        venue.post("/simulator/faults", slow)
        with pytest.raises(VenueError) as refused:
            await rest.place(limit("late", "buy", price))
        assert not isinstance(refused.value, OutcomeUnknownError)
        assert await rest.orders(PAIR, "open") == []

    live(venue, life)


@pytest.mark.parametrize("kind", ["lost_after", "error_after", "busy_after", "truncated", "wrong_types"])
def test_an_order_whose_answer_is_lost_is_in_doubt_and_found_by_its_text(venue, kind):
    async def life(rest: GateioRest, venue: VenueProcess) -> None:
        price = await far_below(rest)
        venue.post("/simulator/faults", {"kind": kind, "endpoint": "POST /spot/orders"})
        with pytest.raises(OutcomeUnknownError):
            await rest.place(limit("doubt", "buy", price))
        assert (await rest.order("t-doubt", PAIR)).is_open
        (account, _) = venue.get("/simulator/state")["accounts"]
        assert [order["text"] for order in account["orders"]] == ["t-doubt"], "placed once"

    live(venue, life)


@pytest.mark.parametrize("kind", ["lost_before", "error_before", "busy_before"])
def test_an_order_that_was_lost_on_its_way_is_in_doubt_and_not_there(venue, kind):
    async def life(rest: GateioRest, venue: VenueProcess) -> None:
        price = await far_below(rest)
        venue.post("/simulator/faults", {"kind": kind, "endpoint": "POST /spot/orders"})
        with pytest.raises(OutcomeUnknownError):
            await rest.place(limit("doubt", "buy", price))
        with pytest.raises(GateioError, match="ORDER_NOT_FOUND"):
            await rest.order("t-doubt", PAIR)

    live(venue, life)


# -- the websocket


class Listener:
    """What a socket has said so far."""

    def __init__(self, venue: VenueProcess, key: str = KEY, secret: str = SECRET) -> None:
        self.messages: list[Message] = []
        self.links: list[tuple[bool, str]] = []
        self.failures: list[BaseException] = []
        handlers = Handlers(
            self.messages.append,
            lambda is_up, why: self.links.append((is_up, why)),
            lambda error, _: self.failures.append(error),
        )
        clock = SystemClock()
        self.socket = GateioSocket(
            GateioConfig.for_url(venue.url), Credentials(key, Secret(secret)), clock.now, handlers
        )

    async def sees(self, kind: type, **fields: object) -> Message:
        """Return the first message of a kind with these fields, once it has come."""
        for _ in range(int(PATIENCE_S / 0.02)):
            for message in self.messages:
                if isinstance(message, kind) and all(getattr(message, name) == is_ for name, is_ in fields.items()):
                    return message
            await asyncio.sleep(0.02)
        raise AssertionError(f"no {kind.__name__} with {fields} among {self.messages[-10:]} {self.failures}")


def test_pushes_tell_of_orders_trades_balances_and_the_market(venue):
    async def life(rest: GateioRest, venue: VenueProcess) -> None:
        heard = Listener(venue)
        try:
            for channel in ("spot.orders", "spot.usertrades", "spot.priceorders"):
                await heard.socket.subscribe(channel, ["!all"])
            await heard.socket.subscribe("spot.balances")
            for channel in ("spot.tickers", "spot.trades", "spot.book_ticker"):
                await heard.socket.subscribe(channel, [PAIR])
            await heard.socket.subscribe("spot.candlesticks", ["1m", PAIR])
            await heard.socket.wait_up(PATIENCE_S)
            (ticker,) = await rest.tickers(PAIR)
            assert ticker.lowest_ask is not None
            await rest.place(limit("push", "buy", ticker.lowest_ask, "0.001", "ioc"))
            await heard.sees(OwnOrder, text="t-push", event="put")
            await heard.sees(OwnOrder, text="t-push", status="closed")
            trade = await heard.sees(OwnTrade, text="t-push")
            assert isinstance(trade, OwnTrade)
            (fill, *_) = await rest.my_trades(PAIR)
            assert (trade.trade_id, trade.fee, trade.price) == (fill.trade_id, fill.fee, fill.price)
            now = await held(rest)
            await heard.sees(Balance, currency="BTC", total=sum(now["BTC"]), available=now["BTC"][0])
            price = await far_below(rest)
            put = Put("market", "sell", f"{price:f}", "0.01", time_in_force="ioc")
            await rest.place_trigger(TriggerRequest(Trigger(f"{price:f}", "<="), put, PAIR))
            await heard.sees(TriggerUpdate, market=PAIR)
            venue.advance(2)
            await heard.sees(Candle, is_closed=True)
            for kind in (Ticker, Trade, BookTicker):
                await heard.sees(kind, currency_pair=PAIR)
            closed = {one.time: one for one in heard.messages if isinstance(one, Candle) and one.is_closed}
            bars = {int(one.ts_open // 10**9): one for one in await rest.candlesticks(PAIR, "1m")}
            for time, candle in closed.items():
                assert float(bars[time].close) == candle.close
                assert float(bars[time].base_volume) == candle.base_volume
            assert not heard.failures
        finally:
            await heard.socket.close()

    live(venue, life)


def test_the_book_stays_in_step_with_the_venues_own(venue):
    async def life(rest: GateioRest, venue: VenueProcess) -> None:
        heard = Listener(venue)
        books = Books(lambda pair: rest.order_book(pair, 100), [PAIR], 100, pause_s=0.01)
        try:
            await heard.socket.subscribe("spot.order_book_update", [PAIR, "100ms"])
            await heard.socket.wait_up(PATIENCE_S)
            at = 0
            for number in range(40):
                if number % 5 == 2:
                    await rest.place(limit(f"deep{number}", "buy", await far_below(rest)))
                venue.advance()
                await asyncio.sleep(0.05)
                fresh, at = heard.messages[at:], len(heard.messages)
                for message in fresh:
                    if isinstance(message, BookUpdate):
                        books.apply(message)
            depth, book = books[PAIR], await rest.order_book(PAIR, 20)
            assert depth.is_in_step, depth.why
            assert depth.update_id == book.id
            assert depth.bids(20) == [(float(level.price), float(level.amount)) for level in book.bids]
            assert depth.asks(20) == [(float(level.price), float(level.amount)) for level in book.asks]
            assert depth.gaps == 0
        finally:
            await books.close()
            await heard.socket.close()

    live(venue, life)


def test_orders_go_over_the_websocket(venue):
    async def life(rest: GateioRest, venue: VenueProcess) -> None:
        heard = Listener(venue)
        try:
            await heard.socket.login()
            await heard.socket.wait_up(PATIENCE_S)
            price = await far_below(rest)
            placed = (await heard.socket.call("spot.order_place", body_of(limit("ws", "buy", price)), "1")).order()
            assert placed.is_open
            name = body_of({"order_id": placed.venue_order_id, "currency_pair": PAIR})
            assert (await heard.socket.call("spot.order_status", name, "2")).order().text == "t-ws"
            changed = body_of({"order_id": placed.venue_order_id, "currency_pair": PAIR, "amount": "0.02"})
            assert (await heard.socket.call("spot.order_amend", changed, "3")).order().amount == Decimal("0.02")
            assert (await heard.socket.call("spot.order_cancel", name, "4")).order().status == "cancelled"
            with pytest.raises(GateioError, match="ORDER_CANCELLED"):
                await heard.socket.call("spot.order_cancel", name, "5")
            with pytest.raises(GateioError, match="BALANCE_NOT_ENOUGH"):
                await heard.socket.call("spot.order_place", body_of(limit("much", "buy", price, "10")), "6")
            late = {"x-gate-exptime": "1000"}
            with pytest.raises(GateioError, match="REQUEST_EXPIRED"):
                await heard.socket.call("spot.order_place", body_of(limit("late", "buy", price)), "7", header=late)
            venue.post("/simulator/faults", {"kind": "lost_after", "endpoint": "WS spot.order_place"})
            with pytest.raises(OutcomeUnknownError):
                await heard.socket.call("spot.order_place", body_of(limit("gone", "buy", price)), "8")
            assert (await rest.order("t-gone", PAIR)).is_open
            await heard.socket.wait_up(PATIENCE_S)
            assert [is_up for is_up, _ in heard.links] == [True, False, True]
        finally:
            await heard.socket.close()

    live(venue, life)


def test_somebody_elses_orders_are_neither_told_nor_found(venue):
    async def life(rest: GateioRest, venue: VenueProcess) -> None:
        heard = Listener(venue, OTHER_KEY, OTHER_SECRET)
        other = client(venue, OTHER_KEY, OTHER_SECRET)
        await other.open()
        try:
            await heard.socket.subscribe("spot.orders", ["!all"])
            await heard.socket.subscribe("spot.balances")
            await heard.socket.wait_up(PATIENCE_S)
            price = await far_below(rest)
            placed = await rest.place(limit("mine", "buy", price))
            await other.place(limit("mine", "buy", price))
            await heard.sees(OwnOrder, text="t-mine")
            with pytest.raises(GateioError, match="ORDER_NOT_FOUND"):
                await other.order(placed.venue_order_id, PAIR)
            with pytest.raises(GateioError, match="ORDER_NOT_FOUND"):
                await other.cancel(placed.venue_order_id, PAIR)
            assert len([one for one in heard.messages if isinstance(one, OwnOrder)]) == 1
            assert len([one for one in heard.messages if isinstance(one, Balance)]) == 1
            assert (await rest.order("t-mine", PAIR)).is_open
        finally:
            await heard.socket.close()
            await other.close()

    live(venue, life)


def test_pushes_that_come_twice_or_never_are_what_the_plan_says(venue):
    async def life(rest: GateioRest, venue: VenueProcess) -> None:
        heard = Listener(venue)
        try:
            await heard.socket.subscribe("spot.orders", ["!all"])
            await heard.socket.wait_up(PATIENCE_S)
            price = await far_below(rest)
            faults = [
                {"kind": "push_duplicated", "endpoint": "spot.orders", "nth": 1},
                {"kind": "push_lost", "endpoint": "spot.orders", "nth": 2},
            ]
            venue.post("/simulator/faults", faults)
            await rest.place(limit("twice", "buy", price))
            await rest.place(limit("never", "buy", price))
            await rest.place(limit("last", "buy", price))
            await heard.sees(OwnOrder, text="t-last")
            texts = [one.text for one in heard.messages if isinstance(one, OwnOrder)]
            assert texts == ["t-twice", "t-twice", "t-last"]
            assert venue.get("/simulator/faults")["counts"] == {"push_duplicated": 1, "push_lost": 1}
        finally:
            await heard.socket.close()

    live(venue, life)

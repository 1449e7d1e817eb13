"""What can be subscribed to, what each piece of news becomes there, and which calls the websocket takes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from holdfast.core.record import Record
from holdfast.core.time import MILLISECOND, SECOND
from holdfast.domain.values import ZERO
from holdfast.simulator.exchange import VirtualExchange
from holdfast.simulator.orders import need_pair
from holdfast.simulator.private_routes import uid_of
from holdfast.simulator.public_routes import INTERVALS, best_of, candle_push, candles_of, interval_of, ticker_json
from holdfast.simulator.records import (
    AccountTraded,
    BalanceChanged,
    CandleChanged,
    DepthChanged,
    OrderChanged,
    PublicTrade,
    Push,
    QuoteChanged,
    TriggerChanged,
)
from holdfast.simulator.refusal import VenueRefusal
from holdfast.simulator.rest_routes import Call
from holdfast.simulator.venue_market import VenueMarket
from holdfast.simulator.wire import (
    Json,
    balance_push,
    levels_json,
    order_push,
    plain,
    public_trade_push,
    trade_push,
    trigger_push,
)

ALL: Final = "!all"
PRIVATE_CHANNELS: Final = frozenset(
    {
        *("spot.orders", "spot.orders_v2", "spot.usertrades", "spot.usertrades_v2"),
        *("spot.balances", "spot.priceorders"),
    }
)
_OF_PAIRS: Final = frozenset({"spot.tickers", "spot.trades", "spot.book_ticker"})
_PAIRS_MAX: Final = 2_000
_DEPTHS: Final = ("5", "10", "20", "50", "100")


class Message(Record, frozen=True):
    """One push: who has subscribed to one of the `keys` of its channel (for the account, if it has one) gets it."""

    channel: str
    keys: tuple[str, ...]
    account: str
    result: object


Wanted = Collection[tuple[str, str]]


# -- subscriptions


def keys_of(exchange: VirtualExchange, channel: str, payload: Sequence[str]) -> list[str]:
    """Return what a subscription names, one key for each thing that is pushed.

    Raises
    ------
    VenueRefusal
        There is no such channel, market, interval or depth.
    """
    if channel == "spot.balances":
        return [ALL]
    if channel in PRIVATE_CHANNELS or channel in _OF_PAIRS:
        if not payload or len(payload) > _PAIRS_MAX:
            raise VenueRefusal("INVALID_ARGUMENT", "invalid payload: name markets")
        for pair in payload:
            if pair != ALL or channel in _OF_PAIRS:
                _check_pair(exchange, pair)
        return list(dict.fromkeys(payload))
    if channel == "spot.candlesticks" and len(payload) == 2:
        interval_of(_check_pair(exchange, payload[1]), payload[0])
        return [f"{payload[0]}_{payload[1]}"]
    if channel == "spot.order_book_update" and len(payload) == 2:
        _check_pair(exchange, payload[0])
        return [payload[0]]
    if channel == "spot.order_book" and len(payload) == 3 and payload[1] in _DEPTHS:
        _check_pair(exchange, payload[0])
        return [f"{payload[0]} {payload[1]}"]
    if channel == "spot.obu" and payload:
        for name in payload:
            _check_pair(exchange, _obu_pair(name))
        return list(payload)
    raise VenueRefusal("INVALID_ARGUMENT", f"unknown channel or invalid payload: {channel[:60]}")


def _check_pair(exchange: VirtualExchange, pair: str) -> VenueMarket:
    if pair not in exchange.markets:
        raise VenueRefusal("INVALID_CURRENCY_PAIR", f"unknown currency pair: {pair[:40]}")
    return need_pair(exchange.markets, pair)


def _obu_pair(name: str) -> str:
    """Return the pair of `ob.BTC_USDT.50`."""
    parts = name.split(".")
    if len(parts) != 3 or parts[0] != "ob" or parts[2] not in ("50", "400"):
        raise VenueRefusal("INVALID_ARGUMENT", f"invalid payload: {name[:60]}")
    return parts[1]


def first_messages(exchange: VirtualExchange, channel: str, keys: Sequence[str]) -> Iterator[Message]:
    """Yield what a channel says at once to whoever subscribes, so that nobody waits for the market to move."""
    for key in keys:
        if channel == "spot.obu":
            market = exchange.markets[_obu_pair(key)]
            bids, asks = market.sorted_depth(int(key.rpartition(".")[2]))
            result = {
                "t": exchange.ts // MILLISECOND, "full": True, "s": key, "u": market.last_id,
                "b": levels_json(bids), "a": levels_json(asks),
            }  # fmt: skip
            yield Message(channel, (key,), "", result)
        elif channel == "spot.order_book":
            yield Message(channel, (key,), "", _book(exchange, key))
        elif channel == "spot.tickers":
            yield Message(channel, (key,), "", ticker_json(exchange, exchange.markets[key]))
        elif channel == "spot.book_ticker":
            yield Message(channel, (key,), "", _book_ticker(exchange, exchange.markets[key]))
        elif channel == "spot.candlesticks":
            yield from _candles(exchange, key.partition("_")[2], {(channel, key)}, exchange.ts)


# -- news


class Newsroom:
    """Makes messages of news, and of nothing that nobody has asked for."""

    def __init__(self, exchange: VirtualExchange) -> None:
        self._exchange = exchange
        self._bound: dict[tuple[str, str], Decimal] = {}

    def messages(self, pushes: Sequence[Push], wanted: Wanted) -> Iterator[Message]:
        """Yield what `pushes` become on the channels and keys that somebody wants, in order."""
        for push in pushes:
            match push:
                case PublicTrade():
                    if ("spot.trades", push.pair) in wanted:
                        yield Message("spot.trades", (push.pair,), "", public_trade_push(push))
                case QuoteChanged():
                    yield from self._quotes(push, wanted)
                case DepthChanged():
                    yield from self._depth(push, wanted)
                case CandleChanged():
                    yield from _candles(self._exchange, push.pair, wanted, push.ts_open)
                case _:
                    yield from self._private(push)

    def _quotes(self, push: QuoteChanged, wanted: Wanted) -> Iterator[Message]:
        market = self._exchange.markets[push.pair]
        if ("spot.book_ticker", push.pair) in wanted:
            yield Message("spot.book_ticker", (push.pair,), "", _book_ticker(self._exchange, market))
        if ("spot.tickers", push.pair) in wanted:
            yield Message("spot.tickers", (push.pair,), "", ticker_json(self._exchange, market))

    def _depth(self, push: DepthChanged, wanted: Wanted) -> Iterator[Message]:
        bids, asks, ms = levels_json(push.bids), levels_json(push.asks), push.ts // MILLISECOND
        if ("spot.order_book_update", push.pair) in wanted:
            result: Json = {
                "t": ms, "e": "depthUpdate", "E": push.ts // SECOND, "s": push.pair,
                "U": push.first_id, "u": push.last_id, "b": bids, "a": asks,
            }  # fmt: skip
            yield Message("spot.order_book_update", (push.pair,), "", result)
        for depth in ("50", "400"):
            name = f"ob.{push.pair}.{depth}"
            if ("spot.obu", name) in wanted:
                result = {"t": ms, "s": name, "U": push.first_id, "u": push.last_id, "b": bids, "a": asks}
                yield Message("spot.obu", (name,), "", result)
        for depth in _DEPTHS:
            key = f"{push.pair} {depth}"
            if ("spot.order_book", key) in wanted:
                yield Message("spot.order_book", (key,), "", _book(self._exchange, key))

    def _private(self, push: Push) -> Iterator[Message]:
        match push:
            case OrderChanged():
                account, pair = push.order.account, push.order.pair
                result = order_push(push.order, push.event, uid_of(self._exchange, account))
                for channel in ("spot.orders", "spot.orders_v2"):
                    yield Message(channel, (pair, ALL), account, [result])
            case AccountTraded():
                account, pair = push.trade.account, push.trade.pair
                result = trade_push(push.trade, uid_of(self._exchange, account))
                for channel in ("spot.usertrades", "spot.usertrades_v2"):
                    yield Message(channel, (pair, ALL), account, [result])
            case BalanceChanged():
                key = (push.account, push.asset)
                bound = push.total - push.available
                more = bound - self._bound.get(key, ZERO)
                self._bound[key] = bound
                result = balance_push(push, uid_of(self._exchange, push.account), more)
                yield Message("spot.balances", (ALL,), push.account, [result])
            case TriggerChanged():
                account, pair = push.trigger.account, push.trigger.ask.pair
                result = trigger_push(push.trigger, uid_of(self._exchange, account))
                yield Message("spot.priceorders", (pair, ALL), account, result)
            case _:
                return


def _book_ticker(exchange: VirtualExchange, market: VenueMarket) -> Json:
    bid, ask = best_of(market)
    return {
        "t": exchange.ts // MILLISECOND, "u": market.last_id, "s": market.id,
        "b": plain(bid[0]) if bid else "", "B": plain(bid[1]) if bid else "",
        "a": plain(ask[0]) if ask else "", "A": plain(ask[1]) if ask else "",
    }  # fmt: skip


def _book(exchange: VirtualExchange, key: str) -> Json:
    pair, _, depth = key.partition(" ")
    market = exchange.markets[pair]
    bids, asks = market.sorted_depth(int(depth))
    return {
        "t": exchange.ts // MILLISECOND, "lastUpdateId": market.last_id, "s": pair,
        "bids": levels_json(bids), "asks": levels_json(asks),
    }  # fmt: skip


def _candles(exchange: VirtualExchange, pair: str, wanted: Wanted, ts: int) -> Iterator[Message]:
    market = exchange.markets[pair]
    for name, nanos in INTERVALS.items():
        key = f"{name}_{pair}"
        if ("spot.candlesticks", key) not in wanted:
            continue
        opened = ts // nanos * nanos
        for bar in candles_of(market, nanos, opened, opened)[-1:]:
            yield Message("spot.candlesticks", (key,), "", candle_push(market, bar, key))


# -- calls


def _place(raw: str) -> Call:
    is_batch = raw.lstrip().startswith("[")
    return Call("POST /spot/batch_orders" if is_batch else "POST /spot/orders", body=raw)


def _named(endpoint: str) -> Callable[[str], Call]:
    def made(raw: str) -> Call:
        document = Call(endpoint, body=raw).document()
        pair = str(document.get("currency_pair") or "")
        name = str(document.get("order_id") or document.get("id") or "")
        if not name:
            raise VenueRefusal("MISSING_REQUIRED_PARAM", "Missing required parameter: order_id")
        body = raw if endpoint.startswith("PATCH") else ""
        return Call(endpoint, name=name, query=f"currency_pair={pair}" if pair else "", body=body)

    return made


def _cancel_ids(raw: str) -> Call:
    # Sent as a list, or as an object that holds one.
    if raw.lstrip().startswith("["):
        return Call("POST /spot/cancel_batch_orders", body=raw)
    orders = Call("", body=raw).document().get("orders", [])
    return Call("POST /spot/cancel_batch_orders", body=msgspec.json.encode(orders).decode())


def _cancel_matching(raw: str) -> Call:
    document = Call("", body=raw).document()
    names = ("currency_pair", "side")
    query = "&".join(f"{name}={document[name]}" for name in names if document.get(name))
    return Call("DELETE /spot/orders", query=query)


def _listed(raw: str) -> Call:
    document = Call("", body=raw).document()
    names = ("currency_pair", "status", "page", "limit", "side", "from", "to")
    query = "&".join(f"{name}={document[name]}" for name in names if document.get(name))
    return Call("GET /spot/orders", query=query)


CALLS: Final[Mapping[str, Callable[[str], Call]]] = {
    "spot.order_place": _place,
    "spot.order_cancel": _named("DELETE /spot/orders/{order_id}"),
    "spot.order_cancel_ids": _cancel_ids,
    "spot.order_cancel_cp": _cancel_matching,
    "spot.order_amend": _named("PATCH /spot/orders/{order_id}"),
    "spot.order_status": _named("GET /spot/orders/{order_id}"),
    "spot.order_list": _listed,
}
"""What a call over the websocket means: the same requests as over REST."""

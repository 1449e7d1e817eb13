"""What anybody may ask: markets, tickers, books, trades, bars, the time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

import msgspec

from holdfast.core.time import DAY, HOUR, MILLISECOND, MINUTE, SECOND
from holdfast.domain.market import Timeframe
from holdfast.domain.values import ZERO
from holdfast.simulator.exchange import VirtualExchange
from holdfast.simulator.market import Candle
from holdfast.simulator.orders import QUOTE_MAX, need_pair
from holdfast.simulator.records import PairSpec
from holdfast.simulator.refusal import VenueRefusal
from holdfast.simulator.rest_routes import Call
from holdfast.simulator.venue_market import VenueMarket
from holdfast.simulator.wire import Json, levels_json, plain, public_trade_json

Handler = Callable[[VirtualExchange, Call], object]

INTERVALS: Final[Mapping[str, int]] = {
    "10s": 10 * SECOND, "1m": MINUTE, "5m": 5 * MINUTE, "15m": 15 * MINUTE, "30m": 30 * MINUTE,
    "1h": HOUR, "2h": 2 * HOUR, "4h": 4 * HOUR, "8h": 8 * HOUR, "1d": DAY, "7d": 7 * DAY, "30d": 30 * DAY,
}  # fmt: skip
_BARS_MAX: Final = 1_000
_LIMIT: Final = 100
_PERCENT: Final = 100
_UTC8: Final = 16 * HOUR  # when the day begins in Beijing
_QUANTUM: Final = Decimal("0.01")
_DECIMALS: Final = 8  # of volumes, which are sums of floats


def number(parameters: Mapping[str, str], name: str, default: int, most: int) -> int:
    """Return a parameter that counts something, `default` where it is not there."""
    text = parameters.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 16 and int(text) <= most):
        raise VenueRefusal("INVALID_PARAM_VALUE", f"Invalid parameter `{name}` with value: {text[:40]}")
    return int(text)


def needed(parameters: Mapping[str, str], name: str) -> str:
    """Return a parameter that must be there."""
    if not parameters.get(name):
        raise VenueRefusal("MISSING_REQUIRED_PARAM", f"Missing required parameter: {name}")
    return parameters[name]


def market_of(exchange: VirtualExchange, call: Call) -> VenueMarket:
    """Return the market that a request names."""
    return need_pair(exchange.markets, needed(call.parameters, "currency_pair"))


# -- markets


def _time(_exchange: VirtualExchange, call: Call) -> Json:
    return {"server_time": call.ts // MILLISECOND}


def _currencies(exchange: VirtualExchange, _call: Call) -> list[Json]:
    return [_currency_json(name) for name in _coins(exchange)]


def _currency(exchange: VirtualExchange, call: Call) -> Json:
    if call.name not in _coins(exchange):
        raise VenueRefusal("INVALID_CURRENCY", f"Invalid currency {call.name[:40]}")
    return _currency_json(call.name)


def _coins(exchange: VirtualExchange) -> list[str]:
    found = {str(m.spec.instrument.base) for m in exchange.markets.values()}
    return sorted(found | {str(m.spec.instrument.quote) for m in exchange.markets.values()})


def _currency_json(name: str) -> Json:
    return {
        "currency": name, "name": name, "delisted": False, "withdraw_disabled": True, "withdraw_delayed": False,
        "deposit_disabled": True, "trade_disabled": False, "chain": name,
        "chains": [
            {"name": name, "addr": "", "withdraw_disabled": True, "withdraw_delayed": False, "deposit_disabled": True}
        ],
    }  # fmt: skip


def _pairs(exchange: VirtualExchange, _call: Call) -> list[Json]:
    return [_pair_json(market.spec) for market in exchange.markets.values()]


def _pair(exchange: VirtualExchange, call: Call) -> Json:
    return _pair_json(need_pair(exchange.markets, call.name).spec)


def _pair_json(spec: PairSpec) -> Json:
    instrument = spec.instrument
    base, quote = str(instrument.base), str(instrument.quote)
    return {
        "id": spec.id, "base": base, "base_name": base, "quote": quote, "quote_name": quote,
        "fee": plain(spec.fee_taker * _PERCENT),
        "min_base_amount": plain(instrument.lot), "min_quote_amount": plain(instrument.notional_min),
        "max_base_amount": None, "max_quote_amount": plain(QUOTE_MAX),
        "amount_precision": decimals(instrument.lot), "precision": decimals(instrument.tick),
        "trade_status": spec.trade_status, "sell_start": 0, "buy_start": 0, "delisting_time": 0,
        "type": "normal", "st_tag": False,
    }  # fmt: skip


def decimals(step: Decimal) -> int:
    """Return how many decimals a step of the grid has."""
    exponent = step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


# -- what the market does


def _tickers(exchange: VirtualExchange, call: Call) -> list[Json]:
    name = call.parameters.get("currency_pair", "")
    chosen = [need_pair(exchange.markets, name)] if name else list(exchange.markets.values())
    return [ticker_json(exchange, market) for market in chosen]


def ticker_json(exchange: VirtualExchange, market: VenueMarket) -> Json:
    """Return the last day of a market; an empty side of the book is an empty text."""
    day = market.prints.candles(exchange.ts - DAY, exchange.ts)
    last = market.prints.last
    first = market.spec.instrument.price(day[0].open) if day else last
    bids, asks = best_of(market)
    base, quote = math.fsum(bar.volume for bar in day), math.fsum(bar.volume * bar.close for bar in day)
    high, low = max((bar.high for bar in day), default=0.0), min((bar.low for bar in day), default=0.0)
    change = ((last - first) / first * _PERCENT).quantize(_QUANTUM) if first else ZERO
    return {
        "currency_pair": market.id,
        "last": plain(last),
        "lowest_ask": plain(asks[0]) if asks else "", "lowest_size": plain(asks[1]) if asks else "",
        "highest_bid": plain(bids[0]) if bids else "", "highest_size": plain(bids[1]) if bids else "",
        "change_percentage": plain(change), "change_utc0": _change(market, exchange.ts // DAY * DAY),
        "change_utc8": _change(market, (exchange.ts - _UTC8) // DAY * DAY + _UTC8),
        "base_volume": _amount(base), "quote_volume": _amount(quote),
        "high_24h": on_tick(market, high) if high else plain(last),
        "low_24h": on_tick(market, low) if low else plain(last),
    }  # fmt: skip


def _change(market: VenueMarket, ts_from: int) -> str:
    """Return by how much (percent) the price is another than where the day began at `ts_from`."""
    first = market.prints.opened_from(ts_from)
    change = (market.prints.last / market.spec.instrument.price(first) - 1) * _PERCENT if first else ZERO
    return plain(change.quantize(_QUANTUM))


def best_of(market: VenueMarket) -> tuple[tuple[Decimal, Decimal] | None, tuple[Decimal, Decimal] | None]:
    """Return the best bid and the best ask with their quantities; None for an empty side."""
    bids, asks = market.sorted_depth(1)
    return (bids[0] if bids else None), (asks[0] if asks else None)


def _order_book(exchange: VirtualExchange, call: Call) -> Json:
    market, parameters = market_of(exchange, call), call.parameters
    bids, asks = market.sorted_depth(number(parameters, "limit", 10, 5_000))
    document: Json = {"id": market.last_id} if parameters.get("with_id", "").lower() == "true" else {}
    return {
        **document,
        "current": call.ts // MILLISECOND,
        "update": exchange.ts // MILLISECOND,
        "asks": levels_json(asks),
        "bids": levels_json(bids),
    }


def _trades(exchange: VirtualExchange, call: Call) -> list[Json]:
    market, parameters = market_of(exchange, call), call.parameters
    last_id = number(parameters, "last_id", 0, 1 << 53)
    is_reverse = parameters.get("reverse", "").lower() == "true"
    found = [
        trade
        for trade in reversed(market.trades)
        if not last_id or (trade.id < last_id if is_reverse else trade.id > last_id)
    ]
    return [public_trade_json(trade) for trade in found[: number(parameters, "limit", _LIMIT, 1_000)]]


def _candlesticks(exchange: VirtualExchange, call: Call) -> list[list[str]]:
    market, parameters = market_of(exchange, call), call.parameters
    nanos = interval_of(market, parameters.get("interval", "30m"))
    limit = number(parameters, "limit", _LIMIT, _BARS_MAX)
    ts_to = number(parameters, "to", exchange.ts // SECOND, 1 << 40) * SECOND
    ts_from = number(parameters, "from", 0, 1 << 40) * SECOND
    if not parameters.get("from"):
        ts_from = ts_to - limit * nanos
    elif (ts_to - ts_from) // nanos > _BARS_MAX:
        raise VenueRefusal("INVALID_PARAM_VALUE", "Candlestick too long ago. Maximum 1000 points")
    found = candles_of(market, nanos, ts_from, ts_to)
    return [candle_json(market, bar) for bar in (found if parameters.get("from") else found[-limit:])]


def interval_of(market: VenueMarket, name: str) -> int:
    """Return the length (ns) of a bar that the market can give: its own, or a multiple of it."""
    nanos = INTERVALS.get(name, 0)
    own: Timeframe = market.prints.timeframe
    if not nanos or nanos % own.nanos:
        raise VenueRefusal("INVALID_PARAM_VALUE", f"Invalid parameter `interval` with value: {name[:40]}")
    return nanos


def candles_of(market: VenueMarket, nanos: int, ts_from: int, ts_to: int) -> list[Candle]:
    """Return bars of `nanos` that open in [ts_from, ts_to]; what the history does not begin with is left out."""
    if nanos == market.prints.timeframe.nanos:
        return market.prints.candles(ts_from, ts_to)
    first = -(-ts_from // nanos) * nanos
    joined: dict[int, list[Candle]] = {}
    for bar in market.prints.candles(first, ts_to // nanos * nanos + nanos - 1):
        joined.setdefault(bar.ts_open // nanos * nanos, []).append(bar)
    own, begin = market.prints.timeframe.nanos, market.prints.begin
    found = [_joined(opened, bars, opened + nanos - own) for opened, bars in joined.items() if opened >= begin]
    if len(found) > 1:
        # Where a bar's end is missing, the next one says that it is over.
        found[:-1] = [bar if bar.is_closed else msgspec.structs.replace(bar, is_closed=True) for bar in found[:-1]]
    return found


def _joined(opened: int, bars: list[Candle], last_open: int) -> Candle:
    is_closed = bars[-1].is_closed and bars[-1].ts_open == last_open
    return Candle(
        opened, bars[0].open, max(bar.high for bar in bars), min(bar.low for bar in bars), bars[-1].close,
        math.fsum(bar.volume for bar in bars), is_closed,
    )  # fmt: skip


def candle_json(market: VenueMarket, bar: Candle) -> list[str]:
    """Return a bar as REST gives it: when it opens, quote volume, close, high, low, open, base volume, finished."""
    opened, high, low, close = (on_tick(market, price) for price in (bar.open, bar.high, bar.low, bar.close))
    quote, base = _amount(bar.volume * bar.close), _amount(bar.volume)
    return [str(bar.ts_open // SECOND), quote, close, high, low, opened, base, "true" if bar.is_closed else "false"]


def candle_push(market: VenueMarket, bar: Candle, name: str) -> Json:
    """Return a bar as its channel tells of it."""
    opened, high, low, close = (on_tick(market, price) for price in (bar.open, bar.high, bar.low, bar.close))
    return {
        "t": str(bar.ts_open // SECOND), "v": _amount(bar.volume * bar.close), "c": close, "h": high, "l": low,
        "o": opened, "n": name, "a": _amount(bar.volume), "w": bar.is_closed,
    }  # fmt: skip


def on_tick(market: VenueMarket, price: float) -> str:
    """Return a recorded price on the market's grid, which bars made from others may have left by a hair."""
    return plain(market.spec.instrument.price(price))


def _amount(value: float) -> str:
    return plain(Decimal(repr(round(value, _DECIMALS))))


def _nothing(_exchange: VirtualExchange, _call: Call) -> list[Json]:
    return []


PUBLIC: Final[Mapping[str, Handler]] = {
    "GET /spot/time": _time,
    "GET /spot/currencies": _currencies,
    "GET /spot/currencies/{currency}": _currency,
    "GET /spot/currency_pairs": _pairs,
    "GET /spot/currency_pairs/{currency_pair}": _pair,
    "GET /spot/tickers": _tickers,
    "GET /spot/order_book": _order_book,
    "GET /spot/trades": _trades,
    "GET /spot/candlesticks": _candlesticks,
    # Clients that also trade on margin ask for these first; there is no margin here.
    "GET /margin/currency_pairs": _nothing,
}
"""What needs no key."""

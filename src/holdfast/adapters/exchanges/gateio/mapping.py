"""Gate.io's shapes into ours and back: pure, and nothing is rounded in a direction that could cost money."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from typing import Final

from holdfast.adapters.exchanges.gateio import wire
from holdfast.adapters.exchanges.gateio.config import VENUE_SUFFIX
from holdfast.adapters.exchanges.gateio.requests import OrderRequest, Put, Trigger, TriggerRequest
from holdfast.core.errors import ConfigurationError, DataError, DomainError
from holdfast.core.record import Record
from holdfast.domain.instrument import FeeTier, Instrument
from holdfast.domain.market import BarClosed, Timeframe
from holdfast.domain.order import Liquidity, OrderCanceled, OrderEvent, OrderFilled, OrderSpec, OrderType, TimeInForce
from holdfast.domain.values import ONE, ZERO, Asset, InstrumentId, Money, OrderId, Price, Quantity, Side

TEXT_PREFIX: Final = "t-"
_TEXT_MAX: Final = 28  # bytes after the prefix
_TEXT: Final = re.compile(r"[0-9A-Za-z_.-]+", re.ASCII)
_PERCENT: Final = Decimal(100)

INTERVALS: Final = {
    Timeframe.M1: "1m", Timeframe.M5: "5m", Timeframe.M15: "15m", Timeframe.M30: "30m", Timeframe.H1: "1h",
    Timeframe.H2: "2h", Timeframe.H4: "4h", Timeframe.H8: "8h", Timeframe.D1: "1d",
}  # fmt: skip
"""The venue's names of bars. Its seven-day bar does not begin on Mondays as ours does, so it is none of ours."""


# -- names


def instrument_id_of(pair: str, suffix: str = VENUE_SUFFIX) -> InstrumentId:
    """Return `BTC/USDT.GATEIO` for `BTC_USDT`; another `suffix` names one of several accounts."""
    base, _, quote = pair.rpartition("_")  # a coin's name may hold an underscore itself
    if not base or not quote:
        raise DataError(f"{pair[:80]!r} is no currency pair")
    return InstrumentId(f"{base}/{quote}{suffix}")


def pair_of(instrument_id: InstrumentId) -> str:
    """Return `BTC_USDT` for `BTC/USDT.GATEIO`, and for `BTC/USDT.GATEIO-SAVINGS`."""
    name, dot, venue = instrument_id.rpartition(".")
    base, _, quote = name.partition("/")
    if (dot + venue).partition("-")[0] != VENUE_SUFFIX or not base or not quote:
        raise DomainError(f"{instrument_id} is no instrument of Gate.io")
    return f"{base}_{quote}"


def text_of(order_id: OrderId) -> str:
    """Return the client id that goes to the venue."""
    if not _TEXT.fullmatch(order_id) or len(order_id) > _TEXT_MAX:
        raise DomainError(f"order id {order_id!r} cannot be a client id: 1 to {_TEXT_MAX} of 0-9 A-Z a-z _ . -")
    return TEXT_PREFIX + order_id


def order_id_of(text: str) -> OrderId:
    """Return our order id, empty where the text is not one that a client sent."""
    return OrderId(text.removeprefix(TEXT_PREFIX) if text.startswith(TEXT_PREFIX) else "")


def side_of(side: str) -> Side:
    """Return our name of `buy` or `sell`."""
    return Side.BUY if side == "buy" else Side.SELL


def interval_of(timeframe: Timeframe) -> str:
    """Return the venue's name of the bar length.

    Raises
    ------
    ConfigurationError
        The venue has no such bars.
    """
    interval = INTERVALS.get(timeframe)
    if interval is None:
        raise ConfigurationError(
            f"Gate.io has no bars of {timeframe.value}", hint="one of " + ", ".join(x.value for x in INTERVALS)
        )
    return interval


def decimal_text(value: Decimal) -> str:
    """Return the number without an exponent and without zeros at its end, as the venue reads it."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


# -- market


def instrument_of(pair: wire.Pair, fee: wire.Fee | None = None, suffix: str = VENUE_SUFFIX) -> Instrument:
    """Return the instrument, with the account's own fee rates if they are given, else the pair's."""
    listed = (pair.fee if pair.fee is not None else Decimal("0.2")) / _PERCENT
    maker, taker = (listed, listed) if fee is None else (fee.maker_fee, fee.taker_fee)
    return Instrument(
        id=InstrumentId(f"{pair.base}/{pair.quote}{suffix}"),
        base=Asset(pair.base),
        quote=Asset(pair.quote),
        tick=_step(pair.precision),
        lot=_step(pair.amount_precision),
        notional_min=pair.min_quote_amount or ZERO,
        fee_tiers=(FeeTier(ZERO, maker, taker),),
    )


def bar_of(candle: wire.Candle, instrument_id: InstrumentId, timeframe: Timeframe, flags: int = 0) -> BarClosed:
    """Return the finished bar; its time is that of its close.

    Raises
    ------
    DataError
        It is not finished, or does not begin where a bar of this length does.
    """
    if not candle.is_closed:
        raise DataError(f"{instrument_id}: the bar that opens at {candle.ts_open} is not finished")
    if candle.ts_open % timeframe.nanos:
        raise DataError(f"{instrument_id}: {candle.ts_open} is no beginning of a bar of {timeframe.value}")
    if not candle.low > ZERO:
        raise DataError(f"{instrument_id}: the bar that opens at {candle.ts_open} has a price of zero")
    return BarClosed(
        instrument_id, candle.ts_open + timeframe.nanos, float(candle.open), float(candle.high), float(candle.low),
        float(candle.close), float(candle.base_volume), flags,
    )  # fmt: skip


def _step(decimals: int) -> Decimal:
    return Decimal((0, (1,), -decimals))


# -- orders


def order_request_of(spec: OrderSpec, pair: wire.Pair, price_worst: Price | None = None) -> OrderRequest:
    """Return the body for a market or limit order.

    A market buy asks for quote units: what its quantity costs at `price_worst`. Where the market is better than that
    it buys MORE base than `spec.quantity`; `bounded_request_of` does not.
    """
    side, amount = spec.side.value.lower(), spec.quantity
    price: str | None = None
    tif: str | None
    if spec.type is OrderType.MARKET:
        kind, tif, amount = "market", spec.time_in_force.value, _market_amount(spec, pair, price_worst)
    elif spec.type is OrderType.LIMIT and spec.limit_price is not None:
        kind, price = "limit", decimal_text(spec.limit_price)
        tif = "poc" if spec.is_post_only else spec.time_in_force.value
        tif = None if tif == "gtc" else tif  # the venue's own default, which other clients leave out, too
    else:
        raise DomainError(f"{spec.order_id}: a {spec.type} order waits for a trigger: use trigger_request_of")
    return OrderRequest(
        text_of(spec.order_id), pair.id, kind, side, decimal_text(amount), price=price, time_in_force=tif
    )


def _market_amount(spec: OrderSpec, pair: wire.Pair, price_worst: Price | None) -> Quantity:
    if spec.side is Side.SELL:
        return spec.quantity
    if price_worst is None:
        raise DomainError(f"{spec.order_id}: a market buy is in quote units and needs the worst price")
    # Downwards, so that no more is spent than was approved; in the decimals that prices have.
    return Quantity((spec.quantity * price_worst).quantize(_step(pair.precision), ROUND_DOWN))


def bounded_request_of(spec: OrderSpec, pair: wire.Pair, price_worst: Price) -> OrderRequest:
    """Return a market order as a limit order that takes what there is up to `price_worst`: exact in base units."""
    tif = spec.time_in_force if spec.time_in_force is not TimeInForce.GTC else TimeInForce.IOC
    return OrderRequest(
        text_of(spec.order_id), pair.id, "limit", spec.side.value.lower(), decimal_text(spec.quantity),
        price=decimal_text(price_worst), time_in_force=tif.value,
    )  # fmt: skip


def trigger_request_of(
    spec: OrderSpec, pair: wire.Pair, price_worst: Price | None = None, expiration_s: int | None = None
) -> TriggerRequest:
    """Return the body for a stop or a target that waits at the venue without binding a balance.

    A stop fires below (sell) or above (buy) the market, a target the other way round. A stop-market buy is in quote
    units, so it needs `price_worst`; a limit order waits as a target at its limit price.
    """
    is_buy, limit = spec.side is Side.BUY, spec.limit_price
    price = spec.trigger_price if spec.trigger_price is not None else limit
    if price is None or spec.type in (OrderType.MARKET, OrderType.TRAILING_STOP):
        raise DomainError(f"{spec.order_id}: a {spec.type} order cannot wait at the venue for a price")
    is_stop = spec.type in (OrderType.STOP_MARKET, OrderType.STOP_LIMIT)
    rule = ">=" if is_stop == is_buy else "<="
    trigger = Trigger(decimal_text(price), rule, expiration_s)
    side, amount = spec.side.value.lower(), spec.quantity
    if limit is not None:
        tif = "ioc" if spec.type is OrderType.LIMIT else _trigger_tif(spec)
        return TriggerRequest(
            trigger, Put("limit", side, decimal_text(limit), decimal_text(amount), time_in_force=tif), pair.id
        )
    amount = _market_amount(spec, pair, price_worst)
    # The price of a market put is not used; the venue wants one all the same.
    put = Put("market", side, decimal_text(price), decimal_text(amount), time_in_force="ioc")
    return TriggerRequest(trigger, put, pair.id)


def _trigger_tif(spec: OrderSpec) -> str:
    return "ioc" if spec.time_in_force is not TimeInForce.GTC else "gtc"


def refusal_of(request: OrderRequest, pair: wire.Pair, price_last: Decimal | None = None) -> str:
    """Return why the venue would not take the order, empty if it would; `price_last` values a market sell."""
    if request.currency_pair != pair.id:
        return f"the order is for {request.currency_pair}, the filters are those of {pair.id}"
    is_buy, is_market = request.side == "buy", request.type == "market"
    if pair.trade_status not in ("tradable", "buyable" if is_buy else "sellable"):
        return f"{pair.id} is {pair.trade_status}"
    amount = Decimal(request.amount)
    price = Decimal(request.price) if request.price is not None else None
    if is_market and request.time_in_force not in ("ioc", "fok"):
        return "a market order must be ioc or fok"
    if not is_market and (price is None or price <= ZERO):
        return "a limit order needs a price"
    if price is not None and _is_finer(price, pair.precision):
        return f"price {request.price} has more than {pair.precision} decimals"
    is_quote_amount = is_market and is_buy
    decimals = pair.precision if is_quote_amount else pair.amount_precision
    if _is_finer(amount, decimals):
        return f"amount {request.amount} has more than {decimals} decimals"
    if amount <= ZERO:
        return "the amount is zero"
    value = price if price is not None else price_last
    quote = amount if is_quote_amount else (None if value is None else amount * value)
    base = None if is_quote_amount else amount
    return _bounds(base, pair.min_base_amount, pair.max_base_amount, pair.base) or _bounds(
        quote, pair.min_quote_amount, pair.max_quote_amount, pair.quote
    )


def _bounds(amount: Decimal | None, least: Decimal | None, most: Decimal | None, asset: str) -> str:
    if amount is None:
        return ""
    if least is not None and amount < least:
        return f"{decimal_text(amount)} {asset} is below the least, {decimal_text(least)}"
    # Zero stands for no bound in some answers, as null does in others.
    if most and amount > most:
        return f"{decimal_text(amount)} {asset} is above the most, {decimal_text(most)}"
    return ""


def _is_finer(value: Decimal, decimals: int) -> bool:
    exponent = value.normalize().as_tuple().exponent
    return not isinstance(exponent, int) or -exponent > decimals


# -- what became of them


class Outcome(Record, frozen=True):
    """What an order and its trades tell: `events` that are new, and whether nothing more is to come."""

    events: tuple[OrderEvent, ...]
    filled: Decimal  # base units, over all its trades
    is_final: bool  # ended, and every one of its trades was seen


def fill_of(
    trade: wire.MyTrade, order_id: OrderId, instrument: Instrument, reference: Price | None = None
) -> OrderFilled:
    """Return the fill. Its fee stays in the currency that it was taken in: base for most buys, GT if so agreed."""
    fee, asset = trade.fee, trade.fee_currency
    if fee == ZERO and trade.gt_fee != ZERO:
        fee, asset = trade.gt_fee, "GT"
    elif fee == ZERO and trade.point_fee != ZERO:
        fee, asset = trade.point_fee, "POINT"
    return OrderFilled(
        order_id=order_id,
        ts_event=trade.ts_event,
        trade_id=trade.trade_id,
        price=Price(trade.price),
        quantity=Quantity(trade.amount),
        fee=Money(fee, Asset(asset or instrument.quote)),
        liquidity=Liquidity.MAKER if trade.role == "maker" else Liquidity.TAKER,
        reference=Price(trade.price) if reference is None else reference,
    )


def outcome_of(
    order: wire.Order, trades: Sequence[wire.MyTrade], order_id: OrderId, instrument: Instrument,
    quantity: Decimal, seen: Collection[str] = (),
) -> Outcome:  # fmt: skip
    """Return what is new about an order, given ALL of its trades so far, those `seen` included.

    `quantity` is what it was to trade in base units: what an ended order leaves of it was cancelled. While trades are
    missing that the order speaks of, no end is told, so that no fill comes after it.
    """
    own = sorted(
        (trade for trade in trades if trade.venue_order_id == order.venue_order_id),
        key=lambda trade: (trade.ts_event, len(trade.trade_id), trade.trade_id),
    )
    unique = {trade.trade_id: trade for trade in own}
    filled = sum((trade.amount for trade in unique.values()), ZERO)
    fills = [fill_of(trade, order_id, instrument) for trade_id, trade in unique.items() if trade_id not in seen]
    events: list[OrderEvent] = list(fills)
    is_final = order.is_final and filled >= _told(order)
    if is_final and filled < quantity:
        events.append(OrderCanceled(order_id, order.ts_updated, cancel_reason_of(order)))
    return Outcome(tuple(events), filled, is_final)


def _told(order: wire.Order) -> Decimal:
    """Return how much the order itself says was filled (base units), as far as it can be known."""
    if order.filled_amount is not None:
        return order.filled_amount
    is_quote = order.type == "market" and order.side == "buy"
    if order.left is not None and not is_quote:
        return max(ZERO, order.amount - order.left)
    # Older answers tell a market buy in quote units only; then any trade at all must do.
    return Decimal("1e-30") if order.filled_total > ZERO else ZERO


def filled_amount(order: wire.Order) -> Decimal:
    """Return how much of an order has traded (base units), as it says itself."""
    if order.filled_amount is not None:
        return order.filled_amount
    if order.left is None or (order.type == "market" and order.side == "buy"):
        return ZERO
    return order.amount - order.left


def cancel_reason_of(order: wire.Order) -> str:
    """Return on whose account the rest of an ended order is gone."""
    ended = order.finish_as
    if ended in ("cancelled", "", "open"):
        return "operator"
    if ended == "filled":
        return "remainder"  # a market buy by value: the quote is spent, the base fell short
    return ended


def grossed_up(quantity: Decimal, fee_rate: Decimal, instrument: Instrument) -> Quantity:
    """Return the lots to buy so that `quantity` is left once the fee was taken in base units."""
    if not ZERO <= fee_rate < ONE:
        raise DomainError(f"fee rate {fee_rate} must lie in [0, 1)")
    exact = quantity / (ONE - fee_rate)
    return Quantity((exact / instrument.lot).to_integral_value(ROUND_UP) * instrument.lot)

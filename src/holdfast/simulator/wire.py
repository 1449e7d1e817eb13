"""The shapes that Gate.io answers in: amounts as plain decimal text, times in its own mixture of texts and numbers."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

import msgspec

from holdfast.core.time import MILLISECOND, SECOND
from holdfast.domain.values import ZERO
from holdfast.simulator.records import (
    BalanceChanged,
    PublicTrade,
    VirtualOrder,
    VirtualTrade,
    VirtualTrigger,
)

Json = dict[str, object]
Levels = Iterable[tuple[Decimal, Decimal]]

_ENCODE: Final = msgspec.json.Encoder().encode
_TEXT_NONE: Final = "apiv4"


def body_of(document: object) -> bytes:
    """Return the JSON of an answer."""
    return _ENCODE(document)


def plain(value: Decimal) -> str:
    """Return a number without exponent and without zeros at its end."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def seconds(ts: int) -> str:
    """Return a time (ns) as whole seconds."""
    return str(ts // SECOND)


def fraction_ms(ts: int) -> str:
    """Return a time (ns) in ms with its fraction, as trades carry it."""
    return f"{ts // MILLISECOND}.{ts % MILLISECOND // 1_000:03d}"


def levels_json(levels: Levels) -> list[list[str]]:
    """Return levels of a book, best first."""
    return [[plain(price), plain(amount)] for price, amount in levels]


def order_json(order: VirtualOrder) -> Json:
    """Return an order as REST and the calls over the websocket give it."""
    document: Json = {
        "id": str(order.id),
        "text": order.text or _TEXT_NONE,
        "amend_text": "-",
        "create_time": seconds(order.ts_create),
        "update_time": seconds(order.ts_update),
        "create_time_ms": order.ts_create // MILLISECOND,
        "update_time_ms": order.ts_update // MILLISECOND,
        "status": order.status,
    }
    document.update(_terms(order))
    document["iceberg"] = "0"
    document.update(_progress(order))
    document.update(
        {"gt_maker_fee": "0", "gt_taker_fee": "0", "gt_discount": False, "stp_id": 0, "stp_act": order.stp_act}
    )
    document["finish_as"] = order.finish_as
    return document


def order_push(order: VirtualOrder, event: str, user: int) -> Json:
    """Return an order as its channel tells of it: times are texts, and `event` stands for the status."""
    document: Json = {
        "id": str(order.id),
        "text": order.text or _TEXT_NONE,
        "create_time": seconds(order.ts_create),
        "update_time": seconds(order.ts_update),
    }
    document.update(_terms(order))
    document.update(_progress(order))
    document.setdefault("avg_deal_price", "0")
    document.update(
        {
            "create_time_ms": str(order.ts_create // MILLISECOND),
            "update_time_ms": str(order.ts_update // MILLISECOND),
            "user": user,
            "event": event,
            "stp_id": 0,
            "stp_act": order.stp_act,
            "finish_as": order.finish_as,
            "biz_info": "-",
            "amend_text": "-",
        }
    )
    return document


def _terms(order: VirtualOrder) -> Json:
    return {
        "currency_pair": order.pair,
        "type": order.type,
        "account": "spot",
        "side": order.side.lower(),
        "amount": plain(order.amount),
        "price": plain(order.price),
        "time_in_force": order.time_in_force,
    }


def _progress(order: VirtualOrder) -> Json:
    base, _, quote = order.pair.partition("_")
    document: Json = {
        "left": plain(order.left),
        "filled_amount": plain(order.filled),
        # So it is called, and it has always been the sum: the mean price stands in `avg_deal_price`.
        "fill_price": plain(order.filled_total),
        "filled_total": plain(order.filled_total),
    }
    if order.filled > ZERO:
        document["avg_deal_price"] = plain(order.filled_total / order.filled)
    is_buy = order.side.lower() == "buy"
    document.update(
        {
            "fee": plain(order.fee),
            "fee_currency": order.fee_currency or (base if is_buy else quote),
            "point_fee": "0",
            "gt_fee": "0",
            "rebated_fee": "0",
            "rebated_fee_currency": quote if is_buy else base,
        }
    )
    return document


def trade_json(trade: VirtualTrade) -> Json:
    """Return an account's trade as REST gives it."""
    return {
        "id": str(trade.id),
        "create_time": seconds(trade.ts),
        "create_time_ms": fraction_ms(trade.ts),
        "currency_pair": trade.pair,
        "side": trade.side.lower(),
        "role": trade.role,
        "amount": plain(trade.quantity),
        "price": plain(trade.price),
        "order_id": str(trade.order_id),
        "fee": plain(trade.fee),
        "fee_currency": trade.fee_currency,
        "point_fee": "0",
        "gt_fee": "0",
        "amend_text": "-",
        "sequence_id": str(trade.id),
        "text": trade.text or _TEXT_NONE,
    }


def trade_push(trade: VirtualTrade, user: int) -> Json:
    """Return an account's trade as its channel tells of it: the id is a number there."""
    return {
        **trade_json(trade),
        "id": trade.id,
        "user_id": user,
        "create_time": trade.ts // SECOND,
    }


def public_trade_json(trade: PublicTrade) -> Json:
    """Return a print of the market as REST gives it."""
    return {
        "id": str(trade.id),
        "create_time": seconds(trade.ts),
        "create_time_ms": fraction_ms(trade.ts),
        "currency_pair": trade.pair,
        "side": trade.side.lower(),
        "amount": plain(trade.quantity),
        "price": plain(trade.price),
        "sequence_id": str(trade.id),
    }


def public_trade_push(trade: PublicTrade) -> Json:
    """Return a print of the market as its channel tells of it."""
    return {
        "id": trade.id,
        "create_time": trade.ts // SECOND,
        "create_time_ms": fraction_ms(trade.ts),
        "side": trade.side.lower(),
        "currency_pair": trade.pair,
        "amount": plain(trade.quantity),
        "price": plain(trade.price),
        "range": f"{trade.id}-{trade.id}",
    }


def balance_push(change: BalanceChanged, user: int, freeze_change: Decimal) -> Json:
    """Return a change of a balance as its channel tells of it; `freeze_change` is how much more is bound."""
    return {
        "timestamp": seconds(change.ts),
        "timestamp_ms": str(change.ts // MILLISECOND),
        "user": str(user),
        "currency": change.asset,
        "change": plain(change.change),
        "total": plain(change.total),
        "available": plain(change.available),
        "freeze": plain(change.total - change.available),
        "freeze_change": plain(freeze_change),
        "change_type": "order-match" if change.change else "order-create" if freeze_change > ZERO else "order-cancel",
    }


def trigger_json(trigger: VirtualTrigger, user: int) -> Json:
    """Return a price-triggered order as REST gives it."""
    ask = trigger.ask
    return {
        "market": ask.pair,
        "user": user,
        "trigger": {"price": plain(ask.trigger_price), "rule": ask.rule, "expiration": ask.expiration_s},
        "put": {
            "type": ask.type,
            "side": ask.side.lower(),
            "price": plain(ask.price),
            "amount": plain(ask.amount),
            "account": "normal",
            "time_in_force": ask.time_in_force,
            "text": "api",
        },
        "id": trigger.id,
        "ctime": trigger.ts_create // SECOND,
        "ftime": trigger.ts_finish // SECOND,
        "fired_order_id": trigger.fired_order_id,
        "status": trigger.status,
        "reason": trigger.reason,
    }


def trigger_push(trigger: VirtualTrigger, user: int) -> Json:
    """Return a price-triggered order as its channel tells of it: without a status."""
    ask = trigger.ask
    base, _, quote = ask.pair.partition("_")
    return {
        "market": ask.pair,
        "uid": str(user),
        "id": str(trigger.id),
        "currency_type": base.lower(),
        "exchange_type": quote.lower(),
        "reason": trigger.reason,
        "err_msg": "",
        "fired_order_id": trigger.fired_order_id,
        "instant_cancel": trigger.status == "cancelled",
        "trigger_price": plain(ask.trigger_price),
        "trigger_rule": ask.rule,
        "trigger_expiration": ask.expiration_s,
        "price": plain(ask.price),
        "amount": plain(ask.amount),
        "source": "api",
        "order_type": ask.type,
        "side": ask.side.lower(),
        "engine_type": "normal",
        "is_stop_order": False,
        "stop_trigger_price": "",
        "stop_trigger_rule": "",
        "stop_price": "",
    }

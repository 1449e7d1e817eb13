"""What an account may ask and do: balances, fees, orders, triggers, the countdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Final, TypeVar

import msgspec

from holdfast.core.time import MILLISECOND, SECOND
from holdfast.domain.values import ZERO, Side
from holdfast.simulator.exchange import VirtualExchange
from holdfast.simulator.orders import need_pair
from holdfast.simulator.public_routes import needed, number
from holdfast.simulator.records import OrderAsk, TriggerAsk, VirtualOrder, VirtualTrigger
from holdfast.simulator.refusal import VenueRefusal
from holdfast.simulator.rest_routes import Call
from holdfast.simulator.triggers import Triggers
from holdfast.simulator.wire import Json, order_json, plain, trade_json, trigger_json


class Venue(msgspec.Struct, frozen=True):
    """What a request acts on."""

    exchange: VirtualExchange
    triggers: Triggers


Handler = Callable[[Venue, Call], object]

Item = TypeVar("Item")

FIRST_UID: Final = 10_000_001
BATCH_MAX: Final = 10
CANCEL_BATCH_MAX: Final = 20
_PAGE_MAX: Final = 1_000_000
_LIMIT_MAX: Final = 1_000
_DIGITS_MAX: Final = 40
_LARGE, _FINE = 15, -15
"""Powers of ten that an amount lies between: beyond them 28 digits are not enough to reckon exactly."""
_SECONDS_MAX: Final = 10_000_000
_SIDES: Final = {"buy": Side.BUY, "sell": Side.SELL}


def uid_of(exchange: VirtualExchange, account: str) -> int:
    """Return the number that the venue has given a customer."""
    return FIRST_UID + list(exchange.accounts).index(account)


# -- reading what was sent


def _text(document: Mapping[str, object], name: str, default: str = "") -> str:
    value = document.get(name)
    if value is None:
        return default
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise _wrong(name, value)
    return str(value)


def _must(document: Mapping[str, object], name: str) -> str:
    found = _text(document, name)
    if not found:
        raise VenueRefusal("MISSING_REQUIRED_PARAM", f"Missing required parameter: {name}")
    return found


def _amount(document: Mapping[str, object], name: str) -> Decimal | None:
    text = _text(document, name)
    if not text:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise _wrong(name, text) from None
    is_sound = len(text) <= _DIGITS_MAX and value.is_finite() and value >= 0 and _FINE <= value.adjusted() < _LARGE
    if value.is_zero():
        return ZERO
    if not is_sound:
        raise _wrong(name, text)
    return value


def _seconds(document: Mapping[str, object], name: str) -> int | None:
    value = _amount(document, name)
    if value is not None and (value > _SECONDS_MAX or value % 1):
        raise _wrong(name, value)
    return None if value is None else int(value)


def _side(document: Mapping[str, object]) -> Side:
    name = _must(document, "side")
    if name not in _SIDES:
        raise _wrong("side", name)
    return _SIDES[name]


def _wrong(name: str, value: object) -> VenueRefusal:
    return VenueRefusal("INVALID_PARAM_VALUE", f"Invalid parameter `{name}` with value: {str(value)[:40]}")


def _order_ask(document: Mapping[str, object]) -> OrderAsk:
    account = _text(document, "account", "spot")
    if account not in ("spot", "unified"):
        raise VenueRefusal("MARGIN_NOT_SUPPORTED", "There is no margin here")
    kind = _text(document, "type", "limit")
    amount = _amount(document, "amount")
    if amount is None:
        raise VenueRefusal("MISSING_REQUIRED_PARAM", "Missing required parameter: amount")
    price = _amount(document, "price") if kind == "limit" else None
    return OrderAsk(
        _must(document, "currency_pair"), _side(document), kind, amount, price,
        _text(document, "time_in_force", "gtc"), _text(document, "text"), _text(document, "stp_act") or "-",
    )  # fmt: skip


def ask_of(call: Call) -> OrderAsk:
    """Return what a request to place one order asks for."""
    return _order_ask(call.document())


# -- orders


def _place(venue: Venue, call: Call) -> Json:
    return order_json(venue.exchange.place(call.account, ask_of(call)))


def _place_batch(venue: Venue, call: Call) -> list[Json]:
    documents = call.documents()
    if not 1 <= len(documents) <= BATCH_MAX:
        raise VenueRefusal("TOO_MANY_ORDERS", f"a batch has 1 to {BATCH_MAX} orders")
    if any(not _text(document, "text") for document in documents):
        raise VenueRefusal("MISSING_REQUIRED_PARAM", "Missing required parameter: text")

    def placed(document: Mapping[str, object]) -> Json:
        return order_json(venue.exchange.place(call.account, _order_ask(document)))

    return [_outcome(document, placed) for document in documents]


def _outcome(document: Mapping[str, object], act: Callable[[Mapping[str, object]], Json]) -> Json:
    """Return what became of one of several; the others do not suffer from it."""
    try:
        return {**act(document), "succeeded": True, "label": "", "message": ""}
    except VenueRefusal as refusal:
        return {
            "text": _text(document, "text"), "id": _text(document, "id") or _text(document, "order_id"),
            "currency_pair": _text(document, "currency_pair"),
            "succeeded": False, "label": refusal.label, "message": refusal.message,
        }  # fmt: skip


def _found(exchange: VirtualExchange, account: str, name: str, pair: str) -> VirtualOrder:
    need_pair(exchange.markets, pair)
    order = exchange.find(account, name)
    if order.pair != pair:
        raise VenueRefusal("ORDER_NOT_FOUND", "Order not found", 404)
    return order


def _order(venue: Venue, call: Call) -> Json:
    return order_json(_found(venue.exchange, call.account, call.name, needed(call.parameters, "currency_pair")))


def _cancel(venue: Venue, call: Call) -> Json:
    order = _found(venue.exchange, call.account, call.name, needed(call.parameters, "currency_pair"))
    return order_json(venue.exchange.cancel(call.account, order.id))


def _cancel_all(venue: Venue, call: Call) -> list[Json]:
    pair, side = call.parameters.get("currency_pair", ""), call.parameters.get("side", "")
    if pair:
        need_pair(venue.exchange.markets, pair)
    if side and side not in _SIDES:
        raise _wrong("side", side)
    resting = venue.exchange.open_orders(call.account, pair, _SIDES.get(side))
    return [
        {**order_json(venue.exchange.cancel(call.account, order.id)), "succeeded": True, "label": "", "message": ""}
        for order in resting
    ]


def _cancel_batch(venue: Venue, call: Call) -> list[Json]:
    documents = call.documents()
    if not 1 <= len(documents) <= CANCEL_BATCH_MAX:
        raise VenueRefusal("TOO_MANY_ORDERS", f"a batch has 1 to {CANCEL_BATCH_MAX} orders")
    found: list[Json] = []
    for document in documents:
        pair, name = _must(document, "currency_pair"), _must(document, "id")
        line: Json = {"currency_pair": pair, "id": name, "text": "", "account": "spot"}
        try:
            order = venue.exchange.cancel(call.account, _found(venue.exchange, call.account, name, pair).id)
            line.update(id=str(order.id), text=order.text, succeeded=True, label="", message="")
        except VenueRefusal as refusal:
            line.update(succeeded=False, label=refusal.label, message=refusal.message)
        found.append(line)
    return found


def _amend_one(exchange: VirtualExchange, call: Call, name: str, document: Mapping[str, object], pair: str) -> Json:
    order = _found(exchange, call.account, name, pair)
    price, amount = _amount(document, "price"), _amount(document, "amount")
    if price is None and amount is None:
        raise VenueRefusal("MISSING_REQUIRED_PARAM", "Missing required parameter: price or amount")
    amend_text = _text(document, "amend_text") or "-"
    return {**order_json(exchange.amend(call.account, order.id, price, amount)), "amend_text": amend_text}


def _amend(venue: Venue, call: Call) -> Json:
    document = call.document()
    pair = call.parameters.get("currency_pair") or _must(document, "currency_pair")
    return _amend_one(venue.exchange, call, call.name, document, pair)


def _amend_batch(venue: Venue, call: Call) -> list[Json]:
    documents = call.documents()
    if not 1 <= len(documents) <= BATCH_MAX:
        raise VenueRefusal("TOO_MANY_ORDERS", f"a batch has 1 to {BATCH_MAX} orders")

    def amended(document: Mapping[str, object]) -> Json:
        return _amend_one(venue.exchange, call, _must(document, "order_id"), document, _must(document, "currency_pair"))

    return [_outcome(document, amended) for document in documents]


def _open_orders(venue: Venue, call: Call) -> list[Json]:
    by_pair: dict[str, list[Json]] = {}
    for order in reversed(venue.exchange.open_orders(call.account)):
        by_pair.setdefault(order.pair, []).append(order_json(order))
    return [
        {"currency_pair": pair, "total": len(orders), "orders": _page(call, orders)} for pair, orders in by_pair.items()
    ]


def _orders(venue: Venue, call: Call) -> list[Json]:
    parameters = call.parameters
    pair, status = needed(parameters, "currency_pair"), needed(parameters, "status")
    need_pair(venue.exchange.markets, pair)
    if status not in ("open", "finished"):
        raise _wrong("status", status)
    side = parameters.get("side", "")
    ts_from = number(parameters, "from", 0, 1 << 40) * SECOND
    ts_to = number(parameters, "to", 1 << 33, 1 << 40) * SECOND + SECOND
    found = [
        order
        for order in reversed(venue.exchange.orders.values())
        if order.account == call.account
        and order.pair == pair
        and order.is_open is (status == "open")
        and side in ("", order.side.lower())
        and ts_from <= order.ts_create < ts_to
    ]
    return [order_json(order) for order in _page(call, found)]


def _my_trades(venue: Venue, call: Call) -> list[Json]:
    parameters = call.parameters
    pair, order_id = parameters.get("currency_pair", ""), parameters.get("order_id", "")
    if pair:
        need_pair(venue.exchange.markets, pair)
    ts_from = number(parameters, "from", 0, 1 << 40) * SECOND
    ts_to = number(parameters, "to", 1 << 33, 1 << 40) * SECOND + SECOND
    found = [
        trade
        for trade in reversed(venue.exchange.trades)
        if trade.account == call.account
        and pair in ("", trade.pair)
        and order_id in ("", str(trade.order_id))
        and ts_from <= trade.ts < ts_to
    ]
    return [trade_json(trade) for trade in _page(call, found)]


def _page(call: Call, found: list[Item]) -> list[Item]:
    limit = number(call.parameters, "limit", 100, _LIMIT_MAX) or 100
    first = (max(number(call.parameters, "page", 1, _PAGE_MAX), 1) - 1) * limit
    return found[first : first + limit]


# -- triggers and the countdown


def _trigger_ask(call: Call) -> TriggerAsk:
    document = call.document()
    trigger, put = document.get("trigger"), document.get("put")
    if not isinstance(trigger, dict) or not isinstance(put, dict):
        raise VenueRefusal("MISSING_REQUIRED_PARAM", "Missing required parameter: trigger, put")
    expiration = _seconds(trigger, "expiration") or 0
    return TriggerAsk(
        _must(document, "market"), _must(trigger, "rule"), _amount(trigger, "price") or ZERO, _side(put),
        _text(put, "type", "limit"), _amount(put, "amount") or ZERO, _amount(put, "price") or ZERO,
        _text(put, "time_in_force", "gtc"), expiration,
    )  # fmt: skip


def _place_trigger(venue: Venue, call: Call) -> Json:
    trigger = venue.triggers.place(call.account, _trigger_ask(call))
    return {"id": trigger.id, "id_string": str(trigger.id)}


def _trigger(venue: Venue, call: Call) -> Json:
    return _trigger_json(venue.exchange, venue.triggers.find(call.account, _id(call.name)))


def _list_triggers(venue: Venue, call: Call) -> list[Json]:
    parameters = call.parameters
    status = needed(parameters, "status")
    if status not in ("open", "finished"):
        raise _wrong("status", status)
    found = venue.triggers.listed(call.account, status == "open", parameters.get("market", ""))
    first, limit = number(parameters, "offset", 0, _PAGE_MAX), number(parameters, "limit", 100, _LIMIT_MAX) or 100
    return [_trigger_json(venue.exchange, trigger) for trigger in found[first : first + limit]]


def _cancel_trigger(venue: Venue, call: Call) -> Json:
    return _trigger_json(venue.exchange, venue.triggers.cancel(call.account, _id(call.name)))


def _cancel_triggers(venue: Venue, call: Call) -> list[Json]:
    found = venue.triggers.listed(call.account, True, call.parameters.get("market", ""))
    return [_trigger_json(venue.exchange, venue.triggers.cancel(call.account, trigger.id)) for trigger in found]


def _trigger_json(exchange: VirtualExchange, trigger: VirtualTrigger) -> Json:
    return trigger_json(trigger, uid_of(exchange, trigger.account))


def _id(name: str) -> int:
    if not (name.isascii() and name.isdecimal() and len(name) < 20):
        raise _wrong("order_id", name)
    return int(name)


def _countdown(venue: Venue, call: Call) -> Json:
    document = call.document()
    timeout = _seconds(document, "timeout")
    if timeout is None:
        raise VenueRefusal("MISSING_REQUIRED_PARAM", "Missing required parameter: timeout")
    pair = _text(document, "currency_pair")
    if pair:
        need_pair(venue.exchange.markets, pair)
    falls = venue.triggers.count_down(call.account, timeout, pair)
    return {"triggerTime": str(falls // MILLISECOND)}


# -- the account


def _accounts(venue: Venue, call: Call) -> list[Json]:
    wanted = call.parameters.get("currency", "")
    held = venue.exchange.purse.holdings.get(call.account, {})
    return [
        {"currency": asset, "available": plain(one.available), "locked": plain(one.locked), "update_id": 1}
        for asset, one in sorted(held.items())
        if wanted in ("", asset)
    ]


def _fee_json(exchange: VirtualExchange, account: str, pair: str) -> Json:
    spec = need_pair(exchange.markets, pair or next(iter(exchange.markets))).spec
    document: Json = {
        "user_id": uid_of(exchange, account),
        "taker_fee": plain(spec.fee_taker), "maker_fee": plain(spec.fee_maker),
        "gt_discount": False, "gt_taker_fee": "0", "gt_maker_fee": "0", "loan_fee": "0", "point_type": "0",
    }  # fmt: skip
    return {**document, "currency_pair": pair} if pair else document


def _fee(venue: Venue, call: Call) -> Json:
    return _fee_json(venue.exchange, call.account, call.parameters.get("currency_pair", ""))


def _batch_fee(venue: Venue, call: Call) -> Json:
    pairs = needed(call.parameters, "currency_pairs").split(",")
    return {pair: _fee_json(venue.exchange, call.account, pair) for pair in pairs[:50]}


def _wallet_fee(venue: Venue, call: Call) -> Json:
    document = _fee_json(venue.exchange, call.account, call.parameters.get("currency_pair", ""))
    document.pop("currency_pair", None)
    for name in ("futures_taker_fee", "futures_maker_fee", "delivery_taker_fee", "delivery_maker_fee"):
        document[name] = "0"
    return document


def _detail(venue: Venue, call: Call) -> Json:
    return {
        "user_id": uid_of(venue.exchange, call.account), "ip_whitelist": ["127.0.0.1"], "currency_pairs": [],
        "key": {"mode": 1}, "tier": 0, "copy_trading_role": 0,
    }  # fmt: skip


def _main_keys(venue: Venue, call: Call) -> Json:
    account = venue.exchange.accounts[call.account]
    perms: list[Json] = [{"name": "spot", "read_only": account.is_read_only}]
    if account.can_withdraw:
        perms.append({"name": "wallet", "read_only": False})
    return {
        "state": 1, "mode": 1, "name": "simulated", "user_id": uid_of(venue.exchange, call.account),
        "ip_whitelist": ["127.0.0.1"], "currency_pairs": [], "perms": perms, "key": {"mode": 1},
    }  # fmt: skip


def _debit_fee(_venue: Venue, _call: Call) -> Json:
    return {"enabled": False}


PRIVATE: Final[Mapping[str, Handler]] = {
    "GET /spot/accounts": _accounts,
    "GET /spot/fee": _fee,
    "GET /spot/batch_fee": _batch_fee,
    "GET /wallet/fee": _wallet_fee,
    "GET /account/detail": _detail,
    "GET /account/main_keys": _main_keys,
    "GET /account/debit_fee": _debit_fee,
    "GET /spot/open_orders": _open_orders,
    "GET /spot/orders": _orders,
    "GET /spot/orders/{order_id}": _order,
    "GET /spot/my_trades": _my_trades,
    "GET /spot/price_orders": _list_triggers,
    "GET /spot/price_orders/{order_id}": _trigger,
    "POST /spot/orders": _place,
    "POST /spot/batch_orders": _place_batch,
    "POST /spot/cancel_batch_orders": _cancel_batch,
    "POST /spot/amend_batch_orders": _amend_batch,
    "PATCH /spot/orders/{order_id}": _amend,
    "DELETE /spot/orders": _cancel_all,
    "DELETE /spot/orders/{order_id}": _cancel,
    "POST /spot/price_orders": _place_trigger,
    "DELETE /spot/price_orders": _cancel_triggers,
    "DELETE /spot/price_orders/{order_id}": _cancel_trigger,
    "POST /spot/countdown_cancel_all": _countdown,
}
"""What needs a key."""

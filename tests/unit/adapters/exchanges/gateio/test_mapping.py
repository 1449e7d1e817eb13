"""From the venue's shapes to ours and back: nothing is rounded in a direction that costs money."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.adapters.exchanges.gateio import wire
from holdfast.adapters.exchanges.gateio.mapping import (
    bar_of,
    bounded_request_of,
    decimal_text,
    fill_of,
    grossed_up,
    instrument_id_of,
    instrument_of,
    interval_of,
    order_id_of,
    order_request_of,
    outcome_of,
    pair_of,
    refusal_of,
    text_of,
    trigger_request_of,
)
from holdfast.adapters.exchanges.gateio.requests import OrderRequest
from holdfast.core.errors import ConfigurationError, DataError, DomainError
from holdfast.core.time import MINUTE, SECOND
from holdfast.domain.market import Timeframe
from holdfast.domain.order import Liquidity, Order, OrderCanceled, OrderFilled, OrderSpec, OrderType, Role, TimeInForce
from holdfast.domain.values import Asset, InstrumentId, Money, OrderId, Price, Quantity, Side

ID = InstrumentId("BTC/USDT.GATEIO")
OID = OrderId("hf7k2m9q-12s")
PAIR = wire.Pair(
    id="BTC_USDT",
    base="BTC",
    quote="USDT",
    amount_precision=6,
    precision=1,
    fee=Decimal("0.2"),
    min_base_amount=Decimal("0.00001"),
    min_quote_amount=Decimal(3),
    max_base_amount=Decimal(100),
    max_quote_amount=Decimal(5_000_000),
)
BTC = instrument_of(PAIR)


def spec(kind: OrderType = OrderType.LIMIT, side: Side = Side.BUY, quantity: str = "0.5", **more: object) -> OrderSpec:
    if kind is OrderType.LIMIT:
        more.setdefault("limit_price", Price(Decimal("50000.5")))
    if kind is OrderType.MARKET:
        more.setdefault("time_in_force", TimeInForce.IOC)
    return OrderSpec(OID, ID, side, kind, Quantity(Decimal(quantity)), Role.ENTRY, **more)


def test_instrument_has_grid_bounds_and_fees_of_the_pair():
    assert (BTC.id, BTC.base, BTC.quote) == (ID, "BTC", "USDT")
    assert (BTC.tick, BTC.lot, BTC.notional_min) == (Decimal("0.1"), Decimal("0.000001"), Decimal(3))
    assert BTC.fees().taker == Decimal("0.002")


def test_own_fee_rates_go_before_those_of_the_pair():
    fee = wire.Fee(taker_fee=Decimal("0.0009"), maker_fee=Decimal("-0.0001"))
    assert instrument_of(PAIR, fee).fees().maker == Decimal("-0.0001")


@pytest.mark.parametrize("pair", ["BTC_USDT", "BTC3L_USDT", "A_B_USDT"])
def test_pairs_come_back_from_their_instrument(pair: str):
    assert pair_of(instrument_id_of(pair)) == pair


@pytest.mark.parametrize("name", ["BTC", "_USDT", "BTC_", ""])
def test_what_is_no_pair_is_refused(name: str):
    with pytest.raises(DataError):
        instrument_id_of(name)


def test_instrument_of_another_venue_is_refused():
    with pytest.raises(DomainError):
        pair_of(InstrumentId("BTC/USDT.BINANCE"))


@given(st.text("abcdefghijklmnopqrstuvwxyzABC0123456789_.-", min_size=1, max_size=28))
def test_client_ids_come_back(text: str):
    assert order_id_of(text_of(OrderId(text))) == text


@pytest.mark.parametrize("order_id", ["", "x" * 29, "a b", "ä", "a/b", "a\n"])
def test_order_id_that_the_venue_would_refuse_is_refused(order_id: str):
    with pytest.raises(DomainError):
        text_of(OrderId(order_id))


@pytest.mark.parametrize("text", ["web", "api", "", "app", "-"])
def test_order_of_somebody_else_has_no_id_of_ours(text: str):
    assert order_id_of(text) == ""


@given(st.decimals("0.000000000001", "999999999999", allow_nan=False, places=12))
def test_text_of_a_number_has_no_exponent_and_is_the_number(value: Decimal):
    text = decimal_text(value)
    assert Decimal(text) == value
    assert "E" not in text
    assert not ("." in text and text.endswith("0"))


def test_whole_hundreds_keep_their_zeros():
    assert decimal_text(Decimal("1E+3")) == "1000"
    assert decimal_text(Decimal("1000.00")) == "1000"


# -- requests


def test_limit_order():
    request = order_request_of(spec(), PAIR)
    assert (request.text, request.price, request.amount) == ("t-hf7k2m9q-12s", "50000.5", "0.5")
    assert request.time_in_force is None


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"is_post_only": True}, "poc"),
        ({"time_in_force": TimeInForce.IOC}, "ioc"),
        ({"time_in_force": TimeInForce.FOK}, "fok"),
    ],
)
def test_time_in_force_of_a_limit_order(more: dict, expected: str):
    assert order_request_of(spec(**more), PAIR).time_in_force == expected


def test_market_buy_is_in_quote_units_and_rounded_down():
    request = order_request_of(spec(OrderType.MARKET, quantity="0.000123"), PAIR, Price(Decimal("50000.5")))
    assert (request.amount, request.price, request.time_in_force) == ("6.1", None, "ioc")


def test_market_buy_without_a_worst_price_is_refused():
    with pytest.raises(DomainError, match="worst price"):
        order_request_of(spec(OrderType.MARKET), PAIR)


def test_market_sell_is_in_base_units():
    assert order_request_of(spec(OrderType.MARKET, Side.SELL), PAIR).amount == "0.5"


def test_bounded_market_buy_is_exact_in_base_units():
    request = bounded_request_of(spec(OrderType.MARKET), PAIR, Price(Decimal(51000)))
    assert (request.type, request.amount, request.price, request.time_in_force) == ("limit", "0.5", "51000", "ioc")


@pytest.mark.parametrize(
    ("kind", "side", "rule"),
    [
        (OrderType.STOP_MARKET, Side.SELL, "<="),
        (OrderType.STOP_MARKET, Side.BUY, ">="),
        (OrderType.TAKE_PROFIT, Side.SELL, ">="),
        (OrderType.TAKE_PROFIT, Side.BUY, "<="),
    ],
)
def test_trigger_waits_on_its_side(kind: OrderType, side: Side, rule: str):
    request = trigger_request_of(spec(kind, side, trigger_price=Price(Decimal(100))), PAIR, Price(Decimal(101)))
    assert (request.trigger.rule, request.trigger.price, request.market) == (rule, "100", "BTC_USDT")
    assert (request.put.type, request.put.account, request.put.time_in_force) == ("market", "normal", "ioc")
    assert request.put.amount == ("0.5" if side is Side.SELL else "50.5")


def test_target_waits_as_a_limit_order_at_its_price():
    request = trigger_request_of(spec(side=Side.SELL), PAIR)
    assert (request.trigger.rule, request.trigger.price) == (">=", "50000.5")
    assert (request.put.type, request.put.price, request.put.time_in_force) == ("limit", "50000.5", "ioc")


def test_types_go_only_where_they_belong():
    with pytest.raises(DomainError):
        order_request_of(spec(OrderType.STOP_MARKET, trigger_price=Price(Decimal(1))), PAIR)
    with pytest.raises(DomainError):
        trigger_request_of(spec(OrderType.MARKET), PAIR)
    with pytest.raises(DomainError):
        trigger_request_of(
            spec(OrderType.TRAILING_STOP, trigger_price=Price(Decimal(1)), trail_offset=Decimal(1)), PAIR
        )


# -- filters


def request(amount: str = "0.5", price: str | None = "50000.5", **more: str) -> OrderRequest:
    fields = {"currency_pair": "BTC_USDT", "type": "limit", "side": "buy", **more}
    return OrderRequest(text="t-a", amount=amount, price=price, **fields)


MARKET_BUY = {"type": "market", "time_in_force": "ioc"}


@pytest.mark.parametrize(
    "order",
    [
        *(request(), request("0.00006", "50000"), request("100", "50000"), request("0.500000", "50000.50")),
        *(request("3", None, **MARKET_BUY), request("5000000", None, **MARKET_BUY)),
        request("0.5", None, type="market", side="sell", time_in_force="fok"),
    ],
)
def test_order_within_the_filters_passes(order: OrderRequest):
    assert refusal_of(order, PAIR) == ""


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (request("0.000009", "400000"), "below the least"),
        (request("0.00005", "50000"), "below the least"),
        (request("100.000001", "1"), "above the most"),
        (request("100", "50000.1"), "above the most"),
        (request("0.0000001"), "more than 6 decimals"),
        (request(price="1.01"), "more than 1 decimals"),
        (request(price=None), "needs a price"),
        (request(price="0"), "needs a price"),
        (request("0"), "zero"),
        (request("2.9", None, **MARKET_BUY), "below the least"),
        (request("5000000.1", None, **MARKET_BUY), "above the most"),
        (request("3.01", None, **MARKET_BUY), "more than 1 decimals"),
        (request("3", None, type="market"), "ioc or fok"),
        (request(currency_pair="ETH_USDT"), "filters are those of BTC_USDT"),
    ],
)
def test_order_outside_a_filter_is_refused(order: OrderRequest, words: str):
    assert words in refusal_of(order, PAIR)


def test_market_sell_is_valued_at_the_last_price():
    order = request("0.00002", None, type="market", side="sell", time_in_force="ioc")
    assert "below the least" in refusal_of(order, PAIR, Decimal(50_000))
    assert refusal_of(order, PAIR, Decimal(200_000)) == ""


@pytest.mark.parametrize(
    ("status", "may_buy", "may_sell"),
    [("tradable", True, True), ("buyable", True, False), ("sellable", False, True), ("untradable", False, False)],
)
def test_trade_status_decides_by_side(status: str, may_buy: bool, may_sell: bool):
    pair = wire.Pair(id="BTC_USDT", base="BTC", quote="USDT", amount_precision=6, precision=1, trade_status=status)
    assert (refusal_of(request(), pair) == "") is may_buy
    assert (refusal_of(request(side="sell"), pair) == "") is may_sell


# -- what became of them


def trade(number: int, amount: str, price: str = "50000", order_id: str = "9", **more: object) -> wire.MyTrade:
    fields = {"fee": Decimal("0.0001"), "fee_currency": "BTC", "create_time_ms": Decimal(1_700_000_000_000 + number)}
    return wire.MyTrade(
        id=str(number),
        order_id=order_id,
        side="buy",
        amount=Decimal(amount),
        price=Decimal(price),
        **{**fields, **more},
    )


def order(status: str = "closed", filled: str = "0.5", finish_as: str = "filled", **more: object) -> wire.Order:
    return wire.Order(
        id="9", status=status, side="buy", amount=Decimal("0.5"), left=Decimal("0.5") - Decimal(filled),
        filled_amount=Decimal(filled), finish_as=finish_as, update_time_ms=Decimal(1_700_000_009_000), **more,
    )  # fmt: skip


HALF = Decimal("0.5")


def test_fee_in_base_stays_in_base():
    fill = fill_of(trade(1, "0.5"), OID, BTC)
    assert fill.fee == Money(Decimal("0.0001"), Asset("BTC"))
    assert (fill.price, fill.quantity, fill.liquidity) == (Decimal(50_000), HALF, Liquidity.TAKER)
    assert fill.ts_event == 1_700_000_000_001_000_000


def test_fee_taken_in_gt_or_points_is_told_so():
    assert fill_of(trade(1, "1", fee=Decimal(0), gt_fee=Decimal(2)), OID, BTC).fee == Money(Decimal(2), Asset("GT"))
    assert fill_of(trade(1, "1", fee=Decimal(0), point_fee=Decimal(3)), OID, BTC).fee.asset == "POINT"


def test_filled_order_gives_its_fills_in_order_and_no_end():
    outcome = outcome_of(order(), [trade(2, "0.2"), trade(1, "0.3")], OID, BTC, HALF)
    assert [fill.trade_id for fill in outcome.events] == ["1", "2"]
    assert (outcome.filled, outcome.is_final) == (HALF, True)


def test_events_are_ones_that_an_order_admits():
    state = Order.sent(spec())
    for event in outcome_of(order("cancelled", "0.3", "ioc"), [trade(1, "0.3")], OID, BTC, HALF).events:
        state = state.apply(event)
    assert (state.state, state.reason, state.filled) == ("CANCELED", "ioc", Decimal("0.3"))


def test_seen_and_doubled_trades_are_not_told_again():
    trades = [trade(1, "0.3"), trade(2, "0.2"), trade(2, "0.2"), trade(3, "7", order_id="10")]
    outcome = outcome_of(order(), trades, OID, BTC, HALF, seen={"1"})
    assert [type(event) for event in outcome.events] == [OrderFilled]
    assert (outcome.filled, outcome.is_final) == (HALF, True)


def test_end_waits_for_the_trades_that_the_order_speaks_of():
    outcome = outcome_of(order("cancelled", "0.3", "cancelled"), [trade(1, "0.2")], OID, BTC, HALF)
    assert [type(event) for event in outcome.events] == [OrderFilled]
    assert not outcome.is_final


@pytest.mark.parametrize(
    ("finish_as", "reason"), [("cancelled", "operator"), ("ioc", "ioc"), ("fok", "fok"), ("poc", "poc"), ("stp", "stp")]
)
def test_what_is_left_is_cancelled_with_its_reason(finish_as: str, reason: str):
    outcome = outcome_of(order("cancelled", "0", finish_as), [], OID, BTC, HALF)
    assert outcome.events == (OrderCanceled(OID, 1_700_000_009 * SECOND, reason),)


def test_open_order_has_no_end():
    assert outcome_of(order("open", "0", "open"), [], OID, BTC, HALF) == outcome_of(
        order("", "0", ""), [], OID, BTC, HALF
    )
    assert not outcome_of(order("open", "0", "open"), [], OID, BTC, HALF).is_final


def test_market_buy_that_got_less_base_than_asked_ends_as_cancelled():
    bought = order("closed", "0.49", "filled", type="market")
    events = outcome_of(bought, [trade(1, "0.49")], OID, BTC, HALF).events
    assert isinstance(events[-1], OrderCanceled)
    assert events[-1].reason == "remainder"


def test_old_market_buy_without_filled_amount_waits_for_a_trade():
    bought = wire.Order(id="9", status="closed", side="buy", type="market", filled_total=Decimal(5), finish_as="filled")
    assert not outcome_of(bought, [], OID, BTC, HALF).is_final


@given(st.decimals("0.000001", "1000", places=6), st.decimals("0", "0.01", places=5))
def test_grossed_up_quantity_leaves_what_was_asked(quantity: Decimal, rate: Decimal):
    bought = grossed_up(quantity, rate, BTC)
    assert bought * (1 - rate) >= quantity
    assert (bought - BTC.lot) * (1 - rate) < quantity


# -- bars


def candle(**changes: object) -> wire.Candle:
    fields = {"time": Decimal(1_717_246_800), "closed": "true", "base_volume": Decimal("17.5")}
    prices = {"open": Decimal(2), "high": Decimal(4), "low": Decimal(1), "close": Decimal(3)}
    return wire.Candle(quote_volume=Decimal(1), **{**fields, **prices, **changes})


def test_bar_has_the_time_of_its_close():
    bar = bar_of(candle(), ID, Timeframe.M1)
    assert bar.ts_event == 1_717_246_800 * SECOND + MINUTE
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (2.0, 4.0, 1.0, 3.0, 17.5)


@pytest.mark.parametrize(
    "changes", [{"closed": "false"}, {"time": Decimal(1_717_246_801)}, {"low": Decimal(0)}], ids=["open", "off", "zero"]
)
def test_bar_that_is_none_is_refused(changes: dict):
    with pytest.raises(DataError):
        bar_of(candle(**changes), ID, Timeframe.M1)


def test_bars_that_the_venue_lacks_are_refused_by_name():
    assert interval_of(Timeframe.H1) == "1h"
    for timeframe in (Timeframe.M3, Timeframe.H6, Timeframe.H12, Timeframe.W1):
        with pytest.raises(ConfigurationError, match=timeframe.value):
            interval_of(timeframe)


def test_an_account_beside_another_has_a_name_of_its_own_and_the_same_pairs():
    name = instrument_id_of("BTC_USDT", ".GATEIO-SAVINGS")
    assert name == "BTC/USDT.GATEIO-SAVINGS"
    assert pair_of(name) == "BTC_USDT"
    assert instrument_of(PAIR, None, ".GATEIO-SAVINGS").id.endswith("USDT.GATEIO-SAVINGS")
    with pytest.raises(DomainError):
        pair_of(InstrumentId("BTC/USDT.GATEIOX"))

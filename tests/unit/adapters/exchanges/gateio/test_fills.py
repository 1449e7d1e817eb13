"""Trades become fills: whole lots, fees in quote, and the cash of the venue to the last digit."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from holdfast.adapters.exchanges.gateio.mapping import grossed_up
from holdfast.adapters.exchanges.gateio.wire import MyTrade
from holdfast.domain.values import OrderId
from holdfast.domain.venue_fills import fills_of
from holdfast.testing.builders import make_instrument

BTC = make_instrument("BTC/USDT.GATEIO", lot="0.0001")
ID = OrderId("hf-1p")


def dec(value: str) -> Decimal:
    return Decimal(value)


def trade(number: int, amount: str, price: str, fee: str = "0", coin: str = "BTC", side: str = "buy") -> MyTrade:
    return MyTrade(
        id=number, order_id=7, side=side, amount=dec(amount), price=dec(price),
        create_time=Decimal(1_700_000_000 + number), fee=dec(fee), fee_currency=coin,
    )  # fmt: skip


def test_a_fee_in_base_leaves_what_was_asked_and_is_paid_in_quote():
    (fill,) = fills_of([trade(1, "1.0011", "100", "0.0010011")], ID, BTC, dec("1"))
    assert (fill.quantity, fill.price, fill.fee.asset) == (1, 100, "USDT")
    assert fill.quantity * fill.price + fill.fee.amount == dec("100.11"), "what was spent"


def test_what_is_less_than_a_lot_goes_with_the_next_trade():
    fills = fills_of([trade(1, "0.00005", "100"), trade(2, "0.00015", "110")], ID, BTC, dec("0.0002"))
    (fill,) = fills
    assert (fill.trade_id, fill.quantity) == ("2", dec("0.0002"))
    assert fill.quantity * fill.price + fill.fee.amount == dec("0.00005") * 100 + dec("0.00015") * 110


def test_a_sale_keeps_its_fee_in_quote_as_it_is():
    fills = fills_of(
        [trade(2, "0.4", "90", "0.036", "USDT", "sell"), trade(1, "0.6", "91", "0.0546", "USDT", "sell")], ID, BTC,
        dec("1"),
    )  # fmt: skip
    assert [(fill.trade_id, fill.quantity, fill.fee.amount) for fill in fills] == [
        ("1", dec("0.6"), dec("0.0546")), ("2", dec("0.4"), dec("0.036"))
    ]  # fmt: skip


def test_a_fee_that_is_taken_in_another_coin_costs_no_quote():
    (fill,) = fills_of([trade(1, "1", "100", "0.5", "GT")], ID, BTC, dec("1"))
    assert fill.fee.amount == 0


def test_a_trade_that_comes_twice_counts_once():
    one = trade(1, "1", "100")
    assert fills_of([one, one], ID, BTC, dec("1")) == fills_of([one], ID, BTC, dec("1"))


LOTS = st.integers(1, 10_000).map(lambda lots: lots * BTC.lot)


PARTS = st.lists(st.tuples(st.integers(1, 100), st.integers(9_000, 11_000)), min_size=1, max_size=6)


@given(LOTS, PARTS, st.booleans())
def test_whatever_the_parts_the_cash_is_exact_and_nothing_is_bought_too_much(
    quantity: Decimal, parts: list[tuple[int, int]], is_free: bool
):
    rate = Decimal(0) if is_free else Decimal("0.001")
    bought, total = grossed_up(quantity, rate, BTC), sum(weight for weight, _ in parts)
    trades, left = [], Decimal(bought)
    for number, (weight, cents) in enumerate(parts):
        is_last = number == len(parts) - 1
        amount = left if is_last else (bought * weight / total).quantize(Decimal("1e-7"))
        left -= amount
        if amount > 0:
            trades.append(trade(number, str(amount), str(Decimal(cents) / 100), str(amount * rate)))
    fills = fills_of(trades, ID, BTC, quantity)
    assert sum(fill.quantity for fill in fills) == quantity
    assert all(fill.quantity > 0 and fill.quantity % BTC.lot == 0 for fill in fills)
    spent = sum(x.amount * x.price for x in trades)
    last = trades.index(next(x for x in trades if x.trade_id == fills[-1].trade_id))
    told = sum(x.amount * x.price for x in trades[: last + 1])
    assert sum(fill.quantity * fill.price + fill.fee.amount for fill in fills) == told
    assert spent - told <= Decimal("0.0001") * 110 * len(trades), "what came after the last whole lot is dust"
    for stop in range(len(trades)):
        before = fills_of(trades[:stop], ID, BTC, quantity)
        assert fills[: len(before)] == before, "a later trade changes no earlier fill"

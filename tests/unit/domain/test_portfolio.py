"""What fills make of money and positions: every balance worked out by hand, and books that contradict each other."""

from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.errors import CurrencyMismatchError, DomainError
from holdfast.domain.instrument import Instrument, Market
from holdfast.domain.ledger import Account, Ledger, Transfer
from holdfast.domain.order import Liquidity, Order, OrderFilled, OrderSpec, OrderType, Role, TimeInForce
from holdfast.domain.portfolio import Portfolio, Position
from holdfast.domain.values import Asset, InstrumentId, Money, OrderId, Price, Quantity, Side, VenueCash
from holdfast.testing.builders import make_instrument

EXTERNAL, AVAILABLE, TRADING, FEES = Account.EXTERNAL, Account.AVAILABLE, Account.TRADING, Account.FEES
AAA, BBB, USDT = Asset("AAA"), Asset("BBB"), Asset("USDT")
SPOT = make_instrument("AAA/USDT.TEST")
PERPETUAL = make_instrument("AAA/USDT:PERP.TEST", market=Market.PERPETUAL)
OTHER = make_instrument("BBB/USDT.TEST")


def account(*instruments: Instrument) -> Portfolio:
    return Portfolio(USDT, Decimal(1000), instruments or (SPOT,))


def trade(
    portfolio: Portfolio, side: Side, quantity: str, price: str, fee: str = "0", instrument: Instrument = SPOT
) -> Position:
    size = Quantity(Decimal(quantity))
    spec = OrderSpec(
        OrderId("o-1"), instrument.id, side, OrderType.MARKET, size, Role.ENTRY, time_in_force=TimeInForce.IOC
    )
    filled = Price(Decimal(price))
    fill = OrderFilled(
        OrderId("o-1"), 1, "t-1", filled, size, Money(Decimal(fee), USDT), Liquidity.TAKER, filled
    )  # fmt: skip
    return portfolio.apply(Order.of(spec), fill)


def balances(portfolio: Portfolio) -> dict[tuple[Account, Asset], Decimal]:
    return {name: amount for name, amount in portfolio.ledger.balances().items() if amount}


def test_an_account_begins_with_its_capital_from_outside():
    portfolio = account()
    assert balances(portfolio) == {(EXTERNAL, USDT): -1000, (AVAILABLE, USDT): 1000}
    assert portfolio.cash == 1000
    assert portfolio.positions == {SPOT.id: Position(SPOT.id)}


def test_a_purchase_pays_quote_and_brings_base():
    portfolio = account()
    position = trade(portfolio, Side.BUY, "3", "100")
    assert balances(portfolio) == {
        (EXTERNAL, USDT): -1000, (AVAILABLE, USDT): 700, (TRADING, USDT): 300,
        (AVAILABLE, AAA): 3, (TRADING, AAA): -3,
    }  # fmt: skip
    assert position == Position(SPOT.id, Decimal(3), Decimal(100))


def test_a_sale_brings_quote_and_takes_base():
    portfolio = account()
    trade(portfolio, Side.BUY, "3", "100")
    position = trade(portfolio, Side.SELL, "1", "130")
    assert balances(portfolio) == {
        (EXTERNAL, USDT): -1000, (AVAILABLE, USDT): 830, (TRADING, USDT): 170,
        (AVAILABLE, AAA): 2, (TRADING, AAA): -2,
    }  # fmt: skip
    assert position == Position(SPOT.id, Decimal(2), Decimal(100), Decimal(30))


def test_a_round_trip_leaves_its_gain_less_its_fees_and_no_base():
    portfolio = account()
    trade(portfolio, Side.BUY, "3", "100", "0.3")
    position = trade(portfolio, Side.SELL, "3", "110", "0.33")
    assert balances(portfolio) == {
        (EXTERNAL, USDT): -1000, (AVAILABLE, USDT): Decimal("1029.37"), (TRADING, USDT): -30,
        (FEES, USDT): Decimal("0.63"),
    }  # fmt: skip
    assert position == Position(SPOT.id, Decimal(0), Decimal(0), Decimal(30), Decimal("0.63"))


def test_a_rebate_is_paid_to_us():
    portfolio = account()
    position = trade(portfolio, Side.BUY, "2", "100", "-0.05")
    assert portfolio.cash == Decimal("800.05")
    assert portfolio.ledger.balance(FEES, USDT) == Decimal("-0.05")
    assert position.fees == Decimal("-0.05")


def test_buying_more_pays_the_mean_price():
    portfolio = account()
    trade(portfolio, Side.BUY, "1", "100")
    position = trade(portfolio, Side.BUY, "3", "120")
    assert (position.quantity, position.entry_price, position.realized) == (4, 115, 0)
    assert portfolio.cash == 540
    assert portfolio.ledger.balance(AVAILABLE, AAA) == 4


def test_a_short_owes_base_and_gains_as_the_price_falls():
    portfolio = account(PERPETUAL)
    position = trade(portfolio, Side.SELL, "2", "100", "0.2", PERPETUAL)
    assert balances(portfolio) == {
        (EXTERNAL, USDT): -1000, (AVAILABLE, USDT): Decimal("1199.8"), (TRADING, USDT): -200,
        (FEES, USDT): Decimal("0.2"), (AVAILABLE, AAA): -2, (TRADING, AAA): 2,
    }  # fmt: skip
    assert position == Position(PERPETUAL.id, Decimal(-2), Decimal(100), Decimal(0), Decimal("0.2"))
    assert position.unrealized(Decimal(90)) == 20
    assert portfolio.equity({PERPETUAL.id: Decimal(90)}) == Decimal("1019.8")
    closed = trade(portfolio, Side.BUY, "2", "90", "0.18", PERPETUAL)
    assert closed == Position(PERPETUAL.id, Decimal(0), Decimal(0), Decimal(20), Decimal("0.38"))
    assert portfolio.cash == Decimal("1019.62")
    assert portfolio.ledger.balance(AVAILABLE, AAA) == 0


def test_a_fill_across_zero_closes_first_and_opens_the_rest():
    portfolio = account(PERPETUAL)
    trade(portfolio, Side.BUY, "2", "100", instrument=PERPETUAL)
    position = trade(portfolio, Side.SELL, "5", "110", instrument=PERPETUAL)
    assert position == Position(PERPETUAL.id, Decimal(-3), Decimal(110), Decimal(20))
    assert balances(portfolio) == {
        (EXTERNAL, USDT): -1000, (AVAILABLE, USDT): 1350, (TRADING, USDT): -350,
        (AVAILABLE, AAA): -3, (TRADING, AAA): 3,
    }  # fmt: skip
    position = trade(portfolio, Side.BUY, "4", "100", instrument=PERPETUAL)
    assert position == Position(PERPETUAL.id, Decimal(1), Decimal(100), Decimal(50))
    assert portfolio.cash == 950
    assert portfolio.ledger.balance(AVAILABLE, AAA) == 1


def test_instruments_of_one_base_share_its_balance():
    portfolio = account(SPOT, PERPETUAL, OTHER)
    trade(portfolio, Side.BUY, "3", "100")
    trade(portfolio, Side.SELL, "1", "100", instrument=PERPETUAL)
    trade(portfolio, Side.BUY, "7", "10", instrument=OTHER)
    assert portfolio.ledger.balance(AVAILABLE, AAA) == 2
    assert portfolio.ledger.balance(AVAILABLE, BBB) == 7
    assert portfolio.differences() == ()


def test_a_fee_in_another_asset_is_refused_before_anything_is_booked():
    portfolio = account()
    spec = OrderSpec(
        OrderId("o-1"), SPOT.id, Side.BUY, OrderType.MARKET, Quantity(Decimal(1)), Role.ENTRY,
        time_in_force=TimeInForce.IOC,
    )  # fmt: skip
    price = Price(Decimal(100))
    fee = Money(Decimal(1), AAA)
    fill = OrderFilled(OrderId("o-1"), 1, "t-1", price, Quantity(Decimal(1)), fee, Liquidity.TAKER, price)
    with pytest.raises(CurrencyMismatchError, match="fee of t-1 is in AAA, expected USDT"):
        portfolio.apply(Order.of(spec), fill)
    assert balances(portfolio) == balances(account())


# -- books that contradict each other --------------------------------------------------------------------------------


def busy() -> Portfolio:
    portfolio = account(SPOT, OTHER)
    trade(portfolio, Side.BUY, "3", "100", "0.3")
    trade(portfolio, Side.SELL, "1", "110", "0.11")
    trade(portfolio, Side.BUY, "7", "10", "-0.07", OTHER)
    return portfolio


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(Side), st.decimals("0.0001", "50", places=4), st.decimals("0.01", "900", places=2),
            st.decimals("-2", "2", places=6), st.sampled_from([SPOT, PERPETUAL, OTHER]),
        ),
        max_size=30,
    )
)  # fmt: skip
def test_books_agree_after_whatever_was_filled(steps):
    portfolio = account(SPOT, PERPETUAL, OTHER)
    for side, quantity, price, fee, instrument in steps:
        trade(portfolio, side, str(quantity), str(price), str(fee), instrument)
    assert portfolio.differences() == ()
    portfolio.require_agreement()


def moved(debit: Account, credit: Account, asset: Asset, amount: str) -> Callable[[Portfolio], None]:
    return lambda portfolio: portfolio.ledger.post(Transfer(debit, credit, asset, Decimal(amount), "wrong"))


def changed(name: InstrumentId, **changes: str) -> Callable[[Portfolio], None]:
    def change(portfolio: Portfolio) -> None:
        numbers = {key: Decimal(value) for key, value in changes.items()}
        portfolio.positions[name] = msgspec.structs.replace(portfolio.positions[name], **numbers)

    return change


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (moved(AVAILABLE, TRADING, AAA, "4"), "the ledger holds -2 AAA, the positions 2"),
        (moved(TRADING, AVAILABLE, BBB, "0.0001"), "the ledger holds 7.0001 BBB, the positions 7"),
        (moved(TRADING, AVAILABLE, Asset("CCC"), "1"), "the ledger holds 1 CCC, the positions 0"),
        (moved(AVAILABLE, TRADING, USDT, "1"), "the ledger holds 738.66 USDT, the positions come to 739.66"),
        (moved(EXTERNAL, AVAILABLE, USDT, "1"), "the ledger holds 740.66 USDT, the positions come to 739.66"),
        (moved(TRADING, FEES, USDT, "0.1"), "the ledger has paid 0.44 USDT of fees, the positions 0.34"),
        (changed(SPOT.id, quantity="2.5"), "the ledger holds 2 AAA, the positions 2.5"),
        (changed(SPOT.id, realized="11"), "the ledger holds 739.66 USDT, the positions come to 740.66"),
        (lambda p: p.positions.pop(OTHER.id), "the account trades BBB/USDT.TEST, and has no position of it"),
        (
            lambda p: p.positions.update({PERPETUAL.id: Position(PERPETUAL.id)}),
            "there is a position of AAA/USDT:PERP.TEST, which the account does not trade",
        ),
    ],
)  # fmt: skip
def test_books_that_contradict_each_other_are_found_and_stop_everything(spoil, told):
    portfolio = busy()
    portfolio.require_agreement()
    spoil(portfolio)
    assert told in portfolio.differences()
    with pytest.raises(DomainError, match="contradict each other") as error:
        portfolio.require_agreement()
    assert told in str(error.value)
    assert "holdfast journal" in error.value.hint


def test_a_purchase_booked_the_wrong_way_round_is_found(monkeypatch):
    """Debit and credit of the base swapped: cash, position and the sum over all accounts are right all the same."""
    post = Ledger.post

    def swapped(self, transfer):
        is_base = transfer.asset != USDT and transfer.credit is AVAILABLE
        debit, credit = (AVAILABLE, TRADING) if is_base else (transfer.debit, transfer.credit)
        post(self, msgspec.structs.replace(transfer, debit=debit, credit=credit))

    monkeypatch.setattr(Ledger, "post", swapped)
    portfolio = account()
    trade(portfolio, Side.BUY, "3", "100", "0.3")
    assert portfolio.differences() == ("the ledger holds -3 AAA, the positions 3",)


# -- several venues ----------------------------------------------------------------------------------------------------

HERE, THERE = make_instrument("AAA/USDT.HERE"), make_instrument("AAA/USDT.THERE")


def split(here: str = "600", there: str = "400", *instruments: Instrument) -> Portfolio:
    parts = (VenueCash("HERE", Decimal(here)), VenueCash("THERE", Decimal(there)))
    return Portfolio(USDT, Decimal(1000), instruments or (HERE, THERE), parts)


def test_a_fill_moves_cash_at_its_venue_alone():
    portfolio = split()
    trade(portfolio, Side.BUY, "3", "100", "0.3", HERE)
    trade(portfolio, Side.BUY, "2", "100", "-0.1", THERE)
    trade(portfolio, Side.SELL, "1", "110", "0.11", THERE)
    assert portfolio.cash_at == {"HERE": Decimal("299.7"), "THERE": Decimal("309.99")}
    assert sum(portfolio.cash_at.values()) == portfolio.cash
    assert portfolio.ledger.balance(AVAILABLE, AAA) == 4, "one asset, over all venues"
    assert portfolio.differences() == ()


def test_one_account_has_no_venues():
    portfolio = account()
    trade(portfolio, Side.BUY, "3", "100")
    assert portfolio.cash_at == {}


def test_parts_that_are_not_the_capital_are_refused():
    with pytest.raises(DomainError, match="not all of the capital"):
        split(there="399")
    with pytest.raises(DomainError, match="where no capital lies"):
        split("600", "400", SPOT)


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(Side), st.decimals("0.0001", "50", places=4), st.decimals("0.01", "900", places=2),
            st.decimals("-2", "2", places=6), st.sampled_from([HERE, THERE]),
        ),
        max_size=30,
    )
)  # fmt: skip
def test_cash_at_the_venues_is_all_the_cash_whatever_was_filled(steps):
    portfolio = split()
    for side, quantity, price, fee, instrument in steps:
        trade(portfolio, side, str(quantity), str(price), str(fee), instrument)
    assert sum(portfolio.cash_at.values()) == portfolio.cash
    assert portfolio.differences() == ()


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda p: p.cash_at.update(HERE=p.cash_at["HERE"] - 1), "the ledger holds 699.7 USDT, the venues 698.7"),
        (
            lambda p: p.cash_at.update(HERE=p.cash_at["HERE"] - 1, THERE=p.cash_at["THERE"] + 1),
            "298.7 USDT lie at HERE, the positions there come to 299.7",
        ),
        (lambda p: p.cash_at.pop("THERE"), "there is cash at ['HERE'], the capital lies at ['HERE', 'THERE']"),
    ],
)
def test_cash_that_lies_at_another_venue_than_its_trades_is_found(spoil, told):
    portfolio = split()
    trade(portfolio, Side.BUY, "3", "100", "0.3", HERE)
    spoil(portfolio)
    assert told in portfolio.differences()

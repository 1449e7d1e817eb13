"""What a venue takes, what it refuses, and what it binds."""

from decimal import Decimal

import pytest
from tests.unit.matching.conftest import BASE, IDEAL, QUOTE, TAKER, Room, brief, dec, make_instrument

from holdfast.core.errors import ConfigurationError, DataError
from holdfast.core.time import MINUTE
from holdfast.domain.instrument import Market
from holdfast.domain.market import BarClosed
from holdfast.domain.order import OrderAccepted, OrderRejected, OrderSpec, OrderType, Role
from holdfast.domain.values import Asset, InstrumentId, OrderId, Side
from holdfast.matching.checks import Rejection
from holdfast.matching.config import MatchingConfig
from holdfast.matching.costs import slippage_max
from holdfast.matching.venue import Venue

LIMIT, STOP, MARKET = OrderType.LIMIT, OrderType.STOP_MARKET, OrderType.MARKET
BUY, SELL = Side.BUY, Side.SELL


def answer(room: Room, spec: OrderSpec) -> str:
    (event,) = room.venue.place(spec, room.now)
    return event.reason if isinstance(event, OrderRejected) else type(event).__name__


def test_an_order_is_accepted_under_a_number_of_the_venue(room: Room):
    spec = room.spec(LIMIT, BUY, limit=100)
    assert room.venue.place(spec, 7) == (OrderAccepted(spec.order_id, 7, "V1"),)
    assert room.venue.open_orders() == (spec.order_id,)


def test_the_same_order_id_is_refused_while_it_rests_and_after_it_is_gone(room: Room):
    spec = room.spec(LIMIT, BUY, limit=100)
    assert answer(room, spec) == "OrderAccepted"
    assert answer(room, spec) == Rejection.DUPLICATE
    room.venue.cancel(spec.order_id, 1, "operator")
    assert answer(room, spec) == Rejection.DUPLICATE
    assert room.venue.open_orders() == ()


def test_an_id_that_was_refused_is_free_again(room: Room):
    wrong = room.spec(LIMIT, BUY, limit="100.001", order_id=OrderId("x"))
    right = room.spec(LIMIT, BUY, limit=100, order_id=OrderId("x"))
    assert answer(room, wrong) == Rejection.OFF_TICK
    assert answer(room, right) == "OrderAccepted"


def test_an_unknown_instrument_is_refused(room: Room):
    spec = room.spec(LIMIT, BUY, limit=100, instrument_id=InstrumentId("ZZZ/USDT.TEST"))
    assert answer(room, spec) == Rejection.UNKNOWN_INSTRUMENT


@pytest.mark.parametrize(
    ("kind", "side", "off", "on"),
    [
        (LIMIT, BUY, {"limit": "99.995"}, {"limit": "99.99"}),
        (STOP, SELL, {"trigger": "0.001"}, {"trigger": "0.01"}),
        (OrderType.STOP_LIMIT, SELL, {"trigger": 90, "limit": "89.999"}, {"trigger": 90, "limit": "89.99"}),
        (OrderType.TAKE_PROFIT, SELL, {"trigger": "110.005"}, {"trigger": "110.01"}),
        (OrderType.TRAILING_STOP, SELL, {"trigger": 90, "offset": "1.001"}, {"trigger": 90, "offset": "1.01"}),
        (OrderType.TRAILING_STOP, SELL, {"trigger": 90, "offset": 0}, {"trigger": 90, "offset": "0.01"}),
        (OrderType.TRAILING_STOP, SELL, {"trigger": 90, "offset": -1}, {"trigger": 90, "offset": 1}),
    ],
)
def test_prices_lie_on_the_tick(room: Room, kind: OrderType, side: Side, off: dict, on: dict):
    assert answer(room, room.spec(kind, side, **off)) == Rejection.OFF_TICK
    assert answer(room, room.spec(kind, side, **on)) == "OrderAccepted"


def test_quantities_lie_on_the_lot(room: Room):
    assert answer(room, room.spec(LIMIT, SELL, "1.0005", limit=100)) == Rejection.OFF_LOT
    assert answer(room, room.spec(LIMIT, SELL, "1.001", limit=100)) == "OrderAccepted"


def test_an_entry_is_worth_the_minimum_at_least(room: Room):
    assert answer(room, room.spec(LIMIT, BUY, "0.049", limit=100)) == Rejection.BELOW_MINIMUM
    assert answer(room, room.spec(LIMIT, BUY, "0.05", limit=100)) == "OrderAccepted"


def test_a_market_entry_is_valued_at_the_last_price(room: Room):
    assert answer(room, room.spec(MARKET, BUY, "0.001")) == "OrderAccepted", "no price known, nothing to compare with"
    room.play(100, 100, 100, 100)
    assert answer(room, room.spec(MARKET, BUY, "0.049")) == Rejection.BELOW_MINIMUM
    assert answer(room, room.spec(MARKET, BUY, "0.05")) == "OrderAccepted"


def test_the_rest_of_a_position_stays_closable_below_the_minimum(room: Room):
    room.play(100, 100, 100, 100)
    for kind, terms in ((LIMIT, {"limit": 100}), (STOP, {"trigger": 90}), (MARKET, {})):
        assert answer(room, room.spec(kind, SELL, "0.001", **terms)) == "OrderAccepted"


def test_a_purchase_needs_its_price_and_its_fee(room: Room):
    # 99.80 x 100 x 1.002 = 9,999.96; one tick more is 10,000.962.
    assert answer(room, room.spec(LIMIT, BUY, 100, limit="99.81")) == Rejection.BALANCE
    assert answer(room, room.spec(LIMIT, BUY, 100, limit="99.80")) == "OrderAccepted"
    assert room.venue._account.available(QUOTE) == dec("0.04")


def test_a_sale_needs_what_it_sells(room: Room):
    assert answer(room, room.spec(LIMIT, SELL, "10.001", limit=100)) == Rejection.BALANCE
    assert answer(room, room.spec(LIMIT, SELL, 10, limit=100)) == "OrderAccepted"
    assert answer(room, room.spec(LIMIT, SELL, "0.001", limit=100)) == Rejection.BALANCE


def test_what_one_order_binds_is_missing_to_the_next_until_it_is_gone(room: Room):
    first = room.limit_buy(60, 100)
    assert answer(room, room.spec(LIMIT, BUY, 50, limit=100)) == Rejection.BALANCE
    room.venue.cancel(first, room.now, "operator")
    assert answer(room, room.spec(LIMIT, BUY, 50, limit=100)) == "OrderAccepted"


def test_a_market_purchase_binds_the_last_price_and_what_slippage_may_take(room: Room):
    room.play(100, 100, 100, 100)
    room.buy(50)
    assert room.venue._account.held(QUOTE) == 5_000 * (1 + TAKER)


def test_what_is_bound_for_a_market_purchase_includes_the_slippage():
    room = Room(MatchingConfig())
    room.play(100, 100, 100, 100)
    room.buy(10)
    assert room.venue._account.held(QUOTE) == 1_000 * (1 + slippage_max(MatchingConfig())) * (1 + TAKER)


def test_the_last_coin_can_be_bound():
    room = Room(balances={QUOTE: 90 * (1 + TAKER)})
    room.limit_buy(90)
    assert room.venue._account.available(QUOTE) == 0


def test_an_empty_account_buys_nothing_even_before_a_price_is_known():
    room = Room(balances={QUOTE: dec(0)})
    assert answer(room, room.spec(MARKET, BUY, 1)) == Rejection.BALANCE


def test_the_orders_of_a_group_bind_once(room: Room):
    room.stop(90, 10, group="g")
    room.target(110, 10, group="g")
    assert room.venue._account.held(BASE) == 10
    assert answer(room, room.spec(LIMIT, SELL, 1, limit=120, group="h")) == Rejection.BALANCE


def test_a_group_binds_no_more_than_its_orders_ask_for(room: Room):
    room.target(110, 3, group="g")
    room.target(111, 4, group="g")
    assert room.venue._account.held(BASE) == 4, "what they share is what the largest asks for"
    room.stop(90, 10, group="g")
    assert room.venue._account.held(BASE) == 10


def test_a_group_trades_one_way(room: Room):
    room.stop(90, 1, group="g")
    assert answer(room, room.spec(LIMIT, BUY, 1, limit=80, group="g")) == Rejection.GROUP
    assert answer(room, room.spec(LIMIT, BUY, 1, limit=80, group="h")) == "OrderAccepted"


def test_spot_cannot_be_sold_short():
    room = Room(balances={QUOTE: dec(10_000)})
    assert answer(room, room.spec(MARKET, SELL, 1, role=Role.ENTRY)) == Rejection.BALANCE


def test_a_short_of_a_perpetual_binds_its_value_in_quote():
    room = Room(market=Market.PERPETUAL, balances={QUOTE: dec(1_000)})
    assert answer(room, room.spec(LIMIT, SELL, 10, limit=100, role=Role.ENTRY)) == Rejection.BALANCE, (
        "the fee is missing"
    )
    assert answer(room, room.spec(LIMIT, SELL, 9, limit=100, role=Role.ENTRY)) == "OrderAccepted"
    assert room.venue._account.held(QUOTE) == 900 * (1 + TAKER)


def test_what_reduces_a_perpetual_needs_a_position():
    room = Room(market=Market.PERPETUAL, balances={QUOTE: dec(1_000)})
    assert answer(room, room.spec(STOP, SELL, 1, trigger=90, role=Role.STOP)) == Rejection.BALANCE
    assert answer(room, room.spec(STOP, BUY, 1, trigger=110, role=Role.STOP)) == Rejection.BALANCE


def test_balances_start_as_given_and_cannot_be_negative(room: Room):
    assert room.venue.balances() == {QUOTE: dec(10_000), BASE: dec(10)}
    with pytest.raises(ConfigurationError, match="-1 USDT"):
        Room(balances={QUOTE: dec(-1)})


def test_the_length_of_the_bars_must_be_known():
    first, second = make_instrument(), make_instrument(name="BBB")
    with pytest.raises(ConfigurationError, match="BBB"):
        Venue((first, second), {first.id: MINUTE}, IDEAL, {})
    with pytest.raises(ConfigurationError, match="found 0 ns"):
        Venue((first,), 0, IDEAL, {})


def test_instruments_with_bars_of_different_length_live_in_one_account():
    short, long = make_instrument(), make_instrument(name="BBB")
    venue = Venue((short, long), {short.id: MINUTE, long.id: 5 * MINUTE}, IDEAL, {QUOTE: dec(1_000)})
    spec = Room().spec(MARKET, BUY, 1, instrument_id=long.id)
    venue.place(spec, 10 * MINUTE)
    (fill,) = venue.open_phase(BarClosed(long.id, 15 * MINUTE, 100.0, 100.0, 100.0, 100.0, 10.0))
    assert fill.ts_event == 10 * MINUTE
    assert venue.balances() == {QUOTE: dec(1_000) - 100 * (1 + TAKER), Asset("BBB"): Decimal(1)}
    assert brief([fill]) == ["o1 filled 1 at 100"]


def test_a_bar_of_an_instrument_that_the_venue_does_not_trade_is_named():
    venue = Venue([make_instrument()], MINUTE, IDEAL, {QUOTE: dec(1_000)})
    stranger = BarClosed(InstrumentId("BBB/USDT.TEST"), MINUTE, 1.0, 1.0, 1.0, 1.0, 1.0)
    for phase in (venue.open_phase, venue.range_phase, lambda bar: venue.levels(bar.instrument_id)):
        with pytest.raises(DataError, match=r"a bar of BBB/USDT\.TEST came to a venue that does not trade it"):
            phase(stranger)
